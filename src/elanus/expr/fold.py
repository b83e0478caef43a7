"""Arithmetic and comparison of constants, worked out before any row is read."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from elanus.expr.bound import Value
from elanus.expr.casts import family, type_of
from elanus.expr.literals import INT64_MIN
from elanus.expr.syntax import FilterError

COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def wrap(number: int) -> int:
    """Return an integer as int64 arithmetic leaves it."""
    return (number - INT64_MIN) % 2**64 + INT64_MIN


def compare(op: str, left: Value, right: Value) -> bool:
    """Return the comparison of two constants; numbers compare with numbers, other families with themselves."""
    kind = family(type_of(left))
    if kind != family(type_of(right)) or isinstance(left, tuple):
        raise FilterError(
            "comparison operations cannot be applied to two incompatible operands: "
            f"{type_of(left).label} {op} {type_of(right).label}"
        )
    return COMPARISONS[op](left, right)


def negative(value: Value) -> Value:
    """Return a constant with its sign changed."""
    if type(value) is int:
        return wrap(-value)
    if isinstance(value, float):
        return -value
    raise FilterError(f"'-' can only be used on numbers, not on {type_of(value).label}")


def arithmetic(op: str, left: Value, right: Value) -> Value:
    """Return one step between two constants: int64 where both are integers, doubles elsewhere."""
    if type(left) not in (int, float) or type(right) not in (int, float):
        raise FilterError(
            f"'{op}' can only be used between numbers, not {type_of(left).label} and {type_of(right).label}"
        )
    if op in "/%" and right == 0:
        raise FilterError("cannot divide by zero" if op == "/" else "cannot modulo by zero")
    if type(left) is int and type(right) is int:
        return _INTEGER[op](left, right)
    if op not in _DOUBLE:
        raise FilterError(integer_only(op))
    return _DOUBLE[op](float(left), float(right))  # type: ignore[arg-type]  # numbers, as checked above


def integer_only(op: str) -> str:
    """Return the refusal of an operator that takes no floats."""
    name = "modulo" if op == "%" else f"'{op}'"
    return f"{name} can only apply on integer types"


def _truncated_quotient(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return wrap(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> int:
    magnitude = abs(left) % abs(right)
    return -magnitude if left < 0 else magnitude


def _integer_power(base: int, exponent: int) -> int | float:
    return _power(float(base), float(exponent)) if exponent < 0 else wrap(pow(base, exponent, 2**64))


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        raise FilterError(f"{base:g} ** {exponent:g} is not a number") from None


_INTEGER: Mapping[str, Callable[[int, int], int | float]] = {
    "+": lambda left, right: wrap(left + right),
    "-": lambda left, right: wrap(left - right),
    "*": lambda left, right: wrap(left * right),
    "/": _truncated_quotient,
    "%": _remainder,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "**": _integer_power,
}
_DOUBLE: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _power,
}
