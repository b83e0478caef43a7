"""Checks of one column each, vectorised. Errors name the field, the row, what came and the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from elanus.model.vectors import check_dense, check_finite, check_sparse


def check_values(column: Column) -> None:
    """Raise InvalidParameter where a value breaks a rule of the column's type; nulls are never looked at."""
    check = CHECKS.get(column.field.type)
    if check is not None and len(column):
        check(column)


def _first(mask: NDArray[np.bool_]) -> int:
    return int(mask.argmax()) if mask.any() else -1


def _check_float(column: Column) -> None:
    check_finite(fixed_values(column.data))


def _check_dense(column: Column) -> None:
    check_dense(column.field.type, column.matrix())


def _check_sparse(column: Column) -> None:
    check_sparse(column.data)


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
        check_finite(fixed_values(elements))


def _check_vector_lists(column: Column) -> None:
    check_values(Column(column.field.element, _check_capacity(column)))


CHECKS: Mapping[DataType, Callable[[Column], None]] = {
    DataType.FLOAT: _check_float,
    DataType.DOUBLE: _check_float,
    DataType.VARCHAR: _check_varchar,
    DataType.JSON: _check_json,
    DataType.ARRAY: _check_array,
    DataType.TIMESTAMPTZ: _check_instants,
    DataType.GEOMETRY: _check_geometry,
    DataType.ARRAY_OF_VECTOR: _check_vector_lists,
    DataType.FLOAT_VECTOR: _check_dense,
    DataType.FLOAT16_VECTOR: _check_dense,
    DataType.BFLOAT16_VECTOR: _check_dense,
    DataType.SPARSE_FLOAT_VECTOR: _check_sparse,
}
