"""Run a search over segments: walk an index or scan exactly, by what costs less."""

from __future__ import annotations

from collections.abc import Iterable

from elanus.model.bitset import Bitset, intersect
from elanus.model.hits import Hits
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.scan import scan
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
    walkable = queries.matrix is not None and plan.window is None
    found = _walk(plan, queries, segment, kept) if walkable else None
    return scan(plan, queries, segment, kept) if found is None else found


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
