"""What a search missed: its rows are searched once more, every one of them measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from elanus.index.dense.recall import recalls
from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.errors import InvalidParameter
from elanus.model.hits import Hits
from elanus.model.types import DataType
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries, SearchRequest
from elanus.query.scan import scan
from elanus.query.structs.elements import ElementRows
from elanus.query.structs.embedding_lists import search_lists
from elanus.segment.base import SegmentReader, VectorRows
from elanus.segment.filtering import Pinned

NAME = "enable_recall_calculation"


def check_checkable(request: SearchRequest) -> None:
    """Raise InvalidParameter where nothing says what a search should have found."""
    if request.iteration is not None or request.consistency.pinned:
        raise InvalidParameter(f"{NAME} is not supported with search iterators")
    if request.group is not None or request.facets is not None:
        raise InvalidParameter(f"{NAME} is not supported with group by or search aggregation")


def check_recall(
    plan: SearchPlan,
    queries: Queries,
    pinned: Iterable[Pinned],
    found: Sequence[Hits],
) -> NDArray[np.float64]:
    """Return for each query the share of its nearest ``fetch_k`` rows that was found, float64 [nq].

    pinned   the segments and the rows that pass the filter, None for all
    found    the hits of each segment, under their distances
    returns  1 where there is nothing to find; a row as near as the farthest one wanted counts as one of them
    raises   InvalidParameter where found distances are estimates; Expired or Cancelled when nobody waits any more
    cost     an exact scan of the rows that pass, for each query
    """
    if plan.lists is not None and not plan.lists.emb_list_rerank:
        raise InvalidParameter(f"{NAME} needs exact distances: emb_list_rerank must not be false")
    exact = [_exactly(plan, queries, segment, rows) for segment, rows in pinned]
    k = plan.fetch_k
    shares = recalls(_nearest(found, queries.nq, k), _nearest(exact, queries.nq, k), k)
    return shares if queries.absent is None else np.where(queries.absent, 1.0, shares)


def _exactly(plan: SearchPlan, queries: Queries, segment: SegmentReader, rows: Bitset | None) -> Hits:
    """Return the nearest rows of a segment, or elements, every one measured."""
    deadline.check()
    if plan.field.type is not DataType.ARRAY_OF_VECTOR:
        return _scanned(plan, queries, segment, rows)
    if plan.lists is None:
        elements = ElementRows(segment, plan.field)
        return _scanned(plan, queries, elements, elements.kept(rows, plan.element_filter))
    found = search_lists(replace(plan, lists=None), queries, segment, rows)
    return Hits.none(queries.nq, 0) if found is None else found[0]


def _scanned(plan: SearchPlan, queries: Queries, segment: VectorRows, rows: Bitset | None) -> Hits:
    kept = intersect(rows, segment.valid(plan.field))
    if not segment.num_rows or (kept is not None and not kept.any()):
        return Hits.none(queries.nq, 0)
    return scan(plan, queries, segment, kept)


def _nearest(found: Sequence[Hits], nq: int, k: int) -> NDArray[np.float32]:
    """Return the least k distances of each query, float32 [nq, k], ascending, +inf where there are fewer."""
    columns = [np.where(hits.rows < 0, np.float32(np.inf), hits.distances) for hits in found]
    every = np.concatenate([*columns, np.full((nq, k), np.inf, dtype=np.float32)], axis=1)
    least: NDArray[np.float32] = np.sort(every, axis=1)[:, :k]
    return least
