"""Explanations: what a filter or a search does to a collection, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import snapshot
from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.query.candidates import Candidates
from elanus.query.explain.filter import Stopwatch, explain_filter
from elanus.query.explain.recall import check_checkable
from elanus.query.explain.report import FilterReport, SearchReport
from elanus.query.explain.search import report_hybrid, report_search
from elanus.query.explain.trace import FETCH, Trace
from elanus.query.plan import SearchPlan, plan_query
from elanus.query.request import HybridRequest, QueryRequest, SearchRequest
from elanus.query.result import SearchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainFilter(QueryRequest, Command[FilterReport]):
    """Evaluate a query's filter and say how each part of it was answered; no rows are fetched."""

    collection: CollectionName


@handles(ExplainFilter)
def explain(instance: Instance, command: ExplainFilter) -> FilterReport:
    """Plan and evaluate as a query does, with a trace."""
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    watch = Stopwatch()
    plan = plan_query(manifest, command)
    planning = watch.seconds
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    seen = snapshot(instance, collection, command.consistency, partitions, ignore_growing=plan.ignore_growing)
    return explain_filter(command.collection.name, command.filter, plan.where, seen, planning)


# --- searches ---


def trace_of(request: SearchRequest, name: str) -> Trace:
    """Return the trace of a search that asks to be explained or checked; raises InvalidParameter where it can't be."""
    if request.iteration is not None:
        raise InvalidParameter("profile and enable_recall_calculation are not supported with search iterators")
    if request.recall:
        check_checkable(request)
    return Trace(name, request.recall)


def explained(
    result: SearchResult,
    request: SearchRequest,
    plan: SearchPlan,
    found: Candidates,
    *,
    trace: Trace,
    manifest: Manifest,
) -> SearchResult:
    """Return a result with what its search did and missed, as far as that was asked for."""
    trace.lap(FETCH)
    profile = report_search(plan, request, found, trace, manifest) if request.profile else None
    return replace(result, profile=profile, recalls=trace.recalls)


@dataclass(slots=True, eq=False)
class HybridTrace:
    """What a hybrid search does: as a whole, and on each route."""

    request: HybridRequest
    whole: Trace
    traces: list[Trace] = field(default_factory=list)
    reports: list[SearchReport] = field(default_factory=list)

    @classmethod
    def of(cls, request: HybridRequest, name: str) -> HybridTrace | None:
        """Return a trace for a search that asks to be explained, or a route of which asks to be checked."""
        if not request.profile and not any(route.recall for route in request.routes):
            return None
        if request.group is not None:
            for route in request.routes:
                if route.recall:
                    check_checkable(replace(route, group=request.group))
        return cls(request, Trace(name))

    def route(self, number: int) -> Trace:
        """Return the trace of a route that begins now."""
        self.traces.append(Trace(self.whole.collection, self.request.routes[number].recall))
        return self.traces[number]

    def routed(self, number: int, plan: SearchPlan, found: Candidates, manifest: Manifest) -> None:
        """Note that a route has found its hits."""
        self.whole.stage(f"route {number + 1}: {plan.field.name}", -1, len(found))
        with self.whole.aside():
            request = self.request.routes[number]
            self.reports.append(report_search(plan, request, found, self.traces[number], manifest))

    def explained(self, result: SearchResult, found: Candidates) -> SearchResult:
        """Return a result with what its search did and missed, as far as that was asked for."""
        self.whole.lap(FETCH)
        profile = report_hybrid(self.request, self.reports, found, self.whole)
        return replace(result, profile=profile if self.request.profile else None, recalls=self._recalls())

    def _recalls(self) -> NDArray[np.float64] | None:
        """Return for each query the mean recall of the routes that were checked, float64 [nq]."""
        checked = [trace.recalls for trace in self.traces if trace.recalls is not None]
        return np.mean(checked, axis=0) if checked else None
