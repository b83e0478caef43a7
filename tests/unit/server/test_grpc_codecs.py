"""Columns as a stock client sends them and as it reads them back."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymilvus import CollectionSchema, FieldSchema
from pymilvus import DataType as ClientType
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import schema_pb2

from elanus._native.codec import decode_field_data, split_message
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.server.grpc.codecs import bfloat16, decode_column, encode_column

DIM = 8
SCALARS = {
    DataType.BOOL: st.booleans(),
    DataType.INT8: st.integers(-(2**7), 2**7 - 1),
    DataType.INT16: st.integers(-(2**15), 2**15 - 1),
    DataType.INT32: st.integers(-(2**31), 2**31 - 1),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1),
    DataType.FLOAT: st.floats(width=32, allow_nan=False, allow_infinity=False),
    DataType.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    DataType.VARCHAR: st.text(max_size=12),
}


def field_of(kind: DataType, *, nullable: bool = False, element: DataType = DataType.NONE, dim: int = DIM) -> Field:
    return Field(
        id=FieldId(101),
        name="f",
        type=kind,
        element_type=element,
        dim=dim if kind.is_dense_vector else 0,
        max_length=100,
        max_capacity=16,
        nullable=nullable,
    )


def sent(field: Field, values: list) -> bytes:
    """Return the column as pymilvus sends it with an insert of these values, None for null."""
    params = {"nullable": True} if field.nullable else {}
    if field.dim:
        params["dim"] = field.dim
    if field.type is DataType.ARRAY:
        params |= {"element_type": ClientType(field.element_type), "max_capacity": 16}
    if DataType.VARCHAR in (field.type, field.element_type):
        params["max_length"] = 100
    own = FieldSchema("f", ClientType(field.type), **params)
    schema = CollectionSchema([FieldSchema("id", ClientType.INT64, is_primary=True), own])
    rows = [{"id": row, "f": value} for row, value in enumerate(values)]
    request = Prepare.row_insert_param("c", rows, "", fields_info=schema.to_dict()["fields"])
    column = next(data for data in request.fields_data if data.field_name == "f")
    return column.SerializeToString()


def received(field: Field, body: bytes) -> Column:
    return decode_column(field, decode_field_data(body, 0, len(body)))


def exchanged(field: Field, values: list) -> tuple[Column, schema_pb2.FieldData]:
    """Return what the server makes of the values, and what the client is sent for them."""
    column = received(field, sent(field, values))
    assert column.data.type == arrow_type(field)
    column.data.validate(full=True)
    return column, schema_pb2.FieldData.FromString(encode_column(column))


@pytest.mark.parametrize("kind", SCALARS)
@pytest.mark.parametrize("nullable", [False, True])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_scalars_arrive_and_return(kind: DataType, nullable: bool, data: st.DataObject) -> None:
    field = field_of(kind, nullable=nullable)
    value = st.none() | SCALARS[kind] if nullable else SCALARS[kind]
    values = data.draw(st.lists(value, min_size=1, max_size=20))
    column, message = exchanged(field, values)
    assert column.data.to_pylist() == values
    arm = message.scalars.WhichOneof("data")
    returned = list(getattr(message.scalars, arm).data)
    assert len(returned) == len(values)
    assert [new for new, old in zip(returned, values, strict=True) if old is not None] == [
        old for old in values if old is not None
    ]
    assert list(message.valid_data) == ([value is not None for value in values] if nullable else [])
    assert (message.type, message.field_name, message.field_id) == (int(kind), "f", 101)


@pytest.mark.parametrize("nullable", [False, True])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_arrays_arrive_and_return(nullable: bool, data: st.DataObject) -> None:
    element = data.draw(st.sampled_from(list(SCALARS)))
    field = field_of(DataType.ARRAY, nullable=nullable, element=element)
    lists = st.lists(SCALARS[element], max_size=5)
    values = data.draw(st.lists(st.none() | lists if nullable else lists, min_size=1, max_size=10))
    column, message = exchanged(field, values)
    assert column.data.to_pylist() == values
    rows = message.scalars.array_data.data
    assert message.scalars.array_data.element_type == element
    returned = [list(getattr(row, row.WhichOneof("data")).data) if row.WhichOneof("data") else [] for row in rows]
    assert returned == [value or [] for value in values]


def test_json_and_the_dynamic_field_keep_their_text() -> None:
    column, message = exchanged(field_of(DataType.JSON, nullable=True), [{"a": [1, 2]}, None, '"text"', 7])
    assert [json.loads(value) if value else None for value in column.data.to_pylist()] == [
        {"a": [1, 2]},
        None,
        "text",
        7,
    ]
    assert message.scalars.json_data.data[1] == b""
    dynamic = Field(id=FieldId(102), name="$meta", type=DataType.JSON, is_dynamic=True)
    reply = schema_pb2.FieldData.FromString(encode_column(Column(dynamic, column.data.slice(0, 1))))
    assert reply.is_dynamic
    assert reply.field_name == "$meta"


def as_rows(column: Column) -> list:
    """Return dense vectors as lists, None for null."""
    valid = column.valid
    return [
        None if valid is not None and not valid[row] else values.tolist() for row, values in enumerate(column.matrix())
    ]


@pytest.mark.parametrize("nulls", [(), (1,), (0, 1, 2)])
def test_dense_vectors_arrive_and_return_without_their_null_rows(nulls: tuple[int, ...]) -> None:
    generator = np.random.default_rng(3)
    samples = {
        DataType.FLOAT_VECTOR: lambda: generator.random(DIM, dtype=np.float32).tolist(),
        DataType.FLOAT16_VECTOR: lambda: generator.random(DIM).astype(np.float16),
        DataType.INT8_VECTOR: lambda: generator.integers(-128, 127, DIM).astype(np.int8),
        DataType.BINARY_VECTOR: lambda: generator.bytes(DIM // 8),
    }
    for kind, sample in samples.items():
        values = [None if row in nulls else sample() for row in range(3)]
        column, message = exchanged(field_of(kind, nullable=bool(nulls)), values)
        expected = [
            None if value is None else list(value) if not isinstance(value, list) else value for value in values
        ]
        assert as_rows(column) == expected
        assert list(message.valid_data) == ([value is not None for value in values] if nulls else [])
        held = message.vectors.float_vector.data or getattr(message.vectors, message.vectors.WhichOneof("data"))
        present = 3 - len(nulls)
        widths = {DataType.FLOAT16_VECTOR: 2 * DIM, DataType.BINARY_VECTOR: DIM // 8}
        if present:
            assert len(held) == present * widths.get(kind, DIM)
        assert message.vectors.dim == DIM


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(
        st.none() | st.dictionaries(st.integers(0, 2**32 - 2), st.floats(0, 100, width=32), max_size=6),
        min_size=1,
        max_size=8,
    )
)
def test_sparse_vectors_arrive_and_return(values: list) -> None:
    column, message = exchanged(field_of(DataType.SPARSE_FLOAT_VECTOR, nullable=True), values)
    pair = np.dtype([("index", "<u4"), ("value", "<f4")])
    rows = [None if row is None else dict(np.frombuffer(row, pair).tolist()) for row in column.data.to_pylist()]
    assert rows == values
    present = [row for row in column.data.to_pylist() if row is not None]
    assert list(message.vectors.sparse_float_vector.contents) == present
    largest = max((index for value in values if value for index in value), default=-1)
    assert message.vectors.sparse_float_vector.dim == largest + 1


def floats_for(kind: DataType, values: np.ndarray) -> Column:
    message = schema_pb2.FieldData(type=int(kind), field_name="f")
    message.vectors.dim = values.shape[1]
    message.vectors.float_vector.data.extend(values.reshape(-1).tolist())
    return received(field_of(kind), message.SerializeToString())


def test_floats_are_rounded_for_half_precision_fields() -> None:
    values = np.random.default_rng(1).normal(size=(4, DIM)).astype(np.float32)
    half = floats_for(DataType.FLOAT16_VECTOR, values).matrix()
    assert np.array_equal(half, values.astype(np.float16))
    brain = floats_for(DataType.BFLOAT16_VECTOR, values).matrix()
    widened = (brain.astype(np.uint32) << 16).view(np.float32)
    assert np.abs(widened - values).max() <= np.abs(values).max() * 2**-8


def test_bfloat16_rounds_to_nearest_even_and_keeps_nan_and_infinity() -> None:
    bits = np.array([0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0x7F80_0000, 0x7FC0_0001], dtype=np.uint32)
    assert bfloat16(bits.view(np.float32)).tolist() == [0x3F80, 0x3F82, 0x3F81, 0x7F80, 0x7FC0]


def test_sliced_columns_are_encoded_from_their_own_rows() -> None:
    field = field_of(DataType.VARCHAR, nullable=True)
    data = pa.array(["a", None, "cc", "d"], type=pa.large_string())
    message = schema_pb2.FieldData.FromString(encode_column(Column(field, data.slice(1, 2))))
    assert list(message.scalars.string_data.data) == ["", "cc"]
    assert list(message.valid_data) == [False, True]
    lists = pa.array([[1], [2, 3], None, [4]], type=pa.large_list(pa.int64()))
    array = field_of(DataType.ARRAY, nullable=True, element=DataType.INT64)
    message = schema_pb2.FieldData.FromString(encode_column(Column(array, lists.slice(1, 3))))
    assert [list(row.long_data.data) for row in message.scalars.array_data.data] == [[2, 3], [], [4]]


def test_columns_without_a_row_still_name_their_payload() -> None:
    for kind in (DataType.INT64, DataType.VARCHAR, DataType.ARRAY, DataType.FLOAT_VECTOR, DataType.SPARSE_FLOAT_VECTOR):
        field = field_of(kind, element=DataType.INT64 if kind is DataType.ARRAY else DataType.NONE)
        data = pa.array([], type=arrow_type(field))
        message = schema_pb2.FieldData.FromString(encode_column(Column(field, data)))
        assert message.WhichOneof("field") == ("vectors" if kind.is_vector else "scalars")


# --- what is refused ---


def message_of(kind: DataType, **payload: object) -> bytes:
    return schema_pb2.FieldData(type=int(kind), field_name="f", **payload).SerializeToString()


def refusal(field: Field, body: bytes) -> str:
    with pytest.raises(InvalidParameter) as caught:
        received(field, body)
    return str(caught.value)


def test_another_payload_is_refused_by_name() -> None:
    text = refusal(field_of(DataType.FLOAT_VECTOR), message_of(DataType.FLOAT_VECTOR))
    assert "float vector field 'f' is illegal, array type mismatch" in text
    assert "[expected=need float vector][actual=got nil]" in text
    longs = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[1]))
    text = refusal(field_of(DataType.VARCHAR), message_of(DataType.VARCHAR, scalars=longs))
    assert "varchar field 'f' is illegal, array type mismatch" in text
    assert "[actual=got long]" in text


def test_dimension_is_checked_against_the_schema() -> None:
    def vectors(dim: int, count: int) -> bytes:
        held = schema_pb2.VectorField(dim=dim, float_vector=schema_pb2.FloatArray(data=[0.5] * count))
        return message_of(DataType.FLOAT_VECTOR, vectors=held)

    field = field_of(DataType.FLOAT_VECTOR)
    assert "the dim (4) of field data(f) is not equal to schema dim (8)" in refusal(field, vectors(4, 8))
    assert "the length(12) of float data should divide the dim(8)" in refusal(field, vectors(8, 12))
    bits = schema_pb2.VectorField(dim=16, binary_vector=b"abc")
    wide = field_of(DataType.BINARY_VECTOR, dim=16)
    assert "of all bits should divide the dim(16)" in refusal(wide, message_of(DataType.BINARY_VECTOR, vectors=bits))


def test_small_integers_stay_in_their_range() -> None:
    values = schema_pb2.ScalarField(int_data=schema_pb2.IntArray(data=[1, 128]))
    text = refusal(field_of(DataType.INT8), message_of(DataType.INT8, scalars=values))
    assert "the 1th element (128) out of range: [-128, 127]" in text
    nested = schema_pb2.ScalarField(array_data=schema_pb2.ArrayArray(data=[values]))
    array = field_of(DataType.ARRAY, element=DataType.INT8)
    assert "out of range: [-128, 127]" in refusal(array, message_of(DataType.ARRAY, scalars=nested))


def test_values_are_counted_against_valid_data() -> None:
    values = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[1, 2, 3]))
    body = message_of(DataType.INT64, scalars=values, valid_data=[True, False, True])
    assert "the length of field is wrong" in refusal(field_of(DataType.INT64, nullable=True), body)


def test_text_that_is_not_utf8_is_refused_with_its_row() -> None:
    body = message_of(
        DataType.VARCHAR,
        scalars=schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=["ok", "xx"])),
        valid_data=[True, False, True],
    ).replace(b"xx", b"\xff\xfe")
    text = refusal(field_of(DataType.VARCHAR, nullable=True), body)
    assert "should be utf-8 format, but row: 2" in text


def test_array_elements_of_another_kind_are_refused() -> None:
    element = schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=["a"]))
    nested = schema_pb2.ScalarField(array_data=schema_pb2.ArrayArray(data=[element]))
    field = field_of(DataType.ARRAY, element=DataType.INT64)
    assert "insert data does not match" in refusal(field, message_of(DataType.ARRAY, scalars=nested))


def test_columns_are_cut_out_of_a_whole_insert_without_parsing_it() -> None:
    field = field_of(DataType.VARCHAR)
    schema = CollectionSchema(
        [FieldSchema("id", ClientType.INT64, is_primary=True), FieldSchema("f", ClientType.VARCHAR, max_length=9)]
    )
    rows = [{"id": 1, "f": "x"}, {"id": 2, "f": "y"}]
    body = Prepare.row_insert_param("c", rows, "p", fields_info=schema.to_dict()["fields"]).SerializeToString()
    rest, spans = split_message(body, 5)
    assert b"f" not in rest[:2]
    columns = [decode_field_data(body, *span) for span in spans]
    assert [raw.name for raw in columns] == ["id", "f"]
    assert decode_column(field, columns[1]).data.to_pylist() == ["x", "y"]
