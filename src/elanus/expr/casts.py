"""Which constants an operand takes, and as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from elanus.expr.bound import Operand, Scalar, Value
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType

_CONSTANT_TYPES: Mapping[type, DataType] = {
    bool: DataType.BOOL,
    int: DataType.INT64,
    float: DataType.DOUBLE,
    str: DataType.VARCHAR,
    tuple: DataType.ARRAY,
}
_WIRE_NAMES = {bool: "bool_val", int: "int64_val", float: "float_val", str: "string_val", tuple: "array_val"}


def type_of(value: Value) -> DataType:
    """Return the type a constant has in messages and checks."""
    return _CONSTANT_TYPES[type(value)]


def family(kind: DataType) -> str:
    """Return the family whose members compare with each other; empty for types that compare with nothing."""
    return _FAMILIES.get(kind, "")


_FAMILIES: Mapping[DataType, str] = {
    **{kind: "number" for kind in DataType if kind.is_numeric},
    DataType.BOOL: "bool",
    DataType.VARCHAR: "text",
    DataType.JSON: "json",
    DataType.TIMESTAMPTZ: "instant",
}


def show(value: Value) -> str:
    """Return a constant as messages print it, such as ``int64_val:1``."""
    if isinstance(value, tuple):
        return "array_val:[" + ", ".join(show(item) for item in value[:8]) + "]"
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, float):
        text = f"{value:.17g}" if float(f"{value:.15g}") != value else f"{value:.15g}"
    else:
        text = f'"{value[:200]}"' if isinstance(value, str) else str(value)
    return f"{_WIRE_NAMES[type(value)]}:{text}"


def to_float32(value: float) -> float:
    """Return the nearest float32; infinite beyond its range."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _integer(value: Value) -> Scalar | None:
    return value if type(value) is int else None


def _float(value: Value) -> Scalar | None:
    return to_float32(value) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _double(value: Value) -> Scalar | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _boolean(value: Value) -> Scalar | None:
    return value if isinstance(value, bool) else None


def _text(value: Value) -> Scalar | None:
    return value if isinstance(value, str) else None


_CASTS: Mapping[DataType, Callable[[Value], Value | None]] = {
    DataType.BOOL: _boolean,
    DataType.INT8: _integer,
    DataType.INT16: _integer,
    DataType.INT32: _integer,
    DataType.INT64: _integer,
    DataType.FLOAT: _float,
    DataType.DOUBLE: _double,
    DataType.VARCHAR: _text,
    DataType.JSON: lambda value: value,
}


def takes_constants(kind: DataType) -> bool:
    """Whether there are constants of a type as they are written."""
    return kind in _CASTS


def cast(value: Value, kind: DataType) -> Value:
    """Return a constant as a value of ``kind``: integers become doubles, a FLOAT's constant is narrowed to float32.

    An integer need not fit a narrow integer type: comparison happens in int64.
    """
    if type(value) in _UNCHANGED.get(kind, ()):
        return value
    convert = _CASTS.get(kind)
    converted = convert(value) if convert else None
    if converted is None:
        raise FilterError(f"cannot cast value to {kind.label}, value: {show(value)}")
    return converted


def cast_all(values: tuple[Value, ...], kind: DataType) -> tuple[Value, ...]:
    """Return constants of a list as values of ``kind``; a list that needs no conversion is not copied."""
    present = set(map(type, values))
    if present <= _UNCHANGED.get(kind, set()):
        return values
    convert = _CASTS.get(kind)
    converted = tuple([convert(value) if convert else None for value in values])
    if None in converted:
        refused = show(values[converted.index(None)])
        raise FilterError(f"value '{refused}' in list cannot be casted to {kind.label}")
    return converted  # type: ignore[return-value]  # None was ruled out above


_UNCHANGED: Mapping[DataType, set[type]] = {
    DataType.BOOL: {bool},
    DataType.INT8: {int},
    DataType.INT16: {int},
    DataType.INT32: {int},
    DataType.INT64: {int},
    DataType.DOUBLE: {float},
    DataType.VARCHAR: {str},
    DataType.JSON: {bool, int, float, str, tuple},
}


_COMPARABLE: Mapping[DataType, tuple[type, ...]] = {
    **{kind: (int, float) for kind in DataType if kind.is_numeric},
    DataType.BOOL: (bool,),
    DataType.VARCHAR: (str,),
    DataType.JSON: (bool, int, float, str, tuple),
}


def check_comparable(operand: Operand, value: Value) -> None:
    """Refuse a constant of a family that the operand does not compare with."""
    kind = operand.type
    if type(value) not in _COMPARABLE.get(kind, ()):
        raise FilterError(f"comparisons between {kind.label} and {type_of(value).label} are not supported")
