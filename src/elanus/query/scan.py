"""Exact search of one segment: every kept row is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import RangeHits, SparseVectors, Vectors
from elanus.model.bitset import Bitset
from elanus.model.columns import varlen_buffers
from elanus.model.hits import Hits
from elanus.query.places import places_in
from elanus.query.plan import SearchPlan, Window
from elanus.query.request import Queries
from elanus.segment.base import VectorRows


def scan(plan: SearchPlan, queries: Queries, segment: VectorRows, kept: Bitset | None) -> Hits:
    """Return the nearest kept rows of each query; of equally near ones those of the smallest primary keys."""
    k = min(plan.fetch_k, segment.num_rows)
    if segment.sorted_by_key:
        return _nearest(plan, queries, segment, kept, k)
    # The kernels decide ties by row. One hit more tells whether a tie goes beyond the last one.
    hits = _nearest(plan, queries, segment, kept, k + 1)
    last = hits.distances[:, k - 1]
    for query in np.flatnonzero((hits.rows[:, k] >= 0) & (hits.distances[:, k] == last)):
        first = int(np.searchsorted(hits.distances[query, :k], last[query]))
        equal = _equally_near(plan, _one(queries, int(query)), segment, kept, last[query])
        hits.rows[query, first:k] = segment.by_key(equal)[: k - first]
    return Hits(hits.rows[:, :k], hits.distances[:, :k])


def _equally_near(
    plan: SearchPlan, query: Queries, segment: VectorRows, kept: Bitset | None, distance: np.float32
) -> NDArray[np.int64]:
    """Return the rows at exactly this distance of one query."""
    if np.isposinf(distance):  # a distance that overflowed; no window reaches beyond it
        every = _nearest(plan, query, segment, kept, segment.num_rows)
        return _real(every.rows[0][np.isposinf(every.distances[0])])
    beyond = np.nextafter(distance, np.float32(np.inf))
    window = Window(nearer_than=float(beyond), not_nearer_than=float(distance))
    return _real(_nearest(replace(plan, window=window), query, segment, kept, segment.num_rows).rows[0])


def _real(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = rows[rows >= 0]
    return found


def _one(queries: Queries, query: int) -> Queries:
    if queries.matrix is not None:
        return Queries(queries.type, 1, matrix=queries.matrix[query : query + 1])
    assert queries.sparse is not None
    return Queries(queries.type, 1, sparse=queries.sparse.slice(query, 1))


def _nearest(plan: SearchPlan, queries: Queries, segment: VectorRows, kept: Bitset | None, k: int) -> Hits:
    window = plan.window
    if queries.matrix is None:
        return _nearest_sparse(plan, queries, segment, kept, k)
    asked, base = Vectors.of(queries.matrix, queries.type), segment.base(plan.field)
    if window is None:
        return kernels.scan(asked, base, plan.metric, k, keep=kept)
    found = kernels.range_scan(
        asked,
        base,
        plan.metric,
        nearer_than=window.nearer_than,
        not_nearer_than=window.not_nearer_than,
        limit=k,
        keep=kept,
    )
    return _padded(found, k)


def _nearest_sparse(plan: SearchPlan, queries: Queries, segment: VectorRows, kept: Bitset | None, k: int) -> Hits:
    window = plan.window
    asked = SparseVectors(*varlen_buffers(queries.sparse))
    base = SparseVectors(*segment.column(plan.field.id).bytes_and_offsets())
    if window is None:
        return kernels.scan_sparse(asked, base, k, keep=kept)
    found = kernels.range_scan_sparse(
        asked,
        base,
        nearer_than=window.nearer_than,
        not_nearer_than=window.not_nearer_than,
        limit=k,
        keep=kept,
    )
    return _padded(found, k)


def _padded(found: RangeHits, k: int) -> Hits:
    """Return ragged hits as [nq, k]."""
    nq = len(found.offsets) - 1
    hits = Hits.none(nq, k)
    counts = np.diff(found.offsets)
    queries = np.repeat(np.arange(nq), counts)
    places = places_in(counts)
    hits.rows[queries, places] = found.rows
    hits.distances[queries, places] = found.distances
    return hits
