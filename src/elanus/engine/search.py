"""Reads: vector search, query by filter, count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.explain import explained, trace_of
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import check_identity, snapshot
from elanus.model.bitset import Bitset
from elanus.model.columns import arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.schema import Field
from elanus.model.settings import FunctionSettings
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.query.candidates import Candidates
from elanus.query.chains.plan import chained
from elanus.query.chains.spec import ChainSpec, ChainStage, FunctionSpec, OpSpec
from elanus.query.explain.trace import PLAN, SNAPSHOT
from elanus.query.fetch import fetch
from elanus.query.grouping.groups import Grouping
from elanus.query.grouping.spec import GroupBy, Sort
from elanus.query.order_by import order_stages, select_ordered, unordered
from elanus.query.output import OutputPlan
from elanus.query.plan import QueryPlan, SearchPlan, check_queries, plan_query, search_key, where_keys
from elanus.query.ranking.bind import plan_reranked
from elanus.query.request import (
    Consistency,
    ElementCursor,
    HybridRequest,
    Iteration,
    Queries,
    QueryRequest,
    Rerank,
    RerankFunction,
    SearchRequest,
)
from elanus.query.result import ElementRuns, GroupValues, Output, OutputColumn, OutputStruct, QueryResult, SearchResult
from elanus.query.result_size import QUERY, SEARCH, fetch_within
from elanus.query.retrieve import retrieve
from elanus.query.select import Selected, count_rows, select_first, select_rows
from elanus.query.settled import settle
from elanus.query.snapshot import Snapshot
from elanus.query.structs.elements import select_elements
from elanus.query.tables.tabulate import tabulate
from elanus.segment.base import SegmentReader

__all__ = [
    "ChainSpec",
    "ChainStage",
    "Consistency",
    "ElementCursor",
    "ElementRuns",
    "FunctionSpec",
    "GroupBy",
    "GroupValues",
    "Iteration",
    "OpSpec",
    "Output",
    "OutputColumn",
    "OutputStruct",
    "Queries",
    "Query",
    "QueryResult",
    "Rerank",
    "RerankFunction",
    "Search",
    "SearchRequest",
    "SearchResult",
    "Sort",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(SearchRequest, Command[SearchResult]):
    """Find the nearest rows of a collection."""

    collection: CollectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(QueryRequest, Command[QueryResult]):
    """Return the rows of a collection that a filter selects, ascending by primary key; or their number."""

    collection: CollectionName


@handles(Search)
def search(instance: Instance, command: Search) -> SearchResult:
    """Plan, pin a snapshot, find candidates, fetch the winners' fields."""
    collection = instance.collection(command.collection)
    check_identity(collection, command.identity)
    manifest = collection.manifest
    models = instance.services.settings.functions
    trace = trace_of(command, command.collection.name) if command.profile or command.recall else None
    plan = collection.search_plans.get(manifest, search_key(command), lambda: _plan(manifest, command, models))
    if trace is not None:
        trace.lap(PLAN)
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    seen = snapshot(instance, collection, command.consistency, partitions, ignore_growing=plan.ignore_growing)
    queries = queries_of(seen, manifest, plan, command)
    if trace is not None:
        trace.lap(SNAPSHOT)
    if command.iteration is not None:
        candidates, position = instance.iterators.page(collection.id, command, plan, queries, seen)
        return replace(result_of(candidates, plan.output, command, manifest, seen.time), position=position)
    candidates = retrieve(plan, queries, seen, trace=trace, probe=collection.probe)
    if trace is None and command.plan_key is not None and command.ids is None and command.round_decimal < 0:
        collection.settled.offer(command.plan_key, seen.epoch, lambda: settle(plan, seen))
    if plan.facets is not None:
        result = result_of(candidates.page(0, 0), plan.output, command, manifest, seen.time)
        result = replace(result, facets=plan.facets.apply(candidates))
    else:
        result = result_of(candidates, plan.output, command, manifest, seen.time)
        result = replace(result, groups=group_values(candidates, plan.grouping, command.group))
    return result if trace is None else explained(result, command, plan, candidates, trace=trace, manifest=manifest)


def group_values(candidates: Candidates, grouping: Grouping | None, asked: GroupBy | None) -> GroupValues | None:
    """Return what hits are grouped by, None where they aren't."""
    if grouping is None or asked is None:
        return None
    return GroupValues(grouping.key.columns(candidates.segments, candidates.parts, candidates.rows), asked.listed)


def _plan(manifest: Manifest, request: SearchRequest, models: FunctionSettings) -> SearchPlan:
    asked = unordered(request)
    plan = chained(plan_reranked(manifest, asked, models), manifest, asked, models)
    return replace(plan, stages=(*plan.stages, *order_stages(manifest.schema, request, plan.grouping)))


def queries_of(seen: Snapshot, manifest: Manifest, plan: SearchPlan, request: SearchRequest) -> Queries:
    """Return the vectors that a search looks for; raises where they don't fit the field."""
    queries = request.queries
    if queries is None:
        queries = _stored_vectors(seen, manifest, plan.field, request.ids)
    check_queries(queries, plan.field, plan.metric)
    return queries


def result_of(
    candidates: Candidates,
    output: OutputPlan,
    request: SearchRequest | HybridRequest,
    manifest: Manifest,
    at: Timestamp,
) -> SearchResult:
    """Fetch the output fields of what was found; scores are rounded if asked.

    raises  InvalidParameter where that is more than an answer may hold
    """
    batch = fetch_within(SEARCH, candidates.segments, candidates.parts, candidates.rows, output.fields)
    return SearchResult(
        counts=candidates.counts,
        keys=candidates.keys,
        scores=rounded(candidates.scores, request.round_decimal),
        primary=manifest.schema.primary,
        columns=output.columns(batch),
        fields=output.names,
        at=at,
        timezone=request.timezone or manifest.timezone,
        elements=candidates.elements,
    )


def rounded(scores: NDArray[np.float32], decimals: int) -> NDArray[np.float32]:
    """Return scores rounded to some decimals, as they are for a negative number."""
    return scores if decimals < 0 else np.round(scores.astype(np.float64), decimals).astype(np.float32)


@handles(Query)
def query(instance: Instance, command: Query) -> QueryResult:
    """Plan, pin a snapshot, select rows of its segments, order them, fetch the page; or make a table of them."""
    collection = instance.collection(command.collection)
    check_identity(collection, command.identity)
    manifest = collection.manifest
    plan = plan_query(manifest, command)
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    seen = snapshot(instance, collection, command.consistency, partitions, ignore_growing=plan.ignore_growing)
    pinned = seen.readers(plan.where)
    primary = manifest.schema.primary
    if plan.counts:
        return QueryResult((), tuple(command.output_fields), primary, 0, seen.time, count=count_rows(pinned))
    timezone = command.timezone or manifest.timezone
    if plan.table is not None:
        table = tabulate(plan.table, pinned)
        columns, names = tuple(map(OutputColumn, table)), tuple(field.name for field in plan.table.fields)
        return QueryResult(columns, names, primary, len(table[0]), seen.time, timezone=timezone)
    selected, elements = _page(seen, plan, primary, command.after)
    batch = fetch_within(QUERY, selected.segments, selected.parts, selected.rows, plan.output.fields)
    return QueryResult(
        columns=plan.output.columns(batch),
        fields=plan.output.names,
        primary=primary,
        num_rows=batch.num_rows,
        at=seen.time,
        timezone=timezone,
        elements=elements,
    )


def _page(
    seen: Snapshot, plan: QueryPlan, primary: Field, after: ElementCursor | None
) -> tuple[Selected, ElementRuns | None]:
    """Return the page of rows that a query selects, and which elements of them where its filter selects such."""
    where, offset, limit = plan.where, plan.offset, plan.limit
    if plan.element_filter is not None:
        return select_elements(seen.readers(where), primary, plan.element_filter, offset, limit, after=after)
    if plan.order is not None and limit is not None:
        return select_ordered(seen.readers(where), plan.order, primary, offset, limit), None
    if limit is not None and where.sample is None and where.keys is None:
        return select_first(seen.scopes(where), primary, offset, limit), None
    return select_rows(seen.readers(where), primary.id, offset, limit), None


# --- search by primary key ---


def _stored_vectors(seen: Snapshot, manifest: Manifest, field: Field, ids: pa.Array | None) -> Queries:
    """Return the stored vectors of primary keys, in their order; they may lie in partitions that aren't searched."""
    schema = manifest.schema
    if ids is None or not len(ids):
        raise InvalidParameter("a search needs query vectors or primary keys")
    if field.type is DataType.ARRAY_OF_VECTOR:
        raise InvalidParameter("array of vector is not supported for search by IDs")
    if ids.type != arrow_type(schema.primary):
        kind = "int64" if schema.primary.type is DataType.INT64 else "varchar"
        raise InvalidParameter(f"primary key is {kind}, but IDs type mismatch")
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InvalidParameter("duplicate IDs found in search request")
    everywhere = replace(seen, partitions=manifest.loaded, ignore_growing=False)
    stored = everywhere.readers(where_keys(schema, ids))
    found = [(segment, _rows_in(segment, ids, rows)) for segment, rows in stored]
    parts = np.full(len(ids), -1, dtype=np.int64)
    rows_of = np.full(len(ids), -1, dtype=np.int64)
    for part, (_, rows) in enumerate(found):
        parts[rows >= 0] = part
        rows_of[rows >= 0] = rows[rows >= 0]
    if (parts < 0).any():
        missing = ids.filter(pa.array(parts < 0)).to_pylist()
        listed = ", ".join(str(key) for key in missing[:10])
        raise InvalidParameter(f"some of the provided primary key IDs do not exist: missing IDs = [{listed}]")
    column = fetch([segment for segment, _ in found], parts, rows_of, [field])[field.id]
    absent = None if column.valid is None else ~column.valid
    if field.type is DataType.SPARSE_FLOAT_VECTOR:
        return Queries(field.type, len(ids), sparse=pc.fill_null(column.data, b""), absent=absent)
    matrix = column.matrix()
    if absent is not None:
        matrix = np.where(absent[:, np.newaxis], matrix.dtype.type(0), matrix)
    return Queries(field.type, len(ids), matrix=matrix, absent=absent)


def _rows_in(segment: SegmentReader, ids: pa.Array, kept: Bitset | None) -> NDArray[np.int64]:
    """Return the kept row of each key, int64, -1 where the segment has none."""
    rows = segment.rows_of(ids)
    if kept is not None:
        rows[~kept.mask()[rows]] = -1
    return rows
