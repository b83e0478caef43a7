"""Text to tokens, in one pass of one regular expression.

Long lists of plain integers or strings come as one token: an ``in`` of a hundred thousand values costs two scans of its
text, not a token for each value and comma.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from elanus.expr.literals import INT64_MAX, INT64_MIN
from elanus.expr.syntax import FilterError, refused_at

INT, FLOAT, STRING, RAW, WORD, INTS, STRINGS, OP, NULL_TEST, END = (
    "INT", "FLOAT", "STRING", "RAW", "WORD", "INTS", "STRINGS", "OP", "NULL_TEST", "END"
)  # fmt: skip

_S = r"[ \t\r\n]*+"
_DOUBLE = r'"(?:[^"\\\r\n]++|\\[^\r\n])*+"'
_SINGLE = r"'(?:[^'\\\r\n]++|\\[^\r\n])*+'"
_QUOTED = rf"(?:{_DOUBLE}|{_SINGLE})"
_DECIMAL = r"-?(?:0(?![0-9xXbB.eE])|[1-9][0-9]{0,18}+(?![0-9.eE]))"
_PLAIN_STRING = r"""(?:"[^"\\\r\n]*+"|'[^'\\\r\n]*+')"""

_TOKEN = re.compile(
    rf"""
    (?P<SPACE>[ \t\r\n]++)
  | (?P<NULL_TEST>(?i:is[ \t\r\n]++(?:not[ \t\r\n]++)?null)(?![A-Za-z0-9_]))
  | (?P<RAW>[rR]{_QUOTED})
  | (?P<STRING>(?:u8|[uUL])?{_QUOTED})
  | (?P<WORD>[A-Za-z_][A-Za-z0-9_]*+ | \$meta(?![A-Za-z0-9_]))
  | (?P<FLOAT>0[xX](?:[0-9a-fA-F]++\.?[0-9a-fA-F]*+|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++
        | (?:[0-9]++\.[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?
        | [0-9]++[eE][+-]?[0-9]++)
  | (?P<INT>0[xX][0-9a-fA-F]++ | 0[bB][01]++ | 0[0-7]*+ | [1-9][0-9]*+)
  | (?P<INTS>\[{_S}{_DECIMAL}{_S},(?:{_S}{_DECIMAL}{_S},)*+{_S}(?:{_DECIMAL}{_S})?\])
  | (?P<STRINGS>\[{_S}{_PLAIN_STRING}{_S},(?:{_S}{_PLAIN_STRING}{_S},)*+{_S}(?:{_PLAIN_STRING}{_S})?\])
  | (?P<OP>\*\*|<<|>>|<=|>=|==|!=|=~|!~|&&|\|\||[-+*/%&|^~!<>=()\[\]{{}},$])
  | (?P<BAD>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """kind, the text as written, and where it starts."""

    kind: str
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a filter, the last one of kind ``END``.

    raises  FilterError with line and column at the first character that starts no token
    """
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "SPACE":
            continue
        if kind is None or kind == "BAD":
            raise refused_at(text, match.start(), f"token recognition error at: {match[0]!r}")
        tokens.append(Token(kind, match[0], match.start()))
    tokens.append(Token(END, "<EOF>", len(text)))
    return tokens


_STRING_BODY = re.compile(r"""\"([^\"]*)\"|'([^']*)'""")


def integers(token: Token) -> tuple[int, ...]:
    """Return the values of an ``INTS`` token; FilterError when one is beyond int64."""
    values = tuple(map(int, token.text[1:-1].rstrip(" \t\r\n,").split(",")))
    if max(values) > INT64_MAX or min(values) < INT64_MIN:
        raise FilterError(f"int64 overflow: {max(values, key=abs)}")
    return values


def strings(token: Token) -> tuple[str, ...]:
    """Return the values of a ``STRINGS`` token."""
    return tuple(double or single for double, single in _STRING_BODY.findall(token.text))


def body(token: Token) -> str:
    """Return what stands between the quotes of a ``STRING`` or ``RAW`` token."""
    start = min(position for position in (token.text.find('"'), token.text.find("'")) if position >= 0)
    return token.text[start + 1 : -1]
