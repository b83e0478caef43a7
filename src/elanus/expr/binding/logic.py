"""AND, OR, NOT and the signs."""

from __future__ import annotations

from elanus.expr import fold, nodes
from elanus.expr.binding.scope import Bound, Scope, as_predicate, binds
from elanus.expr.bound import ArrayRef, BoundExpr, Constant, Operand
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType


@binds(nodes.Logic)
def bind_logic(scope: Scope, logic: nodes.Logic) -> BoundExpr:
    """Bind a chain of one operator."""
    items = []
    for item in logic.items:
        predicate = as_predicate(scope.bind(item))
        if predicate is None:
            raise FilterError(f"'{logic.op}' can only be used between boolean expressions")
        items.append(predicate)
    return fold.conjunction(items) if logic.op == "and" else fold.disjunction(items)


@binds(nodes.Unary)
def bind_unary(scope: Scope, unary: nodes.Unary) -> Bound:
    """Bind NOT of a predicate, or a sign of a constant."""
    bound = scope.bind(unary.operand)
    if unary.op == "not":
        return _negated(bound)
    if unary.op == "~":
        raise FilterError("unexpected op: ~ is not supported")
    if isinstance(bound, Constant):
        value = fold.negative(bound.value)
        return Constant(value if unary.op == "-" else fold.negative(value), bound.template)
    if unary.op == "+" and isinstance(bound, Operand) and (bound.type.is_numeric or bound.type is DataType.JSON):
        return bound
    raise FilterError(f"unexpected op: {unary.op} can only be used on constants")


def _negated(bound: Bound) -> BoundExpr:
    if isinstance(bound, ArrayRef):
        raise FilterError("can not comparisons array fields directly")
    predicate = as_predicate(bound)
    if predicate is None:
        raise FilterError("not op can only be applied on boolean expression")
    return predicate.negate()
