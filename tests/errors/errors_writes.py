"""4.4 insert, upsert, delete."""

from __future__ import annotations

import struct
from typing import Any

from errors_stage import DIM, Stage, each, refused
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from raw_columns import floats, longs, scalar_data, strings

T = DataType
ONE = [0.5] * DIM


def _small(stage: Stage, *changes: Any, **options: Any) -> None:
    """Insert one row into ``small``; a change replaces the column of its name."""
    columns = {"id": longs("id", [1]), "s": strings("s", ["x"]), "v": floats("v", ONE, DIM)}
    columns |= {change.field_name: change for change in changes}
    stage.insert(stage.small, *columns.values(), **options)


def _plain(stage: Stage, **changes: Any) -> None:
    stage.client.insert(stage.plain, [stage.row(1, **changes)])


each(
    85,
    100,
    (
        "collection not found[database=default][collection=nobody]",
        lambda stage: stage.insert("nobody", longs("id", [1])),
    ),
    (
        "can't find collection[database=default][collection=nobody]",
        lambda stage: stage.client.describe_collection("nobody"),
    ),
)
each(
    86,
    200,
    (
        "partition not found[partition=nowhere]",
        lambda stage: stage.client.insert(stage.plain, [stage.row(1)], partition_name="nowhere"),
    ),
)
each(
    87,
    1100,
    ("num_rows should be greater than 0", lambda stage: stage.insert(stage.small, num_rows=0)),
    ("num_rows should be greater than 0", lambda stage: stage.insert(stage.small, num_rows=0, upsert=True)),
)
each(
    88,
    1100,
    (
        "fieldSchema(v) has no corresponding fieldData pass in",
        lambda stage: stage.insert(stage.small, longs("id", [1]), strings("s", ["x"])),
    ),
)
each(89, 1100, ("fieldName extra not exist in collection schema", lambda stage: _small(stage, longs("extra", [1]))))
each(
    90,
    1100,
    (
        "duplicated field id found",
        lambda stage: stage.insert(
            stage.small, longs("id", [1]), longs("id", [1]), strings("s", ["x"]), floats("v", ONE, DIM)
        ),
    ),
)
each(
    91,
    1100,
    (
        "the num_rows (2) of field (s) is not equal to passed num_rows (1)",
        lambda stage: _small(stage, strings("s", ["x", "y"])),
    ),
)


def _binary(stage: Stage, data: bytes) -> None:
    column = schema_pb2.FieldData(field_name="b", type=int(T.BINARY_VECTOR))
    column.vectors.dim = 8
    column.vectors.binary_vector = data
    stage.insert(_bits(stage), longs("id", [1]), column)


def _bits(stage: Stage) -> str:
    def make(name: str) -> None:
        schema = stage.client.create_schema()
        schema.add_field("id", T.INT64, is_primary=True)
        schema.add_field("b", T.BINARY_VECTOR, dim=16)
        stage.client.create_collection(name, schema=schema)

    return stage._once("bits", make)


each(
    92,
    1100,
    (
        "the dim (2) of field data(v) is not equal to schema dim (4)",
        lambda stage: _small(stage, floats("v", [1.0, 2.0], dim=2)),
    ),
    (
        "the length(6) of float data should divide the dim(4)",
        lambda stage: _small(stage, floats("v", [1.0] * 6, DIM)),
    ),
)


def _empty_vector(stage: Stage) -> None:
    _small(stage, schema_pb2.FieldData(field_name="v", type=int(T.FLOAT_VECTOR)))


each(
    93,
    1100,
    ("float vector field 'v' is illegal, array type mismatch", _empty_vector),
    ("[expected=need float vector][actual=got nil]", _empty_vector),
    (
        "varchar field 's' is illegal, array type mismatch",
        lambda stage: _small(stage, schema_pb2.FieldData(field_name="s", type=int(T.VARCHAR))),
    ),
)
each(
    94,
    1100,
    (
        "value 'NaN' is not a number or infinity",
        lambda stage: _small(stage, floats("v", [float("nan")] * DIM, DIM)),
    ),
    (
        "value '+Inf' is not a number or infinity",
        lambda stage: _small(stage, floats("v", [float("inf")] * DIM, DIM)),
    ),
    ("value 'NaN' is not a number or infinity", lambda stage: _plain(stage, f=float("nan"))),
)


def _narrow(stage: Stage, kind: DataType, value: int) -> None:
    def make(name: str) -> None:
        schema = stage.client.create_schema()
        schema.add_field("id", T.INT64, is_primary=True)
        schema.add_field("i8", T.INT8)
        schema.add_field("i16", T.INT16)
        schema.add_field("v", T.FLOAT_VECTOR, dim=DIM)
        stage.client.create_collection(name, schema=schema)

    values = {"i8": 1, "i16": 1, "i8" if kind is T.INT8 else "i16": value}
    columns = [
        scalar_data("i8", T.INT8, "int_data", [values["i8"]]),
        scalar_data("i16", T.INT16, "int_data", [values["i16"]]),
    ]
    stage.insert(stage._once("narrow", make), longs("id", [1]), floats("v", ONE, DIM), *columns)


each(
    95,
    1100,
    ("the 0th element (128) out of range: [-128, 127]", lambda stage: _narrow(stage, T.INT8, 128)),
    ("the 0th element (-32769) out of range: [-32768, 32767]", lambda stage: _narrow(stage, T.INT16, -32_769)),
)
each(
    96,
    1100,
    (
        "length of varchar field s exceeds max length, row number: 0, length: 9, max length: 8",
        lambda stage: _small(stage, strings("s", ["x" * 9])),
    ),
)
each(
    97,
    1100,
    ("the length (4) of 0th array exceeds max capacity (3)", lambda stage: _plain(stage, a=[1, 2, 3, 4])),
    ("array length exceeds max capacity", lambda stage: _plain(stage, a=[1, 2, 3, 4])),
    ('length of Array array field "t" exceeds max length', lambda stage: _plain(stage, t=["longer"])),
)


@refused(98, 1100, "insert data does not match")
def array_of_another_type(stage: Stage) -> None:
    def make(name: str) -> None:
        schema = stage.client.create_schema()
        schema.add_field("id", T.INT64, is_primary=True)
        schema.add_field("a", T.ARRAY, element_type=T.INT64, max_capacity=3)
        schema.add_field("v", T.FLOAT_VECTOR, dim=DIM)
        stage.client.create_collection(name, schema=schema)

    column = schema_pb2.FieldData(field_name="a", type=int(T.ARRAY))
    column.scalars.array_data.element_type = int(T.INT64)
    column.scalars.array_data.data.append(schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=["x"])))
    stage.insert(stage._once("arrays", make), longs("id", [1]), floats("v", ONE, DIM), column)


def _dynamic(stage: Stage, **keys: Any) -> None:
    stage.client.insert(stage.dynamic, [{"id": 1, "s": "x", "v": ONE, **keys}])


def _meta(stage: Stage, text: bytes, collection: str | None = None) -> None:
    column = schema_pb2.FieldData(field_name="$meta", type=int(T.JSON), is_dynamic=True)
    column.scalars.json_data.data.append(text)
    stage.insert(collection or stage.dynamic, longs("id", [1]), strings("s", ["x"]), floats("v", ONE, DIM), column)


each(
    99,
    1100,
    (
        "of json field (j) exceeds max length (65536)",
        lambda stage: _plain(stage, j={"x": "y" * 70_000}),
    ),
    ("of dynamic field exceeds max length", lambda stage: _dynamic(stage, x="y" * 70_000)),
)
each(
    100,
    1100,
    (
        "without dynamic schema enabled, the field name cannot be set to $meta",
        lambda stage: _meta(stage, b"{}", stage.small),
    ),
    ("cannot set json key to: $meta", lambda stage: _meta(stage, b'{"$meta": 1}')),
    (
        "dynamic field name cannot include the static field name: s",
        lambda stage: _meta(stage, b'{"s": "again"}'),
    ),
    ("invalid dynamic field data, only json map is supported", lambda stage: _meta(stage, b"[1]")),
)


def _sparse(stage: Stage, data: bytes) -> None:
    def make(name: str) -> None:
        schema = stage.client.create_schema()
        schema.add_field("id", T.INT64, is_primary=True)
        schema.add_field("z", T.SPARSE_FLOAT_VECTOR)
        stage.client.create_collection(name, schema=schema)

    column = schema_pb2.FieldData(field_name="z", type=int(T.SPARSE_FLOAT_VECTOR))
    column.vectors.dim = 10
    column.vectors.sparse_float_vector.contents.append(data)
    column.vectors.sparse_float_vector.dim = 10
    stage.insert(stage._once("sparse", make), longs("id", [1]), column)


each(
    101,
    1100,
    (
        "unsorted or same indices in sparse float vector",
        lambda stage: _sparse(stage, struct.pack("<IfIf", 5, 1.0, 2, 1.0)),
    ),
    ("negative value in sparse float vector", lambda stage: _sparse(stage, struct.pack("<If", 5, -1.0))),
    ("invalid data length in sparse float vector", lambda stage: _sparse(stage, b"12345")),
    ("must be less than 2^32-1", lambda stage: _sparse(stage, struct.pack("<If", 2**32 - 1, 1.0))),
)
each(
    104,
    1100,
    (
        "can not assign primary field data when auto id enabled and allow_insert_auto_id is false id",
        lambda stage: stage.insert(stage.auto, longs("id", [1]), floats("v", ONE, DIM)),
    ),
)
each(
    105,
    1100,
    (
        "not support manually specifying the partition names if partition key mode is used",
        lambda stage: stage.insert(
            stage.keyed, longs("id", [1]), strings("s", ["x"]), floats("v", ONE, DIM), partition_name="_default_0"
        ),
    ),
    (
        "not support manually specifying the partition names if partition key mode is used",
        lambda stage: stage.search(collection_name=stage.keyed, partition_names=["_default_0"]),
    ),
)
each(
    106,
    1100,
    (
        "partition key not specify when insert",
        lambda stage: stage.insert(stage.keyed, longs("id", [1]), floats("v", ONE, DIM)),
    ),
)
each(
    107,
    109,
    ("collection schema mismatch[collection=", lambda stage: _small(stage, schema_timestamp=7)),
)
each(
    109,
    1100,
    (
        "must assign pk when upsert, primary field: id",
        lambda stage: stage.insert(stage.small, strings("s", ["x"]), floats("v", ONE, DIM), upsert=True),
    ),
)
each(
    110,
    1100,
    (
        "duplicate primary keys are not allowed in the same batch",
        lambda stage: stage.insert(
            stage.small,
            longs("id", [1, 1]),
            strings("s", ["x", "y"]),
            floats("v", ONE * 2, DIM),
            num_rows=2,
            upsert=True,
        ),
    ),
)
each(
    113,
    1100,
    (
        "failed to create delete plan: cannot parse expression: id ===",
        lambda stage: stage.client.delete(stage.plain, filter="id === 1"),
    ),
    (
        "failed to create delete plan: cannot parse expression: gone > 1",
        lambda stage: stage.client.delete(stage.plain, filter="gone > 1"),
    ),
)


def _delete(stage: Stage, text: str) -> None:
    stage.send("Delete", milvus_pb2.DeleteRequest(collection_name=stage.plain, expr=text))


each(
    114,
    1100,
    ("delete plan can't be empty or always true", lambda stage: _delete(stage, "")),
    ("delete plan can't be empty or always true", lambda stage: _delete(stage, "true")),
)


@refused(116, 1100, "should be utf-8 format, but row: 1")
def text_that_is_not_utf8(stage: Stage) -> None:
    good = milvus_pb2.InsertRequest(
        collection_name=stage.small,
        fields_data=[longs("id", [1, 2]), strings("s", ["ok", "BADBYTES"]), floats("v", ONE * 2, DIM)],
        num_rows=2,
    ).SerializeToString()
    stage.send_bytes("Insert", milvus_pb2.MutationResult, good.replace(b"BADBYTES", b"BAD\xff\xfeTES"))
