"""Search and query parameters: key-value strings parsed once, with Milvus' limits and phrases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from elanus.collection.properties import check_timezone
from elanus.engine.search import GroupBy, Sort
from elanus.model import limits
from elanus.model.errors import InvalidParameter
from elanus.model.params import parse_bool
from elanus.server.grpc.grouping import parse_group_by
from elanus.server.grpc.instants import parse_time_fields
from elanus.server.grpc.keys import PROFILE, RECALL, SEARCH_KEYS, SEARCH_UNAVAILABLE
from elanus.server.grpc.ordering import parse_groups, parse_order
from elanus.server.grpc.pairs import is_asked, parse_int, unavailable


@dataclass(frozen=True, slots=True)
class SearchParams:
    """The parameters of a search. ``index`` are those of its index, values from JSON or as strings.

    timezone     where local times are, empty for the collection's
    time_fields  parts of instants that are returned in place of texts
    group        how hits are put in groups, None when they aren't
    profile      whether the reply says what the search did
    recall       whether it says what the search missed
    order        what hits are ordered by, nothing for their scores
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
    group: GroupBy | None = None
    profile: bool = False
    recall: bool = False
    order: tuple[Sort, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryParams:
    """The parameters of a query; ``limit`` is None for all rows, the others are as of ``QueryRequest``."""

    limit: int | None
    offset: int
    ignore_growing: bool
    timezone: str = ""
    time_fields: tuple[str, ...] = ()
    order: tuple[Sort, ...] = ()
    group_by: tuple[str, ...] = ()
    having: str = ""


def parse_search(pairs: Mapping[str, str]) -> SearchParams:
    """Return the parameters of a search; raises InvalidParameter that names key, value and range."""
    for key in SEARCH_UNAVAILABLE:
        if is_asked(pairs, key):
            raise unavailable(f"search with {key}")
    topk = _topk(pairs)
    return SearchParams(
        anns_field=pairs.get("anns_field", ""),
        topk=topk,
        offset=_offset(pairs, topk),
        metric=pairs.get("metric_type", ""),
        round_decimal=parse_round_decimal(pairs),
        ignore_growing=_ignore_growing(pairs),
        index=_index_params(pairs),
        timezone=_timezone(pairs),
        time_fields=parse_time_fields(pairs.get("time_fields", "")),
        group=parse_group_by(pairs),
        profile=_flag(pairs, PROFILE),
        recall=_flag(pairs, RECALL),
        order=parse_order(pairs),
    )


def parse_query(pairs: Mapping[str, str]) -> QueryParams:
    """Return the parameters of a query; raises InvalidParameter that names key, value and range."""
    limit = _integer(pairs, "limit") if pairs.get("limit") else None
    offset = _integer(pairs, "offset", "0")
    check_window(limit, offset)
    group_by, having = parse_groups(pairs)
    return QueryParams(
        limit=limit,
        offset=offset,
        ignore_growing=_ignore_growing(pairs),
        timezone=_timezone(pairs),
        time_fields=parse_time_fields(pairs.get("time_fields", "")),
        order=parse_order(pairs),
        group_by=group_by,
        having=having,
    )


def _flag(pairs: Mapping[str, str], key: str) -> bool:
    """Return a switch that may be written beside the parameters of the index or among them."""
    return parse_bool(key, pairs.get(key) or _object(pairs.get("params", "")).get(key) or "false")


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


def check_window(limit: int | None, offset: int) -> None:
    """Raise InvalidParameter unless a page may be asked for; ``limit`` is None for all rows."""
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


def parse_round_decimal(pairs: Mapping[str, str]) -> int:
    """Return to how many decimals scores are rounded, -1 for not at all."""
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
    flat: dict[str, Any] = {key: value for key, value in pairs.items() if key not in SEARCH_KEYS}
    nested = _object(pairs.get("params", ""))
    return flat | {key: value for key, value in nested.items() if key not in SEARCH_KEYS}


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
