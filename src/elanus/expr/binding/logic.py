"""AND, OR, NOT and the signs."""

from __future__ import annotations

from elanus.expr import fold, nodes, normal
from elanus.expr.binding.scope import Bound, Scope, as_predicate, binds
from elanus.expr.bound import Always, ArrayRef, BoundExpr, Constant, Operand, Sampled
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType


@binds(nodes.Logic)
def bind_logic(scope: Scope, logic: nodes.Logic) -> Bound:
    """Bind a chain of one operator."""
    items = []
    constant = True
    for item in logic.items:
        bound = scope.bind(item)
        predicate = as_predicate(bound)
        if predicate is None:
            raise FilterError(f"'{logic.op}' can only be used between boolean expressions")
        items.append(predicate)
        constant = constant and isinstance(bound, Constant)
    if any(type(item) is Sampled for item in items):
        return _sampled(logic.op, items)
    whole = normal.conjunction(items) if logic.op == "and" else normal.disjunction(items)
    return Constant(whole.value) if constant and isinstance(whole, Always) else whole


def _sampled(op: str, items: list[BoundExpr]) -> Sampled:
    """Apply the sample that is the last conjunct to what the others select."""
    *others, last = items
    if op == "or":
        raise FilterError("random sample expression cannot be used in logical or expression")
    if not isinstance(last, Sampled) or any(isinstance(item, Sampled) for item in others):
        raise FilterError("random sample expression can only be the last expression in the logical and expression")
    return Sampled(normal.conjunction([*others, last.predicate]), last.fraction)


@binds(nodes.Unary)
def bind_unary(scope: Scope, unary: nodes.Unary) -> Bound:
    """Bind NOT of a predicate, or a sign of a constant."""
    bound = scope.bind(unary.operand)
    if unary.op == "not":
        return _negated(bound)
    if unary.op == "~":
        raise FilterError("unexpected op: ~ is not supported")
    if isinstance(bound, Constant):
        if bound.template:
            raise FilterError(f"placeholder was not supported with operator: {unary.op}")
        value = fold.negative(bound.value)
        return Constant(value if unary.op == "-" else fold.negative(value))
    if unary.op == "+" and isinstance(bound, Operand) and (bound.type.is_numeric or bound.type is DataType.JSON):
        return bound
    raise FilterError(f"unexpected op: {unary.op} can only be used on constants")


def _negated(bound: Bound) -> Bound:
    if isinstance(bound, ArrayRef):
        raise FilterError("can not comparisons array fields directly")
    predicate = as_predicate(bound)
    if isinstance(predicate, Sampled):
        raise FilterError("random sample expression cannot be used in unary expression")
    if predicate is None:
        raise FilterError("not op can only be applied on boolean expression")
    return Constant(not bound.value) if isinstance(bound, Constant) else predicate.negate()
