"""Orders that are asked for: rows by the values of fields, of dynamic keys and of paths into JSON, on columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.json import HOLLOW, Kind
from elanus.expr import JsonValues
from elanus.index.operands import json_operand
from elanus.model import deadline
from elanus.model.columns import take
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType
from elanus.query.candidates import Candidates, Page, Stage
from elanus.query.fetch import Spread
from elanus.query.grouping.groups import Grouping, Groups
from elanus.query.grouping.key import GroupKey
from elanus.query.grouping.spec import Sort
from elanus.query.request import HybridRequest, SearchRequest
from elanus.query.select import Selected
from elanus.query.sorting import LARGEST_INT, SORTABLE, ascending_numbers, sort_columns
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned

Ints = NDArray[np.int64]


class Source(Protocol):
    """Where a sort reads its values."""

    def columns(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, ...]:
        """Return the values of some rows of a segment (None: all) as columns; the first one that differs decides.

        Only the first column has nulls: where there is no value.
        """


@dataclass(frozen=True, slots=True)
class FieldSource:
    """The values of a field."""

    field: Field

    def columns(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, ...]:
        """See ``Source``."""
        values = segment.column(self.field.id).data
        return (values if rows is None else take(values, rows),)


@dataclass(frozen=True, slots=True)
class JsonSource:
    """What a JSON field holds under a path: booleans, then numbers, then strings; anything else is no value."""

    field: Field
    path: tuple[str | int, ...]

    def columns(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, ...]:
        """Return the kind, the number rounded to a double, what the rounding left, and the text. See ``Source``."""
        found = segment.json_values(self.field.id, self.path)
        return _json_columns(found if rows is None else found.take(rows))


def _json_columns(found: JsonValues) -> tuple[pa.Array, ...]:
    kinds = found.extracted.kinds & np.uint8(0xFF ^ HOLLOW)
    numbers, doubles = found.extracted.numbers, kinds == Kind.DOUBLE
    rounded = np.where(doubles, numbers.view(np.float64), numbers.astype(np.float64))
    whole = np.where(rounded < 2.0**63, np.where(doubles, 0.0, rounded), 0.0).astype(np.int64)
    whole[~doubles & (rounded >= 2.0**63)] = LARGEST_INT
    left = np.where(doubles, 0, numbers - whole)
    kind = np.where(doubles, np.uint8(Kind.INT), kinds).astype(np.int8)
    nothing = (kinds < Kind.BOOL) | (kinds > Kind.STRING)
    texts = pc.if_else(pa.array(kinds == Kind.STRING), found.texts().data, pa.scalar("", type=pa.large_string()))
    return pa.array(kind, mask=nothing), pa.array(rounded), pa.array(left), texts


@dataclass(frozen=True, slots=True)
class SortKey:
    """One thing that rows are ordered by."""

    source: Source
    descending: bool
    nulls_first: bool


# --- searches ---


@dataclass(frozen=True, slots=True)
class Ordering:
    """What rows are ordered by, the first key that differs decides."""

    keys: tuple[SortKey, ...]

    def columns(self, segments: Sequence[SegmentReader], parts: Ints, rows: Ints) -> list[Ints]:
        """Return int64 columns [n] that sort as rows of several segments do, the most significant first."""
        if not len(rows):
            return []
        spread = Spread.of(segments, parts, rows)
        return [
            column[spread.back]
            for key in self.keys
            for part in zip(*(key.source.columns(segment, own) for segment, own in spread.pieces), strict=True)
            for column in sort_columns(pa.concat_arrays(part), descending=key.descending, nulls_first=key.nulls_first)
        ]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The stage that orders the hits of each query by values; equal ones stay as they stand."""

    ordering: Ordering

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the hits in order."""
        columns = self.ordering.columns(candidates.segments, candidates.parts, candidates.rows)
        return candidates.take(np.lexsort((*reversed(columns), candidates.query)))


@dataclass(frozen=True, slots=True)
class OrderedGroups:
    """The stage that orders groups by their first hits and cuts a page of them.

    key            what hits are grouped by; those of a group stand together, its best one first
    offset, limit  the page, in groups
    """

    ordering: Ordering
    key: GroupKey
    offset: int
    limit: int

    def apply(self, candidates: Candidates) -> Candidates:
        """Return a page of groups; equal ones, and the hits of each, stay as they stand."""
        codes = self.key.codes_of(candidates.segments, candidates.parts, candidates.rows)
        groups = Groups.of_hits(candidates.query, codes)
        columns = self.ordering.columns(
            candidates.segments, candidates.parts[groups.first], candidates.rows[groups.first]
        )
        order = np.lexsort((*reversed(columns), groups.query))
        return candidates.take(groups.page(order, self.offset, self.limit))


Request = TypeVar("Request", SearchRequest, HybridRequest)


def unordered(request: Request) -> Request:
    """Return what finds the hits that are ordered afterwards: those up to the end of the page, of the best score."""
    return replace(request, limit=request.offset + request.limit, offset=0) if request.order else request


def order_stages(
    schema: Schema, request: SearchRequest | HybridRequest, grouping: Grouping | None
) -> tuple[Stage, ...]:
    """Return the stages that order what the ``unordered`` request found and cut the page; none for the order by score.

    raises  InvalidParameter for what has no order
    """
    if not request.order:
        return ()
    ordering = bind_order(schema, request.order)
    if grouping is None:
        return Ordered(ordering), Page(request.offset, request.limit)
    if len(grouping.key.parts) > 1:
        raise InvalidParameter("order_by_fields is not supported with multiple group by fields")
    return (OrderedGroups(ordering, grouping.key, request.offset, request.limit),)


# --- queries ---


def select_ordered(pinned: Iterable[Pinned], ordering: Ordering, primary: Field, offset: int, limit: int) -> Selected:
    """Return the page ``offset .. offset + limit`` of the rows in scope; equal ones ascend by primary key.

    cost    one pass over the first key's values, the others only of rows that it doesn't tell apart
    raises  Expired or Cancelled once nobody waits for the answer
    """
    total = Ordering((*ordering.keys, SortKey(FieldSource(primary), descending=False, nulls_first=False)))
    found = []
    for segment, kept in pinned:
        deadline.check()
        found.append((segment, _first_rows(segment, None if kept is None else kept.rows(), total, offset + limit)))
    segments = [segment for segment, _ in found]
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for _, rows in found)])
    parts = np.repeat(np.arange(len(found)), [len(rows) for _, rows in found])
    columns = total.columns(segments, parts, rows)
    page = np.lexsort(tuple(reversed(columns)))[offset : offset + limit] if columns else rows
    return Selected(segments, parts[page], rows[page])


def _first_rows(segment: SegmentReader, rows: Ints | None, ordering: Ordering, count: int) -> Ints:
    """Return the first ``count`` rows of a segment, in any order; ``rows`` are those that count, None for all."""
    first: list[Ints] = []
    for key in ordering.keys:
        if (segment.num_rows if rows is None else len(rows)) <= count:
            break
        columns = key.source.columns(segment, rows)
        if rows is None:
            rows = np.arange(segment.num_rows, dtype=np.int64)
        places = np.arange(len(rows))
        for values in columns:
            sure, places = _split(take(values, places), places, key, count)
            first.append(rows[sure])
            count -= len(sure)
            if len(places) <= count:
                break
        rows = rows[places]
    rest = np.arange(segment.num_rows, dtype=np.int64) if rows is None else rows[:count]
    return np.concatenate([*first, rest])


def _split(values: pa.Array, places: Ints, key: SortKey, count: int) -> tuple[Ints, Ints]:
    """Return which places are surely among the first ``count``, and those whose value is equal to the last of these.

    values  [n], that of each place
    """
    if not values.null_count:
        return _split_values(values, places, count, descending=key.descending)
    missing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    nulls, there = places[missing], places[~missing]
    if key.nulls_first:
        if count <= len(nulls):
            return places[:0], nulls
        sure, tied = _split_values(values.drop_null(), there, count - len(nulls), descending=key.descending)
        return np.concatenate([nulls, sure]), tied
    if count > len(there):
        return there, nulls
    return _split_values(values.drop_null(), there, count, descending=key.descending)


def _split_values(values: pa.Array, places: Ints, count: int, *, descending: bool) -> tuple[Ints, Ints]:
    """Return what ``_split`` does, of values without nulls."""
    if count >= len(values):
        return places, places[:0]
    if pa.types.is_large_string(values.type):
        order = "descending" if descending else "ascending"
        last = values[pc.select_k_unstable(values, k=count, sort_keys=[("", order)])[-1].as_py()]
        before = (pc.greater if descending else pc.less)(values, last).to_numpy(zero_copy_only=False)
        return places[before], places[pc.equal(values, last).to_numpy(zero_copy_only=False)]
    numbers = ~ascending_numbers(values) if descending else ascending_numbers(values)
    bound = np.partition(numbers, count - 1)[count - 1]
    return places[numbers < bound], places[numbers == bound]


# --- binding ---


def bind_order(schema: Schema, order: Sequence[Sort]) -> Ordering:
    """Bind what rows are ordered by; raises InvalidParameter for what isn't there or has no order."""
    first = {sort.key: sort for sort in reversed(order)}  # naming a key again changes nothing
    kept = [sort for sort in order if first[sort.key] is sort]
    return Ordering(tuple(SortKey(_source(schema, sort.key), sort.descending, sort.nulls_first) for sort in kept))


def _source(schema: Schema, name: str) -> Source:
    field = schema.find(name)
    if field is not None:
        if field.type not in SORTABLE:
            raise InvalidParameter(f"order_by field '{name}' has unsortable type {field.type.label}")
        return FieldSource(field)
    owner = schema.find(name.partition("[")[0]) if "[" in name else None
    if owner is not None and owner.type is not DataType.JSON:
        raise InvalidParameter(f"order_by field '{name}' has type {owner.type.label} which is not sortable")
    source = owner or schema.dynamic
    if source is None:
        raise InvalidParameter(f"order_by field '{name}' does not exist in collection schema")
    return JsonSource(source, tuple(json_operand(schema, source, name).path))
