"""One field of a new collection: its type, the sizes in its parameters, its default value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from elanus._native.time import FIRST_INSTANT, LAST_INSTANT, zone
from elanus.collection.properties import WARMUP, check_mmap, check_warmup_policy, flag, parse_integer
from elanus.model import limits
from elanus.model.errors import InvalidParameter, MissingParameter
from elanus.model.geometry import GeometryError, wkb_of_text
from elanus.model.schema import DefaultValue, Field
from elanus.model.types import ARRAY_ELEMENTS, INTEGER_RANGES, DataType

DIM: Final = "dim"
MAX_LENGTH: Final = "max_length"
MAX_CAPACITY: Final = "max_capacity"
ENABLE_MATCH: Final = "enable_match"
ENABLE_ANALYZER: Final = "enable_analyzer"

AVAILABLE: Final = frozenset(
    {
        *ARRAY_ELEMENTS,
        DataType.ARRAY,
        DataType.JSON,
        DataType.TIMESTAMPTZ,
        DataType.GEOMETRY,
        DataType.BINARY_VECTOR,
        DataType.FLOAT_VECTOR,
        DataType.FLOAT16_VECTOR,
        DataType.BFLOAT16_VECTOR,
        DataType.SPARSE_FLOAT_VECTOR,
        DataType.INT8_VECTOR,
    }
)
DEFAULTABLE: Final = ARRAY_ELEMENTS | {DataType.TIMESTAMPTZ, DataType.GEOMETRY}
"""Types whose fields may have a default."""
RANGES: Final = {**INTEGER_RANGES, DataType.TIMESTAMPTZ: (FIRST_INSTANT, LAST_INSTANT)}
LATER: Final = frozenset({DataType.TEXT, DataType.ARRAY_OF_STRUCT})
"""Types that Milvus has and this release doesn't."""


def complete(collection: str, field: Field, timezone: str) -> Field:
    """Return the field with ``dim``, ``max_length`` and ``max_capacity`` as its parameters say, its default as a value.

    Sizes that are set without a parameter are kept, and added to the parameters.
    timezone  where a default of TIMESTAMPTZ is that names no offset
    raises    InvalidParameter, MissingParameter
    """
    _check_type(field)
    params = {**dict(field.params), **_sizes(field)}
    sized = _sized(collection, replace(field, dim=0, max_length=0, max_capacity=0), params)
    check_mmap(params)
    if WARMUP in params:
        check_warmup_policy(params[WARMUP])
    _check_match(field, params)
    if field.type is DataType.TIMESTAMPTZ:
        sized = replace(sized, default=_instant(field, timezone))
    _check_default(sized)
    return replace(sized, params=tuple(params.items()))


def _check_type(field: Field) -> None:
    if field.type in AVAILABLE or (field.struct and field.type is DataType.ARRAY_OF_VECTOR):
        return
    if field.type is DataType.STRING:
        raise InvalidParameter("string data type not supported yet, please use VarChar type instead")
    if field.type is DataType.ARRAY_OF_VECTOR:
        raise InvalidParameter("array of vector can only be in the struct array field")
    if field.type in LATER:
        raise InvalidParameter(f"data type {field.type.label} of field {field.name} is not available yet")
    raise InvalidParameter(f"data type {field.type.label} of field {field.name} is not supported")


def _sizes(field: Field) -> dict[str, str]:
    sizes = {MAX_LENGTH: field.max_length, DIM: field.dim, MAX_CAPACITY: field.max_capacity}
    written = dict(field.params)
    return {key: str(size) for key, size in sizes.items() if size and key not in written}


def _sized(collection: str, field: Field, params: Mapping[str, str]) -> Field:
    if field.type is DataType.SPARSE_FLOAT_VECTOR and DIM in params:
        raise InvalidParameter(f"dim should not be specified for sparse vector field {field.name}({field.id})")
    if field.type.is_dense_vector:
        return replace(field, dim=_dim(field, params))
    if field.type is DataType.VARCHAR:
        return replace(field, max_length=_max_length(collection, field, params))
    if field.type is DataType.ARRAY:
        return _sized_array(collection, field, params)
    if field.type is DataType.ARRAY_OF_VECTOR:
        return _sized_vectors(field, params)
    return field


def _dim(field: Field, params: Mapping[str, str]) -> int:
    if DIM not in params:
        raise InvalidParameter(
            f"dimension is not defined in field type params of field {field.name}, "
            f"check type param `{DIM}` for vector field"
        )
    dim = parse_integer(params[DIM])
    if dim is None or dim < limits.DIM_MIN:
        span = f"{limits.DIM_MIN} ~ {limits.DIM_MAX}"
        raise InvalidParameter(f"invalid dimension: {params[DIM]}. should be in range {span}")
    given = f"invalid dimension: {dim} of field {field.name}."
    if field.type is not DataType.BINARY_VECTOR:
        if dim > limits.DIM_MAX:
            span = f"{limits.DIM_MIN} ~ {limits.DIM_MAX}"
            raise InvalidParameter(f"{given} float vector dimension should be in range {span}")
        return dim
    if dim % 8:
        raise InvalidParameter(f"{given} binary vector dimension should be multiple of 8.")
    if dim > limits.BINARY_DIM_MAX:
        span = f"{limits.DIM_MIN} ~ {limits.BINARY_DIM_MAX}"
        raise InvalidParameter(f"{given} binary vector dimension should be in range {span}")
    return dim


def _max_length(collection: str, field: Field, params: Mapping[str, str]) -> int:
    if MAX_LENGTH not in params:
        raise MissingParameter(
            f"type param({MAX_LENGTH}) should be specified for the field({field.name}) of collection {collection}"
        )
    length = parse_integer(params[MAX_LENGTH])
    if length is None:
        raise InvalidParameter(f"the value for {MAX_LENGTH} of field {field.name} must be an integer")
    if not 0 < length <= limits.VARCHAR_BYTES:
        raise InvalidParameter(
            f"the maximum length specified for the field({field.name}) should be in (0, {limits.VARCHAR_BYTES}], "
            f"but got {length} instead"
        )
    return length


def _sized_array(collection: str, field: Field, params: Mapping[str, str]) -> Field:
    if field.element_type is DataType.NONE:
        raise InvalidParameter("element data type None is not valid")
    if field.element_type not in ARRAY_ELEMENTS:
        raise InvalidParameter(f"element type {field.element_type.label} is not supported")
    length = _max_length(collection, field, params) if field.element_type is DataType.VARCHAR else 0
    return replace(field, max_length=length, max_capacity=_max_capacity(field, params))


def _sized_vectors(field: Field, params: Mapping[str, str]) -> Field:
    if not field.element_type.is_dense_vector:
        label = field.element_type.label
        raise InvalidParameter(
            f"only fixed dimension vector types are supported, field {field.name} has elements of type {label}"
        )
    return replace(field, dim=_dim(field.element, params), max_capacity=_max_capacity(field, params))


def _max_capacity(field: Field, params: Mapping[str, str]) -> int:
    if MAX_CAPACITY not in params:
        raise MissingParameter(f"type param({MAX_CAPACITY}) should be specified for array field {field.name}")
    capacity = parse_integer(params[MAX_CAPACITY])
    if capacity is None:
        raise InvalidParameter(f"the value for {MAX_CAPACITY} of field {field.name} must be an integer")
    if not 0 < capacity <= limits.ARRAY_CAPACITY:
        raise InvalidParameter(
            f"the maximum capacity specified for a Array should be in (0, {limits.ARRAY_CAPACITY}], "
            f"got {capacity} for field {field.name}"
        )
    return capacity


def _check_match(field: Field, params: Mapping[str, str]) -> None:
    if not flag(params, ENABLE_MATCH):
        return
    if not flag(params, ENABLE_ANALYZER):
        raise InvalidParameter(
            f"field {field.name} which has {ENABLE_MATCH} or is input of BM25 function must also {ENABLE_ANALYZER}"
        )
    raise InvalidParameter(f"{ENABLE_MATCH} of field {field.name} is not available yet")


def _check_default(field: Field) -> None:
    value = field.default
    if value is None:
        return
    if field.type not in DEFAULTABLE:
        raise InvalidParameter(f"type not support default_value, type:{field.type.label}, name:{field.name}")
    if not _fits(field.type, value):
        raise InvalidParameter(
            f"type ({field.type.label}) of field ({field.name}) is not equal to "
            f"the type(DataType_{_KINDS[type(value)]}) of default_value"
        )
    if field.type is DataType.GEOMETRY:
        _check_geometry(field, str(value))
    elif isinstance(value, str):
        _check_text(field, value)
    elif field.type in RANGES:
        low, high = RANGES[field.type]
        if not low <= value <= high:
            raise InvalidParameter.out_of_range("default value out of range", given=value, low=low, high=high)
    elif not math.isfinite(value):
        raise InvalidParameter(f"value '{value}' is not a number or infinity")


_KINDS: Final[Mapping[type[DefaultValue], str]] = {bool: "Bool", int: "Int64", float: "Double", str: "VarChar"}


def _fits(kind: DataType, value: DefaultValue) -> bool:
    if kind is DataType.BOOL:
        return isinstance(value, bool)
    if kind in (DataType.VARCHAR, DataType.GEOMETRY):
        return isinstance(value, str)
    if kind.is_integer or kind is DataType.TIMESTAMPTZ:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, float)


def _instant(field: Field, timezone: str) -> DefaultValue | None:
    """Return the default of a TIMESTAMPTZ field as microseconds since 1970 UTC."""
    if not isinstance(field.default, str):
        return field.default
    try:
        return zone(timezone).parse_text(field.default)
    except ValueError as error:
        raise InvalidParameter(f"{error}, default value of field {field.name}") from None


def _check_geometry(field: Field, value: str) -> None:
    try:
        wkb_of_text(value)
    except GeometryError as error:
        raise InvalidParameter(
            f"invalid Geometry data, transform to wkb failed: {error}, default value of field {field.name}"
        ) from None


def _check_text(field: Field, value: str) -> None:
    size = len(value.encode())
    if size > field.max_length:
        raise InvalidParameter(f"the length ({size}) of string exceeds max length ({field.max_length})")
