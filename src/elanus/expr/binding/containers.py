"""Calls on arrays: ``array_length``, ``array_contains*`` and their ``json_`` twins."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.scope import CALLS, Bound, Scope, binds, binds_call
from elanus.expr.bound import Always, ArrayRef, BoundExpr, Contains, JsonRef, LengthOf, ListRef, Value
from elanus.expr.casts import cast_all
from elanus.expr.syntax import FilterError


@binds(nodes.Call)
def bind_call(scope: Scope, call: nodes.Call) -> Bound:
    """Find the call's rule by its name."""
    rule = CALLS.get(call.name)
    if rule is None:
        raise FilterError(f"function not found: {call.name}")
    return rule(scope, call)


@binds_call("array_length")
def bind_length(scope: Scope, call: nodes.Call) -> LengthOf:
    """Bind the number of elements."""
    (argument,) = _arguments(call, 1)
    operand = scope.bind(argument)
    array = operand if isinstance(operand, ListRef) else _array(scope, argument, "array_length")
    return LengthOf(array.field_id, array)


@binds_call("array_contains", "json_contains")
def bind_contains(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind the search for one element; in JSON it may be a list."""
    array, value = _array_and_value(scope, call, "contains")
    return Contains(array, _elements(array, (value,)), every=False)


@binds_call("array_contains_all", "json_contains_all")
def bind_contains_all(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind the search for every element of a list; an empty list is found everywhere, null rows included."""
    array, values = _array_and_value(scope, call, "contains_all")
    if not isinstance(values, tuple):
        raise FilterError("ContainsAll operation element must be an array")
    return Contains(array, _elements(array, values), every=True) if values else Always(True)


@binds_call("array_contains_any", "json_contains_any")
def bind_contains_any(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind the search for any element of a list; nothing is found of an empty list, in null rows neither."""
    array, values = _array_and_value(scope, call, "contains_any")
    if not isinstance(values, tuple):
        raise FilterError("ContainsAny operation element must be an array")
    return Contains(array, _elements(array, values), every=False) if values else Always(False)


def _arguments(call: nodes.Call, count: int) -> tuple[nodes.Node, ...]:
    if len(call.arguments) != count or call.options:
        raise FilterError(f"{call.name} takes {count} arguments, got {len(call.arguments) + len(call.options)}")
    return call.arguments


def _array(scope: Scope, node: nodes.Node, name: str) -> ArrayRef | JsonRef:
    refusal = f"{name} operation are only supported on array or json fields now"
    operand = scope.operand(node, refusal)
    if not isinstance(operand, ArrayRef | JsonRef):
        raise FilterError(f"{refusal}, got: {operand.type.label}")
    return operand


def _array_and_value(scope: Scope, call: nodes.Call, name: str) -> tuple[ArrayRef | JsonRef, Value]:
    first, second = _arguments(call, 2)
    array = _array(scope, first, name)
    return array, scope.constant(second, f"{name} operation element must be a constant").value


def _elements(array: ArrayRef | JsonRef, values: tuple[Value, ...]) -> tuple[Value, ...]:
    return cast_all(values, array.element_type if isinstance(array, ArrayRef) else array.type)
