"""4.2 create, drop and rename collections."""

from __future__ import annotations

from errors_stage import Stage, each, field_schema, pk, refused, vec
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

T = DataType


def default(**value: object) -> object:
    """Return a default value, such as ``default(long_data=1)``."""
    return schema_pb2.ValueField(**value)


@refused(22, 1100, "create duplicate collection with different parameters, collection: ")
def same_name_other_schema(stage: Stage) -> None:
    stage.define(pk(), vec("other"), name=stage.small)


@refused(23, 1601, "alias and collection name conflict[database=default][alias=taken_alias]")
def name_of_an_alias(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "taken_alias")
    stage.define(pk(), vec(), name="taken_alias")


each(24, 1100, ("schema does not contain vector field", lambda stage: stage.define(pk())))
each(25, 1101, ("primary key is not specified", lambda stage: stage.define(vec())))
each(
    26,
    1100,
    (
        "there are more than one primary key",
        lambda stage: stage.define(pk(), field_schema("k", T.INT64, is_primary_key=True), vec()),
    ),
)
each(
    27,
    1100,
    ("the data type of primary key should be Int64 or VarChar", lambda stage: stage.define(pk(T.INT32), vec())),
)
each(
    28,
    1100,
    ("primary field not support null", lambda stage: stage.define(pk(nullable=True), vec())),
    (
        "primary field not support default_value",
        lambda stage: stage.define(pk(default_value=default(long_data=1)), vec()),
    ),
)
each(
    29,
    1100,
    (
        "only one field can speficy AutoID with true",
        lambda stage: stage.define(pk(autoID=True), field_schema("n", T.INT64, autoID=True), vec()),
    ),
    (
        "only primary field can speficy AutoID with true",
        lambda stage: stage.define(pk(), field_schema("n", T.INT64, autoID=True), vec()),
    ),
)
each(
    30,
    1100,
    (
        "maximum field's number should be limited to 64",
        lambda stage: stage.define(pk(), vec(), *(field_schema(f"n{i}", T.INT64) for i in range(63))),
    ),
)
each(
    31,
    1100,
    (
        "maximum vector field's number should be limited to 10",
        lambda stage: stage.define(pk(), *(vec(f"v{i}") for i in range(11))),
    ),
)
each(
    32,
    1100,
    ("maximum shards's number should be limited to 16", lambda stage: stage.define(pk(), vec(), shards_num=17)),
)
each(
    33,
    1100,
    (
        "dimension is not defined in field type params of field v, check type param `dim` for vector field",
        lambda stage: stage.define(pk(), field_schema("v", T.FLOAT_VECTOR)),
    ),
)
each(
    34,
    1100,
    ("invalid dimension: 1. should be in range 2 ~ 32768", lambda stage: stage.define(pk(), vec(dim=1))),
    ("invalid dimension: 0. should be in range 2 ~ 32768", lambda stage: stage.define(pk(), vec(dim=0))),
)
each(
    35,
    1100,
    (
        "invalid dimension: 32769 of field v. float vector dimension should be in range 2 ~ 32768",
        lambda stage: stage.define(pk(), vec(dim=32_769)),
    ),
)
each(
    36,
    1100,
    (
        "binary vector dimension should be multiple of 8.",
        lambda stage: stage.define(pk(), field_schema("b", T.BINARY_VECTOR, params={"dim": 12})),
    ),
)
each(
    37,
    1100,
    (
        "dim should not be specified for sparse vector field z",
        lambda stage: stage.define(pk(), field_schema("z", T.SPARSE_FLOAT_VECTOR, params={"dim": 8})),
    ),
)
each(
    38,
    1101,
    (
        "type param(max_length) should be specified for the field(s) of collection ",
        lambda stage: stage.define(pk(), vec(), field_schema("s", T.VARCHAR)),
    ),
)
each(
    39,
    1100,
    *(
        (
            f"the maximum length specified for the field(s) should be in (0, 65535], but got {length} instead",
            lambda stage, length=length: stage.define(
                pk(), vec(), field_schema("s", T.VARCHAR, params={"max_length": length})
            ),
        )
        for length in (0, 65_536)
    ),
)
each(
    40,
    1101,
    (
        "type param(max_capacity) should be specified for array field a",
        lambda stage: stage.define(pk(), vec(), field_schema("a", T.ARRAY, element_type=T.INT64)),
    ),
)


def _array(stage: Stage, capacity: object, element: DataType = T.INT64) -> None:
    stage.define(pk(), vec(), field_schema("a", T.ARRAY, element_type=element, params={"max_capacity": capacity}))


each(
    41,
    1100,
    ("the maximum capacity specified for a Array should be in (0, 4096]", lambda stage: _array(stage, 4_097)),
    ("the maximum capacity specified for a Array should be in (0, 4096]", lambda stage: _array(stage, 0)),
    ("the value for max_capacity of field a must be an integer", lambda stage: _array(stage, "many")),
)
each(
    42,
    1100,
    ("element type JSON is not supported", lambda stage: _array(stage, 3, T.JSON)),
    ("element data type None is not valid", lambda stage: _array(stage, 3, T.NONE)),
)
each(
    43,
    1100,
    (
        "string data type not supported yet, please use VarChar type instead",
        lambda stage: stage.define(pk(), vec(), field_schema("s", T.STRING)),
    ),
)
each(
    44,
    1100,
    ("duplicated field name v found", lambda stage: stage.define(pk(), vec(), vec())),
)


def _defaulted(stage: Stage, kind: DataType, value: object, **params: object) -> None:
    stage.define(pk(), vec(), field_schema("d", kind, params=params, default_value=value))


each(
    45,
    1100,
    (
        "type (Int64) of field (d) is not equal to the type(DataType_VarChar) of default_value",
        lambda stage: _defaulted(stage, T.INT64, default(string_data="x")),
    ),
)
each(
    46,
    1100,
    (
        "type not support default_value, type:JSON",
        lambda stage: _defaulted(stage, T.JSON, default(bytes_data=b"{}")),
    ),
    (
        "type not support default_value, type:FloatVector",
        lambda stage: _defaulted(stage, T.FLOAT_VECTOR, default(float_data=1), dim=4),
    ),
)
each(
    47,
    1100,
    (
        "the length (3) of string exceeds max length (2)",
        lambda stage: _defaulted(stage, T.VARCHAR, default(string_data="abc"), max_length=2),
    ),
    ("default value out of range", lambda stage: _defaulted(stage, T.INT8, default(int_data=300))),
)


def _keyed(stage: Stage, *names: str, kind: DataType = T.INT64, **options: object) -> None:
    params = {"max_length": 8} if kind is T.VARCHAR else {}
    keys = (field_schema(name, kind, is_partition_key=True, params=params, **options) for name in names)
    stage.define(pk(), vec(), *keys)


each(
    48,
    1100,
    ("there are more than one partition key", lambda stage: _keyed(stage, "x", "y")),
    (
        "the partition key field must not be primary field",
        lambda stage: stage.define(pk(is_partition_key=True), vec()),
    ),
    ("partition key field not support nullable", lambda stage: _keyed(stage, "x", nullable=True)),
    (
        "the data type of partition key should be Int64 or VarChar",
        lambda stage: _keyed(stage, "x", kind=T.DOUBLE),
    ),
)
each(
    49,
    1100,
    (
        "num_partitions should only be specified with partition key field enabled",
        lambda stage: stage.define(pk(), vec(), num_partitions=8),
    ),
)
each(
    50,
    1100,
    (
        "partition number (1025) exceeds max configuration (1024)",
        lambda stage: stage.define(
            pk(), vec(), field_schema("x", T.INT64, is_partition_key=True), num_partitions=1_025
        ),
    ),
)
each(
    51,
    105,
    (
        "partition key isolation mode is enabled but no partition key field is set",
        lambda stage: stage.define(pk(), vec(), properties={"partitionkey.isolation": "true"}),
    ),
)
each(
    53,
    105,
    (
        "there are more than one clustering key",
        lambda stage: stage.define(
            pk(), vec(), *(field_schema(name, T.INT64, is_clustering_key=True) for name in "xy")
        ),
    ),
    (
        "clustering key field x has unsupported data type",
        lambda stage: stage.define(pk(), vec(), field_schema("x", T.JSON, is_clustering_key=True)),
    ),
)


def _with(stage: Stage, **properties: object) -> None:
    stage.define(pk(), vec(), properties={key.replace("__", "."): value for key, value in properties.items()})


each(
    54,
    1100,
    ('invalid query_mode value "huge", valid values: [large_topk]', lambda stage: _with(stage, query_mode="huge")),
    (
        'invalid property key "Query_Mode", did you mean "query_mode"?',
        lambda stage: _with(stage, Query_Mode="large_topk"),
    ),
)
each(
    55,
    1100,
    (
        "collection TTL is out of range, expect [-1, 3155760000], got -2",
        lambda stage: _with(stage, collection__ttl__seconds=-2),
    ),
    (
        "collection TTL is not a valid positive integer",
        lambda stage: _with(stage, collection__ttl__seconds="soon"),
    ),
)
each(
    56,
    1100,
    (
        "collection TTL and ttl field cannot be set at the same time",
        lambda stage: _with(stage, collection__ttl__seconds=60, ttl_field="id"),
    ),
)
each(
    57,
    1100,
    ("ttl field must be timestamptz, field name = id", lambda stage: _with(stage, ttl_field="id")),
    ("ttl field name gone not found in schema", lambda stage: _with(stage, ttl_field="gone")),
)
each(
    58,
    1100,
    ("invalid warmup policy: often", lambda stage: _with(stage, warmup__vectorIndex="often")),
    ("warmup key 'warmup' is only allowed at field level", lambda stage: _with(stage, warmup="sync")),
)
each(
    63,
    1100,
    (
        "the value for allow_insert_auto_id must be false when autoID is false",
        lambda stage: _with(stage, allow_insert_auto_id="true"),
    ),
)


@refused(66, 1100, "cannot drop the collection via alias = dropped_alias")
def drop_by_alias(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "dropped_alias")
    stage.send("DropCollection", milvus_pb2.DropCollectionRequest(collection_name="dropped_alias"))


@refused(66, 1100, "associated aliases")
def drop_with_aliases(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "kept_alias")
    stage.client.drop_collection(stage.small)


@refused(67, 1100, "unsupported use an alias to rename collection, alias:renamed_alias")
def rename_by_alias(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "renamed_alias")
    stage.client.rename_collection("renamed_alias", stage.fresh())


@refused(67, 1100, "with other collection name or alias")
def rename_to_a_taken_name(stage: Stage) -> None:
    stage.client.rename_collection(stage.small, stage.bare)


@refused(67, 1601, "alias and collection name conflict")
def rename_to_an_alias(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "target_alias")
    stage.client.rename_collection(stage.bare, "target_alias")


@refused(67, 1100, "collection name or database name should be different")
def rename_to_itself(stage: Stage) -> None:
    stage.client.rename_collection(stage.small, stage.small)


@refused(67, 1100, "must drop all aliases of this collection before rename")
def rename_across_databases_with_aliases(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "moving_alias")
    if "elsewhere" not in stage.client.list_databases():
        stage.client.create_database("elsewhere")
    stage.client.rename_collection(stage.small, "moved", target_db="elsewhere")


each(
    69,
    1100,
    (
        "the length of a collection description must not exceed 1024 bytes",
        lambda stage: stage.define(pk(), vec(), description="x" * 1_025),
    ),
)


@refused(70, 102, "exceeded the limit number of collections[dbName=tiny][limit=1]")
def too_many_collections(stage: Stage) -> None:
    if "tiny" not in stage.client.list_databases():
        stage.client.create_database("tiny", properties={"database.max.collections": 1})
        stage.define(pk(), vec(), db_name="tiny", name="first")
    stage.define(pk(), vec(), db_name="tiny", name="second")
