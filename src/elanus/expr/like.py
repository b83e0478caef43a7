"""LIKE patterns: what they ask for, in the cheapest form that answers it."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from elanus.expr.bound import BoundExpr, Compare, Match, Matching, Operand
from elanus.expr.syntax import FilterError

LONGEST_SOUGHT: Final = 64
"""Characters between two runs of a pattern with ``_`` among them, which are tried at every place of a text; a longer
pattern is left to RE2, whose time doesn't grow with it."""


class Wildcard(Enum):
    """What stands for any text."""

    RUN = "%"
    CHARACTER = "_"


_Part = str | Wildcard
_SPECIAL = re.compile(r"[^A-Za-z0-9_\u0080-\U0010ffff]")


def like(operand: Operand, pattern: str) -> BoundExpr:
    """Return the predicate of a LIKE pattern: equality, prefix, suffix, contains, else the pattern itself.

    ``%`` is any run, ``_`` one code point, a backslash takes the next character as it is.
    """
    split = parts(pattern)
    texts = [part for part in split if isinstance(part, str)]
    if Wildcard.CHARACTER in split or len(texts) > 1:
        if _longest_sought(split) > LONGEST_SOUGHT:
            return Match(operand, Matching.REGEX, as_regex(pattern))
        return Match(operand, Matching.LIKE, pattern)
    text = texts[0] if texts else ""
    if Wildcard.RUN not in split:
        return Compare(operand, "==", text)
    if not texts or split[0] is not Wildcard.RUN:
        return Match(operand, Matching.PREFIX, text)
    return Match(operand, Matching.CONTAINS if split[-1] is Wildcard.RUN else Matching.SUFFIX, text)


def parts(pattern: str) -> list[_Part]:
    """Split a pattern into texts and wildcards; neighbouring texts are joined, neighbouring ``%`` are one.

    raises  FilterError for a pattern that ends with its escape character
    """
    split: list[_Part] = []
    literal: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in "%_":
            if literal:
                split.append("".join(literal))
                literal = []
            wildcard = Wildcard(character)
            if wildcard is Wildcard.CHARACTER or not split or split[-1] is not Wildcard.RUN:
                split.append(wildcard)
        elif character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise FilterError("invalid pattern: it must not end with an escape character")
            literal.append(escaped)
        else:
            literal.append(character)
    if literal:
        split.append("".join(literal))
    return split


def as_regex(pattern: str) -> str:
    """Return the RE2 pattern that describes the same texts."""
    written = [_quoted(part) if isinstance(part, str) else _REGEXES[part] for part in parts(pattern)]
    return rf"(?s)\A{''.join(written)}\z"


_REGEXES: Final = {Wildcard.RUN: ".*", Wildcard.CHARACTER: "."}


def _longest_sought(split: list[_Part]) -> int:
    """Return the length of the longest piece between two runs that holds single characters."""
    longest = length = 0
    sought = single = False
    for part in split:
        if part is Wildcard.RUN:
            longest = max(longest, length if sought and single else 0)
            sought, single, length = True, False, 0
        else:
            single |= part is Wildcard.CHARACTER
            length += len(part) if isinstance(part, str) else 1
    return longest


def _quoted(text: str) -> str:
    return _SPECIAL.sub(lambda match: r"\x00" if match[0] == "\0" else "\\" + match[0], text)
