"""``in``, null tests and ``exists``."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.paths import refuse_whole
from elanus.expr.binding.scope import Scope, binds
from elanus.expr.bound import (
    Arithmetic,
    ArrayRef,
    BoundExpr,
    Constant,
    ElementRef,
    Exists,
    In,
    IsNull,
    JsonRef,
    Operand,
)
from elanus.expr.casts import cast_all, takes_constants
from elanus.expr.syntax import FilterError


@binds(nodes.Membership)
def bind_membership(scope: Scope, node: nodes.Membership) -> BoundExpr:
    """Bind ``in`` and ``not in``; the right side is a list or a template that holds one."""
    left = scope.bind(node.operand)
    if isinstance(left, Constant):
        raise FilterError("'term' can only be used on non-const expression")
    if not isinstance(left, Operand) or isinstance(left, Arithmetic):
        raise FilterError("'term' can only be used on single field")
    refuse_whole(left)
    right = scope.constant(node.values, "the right-hand side of 'in' must be a list")
    if not isinstance(right.value, tuple):
        if right.template:
            raise FilterError(f"the value of term expression template variable {{{right.template}}} is not array")
        raise FilterError("the right-hand side of 'in' must be a list")
    if not takes_constants(left.type):
        raise FilterError(f"'in' is not supported on {left.type.label} fields")
    return In(left, cast_all(right.value, left.type), negated=node.negated)


@binds(nodes.NullTest)
def bind_null_test(scope: Scope, node: nodes.NullTest) -> BoundExpr:
    """Bind ``is null`` of a column, or of a JSON path, where it asks whether the path exists."""
    operand = scope.operand(node.operand, "IsNull/IsNotNull operations are only supported on single fields")
    if operand.type.is_vector:
        raise FilterError("IsNull/IsNotNull operations are not supported on vector fields")
    if isinstance(operand, ElementRef):
        raise FilterError("IsNull/IsNotNull operations are not supported on array element access")
    if isinstance(operand, JsonRef) and operand.path:
        return Exists(operand, negated=not node.negated)
    if not isinstance(node.operand, nodes.Path):
        raise FilterError("IsNull/IsNotNull operations are only supported on single fields")
    return IsNull(operand.field_id, negated=node.negated)


@binds(nodes.Exists)
def bind_exists(scope: Scope, node: nodes.Exists) -> BoundExpr:
    """Bind ``exists`` of a JSON path or dynamic key."""
    operand = scope.operand(node.operand, "exists operations are only supported on single fields now")
    if not isinstance(operand, JsonRef):
        kind = "Array" if isinstance(operand, ArrayRef | ElementRef) else operand.type.label
        raise FilterError(f"exists operations are only supportted on json field, got:{kind}")
    if not operand.path:
        raise FilterError("exists operations are only supportted on json key")
    return Exists(operand)
