"""Explanations: what a filter does to a collection, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import expired, living, pin
from elanus.query.explain import FilterReport, Stopwatch, explain_filter
from elanus.query.plan import plan_query
from elanus.query.request import QueryRequest


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
    plan = replace(plan, where=living(instance, collection, plan.where))
    planning = watch.seconds
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    view, at = pin(collection, command.consistency)
    return explain_filter(
        command.collection.name,
        command.filter,
        plan,
        view,
        at,
        expired=expired(instance, collection),
        partitions=partitions,
        planning=planning,
    )
