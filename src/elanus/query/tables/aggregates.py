"""Aggregates as a query names them: figures of rows, and groups of rows between bounds, from their texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from elanus.query.grouping.spec import EVERY_HIT, Measuring
from elanus.query.request import QueryRequest

_CALL: Final = re.compile(r"(count|sum|avg|min|max)\s*\(([^()]*)\)", re.IGNORECASE)
_DISTINCT: Final = re.compile(r"distinct\s", re.IGNORECASE)
_HISTOGRAM: Final = re.compile(r"histogram\s*\(([^(),]*),([^(),]*)\)", re.IGNORECASE)
# A quote that is never closed takes all that follows.
_IN_HAVING: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)"""
    r"|(?P<call>\b(?:count|sum|avg|min|max|histogram)\s*\([^()]*\))",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A figure of rows. ``source`` is a field, or ``*`` for a count of rows; ``distinct`` counts different values."""

    measuring: Measuring
    source: str
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """Groups of rows whose values of a numeric field lie between equally distant bounds; ``width`` as it was written.

    A group's value is its lower bound, a multiple of the width.
    """

    source: str
    width: str


ROWS: Final = Aggregate(Measuring.COUNT, EVERY_HIT)


def parse_aggregate(text: str) -> Aggregate | None:
    """Return the figure that a text such as ``count(*)``, ``sum(price)`` or ``count(distinct color)`` names, if any."""
    match = _CALL.fullmatch(text.strip())
    if match is None:
        return None
    source = match[2].strip()
    distinct = _DISTINCT.match(source)
    return Aggregate(
        Measuring(match[1].lower()), source[distinct.end() :].strip() if distinct else source, distinct is not None
    )


def asks_for_figures(request: QueryRequest) -> bool:
    """Whether a query asks for figures or groups in place of rows."""
    return bool(request.group_by or request.having) or any(map(parse_aggregate, request.output_fields))


def parse_histogram(text: str) -> Histogram | None:
    """Return the groups that a text such as ``histogram(price, 10)`` names, if any."""
    match = _HISTOGRAM.fullmatch(text.strip())
    return None if match is None else Histogram(match[1].strip(), match[2].strip())


def replace_calls(having: str, name_of: Callable[[str], str]) -> str:
    """Return a filter of groups with another name for each aggregate and histogram that stands outside of quotes."""
    return _IN_HAVING.sub(lambda match: match[0] if match["call"] is None else name_of(match["call"]), having)
