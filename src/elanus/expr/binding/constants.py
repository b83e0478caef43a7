"""Literals, lists and templates."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, TemplateValue, binds
from elanus.expr.bound import Constant, Value
from elanus.expr.literals import INT64_MAX, INT64_MIN
from elanus.expr.syntax import FilterError


@binds(nodes.Literal)
def bind_literal(_scope: Scope, literal: nodes.Literal) -> Constant:
    """Take a literal as it is, once integers are inside int64."""
    _check_int64(literal.value)
    return Constant(literal.value)


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
        return tuple([_frozen(item) for item in value])
    if not isinstance(value, bool | int | float | str):
        raise FilterError(f"a template value cannot be a {type(value).__name__}")
    _check_int64(value)
    if isinstance(value, str) and not value.isascii():
        _check_text(value)
    return value


def _check_int64(value: object) -> None:
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        raise FilterError(
            f"int64 overflow: {hex(value)[:40]}" if value.bit_length() > 128 else f"int64 overflow: {value}"
        )


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FilterError("a template value is not valid UTF-8") from None
