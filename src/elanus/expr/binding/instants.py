"""TIMESTAMPTZ: ``ISO "..."`` against a column, which may be moved by an ``INTERVAL``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from elanus._native.time import InstantError, zone
from elanus.expr import fold, nodes
from elanus.expr.binding.scope import Bound, Scope, binds
from elanus.expr.bound import BoundExpr, ColumnRef, Compare, Constant, Operand, Shifted, Value
from elanus.expr.casts import type_of
from elanus.expr.literals import INT64_MAX, INT64_MIN
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType

MICROSECONDS: Final = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000}
MAX_MONTHS: Final = 240_000
"""More months move any instant past every bound: there are 10,000 years."""

_DURATION: Final = re.compile(
    r"P(?=[0-9T])(?:(?P<years>[0-9]{1,18})Y)?(?:(?P<months>[0-9]{1,18})M)?(?:(?P<days>[0-9]{1,18})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,18})H)?(?:(?P<minutes>[0-9]{1,18})M)?(?:(?P<seconds>[0-9]{1,18})S)?)?"
)


@dataclass(frozen=True, slots=True)
class Span:
    """How far a column is moved: first by months in the calendar of UTC, then by microseconds."""

    months: int = 0
    microseconds: int = 0


@binds(nodes.Instant)
def refuse_instant(_scope: Scope, _node: nodes.Instant) -> Bound:
    """Refuse ``ISO "..."`` in any other place than beside a comparison."""
    raise FilterError('ISO "..." can only be compared with a Timestamptz field, by one of == != < <= > >=')


@binds(nodes.Interval)
def refuse_interval(_scope: Scope, _node: nodes.Interval) -> Bound:
    """Refuse ``INTERVAL "..."`` in any other place than behind a column."""
    raise FilterError('INTERVAL "P..." can only be added to or subtracted from a Timestamptz field')


def speaks_of_time(binary: nodes.Binary) -> bool:
    """Whether ``ISO`` or ``INTERVAL`` stands on a side."""
    return any(isinstance(side, nodes.Instant) or _is_moved(side) for side in (binary, binary.left, binary.right))


def _is_moved(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Binary) and isinstance(node.right, nodes.Interval)


def bind_time(scope: Scope, binary: nodes.Binary) -> BoundExpr:
    """Bind ``column [± INTERVAL] op instant``, or its mirror image."""
    if binary.op not in fold.COMPARISONS:
        raise FilterError('INTERVAL "P..." needs a comparison behind it, such as: ts + INTERVAL "P1D" > ISO "..."')
    left, right, op = binary.left, binary.right, binary.op
    if isinstance(left, nodes.Instant | nodes.Template):
        left, right, op = right, left, fold.MIRRORED[op]
    column, span = _column(scope, left)
    return _compare(op, column, span, _instant(scope, right))


def compare_with_template(op: str, operand: Operand, constant: Constant) -> BoundExpr:
    """Bind the comparison of a column with a template's microseconds since 1970 UTC; other constants are refused."""
    assert isinstance(operand, ColumnRef)
    return _compare(op, operand, Span(), _microseconds(constant))


def _column(scope: Scope, node: nodes.Node) -> tuple[ColumnRef, Span]:
    span = Span()
    if isinstance(node, nodes.Binary) and isinstance(node.right, nodes.Interval):
        span = _span(node.op, node.right.text)
        node = node.left
    if not isinstance(node, nodes.Path):
        raise FilterError('ISO "..." can only be compared with a Timestamptz field, plus or minus INTERVAL "P..."')
    operand = scope.bind(node)
    if not isinstance(operand, ColumnRef) or operand.type is not DataType.TIMESTAMPTZ:
        raise FilterError(f"field '{node.name}' is not a timestamptz datatype")
    return operand, span


def _instant(scope: Scope, node: nodes.Node) -> int:
    if not isinstance(node, nodes.Instant):
        return _microseconds(scope.constant(node, 'a Timestamptz field can only be compared with ISO "..."'))
    try:
        return zone(scope.timezone).parse_text(node.text)
    except InstantError as error:
        raise FilterError(str(error)) from None


def _microseconds(constant: Constant) -> int:
    value: Value = constant.value
    if constant.template and type(value) is int:
        return value
    raise FilterError(
        f"comparisons between {DataType.TIMESTAMPTZ.label} and {type_of(value).label} are not supported, "
        'write ISO "2025-01-31T08:00:00Z" or give a template int64 microseconds'
    )


def _span(op: str, text: str) -> Span:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise FilterError(f"invalid ISO 8601 duration: '{text[:100]}', expected P[nY][nM][nD][T[nH][nM][nS]]")
    if op not in ("+", "-"):
        raise FilterError(f"'{op}' can't stand before INTERVAL, only + and -")
    sign = 1 if op == "+" else -1
    given = {unit: int(count) for unit, count in match.groupdict(default="0").items()}
    months = min(given["years"] * 12 + given["months"], MAX_MONTHS)
    microseconds = sum(given[unit] * size for unit, size in MICROSECONDS.items())
    return Span(sign * months, sign * microseconds)


def _compare(op: str, column: ColumnRef, span: Span, instant: int) -> BoundExpr:
    """Move the bound by what has a fixed length, so that indexes answer; only months must move the column."""
    operand = Shifted(column.field_id, column, span.months) if span.months else column
    # All instants are far inside of int64: a bound that is cut off there has the same meaning.
    bound = min(max(instant - span.microseconds, INT64_MIN), INT64_MAX)
    return Compare(operand, "==", bound, negated=True) if op == "!=" else Compare(operand, op, bound)
