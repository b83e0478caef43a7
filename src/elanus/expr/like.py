"""LIKE patterns: what they ask for, in the cheapest form that answers it."""

from __future__ import annotations

import re

from elanus.expr.bound import BoundExpr, Compare, Match, Matching, Operand
from elanus.expr.syntax import FilterError

_ANY_RUN, _ANY_CHARACTER = object(), object()
_SPECIAL = re.compile(r"[^A-Za-z0-9_\u0080-\U0010ffff]")


def like(operand: Operand, pattern: str) -> BoundExpr:
    """Return the predicate of a LIKE pattern: equality, prefix, suffix, contains, else an RE2 pattern.

    ``%`` is any run, ``_`` one code point, a backslash takes the next character as it is.
    """
    parts = _parts(pattern)
    texts = [part for part in parts if isinstance(part, str)]
    if _ANY_CHARACTER in parts or len(texts) > 1:
        return Match(operand, Matching.REGEX, _regex(parts))
    text = texts[0] if texts else ""
    if _ANY_RUN not in parts:
        return Compare(operand, "==", text)
    if not texts or parts[0] is not _ANY_RUN:
        return Match(operand, Matching.PREFIX, text)
    return Match(operand, Matching.CONTAINS if parts[-1] is _ANY_RUN else Matching.SUFFIX, text)


def _parts(pattern: str) -> list[object]:
    """Split into literal texts and wildcards; neighbouring texts are joined, neighbouring ``%`` are one."""
    parts: list[object] = []
    literal: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in "%_":
            if literal:
                parts.append("".join(literal))
                literal = []
            wildcard = _ANY_RUN if character == "%" else _ANY_CHARACTER
            if wildcard is _ANY_CHARACTER or not parts or parts[-1] is not _ANY_RUN:
                parts.append(wildcard)
        elif character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise FilterError("invalid pattern: it must not end with an escape character")
            literal.append(escaped)
        else:
            literal.append(character)
    if literal:
        parts.append("".join(literal))
    return parts


def _regex(parts: list[object]) -> str:
    written = [_quoted(part) if isinstance(part, str) else ".*" if part is _ANY_RUN else "." for part in parts]
    return rf"(?s)\A{''.join(written)}\z"


def _quoted(text: str) -> str:
    return _SPECIAL.sub(lambda match: r"\x00" if match[0] == "\0" else "\\" + match[0], text)
