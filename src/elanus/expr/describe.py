"""A bound filter as text, in the filter language: what a filter came to mean, for people."""

from __future__ import annotations

import math
import re
from functools import singledispatch
from typing import Final

import pyarrow as pa

from elanus._native.time import UTC, zone
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
    IsValidGeometry,
    ItemRef,
    JsonRef,
    LengthOf,
    ListRef,
    Match,
    Matching,
    Operand,
    Or,
    PhraseMatch,
    Relation,
    Shifted,
    Spatial,
    Step,
    StructMatch,
    TextMatch,
    Value,
)
from elanus.model.geometry import wkt_from_wkb
from elanus.model.schema import Schema, sub_field_name
from elanus.model.types import DataType

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
    return f"{name(leaf.operand, schema)} {op} {_value(leaf.operand, leaf.value)}"


@_text.register
def _between(leaf: Between, schema: Schema) -> str:
    low, high = ("<=" if inclusive else "<" for inclusive in (leaf.low_inclusive, leaf.high_inclusive))
    least, most = (_value(leaf.operand, bound) for bound in (leaf.low, leaf.high))
    text = f"{least} {low} {name(leaf.operand, schema)} {high} {most}"
    return f"not ({text})" if leaf.negated else text


@_text.register
def _in(leaf: In, schema: Schema) -> str:
    return f"{name(leaf.operand, schema)} {'not in' if leaf.negated else 'in'} {_value(leaf.operand, leaf.values)}"


@_text.register
def _contains(leaf: Contains, schema: Schema) -> str:
    return _not(leaf.negated, f"array_contains_{'all' if leaf.every else 'any'}", leaf.operand, leaf.values, schema)


@_text.register
def _columns(leaf: ColumnsCompare, schema: Schema) -> str:
    op = _NEGATED[leaf.op] if leaf.negated else leaf.op
    return f"{name(leaf.left, schema)} {op} {name(leaf.right, schema)}"


@_text.register
def _match(leaf: Match, schema: Schema) -> str:
    operand = name(leaf.operand, schema)
    if leaf.matching is Matching.REGEX:
        return f"{operand} {'!~' if leaf.negated else '=~'} {_regex(leaf.pattern)}"
    before, after = _WILDCARDS[leaf.matching]
    pattern = leaf.pattern if leaf.matching is Matching.LIKE else _WILDCARD.sub(r"\\\g<0>", leaf.pattern)
    return f"{'not ' * leaf.negated}{operand} like {literal(f'{before}{pattern}{after}')}"


def _regex(pattern: str) -> str:
    """Return a pattern without escapes where it can be written so."""
    plain = not _UNRAW.search(pattern)
    return f'r"{_cut(pattern)}"' if plain else literal(pattern)


_WILDCARDS: Final = {
    Matching.PREFIX: ("", "%"),
    Matching.SUFFIX: ("%", ""),
    Matching.CONTAINS: ("%", "%"),
    Matching.LIKE: ("", ""),
}
_WILDCARD: Final = re.compile(r"[%_\\]")
_UNRAW: Final = re.compile(r'["\r\n]|\\\Z')


@_text.register
def _spatial(leaf: Spatial, schema: Schema) -> str:
    distance = f", {leaf.distance!r}".removesuffix(".0") if leaf.relation is Relation.DWITHIN else ""
    geometry = wkt_from_wkb(pa.array([leaf.geometry], type=pa.large_binary()))[0].as_py()
    call = f"st_{leaf.relation.value}({name(leaf.operand, schema)}, {literal(geometry)}{distance})"
    return f"{'not ' * leaf.negated}{call}"


@_text.register
def _valid(leaf: IsValidGeometry, schema: Schema) -> str:
    return f"{'not ' * leaf.negated}st_isvalid({name(leaf.operand, schema)})"


@_text.register
def _null(leaf: IsNull, schema: Schema) -> str:
    field = schema.by_id(leaf.field_id)
    return f"{field.struct or field.name} is {'not ' * leaf.negated}null"


@_text.register
def _text_match(leaf: TextMatch, schema: Schema) -> str:
    call = "text_match_fuzzy" if leaf.max_edits else "text_match"
    options = f", minimum_should_match={leaf.minimum}" * (leaf.minimum > 1)
    options += f", max_edit_distance={leaf.max_edits}" * (leaf.max_edits > 0)
    return f"{'not ' * leaf.negated}{call}({name(leaf.operand, schema)}, {literal(leaf.query)}{options})"


@_text.register
def _phrase_match(leaf: PhraseMatch, schema: Schema) -> str:
    slop = f", {leaf.slop}" * (leaf.slop > 0)
    return f"{'not ' * leaf.negated}phrase_match({name(leaf.operand, schema)}, {literal(leaf.query)}{slop})"


@_text.register
def _structs(leaf: StructMatch, schema: Schema) -> str:
    threshold = f", threshold={leaf.threshold}" if leaf.quantifier.takes_threshold else ""
    struct = schema.by_id(leaf.sub_field).struct
    return f"{'not ' * leaf.negated}{leaf.quantifier.value}({struct}, {_text(leaf.predicate, schema)}{threshold})"


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
def _list_name(operand: ListRef, schema: Schema) -> str:
    field = schema.by_id(operand.field_id)
    return field.struct if operand.type is DataType.ARRAY_OF_STRUCT else field.name


@name.register
def _item_name(operand: ItemRef, schema: Schema) -> str:
    return f"$[{schema.by_id(operand.field_id).sub_name}]"


@name.register
def _json_name(operand: JsonRef, schema: Schema) -> str:
    field, path = schema.by_id(operand.field_id), operand.path
    if field.is_dynamic and path and _is_name(path[0]) and path[0] not in schema:
        return f"{path[0]}{_steps(path[1:])}"
    return f"{field.name}{_steps(path)}"


def _is_name(step: Step) -> bool:
    """Whether a key of the dynamic field can be written like a field."""
    return isinstance(step, str) and _NAME.fullmatch(step) is not None and step.lower() not in _WORDS


_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = frozenset(
    ("and", "or", "not", "in", "is", "like", "exists", "true", "false", "null", "iso", "interval")
)


def _steps(path: tuple[Step, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f'["{_key(step)}"]' for step in path)


def _key(step: str) -> str:
    """Return a key between quotes; there code points are the only escapes."""
    return _UNQUOTED.sub(lambda found: f"\\u{ord(found[0]):04x}", _cut(step))


@name.register
def _element_name(operand: ElementRef, schema: Schema) -> str:
    field = schema.by_id(operand.field_id)
    place = f"{field.struct or field.name}[{operand.index}]"
    return sub_field_name(place, field.sub_name) if field.struct else place


@name.register
def _length_name(operand: LengthOf, schema: Schema) -> str:
    return f"array_length({name(operand.array, schema)})"


@name.register
def _shifted_name(operand: Shifted, schema: Schema) -> str:
    sign = "-" if operand.months < 0 else "+"
    return f'{name(operand.operand, schema)} {sign} INTERVAL "P{abs(operand.months)}M"'


@name.register
def _arithmetic_name(operand: Arithmetic, schema: Schema) -> str:
    text = f"{name(operand.operand, schema)} {operand.op} {literal(operand.constant)}"
    # Comparisons bind tighter than these.
    return f"({text})" if operand.op in "&|^" else text


# --- constants ---


def _value(operand: Operand, value: Value) -> str:
    """Return what an operand is compared with; instants as texts."""
    if operand.type is not DataType.TIMESTAMPTZ:
        return literal(value)
    if isinstance(value, tuple):
        shown = [_value(operand, item) for item in value[:SHOWN_VALUES]]
        return _listed(shown, len(value) - len(shown))
    return f'ISO "{zone(UTC).format_text(int(value))}"'


def _listed(shown: list[str], more: int) -> str:
    return f"[{', '.join(shown + ([f'... {more:,} more'] if more else []))}]"


def literal(value: Value) -> str:
    """Return a constant as text, shortened when it is long."""
    if isinstance(value, tuple):
        shown = [literal(item) for item in value[:SHOWN_VALUES]]
        return _listed(shown, len(value) - len(shown))
    if isinstance(value, str):
        return f'"{_UNQUOTED.sub(_escaped, _cut(value))}"'
    if value in (math.inf, -math.inf):
        # What a constant of a FLOAT becomes that is beyond its range, as all of these are.
        return "1e308" if value > 0 else "-1e308"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}")


_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNQUOTED: Final = re.compile(r'["\\\x00-\x1f]')
