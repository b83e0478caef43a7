"""From a plan and vectors to candidates: search each segment, merge, and go through the plan's stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from elanus.model.bitset import intersect
from elanus.query.candidates import Candidates, Stage, concatenated
from elanus.query.execute import Found, Probe, SearchRun, search_iteratively, search_segments
from elanus.query.explain.recall import check_recall
from elanus.query.explain.trace import MERGE, SEARCH, Trace, title
from elanus.query.grouping.search import retrieve_groups
from elanus.query.merge import merge
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.result_size import check_hits
from elanus.query.snapshot import Snapshot
from elanus.segment.filtering import Pinned

MOST_HITS: Final = 2**22
"""Hits of segments that are held at once, some 50 MB: of more, some queries are answered after the others."""
USUAL_SEGMENTS: Final = 64
"""Where this many segments can't hold too many hits, nobody counts the rows of each."""


def retrieve(
    plan: SearchPlan,
    queries: Queries,
    snapshot: Snapshot,
    *,
    trace: Trace | None = None,
    probe: Probe | None = None,
) -> Candidates:
    """Return the hits that a search asks for.

    trace   takes what was done and how long it took, when given
    probe   is shown the walks whose recall an index answers for
    raises  Expired or Cancelled once nobody waits for the answer; InvalidParameter for more hits than one may hold
    """
    run = SearchRun(plan, queries, trace, probe)
    if plan.grouping is not None:
        found = retrieve_groups(run, plan.grouping, snapshot)
    elif (at_once := _queries_at_once(plan, queries, snapshot)) >= queries.nq:
        found = _nearest(run, snapshot, None)
    else:
        found = _by_parts(run, snapshot, at_once)
    if queries.absent is not None:
        found = found.take(np.flatnonzero(~queries.absent[found.query]))
    return staged(plan.stages, found, trace)


def _nearest(run: SearchRun, snapshot: Snapshot, pinned: Sequence[Pinned] | None) -> Candidates:
    """Return the hits that go through the plan's stages; those of the page where there are no stages.

    pinned  segments and the rows that pass, where these are known
    """
    plan, trace = run.plan, run.trace
    found = _found(run, snapshot, pinned)
    descending = plan.metric.larger_is_nearer
    if plan.scorer is not None:
        found = [(segment, plan.scorer.apply(segment, hits)) for segment, hits in found]
        descending = plan.scorer.descending
        if trace is not None:
            trace.lap(title(plan.scorer))
    nq, (offset, limit) = run.queries.nq, _page(plan)
    merged = merge(found, nq, plan.primary, offset, limit, descending=descending, tolerance=plan.tolerance)
    if trace is not None:
        trace.lap(MERGE, sum(int(np.count_nonzero(hits.rows >= 0)) for _, hits in found), len(merged))
    return merged


def _page(plan: SearchPlan) -> tuple[int, int]:
    """Return the offset and limit with which segments are merged."""
    return (0, plan.fetch_k) if plan.stages else (plan.offset, plan.limit)


def _found(run: SearchRun, snapshot: Snapshot, pinned: Sequence[Pinned] | None) -> Found:
    """Return each segment's nearest rows."""
    where, trace = run.plan.where, run.trace
    if run.plan.filters_iteratively:
        found = search_iteratively(run, snapshot.scopes(where, trace=trace))
        if trace is not None and trace.checks_recall:
            _check(run, trace, snapshot.readers(where), found)
        return found
    read: Iterable[Pinned] = snapshot.readers(where, trace=trace) if pinned is None else pinned
    if trace is None or not trace.checks_recall:
        return search_segments(run, read)
    once = list(read)  # a random sample is another one each time
    found = search_segments(run, once)
    _check(run, trace, once, found)
    return found


def _check(run: SearchRun, trace: Trace, pinned: Iterable[Pinned], found: Found) -> None:
    """Put down what part of the nearest rows was found."""
    trace.lap(SEARCH)
    trace.recalls = check_recall(run.plan, run.queries, pinned, [hits for _, hits in found])
    trace.lap("recall check")


# --- many queries ---


def _queries_at_once(plan: SearchPlan, queries: Queries, snapshot: Snapshot) -> int:
    """Return of how many queries the hits of all segments fit into memory together."""
    if queries.nq * plan.fetch_k <= MOST_HITS // USUAL_SEGMENTS:
        return queries.nq
    view = snapshot.view
    sizes = [segment.num_rows for segments in (view.all_sealed(), view.all_growing()) for segment in segments]
    # A row may have many elements.
    hits = sum(plan.fetch_k if plan.field.struct else min(plan.fetch_k, size) for size in sizes)
    return max(1, MOST_HITS // max(1, hits))


def _by_parts(run: SearchRun, snapshot: Snapshot, at_once: int) -> Candidates:
    """Return what ``_nearest`` does, looking for some of the queries at a time.

    raises  InvalidParameter as soon as it is certain that the hits are more than an answer may hold
    """
    plan, queries, trace = run.plan, run.queries, run.trace
    pinned = None if plan.filters_iteratively else list(snapshot.readers(plan.where, trace=trace))
    check_hits(_least_hits(plan, queries, pinned or ()))
    parts, recalls = [], []
    for start in range(0, queries.nq, at_once):
        part = queries.slice(start, min(start + at_once, queries.nq))
        parts.append(_nearest(replace(run, queries=part), snapshot, pinned))
        check_hits(sum(map(len, parts)))
        if trace is not None and trace.recalls is not None:
            recalls.append(trace.recalls)
    if trace is not None and recalls:
        trace.recalls = np.concatenate(recalls)
    return concatenated(parts)


def _least_hits(plan: SearchPlan, queries: Queries, pinned: Sequence[Pinned]) -> int:
    """Return how many hits there will be; 0 where not every row that passes is one if it is near enough."""
    if plan.window is not None or plan.field.struct or queries.matrix is None:
        return 0
    passing = 0
    for segment, rows in pinned:
        kept = intersect(rows, segment.valid(plan.field))
        passing += segment.num_rows if kept is None else kept.count()
    offset, limit = _page(plan)
    return queries.nq * max(0, min(limit, passing - offset))


# --- stages ---


def staged(stages: Sequence[Stage], candidates: Candidates, trace: Trace | None = None) -> Candidates:
    """Return what becomes of candidates on their way through stages.

    trace  takes how long each took, when given
    """
    for stage in stages:
        before = len(candidates)
        candidates = stage.apply(candidates)
        if trace is not None:
            trace.stage(title(stage), before, len(candidates))
    return candidates
