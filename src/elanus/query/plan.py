"""Plans: every decision of a read, taken once, in one immutable object that can be printed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from elanus.expr import BoundExpr, bind, keys_filter, primary_key_values, sampled
from elanus.index import INDEX_KINDS, build_params
from elanus.index.base import ITERATIVE_FILTER, SearchParams, Term
from elanus.index.dense.column_graphs import terms_of
from elanus.index.dense.graph import grouped_fields
from elanus.index.search_params import parse_search
from elanus.model.columns import arrow_type
from elanus.model.errors import InvalidParameter, SearchFailed, Wrapped
from elanus.model.ids import PartitionId
from elanus.model.manifest import IndexInfo, Manifest
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, Metric
from elanus.query.cache import frozen
from elanus.query.candidates import Stage
from elanus.query.output import OutputPlan, plan_output
from elanus.query.prune import Pruner
from elanus.query.request import Queries, QueryRequest, SearchRequest

COUNT = "count(*)"
USE_TYPED_JSON = "expr_use_json_stats"
"""The name among template values under which Milvus takes ``false`` for: read JSON from its text."""
MAX_KEY_BYTES = 16 * 1024
"""A longer request holds a list that is hardly asked for twice; its plan would be as large as the list."""


@dataclass(frozen=True, slots=True)
class Where:
    """A bound filter, and what it says without reading a row.

    keys      the primary keys that a row must have, None when the filter lists none
    pruner    what the filter says about where its rows lie, None when every segment may have some
    raw_json  the filter reads JSON from the rows' texts, not from typed columns
    rest      what a row with one of the keys must satisfy besides, None for nothing
    sample    which part of the rows that pass is wanted, at random; None for all of them
    """

    expression: BoundExpr | None = None
    keys: pa.Array | None = None
    pruner: Pruner | None = None
    raw_json: bool = False
    rest: BoundExpr | None = None
    sample: float | None = None

    @property
    def lists_keys(self) -> bool:
        """Whether the filter is a list of primary keys and nothing else."""
        return self.keys is not None and self.rest is None and self.sample is None


@dataclass(frozen=True, slots=True)
class Window:
    """The distances that a range search accepts, inner form: ``not_nearer_than <= distance < nearer_than``."""

    nearer_than: float
    not_nearer_than: float | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A vector search.

    fetch_k  hits wanted of each segment: limit and offset
    terms    what the filter says of fields whose values may have graphs of their own
    stages   what the hits of all segments go through, one after the other; the last one cuts the page. Without any,
             the page is cut where segments are merged
    """

    primary: Field
    field: Field
    index: IndexInfo
    metric: Metric
    params: SearchParams
    fetch_k: int
    offset: int
    limit: int
    window: Window | None
    where: Where
    output: OutputPlan
    partitions: frozenset[PartitionId] | None
    ignore_growing: bool
    terms: tuple[Term, ...] = ()
    stages: tuple[Stage, ...] = ()

    @property
    def filters_iteratively(self) -> bool:
        """Whether the nearest rows are found first and then looked at, rather than all rows that pass."""
        where = self.where
        hinted = self.params.hints == ITERATIVE_FILTER and self.window is None
        return hinted and where.expression is not None and where.keys is None and where.sample is None


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query by filter, or a count."""

    where: Where
    output: OutputPlan
    limit: int | None
    offset: int
    partitions: frozenset[PartitionId] | None
    ignore_growing: bool
    counts: bool


def search_key(request: SearchRequest) -> Hashable:
    """Return what a search's plan depends on; None when it is too long to be kept."""
    if request.plan_key is not None:
        long = isinstance(request.plan_key, bytes) and len(request.plan_key) > MAX_KEY_BYTES
        return None if long else request.plan_key
    if len(request.filter) > MAX_KEY_BYTES or request.values:
        return None
    page = (request.limit, request.offset, request.ignore_growing)
    names = (request.field, request.metric, request.filter, tuple(request.output_fields), request.partitions)
    return (page, names, request.timezone, frozen(request.params))


def plan_search(manifest: Manifest, request: SearchRequest) -> SearchPlan:
    """Bind a search to a collection; raises InvalidParameter or SearchFailed for what doesn't fit."""
    field = _anns_field(manifest.schema, request.field)
    index = manifest.index_on(field)
    if index is None or index.metric is None:
        raise InvalidParameter(f"there is no vector index on field: [{field.name}], please create index firstly")
    metric = _metric(index.metric, request.metric)
    fetch_k = request.limit + request.offset
    window = _window(metric, request.params)
    kind = INDEX_KINDS[index.kind]
    where = bind_filter(manifest, request.filter, request.values, request.timezone)
    return SearchPlan(
        primary=manifest.schema.primary,
        field=field,
        index=index,
        metric=metric,
        params=parse_search(kind, request.params, 0 if window else fetch_k),
        fetch_k=fetch_k,
        offset=request.offset,
        limit=request.limit,
        window=window,
        where=where,
        output=plan_output(manifest.schema, request.output_fields, with_primary=False),
        partitions=_partitions(manifest, request.partitions),
        ignore_growing=request.ignore_growing,
        terms=_terms(manifest.schema, index, where),
    )


def _terms(schema: Schema, index: IndexInfo, where: Where) -> tuple[Term, ...]:
    if where.expression is None:
        return ()
    return terms_of(where.expression, grouped_fields(schema, build_params(index), partition_key=True))


def plan_query(manifest: Manifest, request: QueryRequest) -> QueryPlan:
    """Bind a query to a collection; raises InvalidParameter for what doesn't fit."""
    counts = COUNT in request.output_fields
    if counts and (request.limit is not None or request.offset):
        raise InvalidParameter("count entities with pagination is not allowed")
    if not request.filter.strip() and request.limit is None and not counts:
        raise InvalidParameter("empty expression should be used with limit")
    names = () if counts else request.output_fields
    return QueryPlan(
        where=bind_filter(manifest, request.filter, request.values, request.timezone),
        output=plan_output(manifest.schema, names, with_primary=True),
        limit=request.limit,
        offset=request.offset,
        partitions=_partitions(manifest, request.partitions),
        ignore_growing=request.ignore_growing,
        counts=counts,
    )


def bind_filter(
    manifest: Manifest, text: str, values: Mapping[str, Any], timezone: str = "", plan: str = "query"
) -> Where:
    """Bind a filter's text; an empty one selects everything.

    values    of the templates; ``expr_use_json_stats`` is no template but says how JSON is read
    timezone  where instants are that name no offset; empty for the collection's
    plan      names the plan in the error
    """
    schema = manifest.schema
    if not text.strip():
        return Where()
    try:
        bound = bind(text, schema, values, timezone or manifest.timezone)
    except InvalidParameter as error:
        raise Wrapped(f"failed to create {plan} plan", error) from error
    expression, part = sampled(bound)
    keys, rest = primary_key_values(expression, schema) or (None, None)
    listed = None if keys is None else pa.array(keys, type=arrow_type(schema.primary))
    raw_json = values.get(USE_TYPED_JSON) is False
    return Where(expression, listed, Pruner(schema, expression), raw_json, rest, part)


def where_keys(schema: Schema, keys: pa.Array) -> Where:
    """Return what selects the rows of some primary keys."""
    return Where(keys=keys, pruner=Pruner(schema, keys_filter(keys, schema)))


def _anns_field(schema: Schema, name: str) -> Field:
    if not name:
        vectors = schema.vectors or [field for field in schema if field.type.is_vector]
        if len(vectors) > 1:
            raise InvalidParameter("multiple anns_fields exist, please specify a anns_field in search_params")
        return vectors[0]
    field = schema.find(name)
    if field is None:
        raise InvalidParameter(
            f"failed to create query plan: failed to get field schema by name: fieldName({name}) not found"
        )
    if not field.type.is_vector:
        raise InvalidParameter(f"failed to create query plan: field ({name}) to search is not of vector data type")
    return field


def _metric(indexed: Metric, asked: str) -> Metric:
    if asked and asked.upper() != indexed:
        raise InvalidParameter.expected("metric type not match", expected=indexed.value, actual=asked)
    return indexed


def _window(metric: Metric, params: Mapping[str, Any]) -> Window | None:
    radius, inner = _bound(params, "radius"), _bound(params, "range_filter")
    if radius is None:
        if inner is not None:
            raise InvalidParameter("range_filter requires radius to be set")
        return None
    if metric.larger_is_nearer:
        if inner is not None and inner <= radius:
            raise SearchFailed(f"range_filter({inner}) must be greater than radius({radius})", segcore=2004)
        return Window(-radius, None if inner is None else -inner)
    if inner is not None and inner >= radius:
        raise SearchFailed(f"range_filter({inner}) must be less than radius({radius})", segcore=2004)
    return Window(radius, inner)


def _bound(params: Mapping[str, Any], key: str) -> float | None:
    if key not in params:
        return None
    try:
        return float(params[key])
    except (TypeError, ValueError):
        raise InvalidParameter(f"wrong data type in json, key: '{key}', value: '{params[key]}'") from None


def _partitions(manifest: Manifest, names: Sequence[str]) -> frozenset[PartitionId] | None:
    if not names:
        return None
    if manifest.schema.partition_key is not None:
        raise InvalidParameter("not support manually specifying the partition names if partition key mode is used")
    unknown = [name for name in names if name not in manifest.partitions_by_name]
    if unknown:
        raise InvalidParameter(f"partition name {unknown[0]} not found")
    return frozenset(manifest.partitions_by_name[name].id for name in names)


def check_queries(queries: Queries, field: Field) -> None:
    """Raise unless the vectors have the field's type and dimension; floats are taken for half-precision fields."""
    halves = (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
    widened = queries.type is DataType.FLOAT_VECTOR and field.type in halves
    if queries.type is not field.type and not widened:
        raise InvalidParameter(
            f"vector type must be the same: field type {field.type.label}, search type {queries.type.label}"
        )
    if queries.matrix is None:
        return
    bits = queries.matrix.shape[1] * (8 if queries.type is DataType.BINARY_VECTOR else 1)
    if bits != field.dim:
        raise SearchFailed(
            f"vector dimension mismatch, expected vector size(dim) {field.dim}, actual {bits}", segcore=2032
        )
