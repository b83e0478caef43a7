"""Pages of iterators: which requests are one, and what they ask beside a search or query of its own."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elanus.engine.search import ElementCursor, Iteration
from elanus.model import limits
from elanus.model.errors import InvalidParameter
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.keys import (
    BATCH_SIZE,
    COLLECTION_ID,
    GROUP_BY_FIELD,
    GROUP_BY_FIELDS,
    ITERATOR,
    LAST_BOUND,
    LAST_ELEMENT,
    LAST_KEY,
    ORDER_BY_FIELDS,
    SEARCH_ITERATOR_V2,
    TOKEN,
)
from elanus.server.grpc.pairs import is_asked, parse_flag, parse_int


def search_page(request: Any, pairs: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments by which a search is a page of an iterator; none when it stands alone.

    Iterators of the first version are range searches of their own, which all see the same rows. Those of the second
    say where they stand.

    raises  InvalidParameter for what iterators don't go with
    """
    asked = parse_flag(pairs, ITERATOR)
    # No page is asked for twice: neither what it means nor its plan is worth keeping under its own bytes.
    found = _pinned(request, pairs, asked=asked) | ({"plan_key": None} if asked else {})
    if not parse_flag(pairs, SEARCH_ITERATOR_V2):
        if asked and is_asked(pairs, ORDER_BY_FIELDS):
            raise InvalidParameter("ORDER BY with iterator is not supported")
        return found
    if not asked:
        raise InvalidParameter(f"both {ITERATOR} and {SEARCH_ITERATOR_V2} must be set in the SDK")
    _check_alone(request, pairs)
    iteration = Iteration(_token(pairs), _bound(pairs))
    return found | {"iteration": iteration, "limit": _batch_size(pairs)}


def query_page(request: Any, pairs: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments by which a query is a page of an iterator; none when it stands alone."""
    asked = parse_flag(pairs, ITERATOR)
    if asked and is_asked(pairs, ORDER_BY_FIELDS):
        raise InvalidParameter("ORDER BY with iterator is not supported")
    return _pinned(request, pairs, asked=asked) | _after(pairs, asked=asked)


def _pinned(request: Any, pairs: Mapping[str, str], *, asked: bool) -> dict[str, Any]:
    identity = parse_int(COLLECTION_ID, pairs.get(COLLECTION_ID) or "0")
    # A client that looks for the place to begin at names the moment, though it says that it doesn't iterate.
    if not asked and not (identity and request.guarantee_timestamp):
        return {"identity": identity} if identity else {}
    seen = replace(parse_consistency(request), guarantee=request.guarantee_timestamp, pinned=True)
    return {"identity": identity, "consistency": seen}


def _check_alone(request: Any, pairs: Mapping[str, str]) -> None:
    if is_asked(pairs, "offset"):
        raise InvalidParameter("Setting an offset is not permitted when using a search iterator v2")
    if is_asked(pairs, GROUP_BY_FIELD, GROUP_BY_FIELDS):
        raise InvalidParameter("GroupBy is not permitted when using a search iterator")
    if is_asked(pairs, ORDER_BY_FIELDS):
        raise InvalidParameter("ORDER BY with iterator is not supported")
    if request.HasField("search_aggregation"):
        raise InvalidParameter("search iterator is not supported with search_aggregation")
    if request.HasField("function_score") or request.function_chains:
        raise InvalidParameter("don't support use segment scorer with group_by or search_iterator")
    if request.nq > 1:
        raise InvalidParameter("search iterator does not support processing multiple vectors simultaneously")


def _token(pairs: Mapping[str, str]) -> str:
    token = pairs.get(TOKEN, "")
    if token:
        try:
            uuid.UUID(token)
        except ValueError:
            raise InvalidParameter("invalid token format") from None
    return token


def _bound(pairs: Mapping[str, str]) -> float | None:
    text = pairs.get(LAST_BOUND, "")
    if not text:
        return None
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise InvalidParameter(f"failed to parse input last bound, {LAST_BOUND}: {text}")
    return bound


def _batch_size(pairs: Mapping[str, str]) -> int:
    text = pairs.get(BATCH_SIZE, "")
    if not text:
        raise InvalidParameter("batch size is required")
    size = parse_int(BATCH_SIZE, text)
    if not 1 <= size <= limits.TOP_K:
        span = f"it should be in range [1, {limits.TOP_K}]"
        raise InvalidParameter(f"batch size is invalid, {span}, but got {size}")
    return size


def _after(pairs: Mapping[str, str], *, asked: bool) -> dict[str, Any]:
    """Return after which element the page begins, where elements are iterated over."""
    given = [key for key in (LAST_KEY, LAST_ELEMENT) if pairs.get(key, "")]
    if not given:
        return {}
    if len(given) == 1 or not asked:
        raise InvalidParameter(f"{LAST_KEY} and {LAST_ELEMENT} go together, and only with {ITERATOR}")
    return {"after": ElementCursor(pairs[LAST_KEY], parse_int(LAST_ELEMENT, pairs[LAST_ELEMENT]))}
