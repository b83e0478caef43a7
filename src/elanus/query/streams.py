"""Searches whose end isn't known before: rows are taken from the nearest on, batch by batch, until enough were right.

Both ways give up where they would look at a large part of a segment: what reads all of it is quicker then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus.index.base import ITERATIVE_FILTER, Stream, VectorIndex
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.query.plan import SearchPlan, Window
from elanus.query.request import Queries
from elanus.segment.base import VectorRows

RANGE: Final = "range"
BUDGET_SHARE: Final = 8  # of so many rows about one is looked at, at most
SMALLEST_BATCH: Final = 64  # batches overlap a little; larger ones tell where the window ends

Rows = NDArray[np.int64]
Distances = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where rows are taken from: a segment, its index, and the rows that count, None for all."""

    segment: VectorRows
    index: VectorIndex
    kept: Bitset | None


def passing_rows(
    plan: SearchPlan,
    queries: Queries,
    reach: Reach,
    passing: Callable[[Bitset], Bitset | None],
) -> tuple[Hits, Work] | None:
    """Return the nearest rows that pass a filter, which is asked about batches of k, 2k, 4k, ... rows.

    passing  returns those of some rows that pass, None when all rows do
    returns  None when the filter lets too few rows through
    """

    def passed(rows: Rows, _distances: Distances) -> NDArray[np.bool_]:
        found = passing(Bitset.from_rows(rows, reach.segment.num_rows))
        return np.ones(len(rows), dtype=np.bool_) if found is None else np.isin(rows, found.rows())

    def over(_distances: Distances) -> bool:
        return False

    return _collected(plan, queries, reach, passed, over)


def rows_within(plan: SearchPlan, window: Window, queries: Queries, reach: Reach) -> tuple[Hits, Work] | None:
    """Return the nearest kept rows within a window of distances; None when too many rows lie before its end."""
    inner = np.float32(-np.inf if window.not_nearer_than is None else window.not_nearer_than)
    outer = np.float32(window.nearer_than)

    def inside(_rows: Rows, distances: Distances) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = (distances >= inner) & (distances < outer)
        return fits

    def over(distances: Distances) -> bool:
        return bool(distances[0] >= outer)

    return _collected(plan, queries, reach, inside, over)


def _collected(
    plan: SearchPlan,
    queries: Queries,
    reach: Reach,
    right: Callable[[Rows, Distances], NDArray[np.bool_]],
    over: Callable[[Distances], bool],
) -> tuple[Hits, Work] | None:
    """Return for each query the nearest rows that are right; None when that looks at too many rows.

    right  which rows of a batch count
    over   whether no row after such a batch, whose distances ascend, can be right
    """
    k, base = min(plan.fetch_k, reach.segment.num_rows), reach.segment.base(plan.field)
    first, budget = max(k, SMALLEST_BATCH), reach.segment.num_rows // BUDGET_SHARE
    if first > budget:
        return None
    assert queries.matrix is not None
    hits, looked = Hits.none(queries.nq, k), 0
    for query in range(queries.nq):
        asked = Vectors.of(queries.matrix[query : query + 1], queries.type)
        stream = reach.index.stream(asked, base, k, plan.params, reach.kept)
        taken = None if stream is None else _taken(stream, k, (first, budget), right, over)
        if taken is None:
            return None
        rows, distances, seen = taken
        _put(hits, query, rows, distances)
        looked += seen
    return hits, Work(ITERATIVE_FILTER if plan.window is None else RANGE, scored=looked)


def _taken(
    stream: Stream,
    k: int,
    sizes: tuple[int, int],
    right: Callable[[Rows, Distances], NDArray[np.bool_]],
    over: Callable[[Distances], bool],
) -> tuple[Rows, Distances, int] | None:
    """Return k rows that are right, or all, with their distances, and how many were looked at for them.

    sizes    of the first batch, and of all before this is given up
    returns  None when given up; rows may be more than k, and a few of them out of order
    """
    wanted, budget = sizes
    rows, distances, seen = np.zeros(0, np.int64), np.zeros(0, np.float32), 0
    while True:
        batch, measured = stream.next(wanted)
        seen += len(batch)
        if len(batch):
            fits = right(batch, measured)
            rows, distances = np.append(rows, batch[fits]), np.append(distances, measured[fits])
        if len(rows) >= k or len(batch) < wanted or over(measured):
            return rows, distances, seen
        if seen > budget:
            return None
        wanted *= 2


def _put(hits: Hits, query: int, rows: Rows, distances: Distances) -> None:
    """Enter the nearest of the rows, by distance, then row."""
    order = np.lexsort((rows, distances))[: hits.rows.shape[1]]
    hits.rows[query, : len(order)] = rows[order]
    hits.distances[query, : len(order)] = distances[order]
