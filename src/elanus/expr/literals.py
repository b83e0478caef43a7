"""Constants as they are written: numbers, strings with their escapes, lists of plain constants."""

from __future__ import annotations

import math
import re

from elanus.expr.syntax import FilterError

Scalar = bool | int | float | str

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[\\\"'abfnrtv])|(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<other>.|\Z))",
    re.DOTALL,
)
_KEY_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_PLAIN = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34, "'": 39}


def number(text: str) -> int | float:
    """Return a numeric literal's value; decimal ones may have a minus in front."""
    if text.isdecimal() and (len(text) == 1 or text[0] != "0") and len(text) < 19:
        return int(text)
    return floating(text) if _FLOATING.search(text) else integer(text)


_FLOATING = re.compile(r"^-?[0-9]*[.eE]|[pP]")


def integer(text: str) -> int:
    """Return an integer literal's value: decimal, ``0`` octal, ``0x`` or ``0b``; at most 2**63."""
    lowered = text.lower()
    if lowered.startswith("0x"):
        value = int(lowered, 16)
    elif lowered.startswith("0b"):
        value = int(lowered, 2)
    elif len(text) > 1 and text[0] == "0":
        value = int(text, 8)
    elif len(text) > 20:  # longer than any int64, and slow to convert
        raise FilterError(f"int64 overflow: {text[:40]}")
    else:
        value = int(text)
    if value > INT64_MAX + 1:
        raise FilterError(f"int64 overflow: {text[:40]}")
    return value


def floating(text: str) -> float:
    """Return a float literal's value, decimal or hexadecimal; one beyond the range of doubles is refused."""
    try:
        value = float.fromhex(text) if text[:2] in ("0x", "0X") else float(text)
    except (OverflowError, ValueError):
        value = math.inf
    if math.isinf(value):
        raise FilterError(f"floating-point literal is beyond the range of doubles: {text[:40]}")
    return value


def string(body: str) -> str:
    """Return the text of a string literal between its quotes, C escapes resolved."""
    return _resolve(body) if "\\" in body else body


def regex_string(body: str) -> str:
    """Return a pattern's text: only a doubled backslash and an escaped quote collapse."""
    return re.sub(r"\\([\\\"'])", r"\1", body) if "\\" in body else body


def key(body: str) -> str:
    """Return the key that a path's string names: nothing but ``\\uXXXX`` is resolved."""
    if "\\" not in body:
        return body
    resolved = _KEY_ESCAPE.sub(lambda match: chr(int(match[1], 16)), body)
    try:
        return resolved.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise FilterError(f"invalid escape sequence in key: {body[:40]}") from None


def _resolve(body: str) -> str:
    parts = []
    position = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[position : match.start()].encode())
        parts.append(_bytes_of(match))
        position = match.end()
    parts.append(body[position:].encode())
    try:
        return b"".join(parts).decode()
    except UnicodeDecodeError:
        raise FilterError(f"string is not valid UTF-8: {body[:40]}") from None


def _bytes_of(match: re.Match[str]) -> bytes:
    if match["other"] is not None:
        raise FilterError(f"invalid escape sequence: {match[0]}")
    if match["plain"]:
        return bytes([_PLAIN[match["plain"]]])
    if match["octal"] or match["hex"]:
        value = int(match["octal"], 8) if match["octal"] else int(match["hex"], 16)
        if value > 255:
            raise FilterError(f"invalid escape sequence: {match[0]}")
        return bytes([value])
    code = int(match["short"] or match["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise FilterError(f"invalid escape sequence: {match[0]}")
    return chr(code).encode()
