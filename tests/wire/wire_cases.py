"""One exchange an RPC: the request as a stock client builds it, and what the engine answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pymilvus import CollectionSchema, FieldSchema, StructFieldSchema
from pymilvus import DataType as ClientType
from pymilvus.client.abstract import CollectionSchema as Described
from pymilvus.client.prepare import Prepare
from pymilvus.client.search_aggregation import SearchAggregation, TopHits
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from elanus.engine import (
    aliases,
    collections,
    data,
    databases,
    indexes,
    partitions,
    schemas,
    search,
    system,
)
from elanus.model.columns import Column, arrow_type, vector_array
from elanus.model.errors import CannotFindCollection, CollectionNotLoaded, IndexNotFound, InvalidParameter
from elanus.model.geometry import wkb_of_text
from elanus.model.ids import CollectionId, DatabaseId, FieldId, IndexId, PartitionId
from elanus.model.manifest import IndexInfo, Manifest, PartitionInfo
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema, StructField
from elanus.model.time import Timestamp
from elanus.model.types import DataType, IndexState, Level, LoadState, Metric
from elanus.query.result import BucketHits, Buckets, Facets
from elanus.server.grpc.schemas import schema_to

DIM = 4
AT = Timestamp(450_000_000_000_000_000)

CLIENT_SCHEMA = CollectionSchema(
    [
        FieldSchema("id", ClientType.INT64, is_primary=True),
        FieldSchema("title", ClientType.VARCHAR, max_length=64, nullable=True),
        FieldSchema("rank", ClientType.INT8, default_value=np.int8(3)),
        FieldSchema("tags", ClientType.ARRAY, element_type=ClientType.INT32, max_capacity=8),
        FieldSchema("vector", ClientType.FLOAT_VECTOR, dim=DIM),
    ],
    description="books",
    enable_dynamic_field=True,
)
FIELDS = (
    Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
    Field(
        id=FieldId(101),
        name="title",
        type=DataType.VARCHAR,
        max_length=64,
        nullable=True,
        params=(("max_length", "64"),),
    ),
    Field(id=FieldId(102), name="rank", type=DataType.INT8, default=3),
    Field(
        id=FieldId(103),
        name="tags",
        type=DataType.ARRAY,
        element_type=DataType.INT32,
        max_capacity=8,
        params=(("max_capacity", "8"),),
    ),
    Field(id=FieldId(104), name="vector", type=DataType.FLOAT_VECTOR, dim=DIM, params=(("dim", "4"),)),
    Field(id=FieldId(105), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True),
)
SCHEMA = Schema(FIELDS, description="books", version=1)
PARTITIONS = (
    PartitionInfo(id=PartitionId(11), name="_default", created_at=AT, loaded=True),
    PartitionInfo(id=PartitionId(12), name="new", created_at=AT),
)
MANIFEST = Manifest(
    id=CollectionId(7),
    schema=SCHEMA,
    version=3,
    shards=2,
    consistency=Level.BOUNDED,
    properties=(("collection.ttl.seconds", "60"),),
    created_at=AT,
    updated_at=AT,
    partitions=PARTITIONS,
)
DESCRIBED = collections.Described("books", "default", DatabaseId(1), ("novels",), MANIFEST)
INDEX = indexes.IndexDescription(
    info=IndexInfo(
        id=IndexId(21),
        name="vector",
        field=FieldId(104),
        kind="HNSW",
        metric=Metric.COSINE,
        params=(("index_type", "HNSW"), ("metric_type", "COSINE"), ("params", '{"M":16}')),
    ),
    field="vector",
    state=IndexState.FINISHED,
    total_rows=2000,
    indexed_rows=2000,
    answered_by="HNSW graph (FAISS)",
)
SCANNED = indexes.IndexDescription(
    info=INDEX.info,
    field="vector",
    state=IndexState.IN_PROGRESS,
    total_rows=9,
    indexed_rows=4,
    answered_by="exact scan",
)
ROWS = [
    {"id": 1, "title": "Emma", "rank": 5, "tags": [1, 2], "vector": [0.5, 0.25, 0.0, 1.0], "year": 1815},
    {"id": 2, "title": None, "rank": None, "tags": [], "vector": [1.0, 0.0, 0.5, 0.25], "year": 1922},
]
WRITTEN = data.Written(pa.array([1, 2], type=pa.int64()), 2, AT)


def _columns() -> tuple[search.OutputColumn, ...]:
    primary, title, _, tags, vector, dynamic = FIELDS
    matrix = np.array([[0.5, 0.25, 0.0, 1.0], [1.0, 0.0, 0.5, 0.25]], dtype=np.float32)
    return (
        search.OutputColumn(Column(primary, pa.array([1, 2], type=pa.int64()))),
        search.OutputColumn(Column(title, pa.array(["Emma", None], type=pa.large_string()))),
        search.OutputColumn(Column(tags, pa.array([[1, 2], []], type=pa.large_list(pa.int32())))),
        search.OutputColumn(Column(vector, vector_array(vector, matrix))),
        search.OutputColumn(
            Column(dynamic, pa.array([b'{"year":1815,"x":1}', b'{"year":1922}'], type=pa.large_binary())), ("year",)
        ),
    )


HITS = search.SearchResult(
    counts=np.array([1, 1], dtype=np.int64),
    keys=pa.array([1, 2], type=pa.int64()),
    scores=np.array([0.875, 0.123], dtype=np.float32),
    primary=FIELDS[0],
    columns=_columns(),
    fields=("id", "title", "tags", "vector", "year"),
    at=AT,
)
RANKS = Column(FIELDS[2], pa.array([3, 4], type=pa.int8()))
GROUPED = replace(HITS, groups=search.GroupValues((RANKS,), listed=False))
GROUPED_BY_TWO = replace(HITS, groups=search.GroupValues((RANKS, Column(FIELDS[0], HITS.keys)), listed=True))
TOP = BucketHits(
    np.array([1, 0]), pa.array([1], type=pa.int64()), HITS.scores[:1], (search.OutputColumn(RANKS.slice(0, 1)),)
)
OUTER = Buckets(np.array([0, 1]), (RANKS,), np.array([2, 1]), {"mean": pa.array([0.5, None], type=pa.float64())}, TOP)
INNER = Buckets(np.array([1]), (Column(FIELDS[0], HITS.keys[:1]),), np.array([1]), {}, None)
FACETS = replace(
    HITS,
    counts=np.zeros(2, dtype=np.int64),
    keys=HITS.keys[:0],
    scores=HITS.scores[:0],
    columns=(),
    fields=(),
    facets=Facets((OUTER, INNER)),
)
FOUND = search.QueryResult(_columns(), ("id", "title", "tags", "vector", "year"), FIELDS[0], 2, AT)
COUNTED = search.QueryResult((), ("count(*)",), FIELDS[0], 0, AT, count=42)


# --- a collection with an array of structs ---


def _films() -> CollectionSchema:
    clip = StructFieldSchema()
    clip.add_field("text", ClientType.VARCHAR, max_length=64)
    clip.add_field("emb", ClientType.FLOAT_VECTOR, dim=2)
    schema = CollectionSchema([CLIENT_SCHEMA.fields[0]])
    schema.add_field(
        "clips", ClientType.ARRAY, element_type=ClientType.STRUCT, struct_schema=clip, max_capacity=4, nullable=True
    )
    return schema


CLIPS = StructField(id=FieldId(101), name="clips", nullable=True)
CLIP_FIELDS = (
    Field(
        id=FieldId(102),
        name="clips[text]",
        type=DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_length=64,
        max_capacity=4,
        nullable=True,
        params=(("max_length", "64"), ("max_capacity", "4")),
        struct="clips",
    ),
    Field(
        id=FieldId(103),
        name="clips[emb]",
        type=DataType.ARRAY_OF_VECTOR,
        element_type=DataType.FLOAT_VECTOR,
        dim=2,
        max_capacity=4,
        nullable=True,
        params=(("dim", "2"), ("max_capacity", "4")),
        struct="clips",
    ),
)
FILMS = Schema((FIELDS[0], *CLIP_FIELDS), structs=(CLIPS,))
FILM_ROWS = [
    {"id": 1, "clips": [{"text": "a", "emb": [0.5, 0.25]}, {"text": "b", "emb": [1.0, 0.0]}]},
    {"id": 2, "clips": None},
    {"id": 3, "clips": []},
]


def _clips() -> search.OutputStruct:
    texts = pa.array([["a", "b"], None, []], type=arrow_type(CLIP_FIELDS[0]))
    vectors = pa.array([[[0.5, 0.25], [1.0, 0.0]], None, []], type=arrow_type(CLIP_FIELDS[1]))
    return search.OutputStruct(CLIPS, (Column(CLIP_FIELDS[0], texts), Column(CLIP_FIELDS[1], vectors)))


FILMS_FOUND = search.QueryResult(
    (search.OutputColumn(Column(FIELDS[0], pa.array([1, 2, 3], type=pa.int64()))), _clips()),
    ("id", "clips"),
    FIELDS[0],
    3,
    AT,
)


def _insert_films() -> Any:
    described = Described(
        milvus_pb2.DescribeCollectionResponse(
            schema=schema_pb2.CollectionSchema.FromString(schema_to("films", FILMS).SerializeToString())
        )
    ).dict()
    return Prepare.row_insert_param(
        "films",
        FILM_ROWS,
        "",
        fields_info=described["fields"],
        struct_fields_info=described["struct_array_fields"],
        schema_timestamp=AT,
    )


# --- a collection with instants and geometries ---

CLIENT_PLACES = CollectionSchema(
    [
        FieldSchema("id", ClientType.INT64, is_primary=True),
        FieldSchema("seen", ClientType.TIMESTAMPTZ, nullable=True),
        FieldSchema("since", ClientType.TIMESTAMPTZ, default_value="2024-02-29 00:00:00"),
        FieldSchema("place", ClientType.GEOMETRY, nullable=True),
        FieldSchema("home", ClientType.GEOMETRY, default_value="POINT (7 8)"),
        FieldSchema("vector", ClientType.FLOAT_VECTOR, dim=2),
    ]
)
PLACE_FIELDS = (
    FIELDS[0],
    Field(id=FieldId(101), name="seen", type=DataType.TIMESTAMPTZ, nullable=True),
    Field(id=FieldId(102), name="since", type=DataType.TIMESTAMPTZ, default=1_709_161_200_000_000),
    Field(id=FieldId(103), name="place", type=DataType.GEOMETRY, nullable=True),
    Field(id=FieldId(104), name="home", type=DataType.GEOMETRY, default="POINT (7 8)"),
    Field(id=FieldId(105), name="vector", type=DataType.FLOAT_VECTOR, dim=2, params=(("dim", "2"),)),
)
PLACES = Schema(PLACE_FIELDS)
PLACE_ROWS = [
    {"id": 1, "seen": "2025-07-01 12:00:00.5", "place": "POINT(1 1)", "vector": [0.5, 0.25]},
    {"id": 2, "seen": None, "place": None, "vector": [1.0, 0.0]},
    {"id": 3, "seen": "1969-12-31T23:59:59.123456789Z", "place": "LINESTRING(0 0,1 1.50)", "vector": [0.0, 1.0]},
]


def _place_columns() -> tuple[search.OutputColumn, ...]:
    seen = pa.array([1_751_364_000_500_000, None, -876_544], type=pa.int64())
    shapes = [text and wkb_of_text(text) for text in ("POINT (1 1)", None, "LINESTRING (0 0, 1 1.5)")]
    return (
        search.OutputColumn(Column(FIELDS[0], pa.array([1, 2, 3], type=pa.int64()))),
        search.OutputColumn(Column(PLACE_FIELDS[1], seen)),
        search.OutputColumn(Column(PLACE_FIELDS[3], pa.array(shapes, type=pa.large_binary()))),
    )


PLACES_FOUND = search.QueryResult(_place_columns(), ("id", "seen", "place"), FIELDS[0], 3, AT, timezone="Europe/Berlin")
PLACES_NEAR = replace(
    HITS,
    counts=np.array([3], dtype=np.int64),
    keys=pa.array([1, 2, 3], type=pa.int64()),
    scores=np.array([0.0, 0.25, 1.0], dtype=np.float32),
    columns=_place_columns(),
    fields=("id", "seen", "place"),
    timezone="Asia/Tokyo",
)
DESCRIBED_PLACES = replace(
    DESCRIBED,
    name="places",
    aliases=(),
    manifest=replace(MANIFEST, schema=PLACES, properties=(("timezone", "Europe/Berlin"),)),
)


def _insert_places() -> Any:
    fields = CLIENT_PLACES.to_dict()["fields"]
    return Prepare.row_insert_param("places", PLACE_ROWS, "", fields_info=fields, schema_timestamp=AT)


@dataclass(frozen=True)
class Case:
    """One exchange: ``answers`` are the engine's, by kind of command; an error is raised."""

    name: str
    method: str
    request: Any
    answers: Mapping[type, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def _insert(rows: list[dict[str, Any]]) -> Any:
    return Prepare.row_insert_param(
        "books", rows, "", fields_info=CLIENT_SCHEMA.to_dict()["fields"], enable_dynamic=True, schema_timestamp=AT
    )


def _upsert(rows: list[dict[str, Any]], **options: Any) -> Any:
    fields = CLIENT_SCHEMA.to_dict()["fields"]
    return Prepare.row_upsert_param("books", rows, "new", fields_info=fields, enable_dynamic=True, **options)


AGGREGATION = SearchAggregation(
    ["rank"],
    2,
    {"mean": {"avg": "_score"}},
    [{"mean": "desc"}],
    TopHits(1, [{"id": "asc"}]),
    SearchAggregation(["id"], 1),
)


def _search(**options: Any) -> Any:
    return Prepare.search_requests_with_expr(
        "books",
        "vector",
        {"metric_type": "COSINE", "params": {"ef": 64}},
        1,
        data=[[0.5, 0.25, 0.0, 1.0], [1.0, 0.0, 0.5, 0.25]],
        expr="rank > {low}",
        expr_params={"low": 3},
        output_fields=["*"],
        round_decimal=3,
        consistency_level=2,
        **options,
    )


CASES = [
    Case(
        "connect",
        "Connect",
        milvus_pb2.ConnectRequest(),
        {system.Connect: system.Connected(99, "3.0.0-elanus")},
        {"dbname": "library"},
    ),
    Case("get_version", "GetVersion", milvus_pb2.GetVersionRequest(), {system.GetVersion: "3.0.0-elanus"}),
    Case("alloc_timestamp", "AllocTimestamp", milvus_pb2.AllocTimestampRequest(), {system.AllocateTimestamp: AT}),
    Case("check_health", "CheckHealth", milvus_pb2.CheckHealthRequest()),
    Case(
        "create_database",
        "CreateDatabase",
        Prepare.create_database_req("library", properties={"database.replica.number": "1"}),
        {databases.CreateDatabase: None},
    ),
    Case(
        "list_databases",
        "ListDatabases",
        Prepare.list_database_req(),
        {databases.ListDatabases: (databases.DatabaseInfo(DatabaseId(1), "default", AT),)},
    ),
    Case(
        "describe_database",
        "DescribeDatabase",
        Prepare.describe_database_req("library"),
        {databases.DescribeDatabase: databases.DatabaseInfo(DatabaseId(2), "library", AT, (("timezone", "UTC"),))},
    ),
    Case(
        "create_collection",
        "CreateCollection",
        Prepare.create_collection_request("books", CLIENT_SCHEMA, num_shards=2, consistency_level=2),
        {collections.CreateCollection: None},
    ),
    Case(
        "describe_collection",
        "DescribeCollection",
        Prepare.describe_collection_request("novels"),
        {collections.DescribeCollection: DESCRIBED},
    ),
    Case(
        "describe_collection_missing",
        "DescribeCollection",
        Prepare.describe_collection_request("none"),
        {collections.DescribeCollection: CannotFindCollection(database="default", collection="none")},
    ),
    Case(
        "show_collections",
        "ShowCollections",
        Prepare.show_collections_request(),
        {collections.ListCollections: (collections.Listed(CollectionId(7), "books", AT, 2),)},
    ),
    Case(
        "collection_statistics",
        "GetCollectionStatistics",
        Prepare.get_collection_stats_request("books"),
        {collections.CollectionStatistics: 2},
    ),
    Case(
        "rename_collection",
        "RenameCollection",
        Prepare.rename_collections_request("books", "novels", "library"),
        {collections.RenameCollection: None},
    ),
    Case(
        "has_partition",
        "HasPartition",
        Prepare.has_partition_request("books", "new"),
        {partitions.HasPartition: True},
    ),
    Case(
        "show_partitions",
        "ShowPartitions",
        Prepare.show_partitions_request("books"),
        {partitions.ListPartitions: PARTITIONS},
    ),
    Case(
        "list_aliases",
        "ListAliases",
        Prepare.list_aliases_request("books"),
        {aliases.ListAliases: ("novels",)},
    ),
    Case(
        "describe_alias",
        "DescribeAlias",
        Prepare.describe_alias_request("novels"),
        {aliases.DescribeAlias: "books"},
    ),
    Case(
        "create_index",
        "CreateIndex",
        Prepare.create_index_request(
            "books", "vector", {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 16}}
        ),
        {indexes.CreateIndex: None},
    ),
    Case(
        "describe_index",
        "DescribeIndex",
        Prepare.describe_index_request("books", "vector"),
        {indexes.DescribeIndexes: (INDEX,)},
    ),
    Case(
        "describe_index_scanned",
        "DescribeIndex",
        Prepare.describe_index_request("books", ""),
        {indexes.DescribeIndexes: (SCANNED,)},
    ),
    Case(
        "describe_index_missing",
        "DescribeIndex",
        Prepare.describe_index_request("books", ""),
        {indexes.DescribeIndexes: IndexNotFound(collection="books")},
    ),
    Case(
        "load_collection",
        "LoadCollection",
        Prepare.load_collection("books", 1),
        {partitions.Load: None},
    ),
    Case(
        "loading_progress",
        "GetLoadingProgress",
        Prepare.get_loading_progress("books"),
        {partitions.LoadingProgress: 100},
    ),
    Case(
        "load_state",
        "GetLoadState",
        Prepare.get_load_state("books"),
        {partitions.GetLoadState: LoadState.NOT_LOADED},
    ),
    Case(
        "get_replicas",
        "GetReplicas",
        milvus_pb2.GetReplicasRequest(collection_name="books", with_shard_nodes=True),
        {collections.DescribeCollection: DESCRIBED},
    ),
    Case("insert", "Insert", _insert(ROWS), {schemas.GetSchema: SCHEMA, data.Insert: WRITTEN}),
    Case(
        "insert_refused",
        "Insert",
        _insert(ROWS),
        {schemas.GetSchema: SCHEMA, data.Insert: InvalidParameter("value 'NaN' is not a number or infinity")},
    ),
    Case(
        "create_collection_places",
        "CreateCollection",
        Prepare.create_collection_request("places", CLIENT_PLACES, properties={"timezone": "Europe/Berlin"}),
        {collections.CreateCollection: None},
    ),
    Case(
        "describe_collection_places",
        "DescribeCollection",
        Prepare.describe_collection_request("places"),
        {collections.DescribeCollection: DESCRIBED_PLACES},
    ),
    Case(
        "insert_places",
        "Insert",
        _insert_places(),
        {schemas.GetSchema: PLACES, schemas.GetTimezone: "Europe/Berlin", data.Insert: WRITTEN},
    ),
    Case(
        "query_places",
        "Query",
        Prepare.query_request("places", 'seen > ISO "2025-07-01 00:00:00"', ["seen", "place"], []),
        {search.Query: PLACES_FOUND},
    ),
    Case(
        "query_place_times",
        "Query",
        Prepare.query_request(
            "places", "id > 0", ["seen"], [], timezone="Europe/Berlin", time_fields="year,month,day,hour"
        ),
        {search.Query: PLACES_FOUND},
    ),
    Case(
        "search_places",
        "Search",
        Prepare.search_requests_with_expr(
            "places",
            "vector",
            {"metric_type": "L2"},
            3,
            data=[[0.5, 0.25]],
            expr='st_within(place, "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))")',
            output_fields=["seen", "place"],
            timezone="Asia/Tokyo",
            consistency_level=2,
        ),
        {search.Search: PLACES_NEAR},
    ),
    Case("upsert", "Upsert", _upsert(ROWS), {schemas.GetSchema: SCHEMA, data.Upsert: WRITTEN}),
    Case(
        "upsert_partial",
        "Upsert",
        _upsert(ROWS, partial_update=True),
        {schemas.GetSchema: SCHEMA, data.Upsert: WRITTEN},
    ),
    Case(
        "delete",
        "Delete",
        Prepare.delete_request("books", "id in {ids}", consistency_level=0, expr_params={"ids": [1, 2]}),
        {data.Delete: data.Written(pa.array([], type=pa.int64()), 2, AT)},
    ),
    Case(
        "flush",
        "Flush",
        Prepare.flush_param(["books"]),
        {data.Flush: {"books": data.Flushed((31, 32), AT)}},
    ),
    Case(
        "flush_state",
        "GetFlushState",
        milvus_pb2.GetFlushStateRequest(segmentIDs=[31], collection_name="books", flush_ts=AT),
        {collections.HasCollection: True},
    ),
    Case("search", "Search", _search(), {search.Search: HITS}),
    Case(
        "search_not_loaded",
        "Search",
        _search(),
        {search.Search: CollectionNotLoaded("failed to search", collection="books")},
    ),
    Case(
        "search_grouped",
        "Search",
        _search(group_by_field="rank", group_size=2, strict_group_size=True),
        {search.Search: GROUPED},
    ),
    Case("search_grouped_by_two", "Search", _search(group_by_fields=["rank", "id"]), {search.Search: GROUPED_BY_TWO}),
    Case("search_facets", "Search", _search(search_aggregation=AGGREGATION), {search.Search: FACETS}),
    Case(
        "query",
        "Query",
        Prepare.query_request("books", "rank > 3", ["*", "year"], [], limit=10, offset=2),
        {search.Query: FOUND},
    ),
    Case(
        "create_collection_structs",
        "CreateCollection",
        Prepare.create_collection_request("films", _films()),
        {collections.CreateCollection: None},
    ),
    Case(
        "describe_collection_structs",
        "DescribeCollection",
        Prepare.describe_collection_request("films"),
        {
            collections.DescribeCollection: collections.Described(
                "films", "default", DatabaseId(1), (), replace(MANIFEST, schema=FILMS)
            )
        },
    ),
    Case(
        "insert_structs",
        "Insert",
        _insert_films(),
        {schemas.GetSchema: FILMS, data.Insert: data.Written(pa.array([1, 2, 3], type=pa.int64()), 3, AT)},
    ),
    Case(
        "query_structs",
        "Query",
        Prepare.query_request("films", "match_any(clips, $[text] == 'a')", ["clips"], []),
        {search.Query: FILMS_FOUND},
    ),
    Case("count", "Query", Prepare.query_request("books", "", ["count(*)"], []), {search.Query: COUNTED}),
]
