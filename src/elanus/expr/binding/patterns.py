"""LIKE and regular expressions."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from elanus.expr import nodes
from elanus.expr.binding.paths import refuse_whole
from elanus.expr.binding.scope import Scope, binds
from elanus.expr.bound import Arithmetic, BoundExpr, LengthOf, Match, Matching, Operand
from elanus.expr.like import like
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType


@binds(nodes.Like)
def bind_like(scope: Scope, node: nodes.Like) -> BoundExpr:
    """Bind LIKE: a text on the left, a constant pattern on the right."""
    operand = _text_operand(scope, node.operand, "like operation on non-string or no-json field is unsupported")
    return like(operand, _pattern(scope, node.pattern, "like"))


@binds(nodes.Regex)
def bind_regex(scope: Scope, node: nodes.Regex) -> BoundExpr:
    """Bind ``=~`` and ``!~``: RE2 finds the pattern anywhere in the text."""
    refusal = "regex match on non-string or non-json field is unsupported"
    operand = _text_operand(scope, node.operand, refusal)
    pattern = _pattern(scope, node.pattern, "regex")
    _check_regex(pattern)
    return Match(operand, Matching.REGEX, pattern, negated=node.negated)


def _text_operand(scope: Scope, node: nodes.Node, refusal: str) -> Operand:
    operand = scope.operand(node, refusal)
    refuse_whole(operand)
    if operand.type not in (DataType.VARCHAR, DataType.JSON) or isinstance(operand, Arithmetic | LengthOf):
        raise FilterError(refusal)
    return operand


def _pattern(scope: Scope, node: nodes.Node, name: str) -> str:
    refusal = f"the pattern of {name} must be a string literal or template variable"
    value = scope.constant(node, refusal).value
    if not isinstance(value, str):
        raise FilterError(refusal)
    return value


def _check_regex(pattern: str) -> None:
    """Compile a pattern by matching it once."""
    try:
        pc.match_substring_regex(pa.array([""], type=pa.large_string()), pattern=pattern)
    except pa.ArrowInvalid as error:
        raise FilterError(f"invalid regex pattern: {error}") from None
