"""Hybrid search: several searches of one snapshot, their hits ranked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.settings import FunctionSettings
from elanus.query.candidates import Candidates, Stage
from elanus.query.explain.trace import Trace, title
from elanus.query.grouping.groups import Grouping, GroupScorer
from elanus.query.order_by import order_stages, unordered
from elanus.query.output import OutputPlan, plan_output
from elanus.query.plan import SearchPlan, plan_search
from elanus.query.ranking.bind import Setting, bind_ranking, boosted, grouped_hits
from elanus.query.ranking.fusion import Fusion
from elanus.query.request import HybridRequest, Rerank, SearchRequest
from elanus.query.retrieve import staged
from elanus.query.structs.elements import ELEMENT_SCOPE, Collapse, parse_collapse


@dataclass(frozen=True, slots=True)
class HybridPlan:
    """A hybrid search.

    routes    its searches; each answers with its first hits, whatever the page
    stages    what the fused hits go through, one after the other; the last one cuts the page
    grouping  what hits are grouped by, None where they aren't
    """

    routes: tuple[SearchPlan, ...]
    fusion: Fusion
    stages: tuple[Stage, ...]
    output: OutputPlan
    grouping: Grouping | None

    def rank(self, found: Sequence[Candidates], trace: Trace | None = None) -> Candidates:
        """Return the page of the routes' hits.

        trace  takes what was done, when given
        """
        candidates = self.fusion.fuse(found)
        if trace is not None:
            trace.stage(title(self.fusion), sum(map(len, found)), len(candidates))
        return staged(self.stages, candidates, trace)


def plan_hybrid(manifest: Manifest, request: HybridRequest, models: FunctionSettings) -> HybridPlan:
    """Bind a hybrid search to a collection; raises as its routes and its rerank functions do.

    models  how models are reached
    """
    bound = [_route(manifest, request, route) for route in request.routes]
    routes = _of_one_kind(bound, request.routes)
    setting = Setting(manifest.schema, [route.metric for route in routes], models)
    ranking, grouping = bind_ranking(request.rerank.main, setting), routes[0].grouping
    first = unordered(request)
    best = ranking.paged(first.offset, first.limit, grouping, GroupScorer(request.group_scorer))
    return HybridPlan(
        routes=routes,
        fusion=ranking.fusion,
        stages=(*best, *order_stages(manifest.schema, request, grouping)),
        output=plan_output(manifest.schema, request.output_fields, with_primary=False),
        grouping=grouping,
    )


def _route(manifest: Manifest, request: HybridRequest, route: SearchRequest) -> SearchPlan:
    """Return the plan of a route: from its first hit on, and with groups where the whole has them.

    The best hits of a route that knows no groups could all be of one.
    """
    own = route.rerank or Rerank()
    if own.main is not None:
        raise InvalidParameter(f"a sub search request takes boost functions only, got reranker {own.main.kind}")
    partitions = route.partitions or request.partitions
    asked = replace(route, offset=0, output_fields=(), group=request.group, partitions=partitions)
    plan = boosted(plan_search(manifest, asked), manifest, own if own.boosts else request.rerank, route)
    return plan if plan.grouping is None else replace(plan, stages=grouped_hits(plan.grouping, plan.fetch_k))


def _of_one_kind(plans: Sequence[SearchPlan], requests: Sequence[SearchRequest]) -> tuple[SearchPlan, ...]:
    """Return routes that all find elements of one struct array, or all find rows.

    Where some find rows, those that find elements make rows of them; raises where they should although all need not.
    """
    scopes = [parse_collapse(request.params, plan.metric) for plan, request in zip(plans, requests, strict=True)]
    structs = {"" if plan.metric.is_of_lists else plan.field.struct for plan in plans}
    if len(structs) == 1 and "" not in structs:
        if any(scope is not None for scope in scopes):
            raise InvalidParameter(
                f"{ELEMENT_SCOPE} is not allowed when all routes search elements of one struct array"
            )
        return tuple(plans)
    return tuple(_of_rows(plan, scope) for plan, scope in zip(plans, scopes, strict=True))


def _of_rows(plan: SearchPlan, scope: Collapse | None) -> SearchPlan:
    if not plan.field.struct or plan.metric.is_of_lists:
        return plan
    return replace(plan, stages=(*plan.stages, scope or Collapse()))
