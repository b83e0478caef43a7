"""Columns between wire and engine: a codec a data type, no Python object for a row or a value.

In requests the payload of a nullable field holds the valid rows only; here they are spread out over all rows, zeros
underneath the nulls. In replies scalars go at full length, vectors again without the null rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.codec import Kind, RawColumn, encode_field_data
from elanus._native.rtree import boxes
from elanus.model.columns import (
    ARROW_SCALARS,
    VECTOR_DTYPES,
    Column,
    arrow_type,
    fixed_values,
    varlen_buffers,
    vector_array,
)
from elanus.model.errors import InvalidParameter
from elanus.model.geometry import GeometryError, wkb_from_wkb, wkb_from_wkt, wkt_from_wkb
from elanus.model.schema import Field
from elanus.model.types import INTEGER_RANGES, DataType
from elanus.server.grpc.nulls import Mask, bitmap, full_row, spread, spread_offsets

Payload = dict[str, Any]

SPARSE_PAIR = np.dtype([("index", "<u4"), ("value", "<f4")])


@dataclass(frozen=True, slots=True)
class Codec:
    """How one data type travels.

    kind     the payload that carries it
    word     what messages call it
    decode   (field, raw, valid) -> Arrow array of all rows; ``valid`` is None when no row is null
    encode   column -> the payload's arguments of ``encode_field_data``
    accepts  payloads taken beside ``kind``
    """

    kind: Kind
    word: str
    decode: Callable[[Field, RawColumn, Mask | None], pa.Array]
    encode: Callable[[Column], Payload]
    accepts: frozenset[str] = frozenset()


def decode_column(field: Field, raw: RawColumn) -> Column:
    """Return what was sent for a field as a column.

    A TIMESTAMPTZ column holds what came, ``int64`` or ``large_string``; ``instants.parse_instants`` reads the texts.

    raises  InvalidParameter naming the field and what is wrong: payload, dimension, length, range, encoding
    cost    one pass for each check; dense vectors without nulls are not copied
    """
    codec = CODECS[field.type]
    raw = _with_payload(field, codec, raw)
    valid = None if raw.valid is None or raw.valid.all() else raw.valid
    return Column(field, codec.decode(field, raw, valid))


def encode_column(column: Column) -> bytes:
    """Return a column as a serialized ``FieldData``; one of TIMESTAMPTZ must hold texts."""
    field = column.field
    codec = CODECS[field.type]
    valid = column.valid
    if valid is None and field.nullable:
        valid = np.ones(len(column), dtype=np.bool_)
    payload = codec.encode(column)
    return encode_field_data(
        name=field.sub_name,
        type=int(field.type),
        field_id=field.id,
        is_dynamic=field.is_dynamic,
        kind=codec.kind,
        valid=valid,
        **payload,
    )


def _with_payload(field: Field, codec: Codec, raw: RawColumn) -> RawColumn:
    """Return the column with the payload its type needs; an absent one stands for no values where all are null."""
    if raw.kind == codec.kind or raw.kind in codec.accepts:
        return raw
    if raw.kind == "none" and raw.valid is not None and not raw.valid.any():
        return RawColumn(codec.kind, valid=raw.valid, **_NO_VALUES)
    came = "nil" if raw.kind == "none" else raw.kind
    raise InvalidParameter.expected(
        f"{codec.word} field '{field.name}' is illegal, array type mismatch",
        expected=f"need {codec.word}",
        actual=f"got {came}",
    )


_NO_VALUES: dict[str, Any] = {
    "values": np.zeros(0, dtype=np.uint8),
    "offsets": np.zeros(1, dtype=np.int64),
    "data": np.zeros(0, dtype=np.uint8),
    "child": RawColumn("none"),
}


# --- numbers ---


def _decode_numbers(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    values = _narrow(_values(raw), field.type)
    return _number_array(field.type, spread(field, values, valid), valid)


def _values(raw: RawColumn) -> NDArray[Any]:
    return _NO_VALUES["values"] if raw.values is None else raw.values


def _number_array(kind: DataType, values: NDArray[Any], valid: Mask | None) -> pa.Array:
    arrow = ARROW_SCALARS[kind]
    if kind is DataType.BOOL:
        bits = np.packbits(values.astype(np.bool_, copy=False), bitorder="little")
        return pa.Array.from_buffers(arrow, len(values), [bitmap(valid), pa.py_buffer(bits)])
    return pa.Array.from_buffers(arrow, len(values), [bitmap(valid), pa.py_buffer(np.ascontiguousarray(values))])


def _narrow(values: NDArray[Any], kind: DataType) -> NDArray[Any]:
    """Return values in the type's own width; the wire carries small integers as 32 bits."""
    dtype = np.dtype(ARROW_SCALARS[kind].to_pandas_dtype())
    if kind in (DataType.INT8, DataType.INT16):
        low, high = INTEGER_RANGES[kind]
        outside = (values < low) | (values > high)
        if outside.any():
            at = int(outside.argmax())
            raise InvalidParameter(f"the {at}th element ({values[at]}) out of range: [{low}, {high}]")
    return values.astype(dtype, copy=False)


def _encode_numbers(column: Column) -> Payload:
    return {"values": column.numbers()}


# --- text and bytes ---


def _decode_text(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    _check_utf8(field, raw, valid)
    return _decode_bytes(field, raw, valid)


def _check_utf8(field: Field, raw: RawColumn, valid: Mask | None) -> None:
    if raw.invalid_utf8_row >= 0:
        row = full_row(valid, raw.invalid_utf8_row)
        raise InvalidParameter(f"input of field {field.name} should be utf-8 format, but row: {row} is not")


def _decode_bytes(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    return _text_array(arrow_type(field), spread_offsets(field, _offsets(raw), valid), raw.data, valid)


def _offsets(raw: RawColumn) -> NDArray[np.int64]:
    return _NO_VALUES["offsets"] if raw.offsets is None else raw.offsets


def _text_array(
    kind: pa.DataType, offsets: NDArray[np.int64], data: NDArray[np.uint8] | None, valid: Mask | None
) -> pa.Array:
    held = _NO_VALUES["data"] if data is None else data
    buffers = [bitmap(valid), pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(held)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)


def _encode_text(column: Column) -> Payload:
    offsets, data = column.bytes_and_offsets()
    return {"offsets": offsets, "data": data}


# --- instants and geometries ---


def _decode_instants(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    """Return instants as they came: microseconds, or texts that wait for their time zone."""
    if raw.kind == "timestamptz":
        return _decode_numbers(field, raw, valid)
    _check_utf8(field, raw, valid)
    return _text_array(pa.large_string(), spread_offsets(field, _offsets(raw), valid), raw.data, valid)


def _decode_geometries(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    """Return geometries, sent as text or WKB, as the WKB that is kept."""
    _check_utf8(field, raw, valid)
    is_text = raw.kind == "geometry_wkt"
    kind = pa.large_string() if is_text else pa.large_binary()
    sent = _text_array(kind, spread_offsets(field, _offsets(raw), valid), raw.data, valid)
    try:
        if is_text:
            return wkb_from_wkt(sent)
        boxes(*varlen_buffers(sent))  # refuses what GEOS must not see: collections nested too deep
        return wkb_from_wkb(sent)
    except ValueError as error:
        row = f", row: {error.row}" if isinstance(error, GeometryError) else ""
        raise InvalidParameter(
            f"invalid Geometry data, transform to wkb failed: {error}, field: {field.name}{row}"
        ) from None


def _encode_geometries(column: Column) -> Payload:
    return _encode_text(Column(column.field, wkt_from_wkb(column.data)))


# --- arrays ---


def _decode_array(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    child = raw.child or RawColumn("none")
    element = CODECS[field.element_type]
    if child.kind not in (element.kind, "none"):
        raise InvalidParameter.expected(
            f"insert data does not match, array field: {field.name}",
            expected=f"need {element.word} elements",
            actual=f"got {child.kind}",
        )
    offsets = np.ascontiguousarray(spread_offsets(field, _offsets(raw), valid))
    elements = _elements(field, child)
    return pa.Array.from_buffers(
        arrow_type(field), len(offsets) - 1, [bitmap(valid), pa.py_buffer(offsets)], children=[elements]
    )


def _elements(field: Field, child: RawColumn) -> pa.Array:
    if field.element_type is not DataType.VARCHAR:
        return _number_array(field.element_type, _narrow(_values(child), field.element_type), None)
    if child.invalid_utf8_row >= 0:
        at = child.invalid_utf8_row
        raise InvalidParameter(f"input of array field {field.name} should be utf-8 format, but row: {at} is not")
    return _text_array(pa.large_string(), _offsets(child), child.data, None)


def _encode_array(column: Column) -> Payload:
    elements = column.data.values
    kind = CODECS[column.field.element_type].kind
    if column.field.element_type is DataType.VARCHAR:
        offsets, data = varlen_buffers(elements)
        child = RawColumn(kind, offsets=offsets, data=data)
    else:
        child = RawColumn(kind, values=fixed_values(elements))
    return {
        "offsets": varlen_buffers(column.data)[0],
        "child": child,
        "element_type": int(column.field.element_type),
    }


# --- vectors ---


def _decode_vectors(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    values = _vector_values(field, raw)
    dtype = VECTOR_DTYPES[field.type]
    width = field.row_bytes // dtype.itemsize
    _check_dim(field, raw, values, width)
    matrix = np.ascontiguousarray(values).view(dtype).reshape(-1, width)
    return vector_array(field, spread(field, matrix, valid), valid)


def _vector_values(field: Field, raw: RawColumn) -> NDArray[Any]:
    """Return the values as sent; floats for a half-precision field are rounded to it."""
    values = _values(raw)
    if raw.kind != "float_vector" or field.type is DataType.FLOAT_VECTOR:
        return values
    floats = values.astype(np.float32, copy=False)
    if field.type is DataType.FLOAT16_VECTOR:
        with np.errstate(over="ignore"):
            return floats.astype(np.float16)
    return bfloat16(floats)


def bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return floats as bfloat16 bits, rounded to nearest, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def _check_dim(field: Field, raw: RawColumn, values: NDArray[Any], width: int) -> None:
    if raw.dim != field.dim and (raw.dim or len(values)):
        raise InvalidParameter(
            f"the dim ({raw.dim}) of field data({field.name}) is not equal to schema dim ({field.dim})"
        )
    held = values.nbytes // VECTOR_DTYPES[field.type].itemsize
    if held % width or values.nbytes % VECTOR_DTYPES[field.type].itemsize:
        what = "all bits" if field.type is DataType.BINARY_VECTOR else "float data"
        length = values.nbytes * 8 if field.type is DataType.BINARY_VECTOR else held
        raise InvalidParameter(f"the length({length}) of {what} should divide the dim({field.dim})")


def _encode_vectors(column: Column) -> Payload:
    matrix, valid = column.matrix(), column.valid
    return {"dim": column.field.dim, "values": matrix if valid is None else matrix[valid]}


def _decode_vector_lists(field: Field, raw: RawColumn, valid: Mask | None) -> pa.Array:
    element = field.element
    child = raw.child or RawColumn("none")
    codec = CODECS[element.type]
    if child.kind not in (codec.kind, *codec.accepts, "none"):
        raise InvalidParameter.expected(
            f"insert data does not match, array of vector field: {field.name}",
            expected=f"need {codec.word} elements of one dimension",
            actual=f"got {child.kind}",
        )
    dtype = VECTOR_DTYPES[element.type]
    width = element.row_bytes // dtype.itemsize
    values = _vector_values(element, child)
    _check_dim(element, replace(child, dim=child.dim or raw.dim), values, width)
    # The payload's offsets count its own values: floats, or bytes of the other types.
    offsets, rest = np.divmod(_offsets(raw), element.dim if child.kind == "float_vector" else element.row_bytes)
    if rest.any():
        row = full_row(valid, int(rest.argmax()) - 1)
        raise InvalidParameter(f"row {row} of field {field.name} is not made of whole vectors of dim({field.dim})")
    vectors = vector_array(element, np.ascontiguousarray(values).view(dtype).reshape(-1, width))
    full = np.ascontiguousarray(spread_offsets(field, offsets, valid))
    return pa.Array.from_buffers(
        arrow_type(field), len(full) - 1, [bitmap(valid), pa.py_buffer(full)], children=[vectors]
    )


def _encode_vector_lists(column: Column) -> Payload:
    element = column.field.element
    matrix = Column(element, column.data.values).matrix()
    width = element.row_bytes if element.type is not DataType.FLOAT_VECTOR else matrix.shape[1]
    return {
        "offsets": varlen_buffers(column.data)[0] * width,
        "child": RawColumn(CODECS[element.type].kind, values=matrix),
        "dim": column.field.dim,
        "element_type": int(element.type),
    }


def _encode_sparse(column: Column) -> Payload:
    present = column.data if column.data.null_count == 0 else column.data.drop_null()
    offsets, data = varlen_buffers(present)
    pairs = data[offsets[0] : offsets[-1]].view(SPARSE_PAIR)
    dim = int(pairs["index"].max()) + 1 if len(pairs) else 0
    return {"offsets": offsets, "data": data, "dim": dim}


def _dense(kind: Kind, word: str, *accepts: str) -> Codec:
    return Codec(kind, word, _decode_vectors, _encode_vectors, frozenset(accepts))


def _number(kind: Kind, word: str) -> Codec:
    return Codec(kind, word, _decode_numbers, _encode_numbers)


CODECS: Mapping[DataType, Codec] = {
    DataType.BOOL: _number("bool", "bool"),
    DataType.INT8: _number("int", "int"),
    DataType.INT16: _number("int", "int"),
    DataType.INT32: _number("int", "int"),
    DataType.INT64: _number("long", "long int"),
    DataType.FLOAT: _number("float", "float"),
    DataType.DOUBLE: _number("double", "double"),
    DataType.VARCHAR: Codec("string", "varchar", _decode_text, _encode_text),
    DataType.JSON: Codec("json", "json", _decode_text, _encode_text),
    DataType.TIMESTAMPTZ: Codec("string", "timestamptz", _decode_instants, _encode_text, frozenset({"timestamptz"})),
    DataType.GEOMETRY: Codec(
        "geometry_wkt", "geometry", _decode_geometries, _encode_geometries, frozenset({"geometry"})
    ),
    DataType.ARRAY: Codec("array", "array", _decode_array, _encode_array),
    DataType.FLOAT_VECTOR: _dense("float_vector", "float vector"),
    DataType.BINARY_VECTOR: _dense("binary_vector", "binary vector"),
    DataType.FLOAT16_VECTOR: _dense("float16_vector", "float16 vector", "float_vector"),
    DataType.BFLOAT16_VECTOR: _dense("bfloat16_vector", "bfloat16 vector", "float_vector"),
    DataType.INT8_VECTOR: _dense("int8_vector", "int8 vector"),
    DataType.ARRAY_OF_VECTOR: Codec("vector_array", "array of vector", _decode_vector_lists, _encode_vector_lists),
    DataType.SPARSE_FLOAT_VECTOR: Codec("sparse", "sparse float vector", _decode_bytes, _encode_sparse),
}
