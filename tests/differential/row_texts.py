"""Predicates of the row interpreter as texts of the filter language, their constants written out or as templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

Constants = Callable[[Any], str]
"""Writes a constant of a comparison, a range, a list or a pattern."""


def render(node: tuple[Any, ...]) -> str:
    """Return the predicate as a filter's text."""
    return _text(node, literal)


def render_with_templates(node: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """Return the predicate as a text with a template wherever one may stand, and the templates' values."""
    values: dict[str, Any] = {}

    def template(value: Any) -> str:
        values[f"v{len(values)}"] = value
        return f"{{v{len(values) - 1}}}"

    return _text(node, template), values


def _text(node: tuple[Any, ...], constant: Constants) -> str:
    return _RULES[node[0]](node, constant)


def _inner(node: tuple[Any, ...], constant: Constants) -> str:
    text = _text(node, constant)
    return f"({text})" if node[0] in ("and", "or") else text


def _joined(node, constant):
    return f" {node[0]} ".join(_inner(item, constant) for item in node[1])


def _contains(node, constant):
    suffix = {"one": "", "all": "_all", "any": "_any"}[node[2]]
    return f"array_contains{suffix}({operand_text(node[1])}, {constant(node[3])})"


def _structs(node, constant):
    threshold = f", threshold={node[4]}" if node[1] in ("match_least", "match_most", "match_exact") else ""
    return f"{node[1]}({node[2]}, {_text(node[3], constant)}{threshold})"


def _regex(node, _constant):
    pattern = "".join(node[2])
    written = f'r"{pattern}"' if '"' not in pattern else literal(pattern)
    return f"{operand_text(node[1])} =~ {written}"


_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

_RULES: dict[str, Callable[[tuple[Any, ...], Constants], str]] = {
    "not": lambda node, constant: f"not ({_text(node[1], constant)})",
    "and": _joined,
    "or": _joined,
    "constant": lambda node, _: str(node[1]).lower(),
    "compare": lambda node, constant: f"{operand_text(node[1], constant)} {node[2]} {constant(node[3])}",
    "mirrored": lambda node, constant: f"{constant(node[3])} {_MIRRORED[node[2]]} {operand_text(node[1], constant)}",
    "equals_list": lambda node, constant: f"{operand_text(node[1])} {node[2]} {constant(node[3])}",
    "in": lambda node, constant: f"{operand_text(node[1])} in {constant(node[2])}",
    "range": lambda node, constant: (
        f"{constant(node[2])} {node[3]} {operand_text(node[1])} {node[4]} {constant(node[5])}"
    ),
    "columns": lambda node, _: f"{operand_text(node[1])} {node[2]} {operand_text(node[3])}",
    "like": lambda node, constant: f"{operand_text(node[1])} like {constant(node[2])}",
    "regex": _regex,
    "starts_with": lambda node, constant: f"starts_with({operand_text(node[1])}, {constant(node[2])})",
    "empty": lambda node, _: f"empty({operand_text(node[1])})",
    "null": lambda node, _: f"{operand_text(node[1])} is null",
    "exists": lambda node, _: f"exists {operand_text(node[1])}",
    "contains": _contains,
    "structs": _structs,
    "instant": lambda node, _: f'{operand_text(node[1])} {node[2]} ISO "{iso_text(*node[3])}"',
    "spatial": lambda node, constant: f"st_{node[2]}({operand_text(node[1])}, {constant(node[3])})",
    "near": lambda node, constant: f"st_dwithin({operand_text(node[1])}, {constant(node[2])}, {node[3]!r})",
    "valid": lambda node, _: f"st_isvalid({operand_text(node[1])})",
}


def operand_text(operand: tuple[Any, ...], constant: Constants | None = None) -> str:
    """Return an operand as text."""
    return _OPERANDS[operand[0]](operand, constant or literal)


def _steps(steps: list[str | int]) -> str:
    return "".join(f"[{literal(step)}]" for step in steps)


def _arithmetic(operand, constant):
    left, right = operand_text(operand[2]), constant(operand[3])
    return f"({right} {operand[1]} {left})" if operand[4:] == ("mirrored",) else f"({left} {operand[1]} {right})"


def _moved(operand, _constant):
    _, name, sign, (years, months, days, hours, minutes, seconds) = operand
    duration = f"P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S"
    return f'{name} {"+" if sign > 0 else "-"} INTERVAL "{duration}"'


_OPERANDS: dict[str, Callable[[tuple[Any, ...], Constants], str]] = {
    "column": lambda operand, _: operand[1],
    "json": lambda operand, _: operand[1] + _steps(operand[2]),
    "key": lambda operand, _: operand[2][0] + _steps(operand[2][1:]),
    "element": lambda operand, _: f"{operand[1]}[{operand[2]}]",
    "length": lambda operand, _: f"array_length({operand_text(operand[1])})",
    "item": lambda operand, _: f"$[{operand[1]}]",
    "sub_field": lambda operand, _: f"{operand[1]}[{operand[2]}]",
    "struct_item": lambda operand, _: f"{operand[1]}[{operand[2]}][{operand[3]}]",
    "arithmetic": _arithmetic,
    "moved": _moved,
}


def iso_text(instant: int, offset_minutes: int) -> str:
    """Return an instant (microseconds since 1970) as local time at an offset from UTC."""
    local = datetime(1970, 1, 1) + timedelta(microseconds=instant, minutes=offset_minutes)
    sign, minutes = "-" if offset_minutes < 0 else "+", abs(offset_minutes)
    return (
        f"{local.isoformat()}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        if offset_minutes
        else f"{local.isoformat()}Z"
    )


def literal(value: Any) -> str:
    """Return a constant as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return repr(value)


def _quoted(text: str) -> str:
    """Return a text between quotes, raw or with escapes, as it lends itself."""
    if "\\" in text and not {'"', "'", "\n"} & set(text) and not text.endswith("\\"):
        return f'r"{text}"'
    quote = "'" if '"' in text else '"'
    return quote + "".join(_character(character, quote) for character in text) + quote


def _character(character: str, quote: str) -> str:
    if character in ("\\", quote):
        return "\\" + character
    return f"\\u{ord(character):04x}" if ord(character) < 32 else character
