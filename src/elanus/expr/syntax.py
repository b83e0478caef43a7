"""What reading a text can refuse, and what it says."""

from __future__ import annotations

from elanus.model import limits
from elanus.model.errors import InvalidParameter

SHOWN_CHARACTERS = 4096
TOO_DEEP = f"the expression nests deeper than {limits.FILTER_DEPTH} levels"


class FilterError(Exception):
    """A filter cannot be parsed or bound; the message is the detail that users read. Never leaves the package."""


def too_many() -> str:
    """Return what a filter with too many terms is told."""
    return f"the expression has more than {limits.FILTER_NODES} terms"


def refused_at(text: str, position: int, message: str) -> FilterError:
    """Return the error of a syntax fault, with line (from 1) and column (from 0) as ANTLR's parsers count them."""
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1)
    return FilterError(f"line {line}:{column} {message}")


def failure(text: str, error: FilterError) -> InvalidParameter:
    """Return the error that leaves the package; a very long filter is shown up to its first characters."""
    return InvalidParameter(f"cannot parse expression: {shown(text)}, error: {error}")


def shown(text: str) -> str:
    """Return a filter as messages show it: valid UTF-8, cut behind ``SHOWN_CHARACTERS``."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
    return short.encode("utf-8", "replace").decode("utf-8")
