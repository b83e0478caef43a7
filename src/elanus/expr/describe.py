"""A bound filter as text, in the filter language: what a filter came to mean, for people."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from elanus.expr.bound import (
    Always,
    And,
    Arithmetic,
    ArrayRef,
    Between,
    BoundExpr,
    ColumnRef,
    ColumnsCompare,
    Compare,
    Contains,
    ElementRef,
    Exists,
    In,
    IsNull,
    JsonRef,
    LengthOf,
    Match,
    Matching,
    Operand,
    Or,
    Step,
    Value,
)
from elanus.model.schema import Schema

SHOWN_VALUES: Final = 8
"""Values of a list that are written out; the others are counted."""
SHOWN_CHARACTERS: Final = 60
"""Characters of a text that are written out."""

_NEGATED: Final = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def describe(bound: BoundExpr, schema: Schema) -> str:
    """Return a bound filter as the filter language would write it; long lists and texts are shortened.

    A negated comparison is written as the opposite one, which has the same meaning: UNKNOWN stays UNKNOWN.
    """
    return _text(bound, schema)


# --- predicates ---


@singledispatch
def _text(node: BoundExpr, _schema: Schema) -> str:
    raise TypeError(f"no rule describes {type(node).__name__}")


@_text.register
def _always(node: Always, _schema: Schema) -> str:
    return "true" if node.value else "false"


@_text.register
def _and(node: And, schema: Schema) -> str:
    return " and ".join(_inner(item, schema) for item in node.items)


@_text.register
def _or(node: Or, schema: Schema) -> str:
    return " or ".join(_inner(item, schema) for item in node.items)


def _inner(node: BoundExpr, schema: Schema) -> str:
    text = _text(node, schema)
    return f"({text})" if isinstance(node, And | Or) else text


@_text.register
def _compare(leaf: Compare, schema: Schema) -> str:
    op = _NEGATED[leaf.op] if leaf.negated else leaf.op
    return f"{name(leaf.operand, schema)} {op} {literal(leaf.value)}"


@_text.register
def _between(leaf: Between, schema: Schema) -> str:
    low, high = ("<=" if inclusive else "<" for inclusive in (leaf.low_inclusive, leaf.high_inclusive))
    text = f"{literal(leaf.low)} {low} {name(leaf.operand, schema)} {high} {literal(leaf.high)}"
    return f"not ({text})" if leaf.negated else text


@_text.register
def _in(leaf: In, schema: Schema) -> str:
    return f"{name(leaf.operand, schema)} {'not in' if leaf.negated else 'in'} {literal(leaf.values)}"


@_text.register
def _contains(leaf: Contains, schema: Schema) -> str:
    return _not(leaf.negated, f"array_contains_{'all' if leaf.every else 'any'}", leaf.operand, leaf.values, schema)


@_text.register
def _columns(leaf: ColumnsCompare, schema: Schema) -> str:
    op = _NEGATED[leaf.op] if leaf.negated else leaf.op
    return f"{name(leaf.left, schema)} {op} {name(leaf.right, schema)}"


@_text.register
def _match(leaf: Match, schema: Schema) -> str:
    text = f"{name(leaf.operand, schema)} {_MATCHES[leaf.matching].format(leaf.pattern)}"
    if not leaf.negated:
        return text
    return text.replace("=~", "!~", 1) if leaf.matching is Matching.REGEX else f"not {text}"


_MATCHES: Final = {
    Matching.PREFIX: 'like "{}%"',
    Matching.SUFFIX: 'like "%{}"',
    Matching.CONTAINS: 'like "%{}%"',
    Matching.REGEX: '=~ r"{}"',
}


@_text.register
def _null(leaf: IsNull, schema: Schema) -> str:
    return f"{schema.by_id(leaf.field_id).name} is {'not ' * leaf.negated}null"


@_text.register
def _exists(leaf: Exists, schema: Schema) -> str:
    return f"{'not ' * leaf.negated}exists {name(leaf.operand, schema)}"


def _not(negated: bool, call: str, operand: Operand, value: Value, schema: Schema) -> str:
    return f"{'not ' * negated}{call}({name(operand, schema)}, {literal(value)})"


# --- operands ---


@singledispatch
def name(operand: Operand, _schema: Schema) -> str:
    """Return an operand as text."""
    raise TypeError(f"no rule names {type(operand).__name__}")


@name.register(ColumnRef)
@name.register(ArrayRef)
def _column_name(operand: Operand, schema: Schema) -> str:
    return schema.by_id(operand.field_id).name


@name.register
def _json_name(operand: JsonRef, schema: Schema) -> str:
    field, path = schema.by_id(operand.field_id), operand.path
    if field.is_dynamic and path and str(path[0]).isidentifier() and path[0] not in schema:
        return f"{path[0]}{_steps(path[1:])}"
    return f"{field.name}{_steps(path)}"


def _steps(path: tuple[Step, ...]) -> str:
    return "".join(f"[{literal(step)}]" for step in path)


@name.register
def _element_name(operand: ElementRef, schema: Schema) -> str:
    return f"{schema.by_id(operand.field_id).name}[{operand.index}]"


@name.register
def _length_name(operand: LengthOf, schema: Schema) -> str:
    return f"array_length({name(operand.array, schema)})"


@name.register
def _arithmetic_name(operand: Arithmetic, schema: Schema) -> str:
    return f"{name(operand.operand, schema)} {operand.op} {literal(operand.constant)}"


# --- constants ---


def literal(value: Value) -> str:
    """Return a constant as text, shortened when it is long."""
    if isinstance(value, tuple):
        shown = [literal(item) for item in value[:SHOWN_VALUES]]
        more = len(value) - len(shown)
        return f"[{', '.join(shown + ([f'... {more:,} more'] if more else []))}]"
    if isinstance(value, str):
        cut = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
        return '"' + cut.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
