"""Key-value pairs between wire and engine, and the numbers and booleans that clients write into them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from elanus.model.errors import InvalidParameter
from elanus.model.schema import Pairs
from elanus.server.grpc import messages as pb


def pairs_from(entries: Iterable[Any]) -> Pairs:
    """Return ``KeyValuePair`` messages as pairs, in order."""
    return tuple((entry.key, entry.value) for entry in entries)


def pairs_to(pairs: Pairs) -> list[Any]:
    """Return pairs as ``KeyValuePair`` messages."""
    return [pb.KeyValuePair(key=key, value=value) for key, value in pairs]


def parse_int(key: str, text: str) -> int:
    """Return the integer that a pair's value spells, nothing around it."""
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(f"{key} [{text}] is invalid: the value for {key} must be an integer") from None


def unavailable(what: str) -> InvalidParameter:
    """Return the refusal of a feature that this server doesn't have."""
    return InvalidParameter(f"{what} is not available yet")
