"""Searches in analysed text: ``text_match``, ``text_match_fuzzy``, ``phrase_match``."""

from __future__ import annotations

from typing import Final

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds_call
from elanus.expr.bound import ColumnRef, PhraseMatch, TextMatch
from elanus.expr.syntax import FilterError
from elanus.model.schema import Field
from elanus.model.types import DataType

HIGHEST_MINIMUM: Final = 1000
HIGHEST_EDITS: Final = 2
HIGHEST_SLOP: Final = 2**32 - 1

_UINT32 = '"slop" should be a const integer expression with "uint32" value'


@binds_call("text_match")
def bind_text_match(scope: Scope, call: nodes.Call) -> TextMatch:
    """Bind ``text_match(field, query[, minimum_should_match=n])``."""
    operand, query = _field_and_query(scope, call, 2, "text match")
    minimum = _option(scope, call, "minimum_should_match", 1)
    if minimum < 1:
        raise FilterError(f"minimum_should_match should be >= 1, got {minimum}")
    if minimum > HIGHEST_MINIMUM:
        raise FilterError(f"minimum_should_match should be <= {HIGHEST_MINIMUM}, got {minimum}")
    return TextMatch(operand, query, minimum)


@binds_call("text_match_fuzzy")
def bind_text_match_fuzzy(scope: Scope, call: nodes.Call) -> TextMatch:
    """Bind ``text_match_fuzzy(field, query, max_edit_distance=d)``."""
    operand, query = _field_and_query(scope, call, 2, "text match")
    edits = _option(scope, call, "max_edit_distance", None)
    if not 0 <= edits <= HIGHEST_EDITS:
        raise FilterError(f"max_edit_distance should be between 0 and {HIGHEST_EDITS}, got {edits}")
    return TextMatch(operand, query, max_edits=edits)


@binds_call("phrase_match")
def bind_phrase_match(scope: Scope, call: nodes.Call) -> PhraseMatch:
    """Bind ``phrase_match(field, query[, slop])``."""
    operand, query = _field_and_query(scope, call, 3, "phrase match")
    if call.options:
        raise FilterError(f"unknown option of phrase_match: {call.options[0][0]}")
    if len(call.arguments) < 3:
        return PhraseMatch(operand, query)
    slop = scope.constant(call.arguments[2], _UINT32)
    if slop.template or type(slop.value) is not int:
        raise FilterError(f"{_UINT32}, but got {slop.template or slop.value}")
    if slop.value < 0:
        raise FilterError(f'"slop" should not be a negative interger. "slop" passed: {slop.value}')
    if slop.value > HIGHEST_SLOP:
        raise FilterError(f'"slop" exceeds the range of "uint32". "slop" expression passed: {slop.value}')
    return PhraseMatch(operand, query, slop.value)


def _field_and_query(scope: Scope, call: nodes.Call, most: int, name: str) -> tuple[ColumnRef, str]:
    if not 2 <= len(call.arguments) <= most:
        counted = "2 arguments" if most == 2 else f"2 to {most} arguments"
        raise FilterError(f"{call.name} takes {counted}, got {len(call.arguments)}")
    field = _text_field(scope, call.arguments[0], name)
    refusal = f"the query text of {call.name} must be a string literal or template variable"
    query = scope.constant(call.arguments[1], refusal).value
    if not isinstance(query, str):
        raise FilterError(refusal)
    return ColumnRef(field.id, field.type, field.nullable), query


def _text_field(scope: Scope, node: nodes.Node, name: str) -> Field:
    field = scope.schema.find(node.name) if isinstance(node, nodes.Path) and not node.steps else None
    if field is None:
        scope.bind(node)  # an unknown name is named as such
    if field is None or field.type not in (DataType.VARCHAR, DataType.TEXT):
        raise FilterError(f"{name} operation on non-string is unsupported")
    if dict(field.params).get("enable_match", "").lower() != "true":
        raise FilterError(f'field "{field.name}" does not enable match')
    return field


def _option(scope: Scope, call: nodes.Call, name: str, default: int | None) -> int:
    """Return an option's integer; templates are not taken. None as ``default``: the option must be there."""
    unknown = [option for option, _ in call.options if option != name]
    if unknown or len(call.options) > 1:
        raise FilterError(f"{call.name} takes the option {name}, once, got: {', '.join(unknown) or name}")
    refusal = f"{name} should be a const integer expression"
    if not call.options:
        if default is None:
            raise FilterError(f"{call.name} needs the option {name}")
        return default
    value = scope.constant(call.options[0][1], refusal)
    if value.template or type(value.value) is not int:
        raise FilterError(refusal)
    return value.value
