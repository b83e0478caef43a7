"""How hits are ranked: rank parameters and function scores, from the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from elanus.engine.search import GroupBy, Rerank, RerankFunction, Sort
from elanus.model.errors import InvalidParameter, MissingParameter
from elanus.server.grpc.grouping import parse_group_by, parse_group_scorer
from elanus.server.grpc.keys import ITERATOR, SEARCH_ITERATOR_V2
from elanus.server.grpc.ordering import parse_order
from elanus.server.grpc.pairs import pairs_from, parse_flag, parse_int
from elanus.server.grpc.params import check_window, parse_round_decimal

RERANK = 3
"""Number of the function type."""
STRATEGIES = ("rrf", "weighted")
ITERATORS = {SEARCH_ITERATOR_V2: "search iterator v2", ITERATOR: "search iterator"}


@dataclass(frozen=True, slots=True)
class RankParams:
    """The rank parameters of a hybrid search.

    function  the ranker that they name, None for none
    """

    limit: int
    offset: int
    round_decimal: int
    function: RerankFunction | None
    group: GroupBy | None
    group_scorer: str
    order: tuple[Sort, ...]


def parse_rank_params(pairs: Mapping[str, str]) -> RankParams:
    """Return the rank parameters; raises InvalidParameter that names key, value and range."""
    if "limit" not in pairs:
        raise MissingParameter("limit not found in rank_params")
    limit, offset = parse_int("limit", pairs["limit"]), parse_int("offset", pairs.get("offset", "0"))
    check_window(limit, offset)
    return RankParams(
        limit=limit,
        offset=offset,
        round_decimal=parse_round_decimal(pairs),
        function=_strategy(pairs),
        group=parse_group_by(pairs),
        group_scorer=parse_group_scorer(pairs),
        order=parse_order(pairs),
    )


def _strategy(pairs: Mapping[str, str]) -> RerankFunction | None:
    name = pairs.get("strategy", "").strip('"')
    if not name:
        return None
    if name not in STRATEGIES:
        raise InvalidParameter(f"unsupported rank type {name}")
    text = pairs.get("params", "") or "{}"
    try:
        params = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"rank params [{text}] is no JSON: {error}") from None
    if not isinstance(params, dict):
        raise InvalidParameter(f"rank params [{text}] should be a JSON object")
    return RerankFunction(name, params=params)


def check_route(request: Any, pairs: Mapping[str, str]) -> None:
    """Raise InvalidParameter where a route of a hybrid search asks for what only a search of its own can do."""
    if request.HasField("highlighter"):
        raise InvalidParameter("not support hybrid search with highlight now")
    if request.HasField("search_aggregation"):
        raise InvalidParameter("search_aggregation is not supported for hybrid search")
    if request.function_chains:
        raise InvalidParameter("function_chains is not supported for hybrid search yet")
    for key, what in ITERATORS.items():
        if parse_flag(pairs, key):
            raise InvalidParameter(f"{what} is not supported for hybrid search")


def parse_function_score(message: Any) -> Rerank:
    """Return the rerank functions of a ``FunctionScore``.

    raises  InvalidParameter or MissingParameter for a function that is no reranker, and for two that are no boosts
    """
    rerank = Rerank(tuple(_function(function) for function in message.functions), dict(pairs_from(message.params)))
    if len(rerank.functions) - len(rerank.boosts) > 1:
        raise InvalidParameter("currently only supports one rerank function besides boosts")
    return rerank


def _function(message: Any) -> RerankFunction:
    if message.type != RERANK:
        raise InvalidParameter(f"function {message.name} is no rerank function: its type is {message.type}")
    if message.output_field_names:
        raise InvalidParameter(f"rerank function {message.name} should not have output field")
    params = {key.lower(): value for key, value in pairs_from(message.params)}
    kind = params.pop("reranker", "").lower()
    if not kind:
        raise MissingParameter("reranker name not specified")
    return RerankFunction(kind, message.name, tuple(message.input_field_names), params)
