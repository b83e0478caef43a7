"""Run a search over segments: by the index of each, or by an exact scan where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from elanus._native.kernels import Vectors
from elanus.index.base import GroupedIndex, VectorIndex
from elanus.index.dense.adjustment import Promise
from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.hits import Hits, Work
from elanus.model.ids import SegmentId
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.scan import scan
from elanus.query.streams import Reach, passing_rows, rows_within
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Scope, passing, visible

SCAN = "scan"


@dataclass(frozen=True, slots=True)
class SegmentWork:
    """What a search did in one segment.

    kept  rows that could be a result: visible, with a vector, passing the filter; -1 where the filter was asked for
          the nearest rows alone
    """

    segment: SegmentId
    kept: int
    work: Work


Found = list[tuple[SegmentReader, Hits]]


class Probe(Protocol):
    """Checks in the background what walks found."""

    def offer(
        self,
        plan: SearchPlan,
        queries: Queries,
        segment: SegmentReader,
        *,
        kept: Bitset | None,
        hits: Hits,
        promise: Promise,
    ) -> None:
        """Take note of a walk and its answer; a microsecond at most."""


def search_segments(
    plan: SearchPlan,
    queries: Queries,
    pinned: Iterable[tuple[SegmentReader, Bitset | None]],
    trace: list[SegmentWork] | None = None,
    probe: Probe | None = None,
) -> Found:
    """Return each segment's nearest rows.

    pinned  segments and the rows that pass the filter, None for all
    trace   takes what was done, when given
    probe   is shown the walks whose recall the index answers for
    raises  Expired or Cancelled once nobody waits for the answer
    """
    found = []
    for segment, rows in pinned:
        deadline.check()
        hits = _of_kept(plan, queries, segment, rows, trace, probe=probe)
        if hits is not None:
            found.append((segment, hits))
    return found


def search_iteratively(
    plan: SearchPlan,
    queries: Queries,
    scopes: Iterable[tuple[SegmentReader, Scope]],
    trace: list[SegmentWork] | None = None,
) -> Found:
    """Return what ``search_segments`` does, asking the filter about the nearest rows first.

    scopes  segments and what to read of them
    """
    found = []
    for segment, scope in scopes:
        deadline.check()
        seen = visible(segment, scope)
        index = None if queries.matrix is None else segment.index(plan.index)
        kept = intersect(seen, segment.valid(plan.field))
        first = None if index is None else passing_rows(plan, queries, Reach(segment, index, kept), scope)
        if first is not None:
            hits, work = first
            _note(trace, SegmentWork(segment.id, -1, work))
            found.append((segment, hits))
            continue
        others = _of_kept(plan, queries, segment, passing(segment, scope, seen), trace)
        if others is not None:
            found.append((segment, others))
    return found


def _note(trace: list[SegmentWork] | None, done: SegmentWork) -> None:
    if trace is not None:
        trace.append(done)


def _of_kept(
    plan: SearchPlan,
    queries: Queries,
    segment: SegmentReader,
    rows: Bitset | None,
    trace: list[SegmentWork] | None,
    *,
    probe: Probe | None = None,
) -> Hits | None:
    """Return a segment's nearest rows among ``rows``; None when none of them has a vector."""
    kept = intersect(rows, segment.valid(plan.field))
    count = segment.num_rows if kept is None else kept.count()
    if not count:
        return None
    hits, work = _search(plan, queries, segment, kept, count)
    _note(trace, SegmentWork(segment.id, count, work))
    if probe is not None and work.hops and plan.window is None:  # what does not walk misses nothing
        index = segment.index(plan.index)
        promise = None if index is None else index.promise(plan.params)
        if promise is not None:
            probe.offer(plan, queries, segment, kept=kept, hits=hits, promise=promise)
    return hits


def _search(
    plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None, count: int
) -> tuple[Hits, Work]:
    index = None if queries.matrix is None else segment.index(plan.index)
    found = None if index is None else _by_index(plan, queries, segment, kept, index)
    if found is not None:
        return found
    return scan(plan, queries, segment, kept), Work(SCAN, scanned=queries.nq * count)


def _by_index(
    plan: SearchPlan, queries: Queries, segment: SegmentReader, kept: Bitset | None, index: VectorIndex
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
