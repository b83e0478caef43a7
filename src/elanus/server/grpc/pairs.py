"""Key-value pairs between wire and engine, and the numbers and booleans that clients write into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from elanus.model.errors import InvalidParameter
from elanus.model.params import parse_bool
from elanus.model.schema import Pairs
from elanus.server.grpc import messages as pb

_OFF: Final = ("", "false", "0", "[]", "none")


def pairs_from(entries: Iterable[Any]) -> Pairs:
    """Return ``KeyValuePair`` messages as pairs, in order."""
    return tuple((entry.key, entry.value) for entry in entries)


def pairs_to(pairs: Pairs) -> list[Any]:
    """Return pairs as ``KeyValuePair`` messages."""
    return [pb.KeyValuePair(key=key, value=value) for key, value in pairs]


def parse_int(key: str, text: str) -> int:
    """Return the integer that a pair's value spells in plain digits."""
    try:
        if text.isascii() and "_" not in text:
            return int(text)
    except ValueError:
        pass
    raise InvalidParameter(f"{key} [{text}] is invalid: the value for {key} must be an integer")


def parse_flag(pairs: Mapping[str, str], key: str) -> bool:
    """Return whether a pair switches something on; without one, or with an empty one, it is off."""
    return parse_bool(key, pairs.get(key) or "false")


def is_asked(pairs: Mapping[str, str], *keys: str) -> bool:
    """Whether one of some pairs asks for anything: its value is not "false", 0, "none", an empty list or nothing."""
    return any(pairs.get(key, "").strip().lower() not in _OFF for key in keys)


def unavailable(what: str) -> InvalidParameter:
    """Return the refusal of a feature that this server doesn't have."""
    return InvalidParameter(f"{what} is not available yet")
