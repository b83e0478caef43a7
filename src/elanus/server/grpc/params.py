"""Search and query parameters: key-value strings parsed once, with Milvus' limits and phrases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from elanus.collection.properties import check_timezone
from elanus.engine.search import Consistency
from elanus.model import limits
from elanus.model.errors import InvalidParameter
from elanus.model.params import parse_bool
from elanus.model.types import Level
from elanus.server.grpc.instants import parse_time_fields
from elanus.server.grpc.pairs import parse_int, unavailable

# Keys of a search that are no parameters of its index.
SEARCH_KEYS = frozenset(
    {
        "anns_field",
        "topk",
        "limit",
        "params",
        "metric_type",
        "round_decimal",
        "offset",
        "ignore_growing",
        "timezone",
        "time_fields",
        "page_retain_order",
    }
)
# Asking for one of these with a value other than "False", 0 or nothing is refused.
SEARCH_UNAVAILABLE = (
    "iterator",
    "search_iter_v2",
    "group_by_field",
    "group_by_fields",
    "order_by_fields",
    "analyzer_name",
)
QUERY_UNAVAILABLE = ("iterator", "group_by_fields", "order_by_fields", "query_iter_last_pk")
OFF = ("", "false", "0", "[]", "none")


@dataclass(frozen=True, slots=True)
class SearchParams:
    """The parameters of a search. ``index`` are those of its index, values from JSON or as strings.

    timezone     where local times are, empty for the collection's
    time_fields  parts of instants that are returned in place of texts
    """

    anns_field: str
    topk: int
    offset: int
    metric: str
    round_decimal: int
    ignore_growing: bool
    index: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = ""
    time_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryParams:
    """The parameters of a query; ``limit`` is None for all rows, the others are as of a search."""

    limit: int | None
    offset: int
    ignore_growing: bool
    timezone: str = ""
    time_fields: tuple[str, ...] = ()


def parse_search(pairs: Mapping[str, str]) -> SearchParams:
    """Return the parameters of a search; raises InvalidParameter that names key, value and range."""
    _refuse(pairs, SEARCH_UNAVAILABLE, "search")
    topk = _topk(pairs)
    return SearchParams(
        anns_field=pairs.get("anns_field", ""),
        topk=topk,
        offset=_offset(pairs, topk),
        metric=pairs.get("metric_type", ""),
        round_decimal=_round_decimal(pairs),
        ignore_growing=_ignore_growing(pairs),
        index=_index_params(pairs),
        timezone=_timezone(pairs),
        time_fields=parse_time_fields(pairs.get("time_fields", "")),
    )


def parse_query(pairs: Mapping[str, str]) -> QueryParams:
    """Return the parameters of a query; raises InvalidParameter that names key, value and range."""
    _refuse(pairs, QUERY_UNAVAILABLE, "query")
    limit = _integer(pairs, "limit") if pairs.get("limit") else None
    offset = _integer(pairs, "offset", "0")
    _check_window(limit, offset)
    time_fields = parse_time_fields(pairs.get("time_fields", ""))
    return QueryParams(limit, offset, _ignore_growing(pairs), _timezone(pairs), time_fields)


def consistency(request: Any) -> Consistency:
    """Return which writes a read must see; explains the guarantee timestamps that older clients send alone."""
    guarantee = request.guarantee_timestamp
    if request.use_default_consistency:
        return Consistency(None, guarantee)
    level = parse_level(request.consistency_level)
    if level is Level.STRONG and guarantee:
        legacy = {1: Level.EVENTUALLY, 2: Level.BOUNDED}
        level = legacy.get(guarantee, Level.CUSTOMIZED)
    named = level in (Level.SESSION, Level.CUSTOMIZED)
    return Consistency(level, guarantee if named else 0)


def parse_level(number: int) -> Level:
    """Return the consistency level of a number on the wire."""
    try:
        return Level(number)
    except ValueError:
        raise InvalidParameter(f"consistency level {number} should be in range [0, 4]") from None


def _refuse(pairs: Mapping[str, str], keys: Collection[str], what: str) -> None:
    for key in keys:
        if pairs.get(key, "").strip().lower() not in OFF:
            raise unavailable(f"{what} with {key}")


def _integer(pairs: Mapping[str, str], key: str, default: str = "") -> int:
    return parse_int(key, pairs.get(key, default))


def _topk(pairs: Mapping[str, str]) -> int:
    if "topk" not in pairs and "limit" not in pairs:
        raise InvalidParameter("topk not found in search_params")
    topk = _integer(pairs, "topk" if "topk" in pairs else "limit")
    if not 1 <= topk <= limits.TOP_K:
        span = f"it should be in range [1, {limits.TOP_K}]"
        raise InvalidParameter(f"topk [{topk}] is invalid, {span}, but got {topk}")
    return topk


def _offset(pairs: Mapping[str, str], topk: int) -> int:
    offset = _integer(pairs, "offset", "0")
    span = f"it should be in range [1, {limits.TOP_K}]"
    if not 0 <= offset <= limits.TOP_K:
        raise InvalidParameter(f"offset [{offset}] is invalid, {span}, but got {offset}")
    if offset + topk > limits.TOP_K:
        raise InvalidParameter(f"offset+topk [{offset + topk}] is invalid, {span}, but got {offset + topk}")
    return offset


def _check_window(limit: int | None, offset: int) -> None:
    if limit is not None and limit <= 0:
        raise InvalidParameter(f"limit [{limit}] is invalid, should be greater than 0")
    if offset < 0:
        raise InvalidParameter(f"offset [{offset}] is invalid, should be gte than 0")
    window = offset + (limit or 0)
    if window > limits.TOP_K:
        raise InvalidParameter(
            f"invalid max query result window, (offset+limit) should be in range [1, {limits.TOP_K}], but got {window}"
        )


def check_nq(nq: int) -> None:
    """Raise InvalidParameter unless there may be so many queries."""
    if not 1 <= nq <= limits.NQ:
        raise InvalidParameter(
            f"nq [{nq}] is invalid, nq (number of search vector per search request) "
            f"should be in range [1, {limits.NQ}], but got {nq}"
        )


def _round_decimal(pairs: Mapping[str, str]) -> int:
    text, top = pairs.get("round_decimal", "-1"), limits.ROUND_DECIMAL_MAX
    try:
        value = int(text)
    except ValueError:
        value = top + 1
    if not -1 <= value <= top:
        raise InvalidParameter(f"round_decimal [{text}] is invalid, should be -1 or an integer in range [0, {top}]")
    return value


def _ignore_growing(pairs: Mapping[str, str]) -> bool:
    try:
        return parse_bool("ignore_growing", pairs.get("ignore_growing", "false") or "false")
    except InvalidParameter as error:
        raise InvalidParameter(f"parse ignore growing field failed, {error}") from None


def _timezone(pairs: Mapping[str, str]) -> str:
    name = pairs.get("timezone", "")
    if name:
        check_timezone(name)
    return name


def _index_params(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Return what is meant for the index: the ``params`` object over keys written beside it."""
    known = SEARCH_KEYS.union(SEARCH_UNAVAILABLE)
    flat: dict[str, Any] = {key: value for key, value in pairs.items() if key not in known}
    nested = _object(pairs.get("params", ""))
    return flat | {key: value for key, value in nested.items() if key not in known}


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"search params [{text}] is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidParameter(f"search params [{text}] should be a JSON object")
    return value
