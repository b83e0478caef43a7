"""Plans: every decision of a read, taken once, in one immutable object that can be printed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from elanus.expr import BoundExpr, bind, keys_filter, primary_key_values, sampled
from elanus.expr.bound import StructMatch
from elanus.index import INDEX_KINDS, build_params
from elanus.index.base import ITERATIVE_FILTER, SearchParams, Term
from elanus.index.dense.column_graphs import terms_of
from elanus.index.dense.graph import grouped_fields
from elanus.index.search_params import ListSearch, parse_search
from elanus.model.columns import arrow_type
from elanus.model.errors import InvalidParameter, SearchFailed, Wrapped
from elanus.model.ids import PartitionId
from elanus.model.manifest import IndexInfo, Manifest
from elanus.model.schema import Field, Schema
from elanus.model.types import METRIC_ALIASES, DataType, Metric
from elanus.model.vectors import check_dense, check_sparse
from elanus.query.cache import frozen
from elanus.query.candidates import Stage
from elanus.query.grouping.facets import FacetPlan, bind_facets
from elanus.query.grouping.groups import Grouping
from elanus.query.order import TOLERANCE
from elanus.query.order_by import Ordering, bind_order
from elanus.query.output import OutputPlan, plan_output
from elanus.query.prune import Pruner
from elanus.query.ranking.scorer import HitScorer
from elanus.query.request import Queries, QueryRequest, SearchRequest
from elanus.query.structs.elements import element_filter_for, element_filter_of
from elanus.query.structs.list_queries import check_lists
from elanus.query.tables.aggregates import ROWS, asks_for_figures, parse_aggregate
from elanus.query.tables.plan import TablePlan, bind_table

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


EVERYWHERE = Window(math.inf)
"""Every distance, by the ways in which a part of them is looked for: their figures agree to the last bit."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A vector search.

    fetch_k  hits wanted of each segment: limit and offset
    terms    what the filter says of fields whose values may have graphs of their own
    stages   what the hits of all segments go through, one after the other; the last one cuts the page. Without any,
             the page is cut where segments are merged
    lists    how lists of vectors are searched, None where single vectors are
    element_filter  what elements of a struct array must satisfy to be found, None for nothing
    scorer   what gives a segment's hits other scores before segments are merged, None for nothing
    grouping what hits are grouped by: the nearest rows are looked at until they hold ``limit`` groups after ``offset``
    facets   buckets that are made of the groups, None for none
    tolerance  hits whose distances are less than this apart count as equally near
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
    lists: ListSearch | None = None
    element_filter: StructMatch | None = None
    scorer: HitScorer | None = None
    grouping: Grouping | None = None
    facets: FacetPlan | None = None
    tolerance: float = float(TOLERANCE)

    @property
    def is_plain(self) -> bool:
        """Whether the nearest rows that pass the filter are all that is asked for, and nobody says how to find them."""
        more = (self.window, self.lists, self.element_filter, self.scorer, self.grouping, self.facets)
        told = self.params.hints or self.where.sample is not None
        return not self.stages and not told and all(one is None for one in more)

    @property
    def filters_iteratively(self) -> bool:
        """Whether the nearest rows are found first and then looked at, rather than all rows that pass."""
        where = self.where
        # The filter is asked about rows, which the nearest elements are not.
        hinted = self.params.hints == ITERATIVE_FILTER and self.window is None and not self.field.struct
        return hinted and where.expression is not None and where.keys is None and where.sample is None


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query by filter, or a count.

    order  what rows are ordered by, None for their primary keys
    table  figures and groups that are returned in place of rows, None for rows
    """

    where: Where
    output: OutputPlan
    limit: int | None
    offset: int
    partitions: frozenset[PartitionId] | None
    ignore_growing: bool
    counts: bool
    element_filter: StructMatch | None = None
    order: Ordering | None = None
    table: TablePlan | None = None


def search_key(request: SearchRequest) -> Hashable:
    """Return what a search's plan depends on; None when it is too long to be kept."""
    if request.plan_key is not None:
        long = isinstance(request.plan_key, bytes) and len(request.plan_key) > MAX_KEY_BYTES
        return None if long else request.plan_key
    if len(request.filter) > MAX_KEY_BYTES or request.values or request.rerank is not None or request.function_chains:
        return None
    page = (request.limit, request.offset, request.ignore_growing, request.iteration is None, request.follows_bounds)
    names = (request.field, request.metric, request.filter, tuple(request.output_fields), request.partitions)
    shape = (request.group, request.facets, request.order)
    return (page, names, request.timezone, shape, frozen(request.params))


def plan_search(manifest: Manifest, request: SearchRequest) -> SearchPlan:
    """Bind a search to a collection; raises InvalidParameter or SearchFailed for what doesn't fit."""
    field = _anns_field(manifest.schema, request.field)
    index = manifest.index_on(field)
    if index is None or index.metric is None:
        raise InvalidParameter(f"there is no vector index on field: [{field.name}], please create index firstly")
    metric = _metric(index.metric, request.metric)
    fetch_k = request.limit + request.offset
    window = _window(metric, request.params)
    if window is not None and metric.is_of_lists:
        raise InvalidParameter("range search is not supported for multi-search-multi on embedding list fields")
    if window is None and request.follows_bounds and not metric.is_of_lists:
        window = EVERYWHERE
    kind = INDEX_KINDS[index.kind]
    where = bind_filter(manifest, request.filter, request.values, request.timezone)
    output = plan_output(manifest.schema, request.output_fields, with_primary=False)
    facets = None if request.facets is None else bind_facets(manifest.schema, request.facets, output)
    grouping = _grouping(manifest.schema, field, metric, request)
    return SearchPlan(
        primary=manifest.schema.primary,
        field=field,
        index=index,
        metric=metric,
        params=parse_search(kind, request.params, 0 if window or request.iteration or facets else fetch_k),
        fetch_k=fetch_k,
        offset=request.offset,
        limit=request.limit,
        window=window,
        where=where,
        output=output,
        partitions=_partitions(manifest, request.partitions),
        ignore_growing=request.ignore_growing,
        terms=_terms(manifest.schema, index, where),
        lists=ListSearch.parse(request.params) if metric.is_of_lists else None,
        element_filter=element_filter_for(manifest.schema, field, metric, where.expression),
        grouping=grouping,
        facets=facets,
        stages=() if grouping is None else (grouping.stage(request.offset, request.limit),),
        tolerance=0.0 if request.follows_bounds else float(TOLERANCE),
    )


def _grouping(schema: Schema, field: Field, metric: Metric, request: SearchRequest) -> Grouping | None:
    if request.group is None:
        return None
    if metric.is_of_lists:
        raise InvalidParameter("group by is not supported for multi-search-multi on embedding list fields")
    return Grouping.of(schema, field, request.group, request.params)


def _terms(schema: Schema, index: IndexInfo, where: Where) -> tuple[Term, ...]:
    if where.expression is None or schema.by_id(index.field).struct:
        return ()
    return terms_of(where.expression, grouped_fields(schema, build_params(index), partition_key=True))


def plan_query(manifest: Manifest, request: QueryRequest) -> QueryPlan:
    """Bind a query to a collection; raises InvalidParameter for what doesn't fit."""
    figures = asks_for_figures(request)
    _check_page(request, figures=figures)
    counts = figures and not request.group_by and [parse_aggregate(name) for name in request.output_fields] == [ROWS]
    names = () if figures else request.output_fields
    where = bind_filter(manifest, request.filter, request.values, request.timezone)
    element_filter = element_filter_of(where.expression)
    if element_filter is not None and request.order and not figures:
        raise InvalidParameter("ORDER BY with element_filter is not supported")
    tabulated = figures and (not counts or bool(request.having or request.order))
    return QueryPlan(
        where=where,
        output=plan_output(manifest.schema, names, with_primary=True),
        limit=request.limit,
        offset=request.offset,
        partitions=_partitions(manifest, request.partitions),
        ignore_growing=request.ignore_growing,
        counts=counts and not tabulated,
        element_filter=element_filter,
        order=bind_order(manifest.schema, request.order) if request.order and not figures else None,
        table=bind_table(manifest.schema, request, request.timezone or manifest.timezone) if tabulated else None,
    )


def _check_page(request: QueryRequest, *, figures: bool) -> None:
    """Raise InvalidParameter where a query needs a limit, or may have none.

    figures  whether it asks for figures or groups
    """
    paged = request.limit is not None or request.offset
    if paged and not request.group_by and ROWS in map(parse_aggregate, request.output_fields):
        raise InvalidParameter("count entities with pagination is not allowed")
    if request.order and request.limit is None:
        raise InvalidParameter("ORDER BY requires explicit limit")
    if not request.filter.strip() and request.limit is None and not figures:
        raise InvalidParameter("empty expression should be used with limit")


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
    if asked and METRIC_ALIASES.get(asked.upper(), asked.upper()) != indexed:
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
    value = params[key]
    try:
        bound = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        bound = math.nan
    if math.isnan(bound):
        raise InvalidParameter(f"wrong data type in json, key: '{key}', value: '{value}'")
    return bound


def _partitions(manifest: Manifest, names: Sequence[str]) -> frozenset[PartitionId] | None:
    if not names:
        return None
    if manifest.schema.partition_key is not None:
        raise InvalidParameter("not support manually specifying the partition names if partition key mode is used")
    unknown = [name for name in names if name not in manifest.partitions_by_name]
    if unknown:
        raise InvalidParameter(f"partition name {unknown[0]} not found")
    return frozenset(manifest.partitions_by_name[name].id for name in names)


def check_queries(queries: Queries, field: Field, metric: Metric) -> None:
    """Raise unless the vectors have the field's type and dimension; floats are taken for half-precision fields.

    metric  of the field's index: lists of vectors are searched by one of lists, single vectors by any other
    """
    kind = field.vector_type
    halves = (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
    widened = queries.type is DataType.FLOAT_VECTOR and kind in halves
    if queries.type is not kind and not widened:
        raise InvalidParameter(
            f"vector type must be the same: field type {kind.label}, search type {queries.type.label}"
        )
    if metric.is_of_lists or queries.lists is not None:
        check_lists(queries, field, metric)
        return
    if queries.matrix is None:
        check_sparse(queries.sparse)
        return
    bits = queries.matrix.shape[1] * (8 if queries.type is DataType.BINARY_VECTOR else 1)
    if bits != field.dim:
        raise SearchFailed(
            f"vector dimension mismatch, expected vector size(dim) {field.dim}, actual {bits}", segcore=2032
        )
    check_dense(queries.type, queries.matrix)
