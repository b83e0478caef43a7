"""Searches for lists of vectors: the rows whose own lists are nearest under a MAX_SIM metric.

A row's distance is the sum, over the vectors asked for, of the distance to its nearest element. Where a segment has an
index over elements, each vector asked for finds its nearest ones; their rows are the candidates, which are measured
exactly. Otherwise, and where that costs no more, every row is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus._native.max_sim import max_sim
from elanus.index.base import VectorIndex
from elanus.index.search_params import ListSearch
from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.hits import Hits, Work
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.structs.list_queries import split_lists
from elanus.segment.base import SegmentReader
from elanus.segment.elements import Elements

SCAN: Final = "scan"
ELEMENTS: Final = "elements"
CHUNK_PAIRS: Final = 2**21
"""Pairs of vectors, about, that are measured before the deadline is looked at: some 20 ms of 64 dimensions."""
WALK: Final = 400
"""What an index takes to find an element, in elements that are measured one after the other."""

Rows = NDArray[np.int64]
Distances = NDArray[np.float32]


@dataclass(frozen=True)
class _Reach:
    """Where lists are searched: the rows that may be found have elements.

    kept   those rows, None for all
    count  how many they are, at least one
    """

    plan: SearchPlan
    segment: SegmentReader
    elements: Elements
    kept: Bitset | None
    count: int

    @cached_property
    def kept_elements(self) -> Bitset | None:
        """The elements of those rows, None for all; expanded for the first list."""
        return self.elements.of_rows(self.kept)

    @cached_property
    def rows(self) -> Rows:
        """Those rows, ascending."""
        return np.arange(self.elements.num_rows, dtype=np.int64) if self.kept is None else self.kept.rows()

    def is_worth_asking(self, vectors: int, wanted: int) -> bool:
        """Whether an index that finds so many elements by each vector leaves less to do than measuring every row."""
        candidates = min(self.count, vectors * wanted)
        return WALK * wanted + candidates * self.in_a_row < self.count * self.in_a_row

    @property
    def in_a_row(self) -> float:
        """How many elements a row has, on average."""
        return len(self.elements) / self.elements.num_rows


def search_lists(
    plan: SearchPlan, queries: Queries, segment: SegmentReader, rows: Bitset | None
) -> tuple[Hits, Work, int] | None:
    """Return a segment's nearest rows for each list, what that took, and among how many rows; None when none can be.

    queries  lists of vectors, of the field's dim
    rows     those that pass the filter, None for all
    raises   Expired when the call's deadline passes meanwhile
    """
    elements = segment.elements(plan.field)
    kept = intersect(rows, elements.owning)
    count = elements.num_rows if kept is None else kept.count()
    if not count:
        return None
    reach = _Reach(plan, segment, elements, kept, count)
    hits, works = Hits.none(queries.nq, min(plan.fetch_k, count)), []
    for number, asked in enumerate(split_lists(queries, plan.field)):
        deadline.check()
        near, distances, work = _nearest(reach, asked)
        hits.rows[number, : len(near)], hits.distances[number, : len(near)] = near, distances
        works.append(work)
    return hits, _together(works), count


def _together(works: Sequence[Work]) -> Work:
    """Return what all lists took; the strategy is that of an index where one was asked for any list."""
    strategy = ELEMENTS if any(work.strategy == ELEMENTS for work in works) else SCAN
    return Work(
        strategy,
        hops=sum(work.hops for work in works),
        scored=sum(work.scored for work in works),
        scanned=sum(work.scanned for work in works),
    )


def _nearest(reach: _Reach, asked: Vectors) -> tuple[Rows, Distances, Work]:
    """Return the nearest rows of one list."""
    plan, k = reach.plan, min(reach.plan.fetch_k, reach.count)
    index = reach.segment.index(plan.index)
    found = None if index is None or plan.lists is None else _by_elements(reach, plan.lists, index, asked, k)
    if found is not None:
        rows, distances, work = found
    else:
        rows = reach.rows
        distances, work = _measured(reach, asked, rows), Work(SCAN, scanned=asked.rows * len(rows))
    return *_best(reach.segment, rows, distances, k), work


def _by_elements(
    reach: _Reach, search: ListSearch, index: VectorIndex, asked: Vectors, k: int
) -> tuple[Rows, Distances, Work] | None:
    """Return candidates, ascending, at least ``k``, and their distances; None where measuring every row costs less."""
    plan, elements = reach.plan, reach.elements
    wanted = math.ceil(k * search.retrieval_ann_ratio)
    while reach.is_worth_asking(asked.rows, wanted):
        found, work = index.search(asked, elements.vectors, wanted, plan.params, reach.kept_elements)
        owners = np.where(found.rows < 0, -1, elements.owners(found.rows))
        rows = np.unique(owners[owners >= 0])
        if len(rows) >= k:
            if not search.emb_list_rerank:
                return rows, _estimated(owners, found.distances, rows), replace(work, strategy=ELEMENTS)
            scanned = work.scanned + asked.rows * len(rows)
            return rows, _measured(reach, asked, rows), replace(work, strategy=ELEMENTS, scanned=scanned)
        wanted *= 2
    return None


def _measured(reach: _Reach, asked: Vectors, rows: Rows) -> Distances:
    """Return the exact distance of each row."""
    distances = np.empty(len(rows), dtype=np.float32)
    metric = reach.plan.metric.of_vectors
    step = max(1, int(CHUNK_PAIRS / (asked.rows * reach.in_a_row)))
    for start in range(0, len(rows), step):
        deadline.check()
        chunk = slice(start, start + step)
        distances[chunk] = max_sim(asked, reach.elements.vectors, metric, reach.elements.offsets, rows[chunk])
    return distances


def _estimated(owners: Rows, distances: Distances, rows: Rows) -> Distances:
    """Return what the distance of each row is at least, by the elements that were found.

    owners, distances  [vectors, found], ascending by distance; -1 and infinity beside nothing
    rows               the distinct owners, ascending
    """
    farthest = np.where(np.isinf(distances), -np.inf, distances).max(axis=1)
    nearest = np.repeat(farthest[:, None], len(rows), axis=1)
    vector, place = np.nonzero(owners >= 0)
    at = np.searchsorted(rows, owners[vector, place])
    np.minimum.at(nearest, (vector, at), distances[vector, place])
    total: Distances = nearest.sum(axis=0, dtype=np.float64).astype(np.float32)
    return total


def _best(segment: SegmentReader, rows: Rows, distances: Distances, k: int) -> tuple[Rows, Distances]:
    """Return the ``k`` nearest of some rows (ascending), equally near ones by primary key."""
    if len(rows) > k:
        near = distances <= np.partition(distances, k - 1)[k - 1]
        rows, distances = rows[near], distances[near]
    if not segment.sorted_by_key:
        by_key = segment.by_key(rows)
        rows, distances = by_key, distances[np.searchsorted(rows, by_key)]
    order = np.argsort(distances, kind="stable")[:k]
    return rows[order], distances[order]
