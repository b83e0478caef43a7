"""Comparisons, chained ranges and arithmetic: everything with an operator between two operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from elanus.expr import fold, nodes
from elanus.expr.binding.constants import check_int64
from elanus.expr.binding.instants import bind_time, compare_with_template, speaks_of_time
from elanus.expr.binding.paths import refuse_whole
from elanus.expr.binding.scope import Bound, Scope, binds
from elanus.expr.bound import (
    Arithmetic,
    ArrayRef,
    Between,
    BoundExpr,
    ColumnRef,
    ColumnsCompare,
    Compare,
    Constant,
    ElementRef,
    In,
    JsonRef,
    Operand,
    Value,
)
from elanus.expr.casts import cast, cast_all, check_comparable, family, type_of
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType


@binds(nodes.Binary)
def bind_binary(scope: Scope, binary: nodes.Binary) -> Bound:
    """Bind both sides, then what stands between them."""
    if (type(binary.left) in _OF_TIME or type(binary.right) in _OF_TIME) and speaks_of_time(binary):
        return bind_time(scope, binary)
    left, right = scope.bind(binary.left), scope.bind(binary.right)
    if isinstance(left, Constant) and isinstance(right, Constant) and (left.template or right.template):
        raise FilterError(f"placeholder was not supported between two constants with operator: {binary.op}")
    return _OPERATORS[binary.op](binary.op, left, right)


_OF_TIME = (nodes.Instant, nodes.Interval, nodes.Binary)
"""What stands on a side when a comparison speaks of time; plain comparisons need not look further."""


# --- comparison ---


def _bind_comparison(op: str, left: Bound, right: Bound) -> Bound:
    if isinstance(left, BoundExpr) or isinstance(right, BoundExpr):
        raise FilterError("comparison operations cannot be applied to a boolean expression")
    if isinstance(left, Constant):
        if isinstance(right, Constant):
            return Constant(fold.compare(op, left.value, right.value))
        return _against_constant(fold.MIRRORED[op], right, left)
    if isinstance(right, Constant):
        return _against_constant(op, left, right)
    return _two_columns(op, left, right)


def _against_constant(op: str, operand: Operand, constant: Constant) -> BoundExpr:
    if operand.type is DataType.TIMESTAMPTZ:
        return compare_with_template(op, operand, constant)
    value = constant.value
    if isinstance(value, tuple) and op in ("==", "!="):
        return _equals_list(op, operand, value)
    refuse_whole(operand)
    check_comparable(operand, value)
    if isinstance(value, tuple):
        raise FilterError("can not comparisons array fields directly")
    if isinstance(operand, Arithmetic):
        operand = _read_as(operand, value)
    return _compare(op, operand, cast(value, operand.type))


def _compare(op: str, operand: Operand, value: Value) -> BoundExpr:
    return Compare(operand, "==", value, negated=True) if op == "!=" else Compare(operand, op, value)


def _equals_list(op: str, operand: Operand, values: tuple[Value, ...]) -> BoundExpr:
    if isinstance(operand, ArrayRef):
        return _compare(op, operand, cast_all(values, operand.element_type))
    if isinstance(operand, JsonRef) and operand.path:
        return _compare(op, operand, values)
    raise FilterError(f"comparisons between {operand.type.label} and Array are not supported")


def _read_as(operand: Arithmetic, value: Value) -> Arithmetic:
    """A JSON step is read as the compared value is; a double there makes the whole step one of doubles."""
    if operand.type is not DataType.JSON:
        return operand
    if type(value) not in (int, float):
        raise FilterError(f"comparisons between {operand.type.label} and {type_of(value).label} are not supported")
    if isinstance(value, int):
        return operand
    _check_doubles(operand.op)
    return Arithmetic(operand.field_id, operand.op, operand.operand, float(operand.constant))


def _two_columns(op: str, left: Operand, right: Operand) -> BoundExpr:
    for operand in (left, right):
        if isinstance(operand, ArrayRef):
            raise FilterError("can not comparisons array fields directly")
        if operand.type is DataType.JSON:
            raise FilterError("two column comparison with JSON type is not supported")
        if not isinstance(operand, ColumnRef | ElementRef):
            raise FilterError("complicated arithmetic operations are not supported")
    if not family(left.type) or family(left.type) != family(right.type):
        raise FilterError(f"comparisons between {left.type.label} and {right.type.label} are not supported")
    if op == "!=":
        return ColumnsCompare("==", left, right, negated=True)
    return ColumnsCompare(op, left, right)


@binds(nodes.Equalities)
def bind_equalities(scope: Scope, node: nodes.Equalities) -> Bound:
    """Bind a chain of equalities: what the first constant may be, all of its type may be."""
    op = "!=" if node.negated else "=="
    equality = bind_binary(scope, nodes.Binary(op, node.operand, nodes.Literal(node.values[0])))
    if not isinstance(equality, Compare):
        raise FilterError(f"comparisons with {type_of(node.values[0]).label} are not supported")
    check_int64(node.values)
    return In(equality.operand, cast_all(node.values, equality.operand.type), negated=node.negated)


# --- range ---


@binds(nodes.Range)
def bind_range(scope: Scope, node: nodes.Range) -> BoundExpr:
    """Bind ``low < operand < high``, an empty interval being a mistake."""
    only_fields = "range operations are only supported on single fields now"
    operand = scope.operand(node.operand, only_fields)
    refuse_whole(operand)
    if not isinstance(operand, ColumnRef | ElementRef | JsonRef):
        raise FilterError(only_fields)
    if operand.type is DataType.BOOL:
        raise FilterError("invalid range operations on boolean expr")
    low = _range_bound(operand, scope.constant(node.low, "lowerbound cannot be a non-const expression"))
    high = _range_bound(operand, scope.constant(node.high, "upperbound cannot be a non-const expression"))
    empty = ">" if node.low_inclusive and node.high_inclusive else ">="
    if fold.compare(empty, low, high):
        raise FilterError("invalid range: lowerbound is greater than upperbound")
    return Between(operand, low, high, node.low_inclusive, node.high_inclusive)


def _range_bound(operand: Operand, bound: Constant) -> int | float | str:
    check_comparable(operand, bound.value)
    if isinstance(bound.value, bool | tuple):
        raise FilterError(f"invalid range operations: a bound cannot be {type_of(bound.value).label}")
    value = cast(bound.value, operand.type)
    if isinstance(value, bool | tuple):
        raise FilterError("invalid range operations")
    return value


# --- arithmetic ---


def _bind_arithmetic(op: str, left: Bound, right: Bound) -> Bound:
    if isinstance(left, BoundExpr) or isinstance(right, BoundExpr):
        raise FilterError(f"'{op}' cannot be applied to a boolean expression")
    if isinstance(left, Constant):
        if isinstance(right, Constant):
            return Constant(fold.arithmetic(op, left.value, right.value))
        if op not in _COMMUTATIVE:
            raise FilterError(f"'{op}' with the constant on the left is not supported")
        return _step(op, right, left.value)
    if isinstance(right, Constant):
        return _step(op, left, right.value)
    raise FilterError(f"'{op}' can only be used between a field and a constant, two fields are not supported")


def _step(op: str, operand: Operand, constant: Value) -> Arithmetic:
    refuse_whole(operand)
    if isinstance(operand, Arithmetic):
        raise FilterError("complicated arithmetic operations are not supported")
    numeric = operand.type.is_numeric or operand.type is DataType.JSON
    if not numeric or isinstance(constant, bool | str | tuple):
        raise FilterError(
            f"'{op}' can only be used between numbers, not {operand.type.label} and {type_of(constant).label}"
        )
    if operand.type.is_integer:
        constant = cast(constant, DataType.INT64)
    elif operand.type.is_floating:
        constant = cast(constant, DataType.DOUBLE)
    if isinstance(constant, float):
        _check_doubles(op)
    if op in "/%" and constant == 0:
        raise FilterError("division or modulus by zero")
    if isinstance(constant, bool | str | tuple):
        raise FilterError(f"'{op}' can only be used between numbers")
    return Arithmetic(operand.field_id, op, operand, constant)


def _check_doubles(op: str) -> None:
    if op in _INTEGERS_ONLY:
        raise FilterError(fold.integer_only(op))


def _bind_power(op: str, left: Bound, right: Bound) -> Bound:
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(fold.arithmetic(op, left.value, right.value))
    raise FilterError("power can only apply on constants")


def _bind_shift(op: str, _left: Bound, _right: Bound) -> Bound:
    raise FilterError(f"shift is not supported: {op}")


_COMMUTATIVE = frozenset("+*&|^")
_INTEGERS_ONLY = frozenset("%&|^")

_OPERATORS: Mapping[str, Callable[[str, Bound, Bound], Bound]] = {
    **dict.fromkeys(fold.COMPARISONS, _bind_comparison),
    **dict.fromkeys("+-*/%&|^", _bind_arithmetic),
    "**": _bind_power,
    "<<": _bind_shift,
    ">>": _bind_shift,
}
