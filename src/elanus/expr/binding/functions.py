"""Registered functions: names in any case, texts in, a boolean out, UNKNOWN for null."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds_call
from elanus.expr.bound import BoundExpr, ColumnRef, Compare, ElementRef, Match, Matching, Operand
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType


@binds_call("empty")
def bind_empty(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind ``empty(text)``: equality with the empty text."""
    return Compare(_text(scope, call, 1), "==", "")


@binds_call("starts_with")
def bind_starts_with(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind ``starts_with(text, prefix)``."""
    operand = _text(scope, call, 2)
    prefix = scope.constant(call.arguments[1], "the prefix of starts_with must be a constant").value
    if not isinstance(prefix, str):
        raise FilterError("the prefix of starts_with must be a VarChar")
    return Match(operand, Matching.PREFIX, prefix)


def _text(scope: Scope, call: nodes.Call, count: int) -> Operand:
    if len(call.arguments) != count or call.options:
        raise FilterError(f"function {call.name} takes {count} arguments, got {len(call.arguments)}")
    refusal = f"function {call.name} takes a VarChar field"
    operand = scope.operand(call.arguments[0], refusal)
    if not isinstance(operand, ColumnRef | ElementRef) or operand.type is not DataType.VARCHAR:
        raise FilterError(refusal)
    return operand
