"""From a plan and vectors to candidates: search each segment, merge, and go through the plan's stages."""

from __future__ import annotations

from elanus.query.candidates import Candidates
from elanus.query.execute import Probe, SegmentWork, search_iteratively, search_segments
from elanus.query.merge import merge
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.snapshot import Snapshot


def retrieve(
    plan: SearchPlan,
    queries: Queries,
    snapshot: Snapshot,
    *,
    trace: list[SegmentWork] | None = None,
    probe: Probe | None = None,
) -> Candidates:
    """Return the hits that a search asks for.

    trace   takes what was done in each segment, when given
    probe   is shown the walks whose recall an index answers for
    raises  Expired or Cancelled once nobody waits for the answer
    """
    if plan.filters_iteratively:
        found = search_iteratively(plan, queries, snapshot.scopes(plan.where), trace)
    else:
        found = search_segments(plan, queries, snapshot.readers(plan.where), trace, probe)
    descending = plan.metric.larger_is_nearer
    offset, limit = (0, plan.fetch_k) if plan.stages else (plan.offset, plan.limit)
    candidates = merge(found, queries.nq, plan.primary, offset, limit, descending=descending)
    for stage in plan.stages:
        candidates = stage.apply(candidates)
    return candidates
