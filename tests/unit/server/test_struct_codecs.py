"""Arrays of structs as a stock client sends them and as it reads them back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymilvus import CollectionSchema, FieldSchema, StructFieldSchema
from pymilvus import DataType as ClientType
from pymilvus.client.entity_helper import extract_struct_array_from_column_data
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import schema_pb2

from elanus.ingest.structs import check_struct_columns
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema, StructField, sub_field_name
from elanus.model.types import ARRAY_ELEMENTS, DENSE_VECTORS, DataType
from elanus.server.grpc.codecs import bfloat16
from elanus.server.grpc.structs import decode_struct, encode_struct, sent_field

DIM = 8
SCALARS = {
    DataType.BOOL: st.booleans(),
    DataType.INT8: st.integers(-(2**7), 2**7 - 1),
    DataType.INT16: st.integers(-(2**15), 2**15 - 1),
    DataType.INT32: st.integers(-(2**31), 2**31 - 1),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1),
    DataType.FLOAT: st.floats(width=32, allow_nan=False, allow_infinity=False),
    DataType.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    DataType.VARCHAR: st.text(max_size=6),
}
VECTORS = {
    DataType.FLOAT_VECTOR: st.lists(st.floats(-1e3, 1e3, width=32), min_size=DIM, max_size=DIM),
    DataType.FLOAT16_VECTOR: st.binary(min_size=2 * DIM, max_size=2 * DIM),
    DataType.BFLOAT16_VECTOR: st.binary(min_size=2 * DIM, max_size=2 * DIM),
    DataType.INT8_VECTOR: st.binary(min_size=DIM, max_size=DIM),
    DataType.BINARY_VECTOR: st.binary(min_size=DIM // 8, max_size=DIM // 8),
}
KINDS = [*sorted(ARRAY_ELEMENTS), *sorted(DENSE_VECTORS)]


def schema_of(kinds: list[DataType], *, nullable: bool) -> Schema:
    struct = StructField(id=FieldId(110), name="s", nullable=nullable)
    fields = tuple(
        Field(
            id=FieldId(111 + place),
            name=sub_field_name("s", kind.name.lower()),
            type=DataType.ARRAY_OF_VECTOR if kind in DENSE_VECTORS else DataType.ARRAY,
            element_type=kind,
            dim=DIM if kind in DENSE_VECTORS else 0,
            max_length=100,
            max_capacity=4,
            nullable=nullable,
            struct="s",
        )
        for place, kind in enumerate(kinds)
    )
    return Schema(fields, structs=(struct,))


def sent(schema: Schema, rows: list) -> bytes:
    """Return the FieldData that pymilvus makes of the rows' structs."""
    (struct,) = schema.structs
    declared = StructFieldSchema()
    for field in schema.sub_fields(struct):
        sizes = {"dim": DIM} if field.dim else {"max_length": 100}
        declared.add_field(field.sub_name, ClientType(field.element_type), **sizes)
    client = CollectionSchema([FieldSchema("id", ClientType.INT64, is_primary=True)])
    client.add_field(
        "s",
        ClientType.ARRAY,
        element_type=ClientType.STRUCT,
        struct_schema=declared,
        max_capacity=4,
        nullable=struct.nullable,
    )
    message = Prepare.get_struct_array_field_schema(client.struct_fields[0])
    info = {
        "name": "s",
        "type": ClientType._ARRAY_OF_STRUCT,
        "nullable": struct.nullable,
        "fields": [
            {
                "name": field.name,
                "type": ClientType(field.data_type),
                "element_type": ClientType(field.element_type),
                "nullable": struct.nullable,
                "params": {pair.key: int(pair.value) for pair in field.type_params},
            }
            for field in message.fields
        ],
    }
    entities = [{"id": number, "s": row} for number, row in enumerate(rows)]
    request = Prepare.row_insert_param(
        "c", entities, "", fields_info=client.to_dict()["fields"], struct_fields_info=[info]
    )
    return next(data for data in request.fields_data if data.field_name == "s").SerializeToString()


def received(schema: Schema, body: bytes) -> list[Column]:
    columns = decode_struct(schema, schema.structs[0], sent_field(body, 0, len(body)))
    for column in columns:
        assert column.data.type == arrow_type(column.field)
        column.data.validate(full=True)
    return columns


def returned(schema: Schema, columns: list[Column]) -> list:
    """Return the rows that pymilvus reads from the reply."""
    message = schema_pb2.FieldData.FromString(encode_struct(schema.structs[0], columns))
    assert (message.type, message.field_name, message.field_id) == (200, "s", 110)
    return [extract_struct_array_from_column_data(message.struct_arrays, row) for row in range(len(columns[0]))]


def as_read(kind: DataType, value: object) -> object:
    """Return a value as pymilvus hands it out of a struct."""
    if kind is DataType.BINARY_VECTOR:
        return [value]
    dtypes = {DataType.FLOAT16_VECTOR: "<f2", DataType.BFLOAT16_VECTOR: "<u2", DataType.INT8_VECTOR: "i1"}
    return np.frombuffer(value, dtype=dtypes[kind]).tobytes() if kind in dtypes else value


def plain(kind: DataType, value: object) -> object:
    return np.array(value).tobytes() if kind in DENSE_VECTORS and kind not in _AS_THEY_ARE else value


_AS_THEY_ARE = (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR)


@pytest.mark.parametrize("nullable", [False, True])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_structs_arrive_and_return(nullable: bool, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
    schema = schema_of(kinds, nullable=nullable)
    item = st.fixed_dictionaries({kind.name.lower(): (SCALARS | VECTORS)[kind] for kind in kinds})
    row = st.lists(item, max_size=4)
    rows = data.draw(st.lists(st.none() | row if nullable else row, min_size=1, max_size=6))
    columns = received(schema, sent(schema, rows))
    check_struct_columns(schema, {column.field.id: column for column in columns})
    assert all(column.data.is_valid().to_pylist() == [row is not None for row in rows] for column in columns)
    read = returned(schema, columns)
    assert [None if row is None else len(row) for row in read] == [None if row is None else len(row) for row in rows]
    for kind in kinds:
        name = kind.name.lower()
        expected = [as_read(kind, item[name]) for row in rows for item in row or ()]
        assert [plain(kind, item[name]) for row in read for item in row or ()] == expected


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.lists(st.floats(-8, 8, width=16), min_size=DIM, max_size=DIM), max_size=3), min_size=1))
def test_floats_for_half_precision_vectors_are_rounded(rows: list[list[list[float]]]) -> None:
    halves = [DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR]
    schema = schema_of(halves, nullable=False)
    message = schema_pb2.FieldData(field_name="s", type=200)
    for kind in halves:
        part = message.struct_arrays.fields.add(field_name=kind.name.lower(), type=106)
        part.vectors.vector_array.dim = DIM
        for row in rows:
            part.vectors.vector_array.data.add(dim=DIM).float_vector.data.extend(np.ravel(row))
    exact, brain = received(schema, message.SerializeToString())
    flat = np.array([value for row in rows for vector in row for value in vector], dtype=np.float32)
    assert (
        exact.data.value_lengths().to_pylist() == brain.data.value_lengths().to_pylist() == [len(row) for row in rows]
    )
    assert Column(exact.field.element, exact.data.values).matrix().tobytes() == flat.astype(np.float16).tobytes()
    assert Column(brain.field.element, brain.data.values).matrix().tobytes() == bfloat16(flat).tobytes()


def test_parts_of_sliced_and_gathered_columns_are_encoded_alike() -> None:
    schema = schema_of([DataType.VARCHAR, DataType.FLOAT_VECTOR, DataType.INT8_VECTOR], nullable=True)
    items = [{"varchar": f"t{n}", "float_vector": [float(n)] * DIM, "int8_vector": bytes([n] * DIM)} for n in range(5)]
    rows = [items[:2], None, [], items[2:]]
    columns = received(schema, sent(schema, rows))
    for order in ([3], [1, 3], [3, 0], [2, 1, 0]):
        gathered = returned(schema, [column.take(np.array(order)) for column in columns])
        assert [row and [item["varchar"] for item in row] for row in gathered] == [
            rows[place] and [item["varchar"] for item in rows[place]] for place in order
        ]
    sliced = returned(schema, [column.slice(2, 4) for column in columns])
    assert sliced[0] == []
    assert [item["float_vector"] for item in sliced[1]] == [item["float_vector"] for item in items[2:]]
    assert [np.array(item["int8_vector"]).tobytes() for item in sliced[1]] == [
        item["int8_vector"] for item in items[2:]
    ]


def test_rows_that_are_not_whole_vectors_are_refused() -> None:
    schema = schema_of([DataType.FLOAT_VECTOR], nullable=False)
    message = schema_pb2.FieldData(field_name="s", type=200)
    part = message.struct_arrays.fields.add(field_name="float_vector", type=106)
    part.vectors.vector_array.dim = DIM
    for length in (DIM, DIM // 2, DIM // 2):
        part.vectors.vector_array.data.add(dim=DIM).float_vector.data.extend([0.0] * length)
    with pytest.raises(InvalidParameter, match=r"row 1 of field s\[float_vector\] is not made of whole vectors"):
        received(schema, message.SerializeToString())


def test_vectors_of_several_dimensions_are_refused() -> None:
    schema = schema_of([DataType.FLOAT_VECTOR], nullable=False)
    message = schema_pb2.FieldData(field_name="s", type=200)
    part = message.struct_arrays.fields.add(field_name="float_vector", type=106)
    for dim in (DIM, DIM // 2):
        part.vectors.vector_array.data.add(dim=dim).float_vector.data.extend([0.0] * dim)
    with pytest.raises(InvalidParameter, match="insert data does not match, array of vector field"):
        received(schema, message.SerializeToString())
