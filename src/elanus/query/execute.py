"""Run a search over segments: walk an index or scan exactly, by what costs less."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from elanus._native import kernels
from elanus._native.kernels import RangeHits, SparseVectors, Vectors
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import varlen_buffers
from elanus.model.hits import Hits
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.segment.base import SegmentReader


def search_segments(
    plan: SearchPlan, queries: Queries, pinned: Iterable[tuple[SegmentReader, Bitset | None]]
) -> list[tuple[SegmentReader, Hits]]:
    """Return each segment's nearest rows."""
    found = []
    for segment, rows in pinned:
        kept = intersect(rows, segment.valid(plan.field))
        if kept is None or kept.count():
            found.append((segment, _search(plan, queries, segment, kept)))
    return found


def _search(plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None) -> Hits:
    if queries.sparse is not None:
        return _search_sparse(plan, queries, segment, kept)
    if plan.window is not None:
        return _search_window(plan, queries, segment, kept)
    return _walk(plan, queries, segment, kept) or _scan(plan, queries, segment, kept)


def _walk(plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None) -> Hits | None:
    """Return what the segment's index finds; None when a scan is cheaper, or finds rows that the walk missed."""
    index = segment.index(plan.index)
    if index is None:
        return None
    num_kept = segment.num_rows if kept is None else kept.count()
    if num_kept <= index.walk_rows(plan.params, plan.fetch_k, num_kept / segment.num_rows):
        return None
    assert queries.matrix is not None
    hits = index.search(queries.matrix, plan.fetch_k, plan.params, kept)
    complete = min(plan.fetch_k, num_kept)
    return hits if (hits.rows[:, complete - 1] >= 0).all() else None


def _scan(plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None) -> Hits:
    return kernels.scan(_asked(queries), segment.base(plan.field), plan.metric, plan.fetch_k, keep=kept)


def _asked(queries: Queries) -> Vectors:
    assert queries.matrix is not None
    return Vectors.of(queries.matrix, queries.type)


def _search_window(plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None) -> Hits:
    assert plan.window is not None
    found = kernels.range_scan(
        _asked(queries),
        segment.base(plan.field),
        plan.metric,
        nearer_than=plan.window.nearer_than,
        not_nearer_than=plan.window.not_nearer_than,
        limit=plan.fetch_k,
        keep=kept,
    )
    return _padded(found, plan.fetch_k)


def _search_sparse(plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None) -> Hits:
    asked = SparseVectors(*varlen_buffers(queries.sparse))
    base = SparseVectors(*segment.column(plan.field.id).bytes_and_offsets())
    if plan.window is None:
        return kernels.scan_sparse(asked, base, plan.fetch_k, keep=kept)
    found = kernels.range_scan_sparse(
        asked,
        base,
        nearer_than=plan.window.nearer_than,
        not_nearer_than=plan.window.not_nearer_than,
        limit=plan.fetch_k,
        keep=kept,
    )
    return _padded(found, plan.fetch_k)


def _padded(found: RangeHits, k: int) -> Hits:
    """Return ragged hits as [nq, k]."""
    nq = len(found.offsets) - 1
    hits = Hits.none(nq, k)
    counts = np.diff(found.offsets)
    queries = np.repeat(np.arange(nq), counts)
    places = np.arange(len(found.rows)) - np.repeat(found.offsets[:-1], counts)
    hits.rows[queries, places] = found.rows
    hits.distances[queries, places] = found.distances
    return hits
