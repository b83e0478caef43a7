"""LIKE patterns: what they ask for, in the cheapest form that answers it."""

from __future__ import annotations

from enum import Enum

from elanus.expr.bound import BoundExpr, Compare, Match, Matching, Operand
from elanus.expr.syntax import FilterError


class Wildcard(Enum):
    """What stands for any text."""

    RUN = "%"
    CHARACTER = "_"


_Part = str | Wildcard


def like(operand: Operand, pattern: str) -> BoundExpr:
    """Return the predicate of a LIKE pattern: equality, prefix, suffix, contains, else the pattern itself.

    ``%`` is any run, ``_`` one code point, a backslash takes the next character as it is.
    """
    split = parts(pattern)
    texts = [part for part in split if isinstance(part, str)]
    if Wildcard.CHARACTER in split or len(texts) > 1:
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
