"""What the rules of the binder share: the schema, the template values, and the two registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from elanus._native.time import UTC
from elanus.expr import nodes
from elanus.expr.bound import Always, BoundExpr, Constant, Operand
from elanus.expr.nodes import Node
from elanus.expr.syntax import FilterError
from elanus.model.schema import Schema

TemplateValue = bool | int | float | str | list["TemplateValue"]
Bound = BoundExpr | Operand | Constant

N = TypeVar("N", bound=Node)
Rule = Callable[["Scope", N], Bound]

RULES: dict[type[Node], Rule[Node]] = {}
CALLS: dict[str, Rule[nodes.Call]] = {}


def binds(kind: type[N]) -> Callable[[Rule[N]], Rule[N]]:
    """Register the rule of a node."""

    def register(rule: Rule[N]) -> Rule[N]:
        RULES[kind] = rule  # type: ignore[assignment]  # looked up by the node's own type
        return rule

    return register


def binds_call(*names: str) -> Callable[[Rule[nodes.Call]], Rule[nodes.Call]]:
    """Register the rule of calls, by their names in lower case."""

    def register(rule: Rule[nodes.Call]) -> Rule[nodes.Call]:
        CALLS.update(dict.fromkeys(names, rule))
        return rule

    return register


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a filter may use, and the time zone of instants that name no offset."""

    schema: Schema
    values: Mapping[str, TemplateValue]
    timezone: str = UTC

    def bind(self, node: Node) -> Bound:
        """Return what a node means here; FilterError when it means nothing."""
        return RULES[type(node)](self, node)

    def constant(self, node: Node, refusal: str) -> Constant:
        """Return a node's constant; FilterError with ``refusal`` when it has none."""
        bound = self.bind(node)
        if not isinstance(bound, Constant):
            raise FilterError(refusal)
        return bound

    def operand(self, node: Node, refusal: str) -> Operand:
        """Return a node's operand; FilterError with ``refusal`` when it is a constant or a predicate."""
        bound = self.bind(node)
        if not isinstance(bound, Operand):
            raise FilterError(refusal)
        return bound


def as_predicate(bound: Bound) -> BoundExpr | None:
    """Return what was bound as a predicate; None when it is not boolean (a bare column or template is not)."""
    if isinstance(bound, BoundExpr):
        return bound
    if isinstance(bound, Constant) and isinstance(bound.value, bool) and not bound.template:
        return Always(bound.value)
    return None
