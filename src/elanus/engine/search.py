"""Reads: vector search, query by filter, count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import snapshot
from elanus.model.bitset import Bitset
from elanus.model.columns import arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.limits import RESULT_BYTES
from elanus.model.manifest import Manifest
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.query.fetch import fetch
from elanus.query.plan import check_queries, plan_query, plan_search, search_key, where_keys
from elanus.query.request import (
    Consistency,
    Output,
    OutputColumn,
    OutputStruct,
    Queries,
    QueryRequest,
    QueryResult,
    SearchRequest,
    SearchResult,
)
from elanus.query.retrieve import retrieve
from elanus.query.select import count_rows, select_rows
from elanus.query.snapshot import Snapshot
from elanus.segment.base import SegmentReader

__all__ = [
    "Consistency",
    "Output",
    "OutputColumn",
    "OutputStruct",
    "Queries",
    "Query",
    "QueryResult",
    "Search",
    "SearchResult",
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
    manifest = collection.manifest
    plan = collection.search_plans.get(manifest, search_key(command), lambda: plan_search(manifest, command))
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    seen = snapshot(instance, collection, command.consistency, partitions)
    queries = command.queries
    if queries is None:
        queries = _stored_vectors(seen, manifest, plan.field, command.ids)
    check_queries(queries, plan.field)
    if plan.ignore_growing:
        seen = replace(seen, ignore_growing=True)
    candidates = retrieve(plan, queries, seen, probe=collection.probe)
    batch = fetch(candidates.segments, candidates.parts, candidates.rows, plan.output.fields)
    return SearchResult(
        counts=candidates.counts,
        keys=candidates.keys,
        scores=rounded(candidates.scores, command.round_decimal),
        primary=plan.primary,
        columns=plan.output.columns(batch),
        fields=plan.output.names,
        at=seen.time,
        timezone=command.timezone or manifest.timezone,
        elements=candidates.elements,
    )


def rounded(scores: NDArray[np.float32], decimals: int) -> NDArray[np.float32]:
    """Return scores rounded to some decimals, as they are for a negative number."""
    return scores if decimals < 0 else np.round(scores.astype(np.float64), decimals).astype(np.float32)


@handles(Query)
def query(instance: Instance, command: Query) -> QueryResult:
    """Plan, pin a snapshot, select rows of its segments, order them by key, fetch the page."""
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    plan = plan_query(manifest, command)
    partitions = check_loaded(manifest, command.collection.name, command.partitions)
    seen = snapshot(instance, collection, command.consistency, partitions)
    pinned = replace(seen, ignore_growing=plan.ignore_growing).readers(plan.where)
    primary = manifest.schema.primary
    if plan.counts:
        return QueryResult((), (), primary, 0, seen.time, count=count_rows(pinned))
    selected = select_rows(pinned, primary.id, plan.offset, plan.limit)
    batch = fetch(selected.segments, selected.parts, selected.rows, plan.output.fields)
    if batch.num_bytes > RESULT_BYTES:
        raise InvalidParameter(f"query results exceed the maxOutputSize Limit {RESULT_BYTES}, got {batch.num_bytes}")
    return QueryResult(
        columns=plan.output.columns(batch),
        fields=plan.output.names,
        primary=primary,
        num_rows=batch.num_rows,
        at=seen.time,
        timezone=command.timezone or manifest.timezone,
    )


# --- search by primary key ---


def _stored_vectors(seen: Snapshot, manifest: Manifest, field: Field, ids: pa.Array | None) -> Queries:
    """Return the stored vectors of primary keys, in their order; they may lie in partitions that aren't searched."""
    schema = manifest.schema
    if ids is None or not len(ids):
        raise InvalidParameter("a search needs query vectors or primary keys")
    if ids.type != arrow_type(schema.primary):
        kind = "int64" if schema.primary.type is DataType.INT64 else "varchar"
        raise InvalidParameter(f"primary key is {kind}, but IDs type mismatch")
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InvalidParameter("duplicate IDs found in search request")
    stored = replace(seen, partitions=manifest.loaded).readers(where_keys(schema, ids))
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
    if column.data.null_count:
        raise InvalidParameter(f"some of the provided primary keys have no vector in field {field.name}")
    if field.type is DataType.SPARSE_FLOAT_VECTOR:
        return Queries(field.type, len(ids), sparse=column.data)
    return Queries(field.type, len(ids), matrix=column.matrix())


def _rows_in(segment: SegmentReader, ids: pa.Array, kept: Bitset | None) -> NDArray[np.int64]:
    """Return the kept row of each key, int64, -1 where the segment has none."""
    rows = segment.rows_of(ids)
    if kept is not None:
        rows[~kept.mask()[rows]] = -1
    return rows
