"""Literals, lists and templates."""

from __future__ import annotations

from collections.abc import Sequence

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, TemplateValue, binds
from elanus.expr.bound import Constant, Value
from elanus.expr.literals import INT64_MAX, INT64_MIN
from elanus.expr.syntax import FilterError


@binds(nodes.Literal)
def bind_literal(_scope: Scope, literal: nodes.Literal) -> Constant:
    """Take a literal as it is, once integers are inside int64."""
    value = literal.value
    if type(value) is int and value > INT64_MAX:
        check_int64((value,))
    return Constant(value)


@binds(nodes.ScalarList)
def bind_scalar_list(_scope: Scope, values: nodes.ScalarList) -> Constant:
    """Take a list whose integers the lexer has checked."""
    return Constant(values.values)


@binds(nodes.ListOf)
def bind_list(scope: Scope, listed: nodes.ListOf) -> Constant:
    """Take a list whose elements fold to constants; templates have no place inside a list."""
    values: list[Value] = []
    for item in listed.items:
        bound = scope.bind(item)
        if not isinstance(bound, Constant) or bound.template:
            raise FilterError(f"value '{_describe(item)}' in list cannot be a non-const expression")
        values.append(bound.value)
    return Constant(tuple(values))


def _describe(node: nodes.Node) -> str:
    return str(getattr(node, "name", "") or type(node).__name__.lower())


@binds(nodes.Template)
def bind_template(scope: Scope, template: nodes.Template) -> Constant:
    """Take the value given under the template's name."""
    if template.name not in scope.values:
        raise FilterError(f"the value of expression template variable name {{{template.name}}} is not found")
    return Constant(_frozen(scope.values[template.name]), template.name)


def _frozen(value: TemplateValue) -> Value:
    if isinstance(value, list | tuple):
        return _frozen_list(value)
    if not isinstance(value, bool | int | float | str):
        raise FilterError(f"a template value cannot be a {type(value).__name__}")
    check_int64((value,))
    if isinstance(value, str) and not value.isascii():
        _check_text(value)
    return value


def _frozen_list(values: Sequence[TemplateValue]) -> Value:
    """Return a list's values; of one plain type they are looked at together."""
    types = set(map(type, values))
    if types <= {bool} or types == {float}:
        return tuple(values)  # type: ignore[arg-type]  # scalars
    if types == {int}:
        check_int64(values)
        return tuple(values)  # type: ignore[arg-type]  # scalars
    if types == {str}:
        _check_text("".join(values))  # type: ignore[arg-type]  # texts
        return tuple(values)  # type: ignore[arg-type]  # scalars
    return tuple([_frozen(value) for value in values])


def check_int64(values: Sequence[object]) -> None:
    """Refuse integers beyond int64 among values of one type."""
    if type(values[0]) is not int:
        return
    for value in (min(values), max(values)):  # type: ignore[type-var]  # integers
        if not INT64_MIN <= value <= INT64_MAX:  # type: ignore[operator]
            shown = hex(value) if value.bit_length() > 128 else str(value)  # type: ignore[arg-type, attr-defined]
            raise FilterError(f"int64 overflow: {shown[:40]}")


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FilterError("a template value is not valid UTF-8") from None
