"""Elements of struct arrays as results: which of them count, how they are searched as rows, how they become rows.

An element is one struct of a row's array. It is known by its row and its place in the array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus.expr import BoundExpr, select
from elanus.expr.bound import And, Quantifier, StructMatch
from elanus.expr.evaluation.structs import Structs
from elanus.expr.evaluation.subset import Subset
from elanus.index.base import VectorIndex
from elanus.model.bitset import SCATTERED, Bitset
from elanus.model.columns import Column, take
from elanus.model.errors import InvalidParameter
from elanus.model.hits import Hits
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field, Schema
from elanus.model.types import Metric
from elanus.query.candidates import Candidates
from elanus.query.order import ranks_of
from elanus.query.places import inverse
from elanus.query.request import ElementCursor
from elanus.query.result import ElementRuns
from elanus.query.select import Selected
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned

ELEMENT_SCOPE: Final = "element_scope"
STRATEGIES: Final = ("max", "sum", "avg", "topk_sum", "topk_avg")

# --- which elements count ---


def element_filter_of(expression: BoundExpr | None) -> StructMatch | None:
    """Return what a filter asks of elements by ``element_filter``, None when it asks nothing of them.

    raises  InvalidParameter where a row may pass without it: then nothing says which of the row's elements count
    """
    items = expression.items if isinstance(expression, And) else () if expression is None else (expression,)
    found = next((item for item in items if _is_element_filter(item)), None)
    if found is None and expression is not None and any(map(_is_element_filter, expression.leaves())):
        raise InvalidParameter(
            "element filter expression can only be the last expression in the logical and expression"
        )
    return found if isinstance(found, StructMatch) else None


def element_filter_for(
    schema: Schema, field: Field, metric: Metric, expression: BoundExpr | None
) -> StructMatch | None:
    """Return what a search's filter asks of elements, None when it asks nothing of them.

    raises  InvalidParameter unless the search is for elements of the same struct array
    """
    asked = element_filter_of(expression)
    if asked is not None and (metric.is_of_lists or schema.by_id(asked.sub_field).struct != field.struct):
        raise InvalidParameter(
            "element_filter is only supported for element-level search on vector sub-fields of the same struct array"
        )
    return asked


def _is_element_filter(item: BoundExpr) -> bool:
    return isinstance(item, StructMatch) and item.quantifier is Quantifier.FILTER


@dataclass(frozen=True, slots=True)
class Matching:
    """The elements of some rows that satisfy an element filter.

    elements  int64 [n], ascending, counted through all rows
    offsets   int64 [rows + 1], where each row's elements begin
    """

    elements: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, segment: SegmentReader, rows: Bitset | None, asked: StructMatch) -> Matching:
        """Return what matches among the elements of ``rows``, None for all rows; where those are few, no others are
        looked at.
        """
        whole = Structs(segment, asked.sub_field)
        if rows is not None and rows.count() * SCATTERED < segment.num_rows:
            few = rows.rows()
            inside = Structs(Subset(segment, few), asked.sub_field)
            found = select(asked.predicate, inside).rows()
            owners = np.searchsorted(inside.offsets, found, side="right") - 1
            return cls(found - inside.offsets[owners] + whole.offsets[few[owners]], whole.offsets)
        elements = select(asked.predicate, whole).rows()
        if rows is not None:
            elements = elements[rows.mask()[_owners(whole.offsets, elements)]]
        return cls(elements, whole.offsets)

    def owners(self) -> NDArray[np.int64]:
        """Return the row of each element."""
        return _owners(self.offsets, self.elements)


def _owners(offsets: NDArray[np.int64], elements: NDArray[np.int64]) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.searchsorted(offsets, elements, side="right") - 1
    return rows


# --- a search for elements ---


class ElementRows:
    """The elements of a segment in place of its rows, for whatever searches rows. See ``VectorRows``."""

    def __init__(self, segment: SegmentReader, field: Field) -> None:
        self._segment = segment
        self._elements = segment.elements(field)
        self.id = segment.id
        self.num_rows = len(self._elements)
        self.sorted_by_key = segment.sorted_by_key

    def kept(self, rows: Bitset | None, asked: StructMatch | None) -> Bitset | None:
        """Return the elements that may be found, None for all: those of some rows that an element filter lets through.

        rows  None for all
        """
        if asked is None:
            return self._elements.of_rows(rows)
        matching = Matching.of(self._segment, rows, asked)
        return Bitset.from_rows(matching.elements, self.num_rows, ascending=True)

    def hits(self, found: Hits) -> Hits:
        """Return hits among elements as rows and places in their arrays."""
        owners = self._elements.owners(found.rows)
        places = found.rows - self._elements.offsets[owners]
        none = found.rows < 0
        return Hits(np.where(none, -1, owners), found.distances, np.where(none, -1, places))

    def base(self, _field: Field) -> Vectors:
        """Return the vectors, an element each."""
        return self._elements.vectors

    def valid(self, _field: Field) -> Bitset | None:
        """Return None: every element has a vector."""

    def index(self, index: IndexInfo) -> VectorIndex | None:
        """Return the built index over the elements, None when they must be scanned."""
        return self._segment.index(index)

    def column(self, field_id: int) -> Column:
        """Return a field's value of each element's row."""
        return self._segment.column(field_id).take(self._elements.owners(np.arange(self.num_rows)))

    def by_key(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return elements in the order of their rows' primary keys, those of a row by place."""
        ascending = np.sort(rows)
        owners = self._elements.owners(ascending)
        distinct = np.unique(owners)
        in_order = self._segment.by_key(distinct)
        rank = inverse(np.searchsorted(distinct, in_order))
        ordered: NDArray[np.int64] = ascending[np.argsort(rank[np.searchsorted(distinct, owners)], kind="stable")]
        return ordered


# --- a query for elements ---


def select_elements(
    pinned: Iterable[Pinned],
    primary: Field,
    asked: StructMatch,
    offset: int,
    limit: int | None,
    *,
    after: ElementCursor | None = None,
) -> tuple[Selected, ElementRuns]:
    """Return the page ``offset .. offset + limit`` of the elements in scope that satisfy an element filter.

    pinned   segments and the rows that pass the whole filter, None for all
    after    an element that came before: it and those ahead of it in its row are left out
    returns  the elements' rows, ascending by primary key, and which elements of each
    """
    segments: list[SegmentReader] = []
    parts, rows, places = ([np.zeros(0, dtype=np.int64)] for _ in range(3))
    keys = []
    for segment, kept in pinned:
        matching = Matching.of(segment, kept, asked)
        owners = matching.owners()
        parts.append(np.full(len(owners), len(segments), dtype=np.int64))
        rows.append(owners)
        places.append(matching.elements - matching.offsets[owners])
        keys.append(take(segment.column(primary.id).data, owners))
        segments.append(segment)
    part, row, place = map(np.concatenate, (parts, rows, places))
    order = np.lexsort((place, ranks_of(pa.concat_arrays(keys)))) if keys else part
    if keys and after is not None:
        last = pa.scalar(after.key).cast(keys[0].type)
        same = pc.equal(pa.concat_arrays(keys), last).to_numpy(zero_copy_only=False)
        order = order[~(same & (place <= after.place))[order]]
    page = order[offset : None if limit is None else offset + limit]
    return _grouped(segments, part[page], row[page], place[page])


def _grouped(
    segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[Selected, ElementRuns]:
    """Return each row once; the elements of a row stand together."""
    begins = np.ones(len(rows), dtype=np.bool_)
    begins[1:] = (parts[1:] != parts[:-1]) | (rows[1:] != rows[:-1])
    firsts = np.flatnonzero(begins)
    counts = np.diff(firsts, append=len(rows))
    return Selected(segments, parts[firsts], rows[firsts]), ElementRuns(counts, places)


# --- elements become rows ---


@dataclass(frozen=True, slots=True)
class Collapse:
    """The stage that makes one hit of a row's elements. See ``Stage``.

    strategy  ``max``: the best element's; ``sum`` and ``avg`` of all that were found; ``topk_sum`` and ``topk_avg`` of
              the best ``topk``
    """

    strategy: str = "max"
    topk: int = 0

    def apply(self, candidates: Candidates) -> Candidates:
        """Return each query's rows by their new distance; candidates that are rows already stay as they are."""
        if candidates.elements is None:
            return candidates
        query = candidates.query
        order = np.lexsort((candidates.distances, candidates.rows, candidates.parts, query))
        sorted_by_row = np.stack((query, candidates.parts, candidates.rows))[:, order]
        begins = np.ones(len(order), dtype=np.bool_)
        begins[1:] = (sorted_by_row[:, 1:] != sorted_by_row[:, :-1]).any(axis=0)
        firsts = np.flatnonzero(begins)
        distances = self._collapsed(candidates.distances[order].astype(np.float64), begins, firsts)
        rows = candidates.take(order[firsts])
        return replace(rows, distances=distances.astype(np.float32), elements=None).ordered()

    def _collapsed(
        self, distances: NDArray[np.float64], begins: NDArray[np.bool_], firsts: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the distance of each row, float64 [rows], from those of its elements, best first."""
        if self.strategy == "max" or not len(firsts):
            return distances[firsts]
        place = np.arange(len(distances)) - firsts[np.cumsum(begins) - 1]
        counted = place < self.topk if self.strategy.startswith("topk") else np.ones(len(place), dtype=np.bool_)
        sums: NDArray[np.float64] = np.add.reduceat(np.where(counted, distances, 0.0), firsts)
        return sums / np.add.reduceat(counted, firsts, dtype=np.int64) if self.strategy.endswith("avg") else sums


def parse_collapse(params: Mapping[str, Any], metric: Metric) -> Collapse | None:
    """Return what ``element_scope`` among a search's parameters asks for, None when it isn't there.

    raises  InvalidParameter for a shape, a strategy or a topk that can't be
    """
    if ELEMENT_SCOPE not in params:
        return None
    scope = params[ELEMENT_SCOPE]
    asked = scope.get("collapse") if isinstance(scope, Mapping) else None
    if not isinstance(asked, Mapping):
        raise InvalidParameter(f'{ELEMENT_SCOPE} should be {{"collapse": {{"strategy": ...}}}}, got: {scope}')
    strategy = asked.get("strategy", "max")
    if strategy not in STRATEGIES:
        listed = ", ".join(STRATEGIES)
        raise InvalidParameter(f"{ELEMENT_SCOPE} collapse strategy {strategy} is not supported, supported: {listed}")
    if strategy != "max" and not metric.larger_is_nearer:
        raise InvalidParameter(
            f"{ELEMENT_SCOPE} collapse strategy {strategy} needs a metric of which larger is better, not {metric}"
        )
    return Collapse(strategy, _topk(strategy, asked.get("topk")))


def _topk(strategy: str, topk: object) -> int:
    if not strategy.startswith("topk"):
        if topk is not None:
            raise InvalidParameter(f"{ELEMENT_SCOPE} collapse strategy {strategy} takes no topk, got {topk}")
        return 0
    if not isinstance(topk, int) or isinstance(topk, bool) or topk < 1:
        raise InvalidParameter(f"{ELEMENT_SCOPE} collapse strategy {strategy} needs a positive topk, got {topk}")
    return topk
