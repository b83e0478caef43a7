"""Checks of one column each, vectorised. Errors name the field, the row, what came and the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.json import validate_json
from elanus._native.rtree import boxes
from elanus._native.time import FIRST_INSTANT, LAST_INSTANT
from elanus.model import limits
from elanus.model.columns import Column, fixed_values, varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.types import DataType

SPARSE_PAIR = np.dtype([("index", "<u4"), ("value", "<f4")])


def check_values(column: Column) -> None:
    """Raise InvalidParameter where a value breaks a rule of the column's type; nulls are never looked at."""
    check = CHECKS.get(column.field.type)
    if check is not None and len(column):
        check(column)


def _first(mask: NDArray[np.bool_]) -> int:
    return int(mask.argmax()) if mask.any() else -1


def _check_finite(values: NDArray[Any]) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    bad = values[~finite].reshape(-1)[0]
    name = "NaN" if np.isnan(bad) else "+Inf" if bad > 0 else "-Inf"
    raise InvalidParameter(f"value '{name}' is not a number or infinity")


def _check_float(column: Column) -> None:
    _check_finite(fixed_values(column.data))


def _check_float_vector(column: Column) -> None:
    matrix = column.matrix()
    # A sum is finite unless a value isn't (or the sum overflows): one cheap pass for the usual case.
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(matrix.sum(dtype=np.float64)):
            _check_finite(matrix)


def _check_bfloat16_vector(column: Column) -> None:
    bits = column.matrix()
    special = (bits & 0x7F80) == 0x7F80
    if special.any():
        _check_finite((bits[special].astype(np.uint32) << 16).view(np.float32))


def _check_varchar(column: Column) -> None:
    offsets, _ = varlen_buffers(column.data)
    lengths = np.diff(offsets)
    row = _first(lengths > column.field.max_length)
    if row >= 0:
        raise InvalidParameter(
            f"length of varchar field {column.field.name} exceeds max length, row number: {row}, "
            f"length: {lengths[row]}, max length: {column.field.max_length}"
        )


def _check_json(column: Column) -> None:
    field = column.field
    offsets, data = varlen_buffers(column.data)
    lengths = np.diff(offsets)
    row = _first(lengths > limits.JSON_BYTES)
    if row >= 0:
        kind = "dynamic field" if field.is_dynamic else f"json field ({field.name})"
        raise InvalidParameter(f"the length ({lengths[row]}) of {kind} exceeds max length ({limits.JSON_BYTES})")
    present = column.data if column.data.null_count == 0 else column.data.drop_null()
    offsets, data = varlen_buffers(present)
    row = validate_json(offsets, data, must_be_object=field.is_dynamic)
    if row >= 0:
        if field.is_dynamic:
            raise InvalidParameter(f"invalid dynamic field data, only json map is supported, row: {row}")
        raise InvalidParameter(f"invalid JSON in field {field.name}, row: {row}")


def _check_capacity(column: Column) -> pa.Array:
    """Return the elements of the rows' lists, once none is too long."""
    field = column.field
    offsets = np.asarray(column.data.offsets)
    lengths = np.diff(offsets)
    row = _first(lengths > field.max_capacity)
    if row >= 0:
        raise InvalidParameter(
            f"the length ({lengths[row]}) of {row}th array exceeds max capacity ({field.max_capacity}): "
            f"array length exceeds max capacity, field: {field.name}"
        )
    return column.data.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _check_instants(column: Column) -> None:
    instants = fixed_values(column.data)
    outside = (instants < FIRST_INSTANT) | (instants > LAST_INSTANT)
    if outside.any() and column.valid is not None:
        outside &= column.valid
    row = _first(outside)
    if row >= 0:
        raise InvalidParameter(
            f"timestamptz field {column.field.name}, row {row}: {instants[row]} microseconds since 1970 are "
            "outside of the years 1 to 9999"
        )


def _check_geometry(column: Column) -> None:
    extents = boxes(*column.bytes_and_offsets())
    row = _first(np.isinf(extents.min_x) | np.isinf(extents.max_x) | np.isinf(extents.min_y) | np.isinf(extents.max_y))
    if row >= 0:
        raise InvalidParameter(
            f"invalid Geometry data, transform to wkb failed: a coordinate is not finite, "
            f"field: {column.field.name}, row: {row}"
        )


def _check_array(column: Column) -> None:
    field = column.field
    elements = _check_capacity(column)
    if field.element_type is DataType.VARCHAR:
        widths = np.diff(varlen_buffers(elements)[0])
        at = _first(widths > field.max_length)
        if at >= 0:
            raise InvalidParameter(
                f'length of Array array field "{field.name}" exceeds max length, '
                f"length: {widths[at]}, max length: {field.max_length}"
            )
    elif field.element_type.is_floating:
        _check_finite(fixed_values(elements))


def _check_vector_lists(column: Column) -> None:
    check_values(Column(column.field.element, _check_capacity(column)))


def _check_sparse(column: Column) -> None:
    offsets, data = varlen_buffers(column.data)
    lengths = np.diff(offsets)
    row = _first(lengths % SPARSE_PAIR.itemsize != 0)
    if row >= 0:
        raise InvalidParameter(f"invalid data length in sparse float vector: {lengths[row]} bytes, row: {row}")
    pairs = np.frombuffer(data[offsets[0] : offsets[-1]], dtype=SPARSE_PAIR)
    starts = (offsets - offsets[0]) // SPARSE_PAIR.itemsize
    _check_sparse_pairs(pairs, starts)


def _check_sparse_pairs(pairs: NDArray[Any], starts: NDArray[np.int64]) -> None:
    values, indices = pairs["value"], pairs["index"]
    _check_finite(values)
    at = _first(values < 0)
    if at >= 0:
        raise InvalidParameter(f"negative value in sparse float vector: {values[at]} at index {indices[at]}")
    at = _first(indices > limits.SPARSE_INDEX_MAX)
    if at >= 0:
        raise InvalidParameter(f"invalid index in sparse float vector: {indices[at]} must be less than 2^32-1")
    ascending = indices[1:] > indices[:-1]
    row_starts = starts[(starts > 0) & (starts < len(pairs))]
    ascending[row_starts - 1] = True
    if not ascending.all():
        raise InvalidParameter("unsorted or same indices in sparse float vector")


CHECKS: Mapping[DataType, Callable[[Column], None]] = {
    DataType.FLOAT: _check_float,
    DataType.DOUBLE: _check_float,
    DataType.VARCHAR: _check_varchar,
    DataType.JSON: _check_json,
    DataType.ARRAY: _check_array,
    DataType.TIMESTAMPTZ: _check_instants,
    DataType.GEOMETRY: _check_geometry,
    DataType.ARRAY_OF_VECTOR: _check_vector_lists,
    DataType.FLOAT_VECTOR: _check_float_vector,
    DataType.FLOAT16_VECTOR: _check_float_vector,
    DataType.BFLOAT16_VECTOR: _check_bfloat16_vector,
    DataType.SPARSE_FLOAT_VECTOR: _check_sparse,
}
