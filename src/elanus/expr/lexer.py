"""Text to tokens, in one pass of one regular expression.

A token is its text and nothing more: its first character says what kind it is, and where it stands is worked out anew
for the one token that an error speaks of. Lists of plain constants come as one token: an ``in`` of a hundred thousand
values costs two scans of its text, not a token for each value and comma.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Sequence
from itertools import islice
from typing import Final

from elanus.expr import literals
from elanus.expr.literals import INT64_MAX, INT64_MIN, Scalar
from elanus.expr.syntax import FilterError, refused_at, too_many
from elanus.model import limits

TOKENS_A_TERM: Final = 8
"""Signs and brackets around a term count as well, though there is no limit of their own."""
END: Final = ""
"""The token behind the last one."""
QUOTES: Final = ('"', "'")

_SPACE = r"[ \t\r\n]*+"
_NULL_TEST = r"(?i:is[ \t\r\n]++(?:not[ \t\r\n]++)?null)(?![A-Za-z0-9_])"
_QUOTED = r"""(?:"(?:[^"\\\r\n]++|\\[^\r\n])*+"|'(?:[^'\\\r\n]++|\\[^\r\n])*+')"""
_STRING = rf"(?:u8|[rRuUL])?{_QUOTED}"
_WORD = r"[A-Za-z_][A-Za-z0-9_]*+|\$meta(?![A-Za-z0-9_])"
_FLOAT = (
    r"0[xX](?:[0-9a-fA-F]++\.?[0-9a-fA-F]*+|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++"
    r"|(?:[0-9]++\.[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"
    r"|[0-9]++[eE][+-]?[0-9]++"
)
_INT = r"0[xX][0-9a-fA-F]++|0[bB][01]++|0[0-7]*+|[1-9][0-9]*+"
_OPERATORS = r"\*\*|<<|>>|<=|>=|==|!=|=~|!~|&&|\|\||[-+*/%&|^~!<>=()\[\]{},$]"

_PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]{0,18}+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![0-9A-Za-z_.])"
_PLAIN = rf"""{_SPACE}(?:{_PLAIN_NUMBER}|"[^"\\\r\n]*+"|'[^'\\\r\n]*+'){_SPACE}"""
_LIST = rf"\[{_PLAIN},(?:{_PLAIN},)*+(?:{_PLAIN})?{_SPACE}\]"

_TOKEN = re.compile(rf"{_SPACE}({_NULL_TEST}|{_STRING}|{_WORD}|{_FLOAT}|{_INT}|{_LIST}|{_OPERATORS}|.|\Z)", re.DOTALL)
_PLAIN_ITEM = re.compile(rf"""({_PLAIN_NUMBER})|"([^"]*)"|'([^']*)'""")
_SINGLES = frozenset(string.ascii_letters + string.digits + "_-+*/%&|^~!<>=()[]{},$")


def tokenize(text: str) -> list[str]:
    """Return the tokens of a filter and ``END``; a character that starts no token is one of its own.

    raises  FilterError for far more tokens than ``FILTER_NODES`` terms can have, before they fill the memory
    """
    most = TOKENS_A_TERM * limits.FILTER_NODES
    if len(text) <= most:
        return _TOKEN.findall(text)
    tokens = [match[1] for match in islice(_TOKEN.finditer(text), most + 1)]
    if len(tokens) > most:
        raise FilterError(too_many())
    return tokens


def mismatched(text: str, tokens: Sequence[str], index: int, expected: str) -> FilterError:
    """Return the error of the token at ``index``, with line and column of where it starts."""
    token = tokens[index]
    if len(token) == 1 and token not in _SINGLES:
        return refused_at(text, _position(text, index), f"token recognition error at: {token!r}")
    shown = (token if len(token) <= 40 else token[:40] + "...") or "<EOF>"
    return refused_at(text, _position(text, index), f"mismatched input '{shown}' expecting {expected}")


def _position(text: str, index: int) -> int:
    for number, match in enumerate(_TOKEN.finditer(text)):
        if number == index:
            return match.start(1)
    return len(text)


def body(token: str) -> str:
    """Return what stands between the quotes of a string."""
    quote = token[-1]
    return token[token.index(quote) + 1 : -1]


def is_raw(token: str) -> bool:
    """Whether a string takes backslashes as they are."""
    return token[0] in "rR"


def constants(token: str) -> tuple[Scalar, ...]:
    """Return the values of a list of plain constants; FilterError when a number is beyond its type, or for too many."""
    items = token[1:-1].rstrip(" \t\r\n,")
    most = limits.FILTER_NODES
    if items.count(",") >= most and sum(1 for _ in islice(_PLAIN_ITEM.finditer(items), most + 1)) > most:
        raise FilterError(too_many())
    values = _values(items)
    types = set(map(type, values))
    if int in types:
        numbers = values if types == {int} else [value for value in values if type(value) is int]
        for outermost in (min(numbers), max(numbers)):
            if not INT64_MIN <= outermost <= INT64_MAX:  # type: ignore[operator]  # integers alone
                raise FilterError(f"int64 overflow: {outermost}")
    if float in types and (math.inf in values or -math.inf in values):
        raise FilterError("a floating-point literal of the list is beyond the range of doubles")
    return tuple(values)


def _values(items: str) -> list[Scalar]:
    """Read plain constants; with one kind of quotes, and no escapes, they are JSON's."""
    if "'" in items:
        if '"' in items:
            found = _PLAIN_ITEM.findall(items)
            return [literals.number(number) if number else double or single for number, double, single in found]
        items = items.replace("'", '"')
    values: list[Scalar] = json.loads(f"[{items}]", strict=False)
    return values
