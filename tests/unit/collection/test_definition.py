"""The schema's rules, one violation at a time, and the numbers that a correct one is given."""

from dataclasses import replace

import pytest

from elanus.collection.definition import define, same_definition
from elanus.model import limits
from elanus.model.errors import ElanusError
from elanus.model.schema import Field, Schema
from elanus.model.time import Clock
from elanus.model.types import DataType, Level


def field(name: str, kind: DataType, *params: tuple[str, str], **flags) -> Field:
    return Field(id=0, name=name, type=kind, params=params, **flags)


KEY = field("id", DataType.INT64, is_primary=True)
VECTOR = field("v", DataType.FLOAT_VECTOR, ("dim", "8"))
TEXT = field("s", DataType.VARCHAR, ("max_length", "16"))
TAGS = field("tags", DataType.ARRAY, ("max_capacity", "4"), element_type=DataType.INT32)
DYNAMIC = field("$meta", DataType.JSON, is_dynamic=True)


@pytest.fixture
def clock():
    return Clock(lambda _: None)


def made(clock, *fields: Field, description: str = "", **options):
    return define("c", Schema(fields, description=description), clock=clock, **options)


def refusal(clock, *fields: Field, **options) -> ElanusError:
    with pytest.raises(ElanusError) as caught:
        made(clock, *fields, **options)
    return caught.value


def test_fields_are_numbered_in_order_the_dynamic_one_last(clock):
    manifest = made(clock, KEY, DYNAMIC, VECTOR, TEXT)
    assert [(one.name, one.id) for one in manifest.schema] == [("id", 100), ("v", 101), ("s", 102), ("$meta", 103)]
    assert manifest.next_field == 104
    assert manifest.schema.dynamic.type is DataType.JSON


def test_sizes_come_from_the_parameters(clock):
    bits = field("b", DataType.BINARY_VECTOR, ("dim", "16"))
    words = field("words", DataType.ARRAY, ("max_capacity", "9"), ("max_length", "5"), element_type=DataType.VARCHAR)
    schema = made(clock, KEY, VECTOR, TEXT, TAGS, bits, words).schema
    assert (schema["v"].dim, schema["b"].dim, schema["s"].max_length) == (8, 16, 16)
    assert (schema["tags"].max_capacity, schema["words"].max_capacity, schema["words"].max_length) == (4, 9, 5)
    assert schema["words"].params == words.params


def test_sizes_without_parameters_are_kept_and_become_parameters(clock):
    schema = made(clock, KEY, field("v", DataType.FLOAT_VECTOR, dim=4)).schema
    assert (schema["v"].dim, schema["v"].params) == (4, (("dim", "4"),))


def test_defaults_are_one_shard_one_partition_and_stamps(clock):
    manifest = made(clock, KEY, VECTOR)
    assert (manifest.shards, [one.name for one in manifest.partitions]) == (1, ["_default"])
    assert manifest.created_at == manifest.updated_at > manifest.id
    assert not manifest.is_loaded
    assert made(clock, KEY, VECTOR).id > manifest.id


@pytest.mark.parametrize(("asked", "count"), [(0, 16), (1, 1), (1024, 1024)])
def test_a_partition_key_has_partitions_made(clock, asked, count):
    key = replace(TEXT, is_partition_key=True)
    partitions = made(clock, KEY, VECTOR, key, num_partitions=asked).partitions
    assert [one.name for one in partitions] == [f"_default_{number}" for number in range(count)]
    assert len({one.id for one in partitions}) == count


@pytest.mark.parametrize(
    ("kind", "dim"),
    [
        (DataType.FLOAT_VECTOR, 2),
        (DataType.FLOAT_VECTOR, 32768),
        (DataType.INT8_VECTOR, 32768),
        (DataType.BINARY_VECTOR, 8),
        (DataType.BINARY_VECTOR, 262144),
    ],
)
def test_dimensions_at_the_limits_pass(clock, kind, dim):
    assert made(clock, KEY, field("v", kind, ("dim", str(dim)))).schema["v"].dim == dim


def test_counts_at_the_limits_pass(clock):
    vectors = [replace(VECTOR, name=f"v{number}") for number in range(10)]
    others = [field(f"f{number}", DataType.INT8) for number in range(53)]
    made(clock, KEY, *vectors, *others, DYNAMIC, shards=16, description="d" * 1024)


def nullable(one: Field) -> Field:
    return replace(one, nullable=True)


def partition_key(one: Field) -> Field:
    return replace(one, is_partition_key=True)


def clustering_key(one: Field) -> Field:
    return replace(one, is_clustering_key=True)


ARRAY = DataType.ARRAY
REFUSED = [
    # fields, code, phrase
    ([KEY], 1100, "schema does not contain vector field"),
    ([VECTOR], 1101, "primary key is not specified: missing parameter"),
    ([KEY, replace(KEY, name="k"), VECTOR], 1100, "there are more than one primary key"),
    ([replace(VECTOR, is_primary=True)], 1100, "the data type of primary key should be Int64 or VarChar"),
    ([field("id", DataType.INT32, is_primary=True), VECTOR], 1100, "the data type of primary key should be Int64"),
    ([nullable(KEY), VECTOR], 1100, "primary field not support null"),
    ([replace(KEY, default=1), VECTOR], 1100, "primary field not support default_value"),
    (
        [replace(KEY, auto_id=True), field("n", DataType.INT64, auto_id=True), VECTOR],
        1100,
        "only one field can speficy AutoID with true",
    ),
    ([KEY, field("n", DataType.INT64, auto_id=True), VECTOR], 1100, "only primary field can speficy AutoID with true"),
    (
        [KEY, VECTOR, *(field(f"f{n}", DataType.INT8) for n in range(63))],
        1100,
        "maximum field's number should be limited to 64",
    ),
    (
        [KEY, *(replace(VECTOR, name=f"v{n}") for n in range(11))],
        1100,
        "maximum vector field's number should be limited to 10",
    ),
    (
        [KEY, field("v", DataType.FLOAT_VECTOR)],
        1100,
        "dimension is not defined in field type params of field v, check type param `dim` for vector field",
    ),
    (
        [KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "1"))],
        1100,
        "invalid dimension: 1. should be in range 2 ~ 32768",
    ),
    ([KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "8 "))], 1100, "invalid dimension: 8 . should be in range"),
    (
        [KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "32769"))],
        1100,
        "invalid dimension: 32769 of field v. float vector dimension should be in range 2 ~ 32768",
    ),
    (
        [KEY, field("v", DataType.BINARY_VECTOR, ("dim", "12"))],
        1100,
        "binary vector dimension should be multiple of 8.",
    ),
    (
        [KEY, field("v", DataType.BINARY_VECTOR, ("dim", "262152"))],
        1100,
        "binary vector dimension should be in range 2 ~ 262144",
    ),
    (
        [KEY, field("v", DataType.SPARSE_FLOAT_VECTOR, ("dim", "8"))],
        1100,
        "dim should not be specified for sparse vector field v",
    ),
    (
        [KEY, VECTOR, field("s", DataType.VARCHAR)],
        1101,
        "type param(max_length) should be specified for the field(s) of collection c",
    ),
    (
        [KEY, VECTOR, field("s", DataType.VARCHAR, ("max_length", "65536"))],
        1100,
        "the maximum length specified for the field(s) should be in (0, 65535], but got 65536 instead",
    ),
    ([KEY, VECTOR, field("s", DataType.VARCHAR, ("max_length", "0"))], 1100, "but got 0 instead"),
    ([KEY, VECTOR, field("s", DataType.VARCHAR, ("max_length", "x"))], 1100, "must be an integer"),
    (
        [KEY, VECTOR, field("a", ARRAY, element_type=DataType.INT8)],
        1101,
        "type param(max_capacity) should be specified for array field a",
    ),
    (
        [KEY, VECTOR, replace(TAGS, params=(("max_capacity", "4097"),))],
        1100,
        "the maximum capacity specified for a Array should be in (0, 4096]",
    ),
    (
        [KEY, VECTOR, replace(TAGS, params=(("max_capacity", "four"),))],
        1100,
        "the value for max_capacity of field tags must be an integer",
    ),
    ([KEY, VECTOR, replace(TAGS, element_type=DataType.JSON)], 1100, "element type JSON is not supported"),
    ([KEY, VECTOR, replace(TAGS, element_type=DataType.NONE)], 1100, "element data type None is not valid"),
    ([KEY, VECTOR, replace(TAGS, element_type=DataType.VARCHAR)], 1101, "type param(max_length) should be specified"),
    (
        [KEY, VECTOR, field("s", DataType.STRING)],
        1100,
        "string data type not supported yet, please use VarChar type instead",
    ),
    ([KEY, VECTOR, field("x", DataType.TEXT)], 1100, "data type Text of field x is not available yet"),
    ([KEY, VECTOR, field("m", DataType.MOL)], 1100, "data type Mol of field m is not supported"),
    ([KEY, field("v", DataType.ARRAY_OF_VECTOR)], 1100, "array of vector can only be in the struct array field"),
    ([KEY, VECTOR, TEXT, TEXT], 1100, "duplicated field name s found"),
    ([KEY, VECTOR, replace(TEXT, name="1s")], 1701, "Invalid field name: 1s"),
    ([KEY, VECTOR, field("$meta", DataType.JSON)], 1701, "$meta is keyword in milvus."),
    ([KEY, VECTOR, field("j", DataType.JSON, is_dynamic=True)], 1100, "dynamic field"),
    (
        [KEY, VECTOR, replace(TEXT, default=1)],
        1100,
        "type (VarChar) of field (s) is not equal to the type(DataType_Int64) of default_value",
    ),
    ([KEY, VECTOR, field("t", DataType.TIMESTAMPTZ, default="soon")], 1100, "invalid timestamp string: 'soon'"),
    ([KEY, VECTOR, field("t", DataType.TIMESTAMPTZ, default=2**62)], 1100, "default value out of range"),
    ([KEY, VECTOR, field("t", DataType.TIMESTAMPTZ, default=True)], 1100, "is not equal to the type(DataType_Bool)"),
    ([KEY, VECTOR, field("g", DataType.GEOMETRY, default="POINT (")], 1100, "default value of field g"),
    ([KEY, VECTOR, field("g", DataType.GEOMETRY, default=1)], 1100, "is not equal to the type(DataType_Int64)"),
    ([KEY, VECTOR, replace(TAGS, element_type=DataType.GEOMETRY)], 1100, "element type Geometry is not supported"),
    ([KEY, VECTOR, replace(TAGS, element_type=DataType.TIMESTAMPTZ)], 1100, "element type Timestamptz is not support"),
    ([field("id", DataType.TIMESTAMPTZ, is_primary=True), VECTOR], 1100, "primary key should be Int64 or VarChar"),
    ([field("id", DataType.GEOMETRY, is_primary=True), VECTOR], 1100, "primary key should be Int64 or VarChar"),
    ([KEY, VECTOR, field("t", DataType.TIMESTAMPTZ, is_partition_key=True)], 1100, "partition key should be Int64"),
    ([KEY, VECTOR, field("b", DataType.BOOL, default=1)], 1100, "is not equal to the type(DataType_Int64)"),
    ([KEY, VECTOR, field("n", DataType.INT8, default=True)], 1100, "is not equal to the type(DataType_Bool)"),
    ([KEY, VECTOR, field("n", DataType.INT8, default=128)], 1100, "default value out of range"),
    ([KEY, VECTOR, field("x", DataType.DOUBLE, default=float("nan"))], 1100, "is not a number or infinity"),
    ([KEY, VECTOR, field("j", DataType.JSON, default="{}")], 1100, "type not support default_value, type:JSON"),
    ([KEY, replace(VECTOR, default=1.0)], 1100, "type not support default_value, type:FloatVector"),
    ([KEY, VECTOR, replace(TEXT, default="é" * 9)], 1100, "the length (18) of string exceeds max length (16)"),
    (
        [KEY, VECTOR, partition_key(TEXT), partition_key(field("n", DataType.INT64))],
        1100,
        "there are more than one partition key",
    ),
    ([partition_key(KEY), VECTOR], 1100, "the partition key field must not be primary field"),
    ([KEY, VECTOR, nullable(partition_key(TEXT))], 1100, "partition key field not support nullable"),
    (
        [KEY, VECTOR, partition_key(field("n", DataType.INT32))],
        1100,
        "the data type of partition key should be Int64 or VarChar",
    ),
    (
        [KEY, VECTOR, clustering_key(TEXT), clustering_key(field("n", DataType.INT8))],
        105,
        "there are more than one clustering key",
    ),
    (
        [KEY, VECTOR, clustering_key(field("j", DataType.JSON))],
        105,
        "clustering key field j has unsupported data type",
    ),
    ([KEY, clustering_key(VECTOR)], 107, "vector clustering key not allowed"),
    ([replace(KEY, params=(("field.skipLoad", "true"),)), VECTOR], 1100, "must be loaded"),
    ([KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "2"), ("field.skipLoad", "True"))], 1100, "must be loaded"),
    ([KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "2"), ("warmup", "x"))], 1100, "invalid warmup policy: x"),
    ([KEY, field("v", DataType.FLOAT_VECTOR, ("dim", "2"), ("mmap.enabled", "x"))], 1100, "invalid mmap.enabled value"),
    (
        [KEY, VECTOR, field("s", DataType.VARCHAR, ("max_length", "9"), ("enable_match", "true"))],
        1100,
        "which has enable_match or is input of BM25 function must also enable_analyzer",
    ),
]


@pytest.mark.parametrize(("fields", "code", "phrase"), REFUSED, ids=[case[2] for case in REFUSED])
def test_a_schema_that_breaks_a_rule_is_refused(clock, fields, code, phrase):
    error = refusal(clock, *fields)
    assert phrase in str(error)
    assert error.code == code


@pytest.mark.parametrize(
    ("options", "code", "phrase"),
    [
        ({"shards": 17}, 1100, "maximum shards's number should be limited to 16"),
        ({"num_partitions": 4}, 1100, "num_partitions should only be specified with partition key field enabled"),
        ({"description": "d" * 1025}, 1100, "the length of a collection description must not exceed 1024 bytes"),
    ],
)
def test_options_out_of_range_are_refused(clock, options, code, phrase):
    error = refusal(clock, KEY, VECTOR, **options)
    assert phrase in str(error)
    assert error.code == code


def test_more_partitions_than_allowed_are_refused(clock):
    error = refusal(clock, KEY, VECTOR, partition_key(TEXT), num_partitions=limits.PARTITIONS + 1)
    assert "partition number (1025) exceeds max configuration (1024)" in str(error)


def test_a_bad_name_is_refused_before_the_fields_are_looked_at(clock):
    with pytest.raises(ElanusError, match="Invalid collection name: 1a"):
        define("1a", Schema((replace(KEY, name="2"), VECTOR)), clock=clock)


PROPERTIES = [
    ("collection.ttl.seconds", "-2", 1100, "collection TTL is out of range, expect [-1, 3155760000], got -2"),
    ("collection.ttl.seconds", "3155760001", 1100, "got 3155760001"),
    ("collection.ttl.seconds", "1.5", 1100, "collection TTL is not a valid positive integer"),
    ("ttl_field", "nope", 1100, "ttl field name nope not found in schema"),
    ("ttl_field", "s", 1100, "ttl field must be timestamptz, field name = s"),
    ("timezone", "Mars/Base", 1100, "unknown or invalid IANA Time Zone ID: Mars/Base"),
    ("timezone", "", 1100, "unknown or invalid IANA Time Zone ID: "),
    ("warmup", "sync", 1100, "warmup key 'warmup' is only allowed at field level"),
    ("warmup.vectorIndex", "soon", 1100, "invalid warmup policy: soon"),
    (
        "partitionkey.isolation",
        "true",
        105,
        "partition key isolation mode is enabled but no partition key field is set",
    ),
    ("query_mode", "big", 1100, 'invalid query_mode value "big", valid values: [large_topk]'),
    ("Query_Mode", "large_topk", 1100, 'invalid property key "Query_Mode", did you mean "query_mode"?'),
    (
        "allow_insert_auto_id",
        "True",
        1100,
        "the value for allow_insert_auto_id must be false when autoID is false",
    ),
    ("mmap.enabled", "maybe", 1100, "invalid mmap.enabled value: maybe, expected: true, false"),
    ("collection.replica.number", "two", 1100, "collection.replica.number must be a non-negative integer"),
    ("cipher.enabled", "true", 1100, "cipher.enabled is not available yet"),
    ("dynamicfield.enabled", "true", 1100, "differs from the schema's enable_dynamic_field"),
]


@pytest.mark.parametrize(("key", "value", "code", "phrase"), PROPERTIES)
def test_properties_with_rules_are_checked(clock, key, value, code, phrase):
    error = refusal(clock, KEY, VECTOR, TEXT, properties=((key, value),))
    assert phrase in str(error)
    assert error.code == code


def test_a_ttl_field_of_instants_is_allowed(clock):
    manifest = made(clock, KEY, VECTOR, field("t", DataType.TIMESTAMPTZ), properties=(("ttl_field", "t"),))
    assert manifest.property_map["ttl_field"] == "t"


def test_defaults_of_instants_stand_in_the_collection_s_time_zone(clock):
    new_year = 1_735_689_600_000_000
    for given, expected in [
        ("2025-01-01T00:00:00Z", new_year),
        ("2025-01-01 00:00:00", new_year - 8 * 3_600_000_000),
        (new_year, new_year),
    ]:
        stamp = field("t", DataType.TIMESTAMPTZ, default=given)
        manifest = made(clock, KEY, VECTOR, stamp, properties=(("timezone", "Asia/Shanghai"),))
        assert (manifest.schema["t"].default, manifest.timezone) == (expected, "Asia/Shanghai")


def test_defaults_that_say_the_same_define_the_same_collection(clock):
    one, other, third = (
        made(clock, KEY, VECTOR, field("t", DataType.TIMESTAMPTZ, default=text))
        for text in ("2025-01-01T00:00:00Z", "2025-01-01T08:00:00+08:00", "2025-01-01T08:00:00Z")
    )
    assert same_definition(one, other)
    assert not same_definition(one, third)


def test_a_geometry_s_default_stays_the_text_that_it_was(clock):
    shape = field("g", DataType.GEOMETRY, default="POINT(1 1)")
    assert made(clock, KEY, VECTOR, shape).schema["g"].default == "POINT(1 1)"


def test_both_expiry_properties_are_refused(clock):
    error = refusal(clock, KEY, VECTOR, properties=(("collection.ttl.seconds", "1"), ("ttl_field", "id")))
    assert "collection TTL and ttl field cannot be set at the same time" in str(error)


def test_other_properties_are_kept(clock):
    pairs = (
        ("collection.ttl.seconds", "60"),
        ("timezone", "Asia/Shanghai"),
        ("my.key", "x"),
        ("query_mode", "large_topk"),
    )
    assert made(clock, KEY, VECTOR, properties=pairs).properties == pairs
    assert made(clock, KEY, VECTOR, properties=(("dynamicfield.enabled", "false"),)).properties == ()


def test_the_same_definition_is_recognised(clock):
    pairs = (("a", "1"), ("b", "2"))
    first = made(clock, KEY, VECTOR, DYNAMIC, properties=pairs)
    assert same_definition(first, made(clock, KEY, VECTOR, DYNAMIC, properties=pairs[::-1]))
    others = [
        made(clock, KEY, VECTOR, properties=pairs),
        made(clock, KEY, VECTOR, DYNAMIC),
        made(clock, KEY, VECTOR, DYNAMIC, properties=pairs, shards=2),
        made(clock, KEY, VECTOR, DYNAMIC, properties=pairs, consistency=Level.STRONG),
        made(clock, KEY, replace(VECTOR, params=(("dim", "9"),)), DYNAMIC, properties=pairs),
        made(clock, KEY, VECTOR, DYNAMIC, properties=pairs, description="d"),
    ]
    assert not any(same_definition(first, other) for other in others)


def test_a_later_partition_does_not_make_a_definition_differ(clock):
    first = made(clock, KEY, VECTOR)
    grown = replace(first, partitions=(*first.partitions, replace(first.partitions[0], name="p")))
    assert same_definition(grown, made(clock, KEY, VECTOR))


def test_another_number_of_keyed_partitions_is_another_definition(clock):
    key = partition_key(TEXT)
    first = made(clock, KEY, VECTOR, key, num_partitions=2)
    assert not same_definition(first, made(clock, KEY, VECTOR, key, num_partitions=3))
