"""Hybrid search."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from elanus.collection.collection import Collection
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.explain import HybridTrace
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import snapshot
from elanus.engine.search import SearchResult, group_values, queries_of, result_of
from elanus.model.errors import InvalidParameter
from elanus.model.limits import SUB_SEARCHES
from elanus.query.candidates import Candidates
from elanus.query.explain.trace import PLAN, SNAPSHOT
from elanus.query.hybrid import plan_hybrid
from elanus.query.plan import SearchPlan
from elanus.query.request import HybridRequest, Queries, SearchRequest
from elanus.query.result_size import check_candidates
from elanus.query.retrieve import retrieve
from elanus.query.settled import settle
from elanus.query.snapshot import Snapshot

__all__ = ["Hybrid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid(HybridRequest, Command[SearchResult]):
    """Find rows of a collection on several routes and rank them together."""

    collection: CollectionName


@handles(Hybrid)
def hybrid(instance: Instance, command: Hybrid) -> SearchResult:
    """Plan all routes, pin one snapshot, search each route, fuse, fetch the winners' fields."""
    if not 1 <= len(command.routes) <= SUB_SEARCHES:
        raise InvalidParameter(
            f"maximum of ann search requests is {SUB_SEARCHES}, at least one is needed, got {len(command.routes)}"
        )
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    models = instance.services.settings.functions
    trace = HybridTrace.of(command, command.collection.name)
    plan = collection.hybrid_plans.get(manifest, command.plan_key, lambda: plan_hybrid(manifest, command, models))
    if trace is not None:
        trace.whole.lap(PLAN)
    seen = snapshot(instance, collection, command.consistency)
    views = [_view(seen, command, route) for route in command.routes]
    vectors = [
        queries_of(view, manifest, route_plan, route)
        for view, route_plan, route in zip(views, plan.routes, command.routes, strict=True)
    ]
    counts = sorted({queries.nq for queries in vectors})
    if len(counts) > 1:
        raise InvalidParameter(f"sub search request nq should be the same, got {counts}")
    if trace is not None:
        trace.whole.lap(SNAPSHOT)
    found = []
    for number, (route_plan, queries, view) in enumerate(zip(plan.routes, vectors, views, strict=True)):
        route_trace = None if trace is None else trace.route(number)
        if trace is None and command.plan_key is not None:
            found.append(_asked_before(collection, (command.plan_key, number), route_plan, queries, view))
        else:
            found.append(retrieve(route_plan, queries, view, trace=route_trace, probe=collection.probe))
        check_candidates(sum(map(len, found)))
        if trace is not None:
            trace.routed(number, route_plan, found[-1], manifest)
    candidates = plan.rank(found, None if trace is None else trace.whole)
    result = result_of(candidates, plan.output, command, manifest, seen.time)
    result = replace(result, groups=group_values(candidates, plan.grouping, command.group))
    return result if trace is None else trace.explained(result, candidates)


def _asked_before(
    collection: Collection, key: Hashable, plan: SearchPlan, queries: Queries, seen: Snapshot
) -> Candidates:
    """Return the hits of a route, by the short way once it was asked before over the same rows."""
    settled = collection.settled.get(key, seen.epoch)
    found = None if settled is None else settled.find(queries)
    if found is not None:
        return found
    candidates = retrieve(plan, queries, seen, probe=collection.probe)
    collection.settled.offer(key, seen.epoch, lambda: settle(plan, seen))
    return candidates


def _view(seen: Snapshot, command: Hybrid, route: SearchRequest) -> Snapshot:
    """Return what a route sees: the partitions that it names, otherwise those of the whole."""
    names = route.partitions or command.partitions
    partitions = check_loaded(seen.view.manifest, command.collection.name, names)
    return replace(seen, partitions=partitions, ignore_growing=route.ignore_growing)
