"""What a read says of order, and a query of groups: texts, parsed once, with Milvus' phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from elanus.engine.search import Sort
from elanus.model.errors import InvalidParameter
from elanus.server.grpc.keys import GROUP_BY_FIELDS, ORDER_BY_FIELDS

# A quote that is never closed takes all that follows: looking for its end from every place would take forever.
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z))"""
_INSIDE = rf"""\((?:{_QUOTED}|[^()"'])*+\)|\[(?:{_QUOTED}|[^\[\]"'])*+\]"""
_PIECES: Final = re.compile(rf"{_QUOTED}|{_INSIDE}|[^,:]|(?P<sign>[,:])", re.DOTALL)
"""The pieces of a list; commas and colons within quotes and brackets belong to what stands there."""
_HAVING: Final = re.compile(r"(?:^|,)\s*having\s", re.IGNORECASE)
_DIRECTIONS: Final = {"asc": False, "desc": True}
_NULLS: Final = {"nulls_first": True, "nulls_last": False}


def parse_order(pairs: Mapping[str, str]) -> tuple[Sort, ...]:
    """Return what rows are ordered by, nothing for the usual order.

    Each item is ``name``, ``name:direction`` or ``name:direction:nulls``; nulls are last in an ascending order and
    first in a descending one unless it says so.

    raises  InvalidParameter that names what is wrong
    """
    text = pairs.get(ORDER_BY_FIELDS, "").strip()
    return tuple(_sort(split_at(item, ":"), item) for item in split_at(text, ",")) if text else ()


def split_at(text: str, sign: str) -> list[str]:
    """Return the parts between commas or colons that stand outside of quotes and brackets, without blanks around."""
    ends = [match.start() for match in _PIECES.finditer(text) if match["sign"] == sign]
    starts = [0, *(end + 1 for end in ends)]
    return [text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True)]


def _sort(parts: list[str], item: str) -> Sort:
    name, direction, nulls = (*parts, "", "")[:3]
    if not name or len(parts) > 3:
        raise InvalidParameter(f"invalid order_by item '{item}', expected field:direction:nulls")
    descending = _DIRECTIONS.get(direction.lower() or "asc")
    if descending is None:
        raise InvalidParameter(f"invalid order direction '{direction}' for field '{name}', expected 'asc' or 'desc'")
    nulls_first = _NULLS.get(nulls.lower(), descending if not nulls else None)
    if nulls_first is None:
        raise InvalidParameter(
            f"invalid null order '{nulls}' for field '{name}', expected 'nulls_first' or 'nulls_last'"
        )
    return Sort(name, descending, nulls_first)


def parse_groups(pairs: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return what the rows of a query are grouped by, and the filter of groups, empty for none.

    The filter is the last item of the list and begins with ``having``: clients pass no other parameter on.
    """
    text = pairs.get(GROUP_BY_FIELDS, "").strip()
    keys, having = (*_HAVING.split(text, maxsplit=1), "")[:2]
    return tuple(split_at(keys, ",")) if keys.strip() else (), having.strip()
