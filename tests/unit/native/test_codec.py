"""FieldData to and from columns: the protobuf library is the reference in both directions, hostile bytes included."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from elanus._native import codec

int32 = st.one_of(st.integers(-3, 300), st.integers(-(2**31), 2**31 - 1))
int64 = st.one_of(st.integers(-3, 300), st.integers(-(2**63), 2**63 - 1))
text = st.text(max_size=6)
blob = st.binary(max_size=6)
SCALARS = {
    "bool": ("bool_data", st.booleans()),
    "int": ("int_data", int32),
    "long": ("long_data", int64),
    "float": ("float_data", st.floats(width=32)),
    "double": ("double_data", st.floats()),
    "string": ("string_data", text),
    "bytes": ("bytes_data", blob),
    "json": ("json_data", text.map(str.encode)),
    "geometry": ("geometry_data", blob),
    "timestamptz": ("timestamptz_data", int64),
    "geometry_wkt": ("geometry_wkt_data", text),
}
DENSE = {
    "binary_vector": "binary_vector",
    "float16_vector": "float16_vector",
    "bfloat16_vector": "bfloat16_vector",
    "int8_vector": "int8_vector",
}
NUMBERS = {"bool", "int", "long", "float", "double", "timestamptz"}
VECTORS = {"float_vector", "sparse", "vector_array", *DENSE}
DTYPES = {"bool": bool, "int": np.int32, "float": np.float32, "double": np.float64, "float_vector": np.float32}


@st.composite
def headers(draw):
    """A FieldData with all but its payload."""
    return schema_pb2.FieldData(
        type=draw(st.sampled_from([0, 1, 5, 21, 101, 999])),
        field_name=draw(text),
        field_id=draw(int64),
        is_dynamic=draw(st.booleans()),
        valid_data=draw(st.lists(st.booleans(), max_size=4)),
    )


def scalar_field(kind, rows):
    field = schema_pb2.ScalarField()
    arm = getattr(field, SCALARS[kind][0])
    arm.SetInParent()
    arm.data.extend(rows)
    return field


@st.composite
def scalar_messages(draw, kind):
    message = draw(headers())
    message.scalars.CopyFrom(scalar_field(kind, draw(st.lists(SCALARS[kind][1], max_size=6))))
    return message


@st.composite
def array_messages(draw, kind):
    message = draw(headers())
    array = message.scalars.array_data
    array.element_type = draw(st.sampled_from([0, 5, 21]))
    rows = draw(st.lists(st.lists(SCALARS[kind][1], max_size=3), max_size=4))
    array.data.extend(scalar_field(kind, row) for row in rows)
    message.scalars.SetInParent()
    message.scalars.array_data.SetInParent()
    return message


def set_vector(field, kind, draw, dim):
    field.dim = dim
    if kind == "float_vector":
        field.float_vector.SetInParent()
        field.float_vector.data.extend(draw(st.lists(st.floats(width=32), max_size=5)))
    else:
        setattr(field, DENSE[kind], draw(blob))


@st.composite
def vector_messages(draw, kind):
    message = draw(headers())
    set_vector(message.vectors, kind, draw, draw(st.integers(0, 300)))
    return message


@st.composite
def sparse_messages(draw):
    message = draw(headers())
    message.vectors.dim = message.vectors.sparse_float_vector.dim = draw(st.integers(0, 300))
    message.vectors.sparse_float_vector.contents.extend(draw(st.lists(blob, max_size=4)))
    message.vectors.sparse_float_vector.SetInParent()
    return message


@st.composite
def vector_array_messages(draw, kind):
    message = draw(headers())
    dim = draw(st.integers(0, 300))
    message.vectors.dim = message.vectors.vector_array.dim = dim
    message.vectors.vector_array.element_type = draw(st.sampled_from([0, 101]))
    message.vectors.vector_array.SetInParent()
    for _ in range(draw(st.integers(0, 3))):
        set_vector(message.vectors.vector_array.data.add(), kind, draw, dim)
    return message


@st.composite
def struct_messages(draw):
    message = draw(headers())
    message.struct_arrays.SetInParent()
    message.struct_arrays.fields.extend(draw(st.lists(st.one_of(array_messages("long"), headers()), max_size=3)))
    return message


MESSAGES = {
    "none": headers(),
    **{kind: scalar_messages(kind) for kind in SCALARS},
    **{f"array of {kind}": array_messages(kind) for kind in SCALARS},
    **{kind: vector_messages(kind) for kind in ("float_vector", *DENSE)},
    **{f"vector_array of {kind}": vector_array_messages(kind) for kind in ("float_vector", *DENSE)},
    "sparse": sparse_messages(),
    "struct": struct_messages(),
}


def decode(body):
    return codec.decode_field_data(body, 0, len(body))


def encode(column, body=b""):
    attributes = {field.name: getattr(column, field.name) for field in fields(column)}
    del attributes["invalid_utf8_row"]
    attributes["parts"] = [body[start:end] for start, end in column.parts]
    return codec.encode_field_data(**attributes)


def exact(values, dtype):
    """Values as comparable bytes: NaN equals any NaN, -0.0 differs from 0.0."""
    return [np.asarray(np.nan if isnan(value) else value, dtype).tobytes() for value in values]


def as_bytes(values):
    return [value.encode() if isinstance(value, str) else value for value in values]


def rows_of(column):
    """The values of a column without lists, as the reference's are given by ``expected_rows``."""
    if column.offsets is not None:
        assert column.offsets.dtype == np.int64
        assert column.data.dtype == np.uint8
        bounds = column.offsets.tolist()
        return [column.data[start:end].tobytes() for start, end in pairwise(bounds)]
    if column.values is None:
        return []
    if column.kind in DENSE:
        assert column.values.dtype == np.uint8
        return column.values.tolist()
    assert column.values.dtype == DTYPES.get(column.kind, np.int64)
    return exact(column.values, DTYPES.get(column.kind, np.int64))


def lists_of(column):
    assert column.offsets.dtype == np.int64
    bounds, rows = column.offsets.tolist(), rows_of(column.child)
    return [rows[start:end] for start, end in pairwise(bounds)]


def expected_scalars(field):
    arm = field.WhichOneof("data")
    kind = next((kind for kind, (name, _) in SCALARS.items() if name == arm), None)
    if kind is None:
        return arm or "none", []
    rows = getattr(field, arm).data
    return kind, exact(rows, DTYPES.get(kind, np.int64)) if kind in NUMBERS else as_bytes(rows)


def expected_vector(field):
    arm = field.WhichOneof("data")
    if arm == "float_vector":
        return arm, exact(field.float_vector.data, np.float32)
    if arm == "sparse_float_vector":
        return "sparse", list(field.sparse_float_vector.contents)
    return arm or "none", list(getattr(field, arm)) if arm in DENSE else []


def expected_payload(message):
    """Kind and rows as the protobuf library sees them."""
    arm = message.WhichOneof("field")
    if arm == "scalars":
        if message.scalars.WhichOneof("data") == "array_data":
            return "array", [expected_scalars(row)[1] for row in message.scalars.array_data.data]
        return expected_scalars(message.scalars)
    if arm == "vectors":
        if message.vectors.WhichOneof("data") == "vector_array":
            return "vector_array", [expected_vector(row)[1] for row in message.vectors.vector_array.data]
        return expected_vector(message.vectors)
    return ("struct", len(message.struct_arrays.fields)) if arm else ("none", [])


def check_header(column, message):
    assert (column.name, column.type, column.field_id) == (message.field_name, message.type, message.field_id)
    assert column.is_dynamic == message.is_dynamic
    if message.valid_data:
        assert column.valid.dtype == bool
        assert column.valid.tolist() == list(message.valid_data)
    else:
        assert column.valid is None


def check_payload(column, message):
    kind, rows = expected_payload(message)
    if column.kind == "unsupported":
        assert kind.endswith("_data")
        return
    assert column.kind == kind
    if kind == "struct":
        assert len(column.parts) == rows
    elif kind in ("array", "vector_array"):
        assert len(column.offsets) == len(rows) + 1
        if column.child.kind not in ("mixed", "unsupported"):
            assert lists_of(column) == rows
    else:
        assert rows_of(column) == rows


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_columns_agree_with_protobuf_both_ways(name, data):
    message = data.draw(MESSAGES[name])
    body = message.SerializeToString()
    column = decode(body)
    check_header(column, message)
    check_payload(column, message)
    assert column.invalid_utf8_row == -1
    assert encode(column, body) == body
    if column.child is not None and column.child.kind != "none":
        assert column.child.kind == name.split()[-1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.one_of(*MESSAGES.values()), st.one_of(*MESSAGES.values()), st.binary(max_size=5), st.binary(max_size=5))
def test_a_message_is_read_where_it_lies_and_repeated_ones_merge(first, second, before, after):
    body = first.SerializeToString() + second.SerializeToString()
    column = codec.decode_field_data(before + body + after, len(before), len(before) + len(body))
    message = schema_pb2.FieldData.FromString(body)
    check_header(column, message)
    check_payload(column, message)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.one_of(*MESSAGES.values()))
def test_a_message_cut_anywhere_is_refused_or_agrees(message):
    body = message.SerializeToString()
    for end in range(len(body)):
        check_hostile(body[:end])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.one_of(*MESSAGES.values()), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=40))
def test_a_mutated_message_is_refused_or_agrees(message, mutations):
    original = message.SerializeToString()
    for place, value in mutations:
        if original:
            body = bytearray(original)
            body[place % len(body)] = value
            check_hostile(bytes(body))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_agree(body):
    check_hostile(body)
    for number in (3, 4, 8):
        check_hostile(codec.wrap(number, [body]))


def check_hostile(body):
    """Whatever protobuf reads we read, and alike; what it refuses gives a column or a ValueError, never a panic."""
    try:
        message = schema_pb2.FieldData.FromString(body)
    except DecodeError:
        message = None
    try:
        column = decode(body)
    except ValueError as error:
        problem = str(error)
    else:
        problem = ""
    assert not problem or (message is None and "at byte" in problem)
    if message is not None:
        check_header(column, message)
        check_payload(column, message)


def varint(value):
    out = bytearray()
    value &= 2**64 - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.lists(int64, max_size=4)), max_size=5))
def test_packed_and_unpacked_values_may_alternate(runs):
    body = b""
    for packed, run in runs:
        values = [varint(value) for value in run]
        body += codec.wrap(1, [b"".join(values)]) if packed else b"".join(b"\x08" + value for value in values)
    column = decode(codec.wrap(3, [codec.wrap(3, [body])]))
    assert column.values.tolist() == [value for _, run in runs for value in run]


def test_unpacked_floats_and_valid_data_are_read():
    floats = b"".join(b"\x0d" + np.float32(value).tobytes() for value in (1.5, -2))
    column = decode(codec.wrap(4, [codec.wrap(2, [floats])]) + b"\x38\x01\x38\x00")
    assert column.values.tolist() == [1.5, -2]
    assert column.valid.tolist() == [True, False]


@pytest.mark.parametrize(
    ("rows", "invalid"),
    [
        ([b"a", b"\xc3\xa9"], -1),
        ([b"a", b"\xff", b"\xfe"], 1),
        ([b"a", b"\xc3", b"\xa9"], 1),
        ([b"\xed\xa0\x80"], 0),
        ([], -1),
    ],
)
@pytest.mark.parametrize("arm", [6, 9, 12])
def test_text_that_is_not_utf8_is_reported_by_row(arm, rows, invalid):
    plain = codec.wrap(arm, [codec.wrap(1, rows)])
    column = decode(codec.wrap(3, [plain]))
    assert column.invalid_utf8_row == invalid
    assert rows_of(column) == rows
    array = decode(codec.wrap(3, [codec.wrap(8, [codec.wrap(1, [b"", plain])])]))
    assert array.invalid_utf8_row == (-1 if invalid < 0 else 1)
    assert array.child.invalid_utf8_row == invalid


def test_bytes_need_not_be_utf8():
    assert decode(codec.wrap(3, [codec.wrap(7, [codec.wrap(1, [b"\xff"])])])).invalid_utf8_row == -1


def test_array_rows_of_different_kinds_are_flagged():
    message = schema_pb2.FieldData(field_name="tags")
    array = message.scalars.array_data
    array.data.add().long_data.data.append(1)
    array.data.add().string_data.data.append("one")
    column = decode(message.SerializeToString())
    assert (column.kind, column.child.kind, column.child.values) == ("array", "mixed", None)
    assert len(column.offsets) == 3


def test_empty_array_rows_fit_any_kind():
    message = schema_pb2.FieldData(field_name="tags")
    array = message.scalars.array_data
    array.data.add()
    array.data.add().string_data.SetInParent()
    array.data.add().long_data.data.extend([1, 2])
    array.data.add().string_data.SetInParent()
    array.data.add()
    column = decode(message.SerializeToString())
    assert column.child.kind == "long"
    assert column.offsets.tolist() == [0, 0, 0, 2, 2, 2]


def test_nested_arrays_and_alien_types_are_unsupported():
    nested = schema_pb2.FieldData()
    nested.scalars.array_data.data.add().array_data.data.add().long_data.data.append(1)
    assert decode(nested.SerializeToString()).child.kind == "unsupported"
    alien = schema_pb2.FieldData()
    alien.scalars.date_data.data.append(1)
    assert decode(alien.SerializeToString()).kind == "unsupported"


def test_vector_array_rows_of_different_dimensions_are_flagged():
    message = schema_pb2.FieldData()
    for dim in (2, 4):
        message.vectors.vector_array.data.add(dim=dim).float_vector.data.extend(range(dim))
    assert decode(message.SerializeToString()).child.kind == "mixed"


def test_struct_columns_are_found_within_the_body():
    message = schema_pb2.FieldData(field_name="points")
    for name in ("x", "y"):
        sub = message.struct_arrays.fields.add(field_name=name)
        sub.scalars.array_data.data.add().long_data.data.extend([1, 2])
    body = b"??" + message.SerializeToString()
    column = codec.decode_field_data(body, 2, len(body))
    subs = [codec.decode_field_data(body, start, end) for start, end in column.parts]
    assert [(sub.name, sub.child.values.tolist()) for sub in subs] == [("x", [1, 2]), ("y", [1, 2])]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.one_of(*MESSAGES.values()), max_size=4), text, st.lists(st.integers(0, 2**32 - 1), max_size=4))
def test_a_request_splits_into_small_rest_and_columns(columns, name, hash_keys):
    number = milvus_pb2.InsertRequest.DESCRIPTOR.fields_by_name["fields_data"].number
    request = milvus_pb2.InsertRequest(collection_name=name, fields_data=columns, hash_keys=hash_keys, num_rows=7)
    body = request.SerializeToString()
    rest, parts = codec.split_message(body, number)
    assert [body[start:end] for start, end in parts] == [column.SerializeToString() for column in columns]
    del request.fields_data[:]
    assert rest == request.SerializeToString()
    whole = milvus_pb2.InsertRequest.FromString(rest + codec.wrap(number, [body[start:end] for start, end in parts]))
    assert whole.SerializeToString() == body


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.integers(1, 6))
def test_splitting_random_bytes_loses_nothing(body, number):
    try:
        rest, parts = codec.split_message(body, number)
    except ValueError:
        return
    assert codec.split_message(rest, number) == (rest, [])
    assert all(0 <= start <= end <= len(body) for start, end in parts)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\x80", "inside a varint at byte 0"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "longer than 10 bytes at byte 1"),
        (b"\x12\x05ab", "past the end of its message at byte 1"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "past the end of its message at byte 1"),
        (b"\x00\x01", "field number at byte 0"),
        (b"\x0e", "wire type at byte 0"),
        (b"\x0c", "never began at byte 0"),
        (b"\x0b" * 100, "too deep"),
        (b"\x0b\x08\x01", "inside a group at byte 0"),
        (b"\x0b\x14", "another's number at byte 1"),
        (b"\x12\x01\xff", "field name is not UTF-8 at byte 2"),
        (b"\x1a\x06\x22\x04\x0a\x02ab", "end inside a value"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body, what):
    with pytest.raises(ValueError, match=what):
        decode(body)


def test_a_span_outside_the_body_is_refused():
    for start, end in ((0, 4), (3, 2), (2**40, 2**41)):
        with pytest.raises(ValueError, match="outside its body"):
            codec.decode_field_data(b"abc", start, end)


def test_sliced_offsets_are_written_as_their_rows():
    offsets, data = np.array([0, 2, 3, 5]), np.frombuffer(b"aabcc", np.uint8)
    body = codec.encode_field_data(name="s", type=21, kind="string", offsets=offsets[1:], data=data)
    assert list(schema_pb2.FieldData.FromString(body).scalars.string_data.data) == ["b", "cc"]
    child = codec.RawColumn("string", offsets=offsets, data=data)
    body = codec.encode_field_data(name="a", type=22, kind="array", offsets=np.array([1, 1, 3]), child=child)
    rows = schema_pb2.FieldData.FromString(body).scalars.array_data.data
    assert [list(row.string_data.data) for row in rows] == [[], ["b", "cc"]]


def test_matrices_and_narrow_integers_are_written_as_their_kind():
    vectors = np.arange(6, dtype=np.float16).reshape(2, 3)
    body = codec.encode_field_data(name="v", type=102, kind="float16_vector", dim=3, values=vectors)
    assert schema_pb2.FieldData.FromString(body).vectors.float16_vector == vectors.tobytes()
    body = codec.encode_field_data(name="i", type=2, kind="int", values=np.array([-1, 5], dtype=np.int8))
    assert list(schema_pb2.FieldData.FromString(body).scalars.int_data.data) == [-1, 5]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "string", "offsets": np.array([0, 9]), "data": np.zeros(3, np.uint8)},
        {"kind": "string", "offsets": np.array([2, 1]), "data": np.zeros(3, np.uint8)},
        {"kind": "string", "offsets": np.array([], np.int64), "data": np.zeros(3, np.uint8)},
        {"kind": "string"},
        {"kind": "long"},
        {"kind": "array"},
        {"kind": "array", "offsets": np.array([0, 2]), "child": codec.RawColumn("long", values=np.array([1]))},
        {"kind": "array", "offsets": np.array([0]), "child": codec.RawColumn("float_vector", values=np.zeros(0, "f4"))},
        {"kind": "vector_array", "offsets": np.array([0]), "child": codec.RawColumn("long", values=np.array([1]))},
        {"kind": "mixed"},
        {"kind": "no such kind"},
        {"kind": "struct", "values": np.zeros(1)},
    ],
)
def test_columns_that_do_not_fit_together_are_refused(arguments):
    with pytest.raises(ValueError):
        codec.encode_field_data(name="f", type=0, **arguments)


@pytest.mark.parametrize(("kind", "dtype"), [("int", np.int64), ("float", np.float64), ("bool", np.int64)])
def test_values_are_never_narrowed(kind, dtype):
    with pytest.raises(TypeError):
        codec.encode_field_data(name="f", type=0, kind=kind, values=np.zeros(1, dtype))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(int64, max_size=8), st.lists(text, max_size=8))
def test_ids_agree_with_protobuf(ints, strings):
    reference = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=ints))
    assert codec.encode_ids("long", np.array(ints, np.int64)) == reference.SerializeToString()
    data = "".join(strings).encode()
    offsets = np.cumsum([0, *(len(value.encode()) for value in strings)])
    reference = schema_pb2.IDs(str_id=schema_pb2.StringArray(data=strings))
    encoded = codec.encode_ids("string", offsets=offsets, data=np.frombuffer(data, np.uint8))
    assert encoded == reference.SerializeToString()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(width=32), max_size=8), st.lists(int64, max_size=8))
def test_packed_fields_agree_with_protobuf(floats, longs):
    numbers = schema_pb2.SearchResultData.DESCRIPTOR.fields_by_name
    assert codec.encode_floats(numbers["scores"].number, np.array(floats, np.float32)) == (
        schema_pb2.SearchResultData(scores=floats).SerializeToString()
    )
    assert codec.encode_longs(numbers["topks"].number, np.array(longs, np.int64)) == (
        schema_pb2.SearchResultData(topks=longs).SerializeToString()
    )


@pytest.mark.parametrize("number", [1, 15, 16, 2047, 2048, 2**29 - 1])
def test_wrapping_writes_any_field_number(number):
    wrapped = codec.wrap(number, [b"", b"x" * 200])
    rest, parts = codec.split_message(wrapped, number)
    assert rest == b""
    assert [wrapped[start:end] for start, end in parts] == [b"", b"x" * 200]


@pytest.mark.parametrize("number", [0, 2**29])
def test_impossible_field_numbers_are_refused(number):
    with pytest.raises(ValueError, match="field number"):
        codec.wrap(number, [])
