"""Run a search over segments: by the index of each, or by an exact scan where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from elanus._native.kernels import Vectors
from elanus.index.base import GroupedIndex, VectorIndex
from elanus.index.dense.adjustment import Promise
from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.hits import Hits, Work
from elanus.model.types import DataType
from elanus.query.explain.report import UNKNOWN
from elanus.query.explain.trace import Trace
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.scan import scan
from elanus.query.streams import Reach, passing_rows, rows_within
from elanus.query.structs.elements import ElementRows
from elanus.query.structs.embedding_lists import search_lists
from elanus.segment.base import SegmentReader, VectorRows
from elanus.segment.filtering import Pinned, Scope, passing, visible

SCAN = "scan"

Found = list[tuple[SegmentReader, Hits]]


class Probe(Protocol):
    """Checks in the background what walks found."""

    def offer(
        self,
        plan: SearchPlan,
        queries: Queries,
        segment: VectorRows,
        *,
        kept: Bitset | None,
        hits: Hits,
        promise: Promise,
    ) -> None:
        """Take note of a walk and its answer; a microsecond at most."""


@dataclass(frozen=True, slots=True)
class SearchRun:
    """A search on its way over segments.

    trace  takes what was done, None where nobody asks
    probe  is shown the walks whose recall the index answers for
    """

    plan: SearchPlan
    queries: Queries
    trace: Trace | None = None
    probe: Probe | None = None

    def noted(self, segment: VectorRows, kept: Bitset | None, count: int, work: Work) -> None:
        """Take note of what a segment's search took. See ``Trace.searched``."""
        if self.trace is not None:
            self.trace.searched(self.plan, segment, kept, count, work)


def search_segments(run: SearchRun, pinned: Iterable[Pinned]) -> Found:
    """Return each segment's nearest rows.

    pinned  segments and the rows that pass the filter, None for all
    raises  Expired or Cancelled once nobody waits for the answer
    """
    found = []
    for segment, rows in pinned:
        deadline.check()
        hits = _in_segment(run, segment, rows)
        if hits is not None:
            found.append((segment, hits))
    return found


def _in_segment(run: SearchRun, segment: SegmentReader, rows: Bitset | None) -> Hits | None:
    """Return a segment's nearest rows, or elements, among ``rows``; None when none of them has a vector."""
    plan = run.plan
    if plan.field.type is not DataType.ARRAY_OF_VECTOR:
        return _of_kept(run, segment, rows)
    if plan.lists is None:
        elements = ElementRows(segment, plan.field)
        near = _of_kept(replace(run, probe=None), elements, elements.kept(rows, plan.element_filter))
        return None if near is None else elements.hits(near)
    found = search_lists(plan, run.queries, segment, rows)
    if found is None:
        return None
    hits, work, count = found
    run.noted(segment, rows, count, work)
    return hits


def search_iteratively(run: SearchRun, scopes: Iterable[tuple[SegmentReader, Scope]]) -> Found:
    """Return what ``search_segments`` does, asking the filter about the nearest rows first.

    scopes  segments and what to read of them
    """
    run = replace(run, probe=None)
    found = []
    for segment, scope in scopes:
        deadline.check()
        seen = visible(segment, scope) if run.trace is None else run.trace.visible(segment, scope)
        hits = _nearest_first(run, segment, scope, seen)
        if hits is None:
            rows = passing(segment, scope, seen) if run.trace is None else run.trace.passing(segment, scope, seen)
            hits = _of_kept(run, segment, rows)
        if hits is not None:
            found.append((segment, hits))
    return found


def _nearest_first(run: SearchRun, segment: SegmentReader, scope: Scope, seen: Bitset | None) -> Hits | None:
    """Return the nearest visible rows that pass the filter; None where there is no index, or few rows pass."""
    plan, queries = run.plan, run.queries
    index = None if queries.matrix is None else segment.index(plan.index)
    if index is None:
        return None
    kept = intersect(seen, segment.valid(plan.field))
    ask = passing if run.trace is None else run.trace.batch
    found = passing_rows(plan, queries, Reach(segment, index, kept), partial(ask, segment, scope))
    if found is None:
        return None
    hits, work = found
    run.noted(segment, kept, UNKNOWN, work)
    return hits


def _of_kept(run: SearchRun, segment: VectorRows, rows: Bitset | None) -> Hits | None:
    """Return a segment's nearest rows among ``rows``; None when none of them has a vector."""
    plan, queries = run.plan, run.queries
    kept = intersect(rows, segment.valid(plan.field))
    count = segment.num_rows if kept is None else kept.count()
    if not count:
        return None
    hits, work = _search(plan, queries, segment, kept, count)
    run.noted(segment, kept, count, work)
    if run.probe is not None and work.hops and plan.window is None:  # what does not walk misses nothing
        index = segment.index(plan.index)
        promise = None if index is None else index.promise(plan.params)
        if promise is not None:
            run.probe.offer(plan, queries, segment, kept=kept, hits=hits, promise=promise)
    return hits


def _search(
    plan: SearchPlan, queries: Queries, segment: VectorRows, kept: Bitset | None, count: int
) -> tuple[Hits, Work]:
    index = None if queries.matrix is None else segment.index(plan.index)
    found = None if index is None else _by_index(plan, queries, segment, kept, index)
    if found is not None:
        return found
    return scan(plan, queries, segment, kept), Work(SCAN, scanned=queries.nq * count)


def _by_index(
    plan: SearchPlan, queries: Queries, segment: VectorRows, kept: Bitset | None, index: VectorIndex
) -> tuple[Hits, Work] | None:
    """Return what the segment's index finds, None where only a scan finds it."""
    if plan.window is not None:
        scans = plan.params.hints == SCAN
        return None if scans else rows_within(plan, plan.window, queries, Reach(segment, index, kept))
    assert queries.matrix is not None
    asked = Vectors.of(queries.matrix, queries.type)
    base, k = segment.base(plan.field), min(plan.fetch_k, segment.num_rows)
    if plan.terms and isinstance(index, GroupedIndex):
        return index.search(asked, base, k, plan.params, kept, terms=plan.terms)
    return index.search(asked, base, k, plan.params, kept)
