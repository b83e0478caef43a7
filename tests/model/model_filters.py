"""Filters as plain lists, written as text for the engine and judged row by row with three-valued logic here.

``["<", "a", 3]``, ``["in", "id", [1, 2]]``, ``["null", "a"]``, ``["like", "s", "a%"]``, ``["not", f]``,
``["and", f, g]``, ``["or", f, g]``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Filter = list[Any]

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def text_of(where: Filter) -> str:
    """Return the filter in the engine's language."""
    kind = where[0]
    if kind in COMPARISONS:
        return f"{where[1]} {kind} {_literal(where[2])}"
    if kind == "in":
        return f"{where[1]} in [{', '.join(map(_literal, where[2]))}]"
    if kind == "null":
        return f"{where[1]} is null"
    if kind == "like":
        return f"{where[1]} like {_literal(where[2])}"
    if kind == "not":
        return f"not ({text_of(where[1])})"
    return f"({text_of(where[1])}) {kind} ({text_of(where[2])})"


def _literal(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def judge(where: Filter, row: Mapping[str, Any]) -> bool | None:
    """Return whether a row passes; None for unknown."""
    kind = where[0]
    if kind == "null":
        return row[where[1]] is None
    if kind == "not":
        inner = judge(where[1], row)
        return None if inner is None else not inner
    if kind in ("and", "or"):
        return _combine(judge(where[1], row), judge(where[2], row), decisive=kind == "or")
    value = row[where[1]]
    if value is None:
        return None
    if kind == "in":
        return value in where[2]
    if kind == "like":
        return _like(value, where[2])
    return COMPARISONS[kind](value, where[2])


def _combine(left: bool | None, right: bool | None, *, decisive: bool) -> bool | None:
    if decisive in (left, right):
        return decisive
    return None if None in (left, right) else not decisive


def _like(value: str, pattern: str) -> bool:
    """Judge the two patterns that are drawn: ``p%`` and ``%p``."""
    return value.startswith(pattern[:-1]) if pattern.endswith("%") else value.endswith(pattern[1:])
