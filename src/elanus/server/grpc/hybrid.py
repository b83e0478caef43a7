"""Hybrid search: several search requests and how their hits are ranked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import DecodeError

from elanus._native.codec import split_message
from elanus.engine import hybrid as engine
from elanus.engine.search import Rerank, SearchRequest, Sort
from elanus.model.errors import InvalidParameter
from elanus.model.limits import SUB_SEARCHES
from elanus.server.grpc import messages as pb
from elanus.server.grpc import search
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.keys import PROFILE
from elanus.server.grpc.pairs import pairs_from, parse_flag, unavailable
from elanus.server.grpc.ranking import RankParams, parse_function_score, parse_rank_params
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.search import Shape, encode_result, parse_asked, queries_of, shape_of

REQUESTS = 5


@dataclass(frozen=True, slots=True)
class HybridAsked:
    """A hybrid search: the request without its sub-requests, still bytes, and those."""

    rest: bytes
    requests: tuple[search.Asked, ...]


@dataclass(frozen=True, slots=True)
class HybridShape:
    """What a hybrid search without its vectors means.

    arguments  those of the command, its routes left out
    """

    arguments: Mapping[str, Any]
    routes: tuple[Shape, ...]
    collection: str


SHAPES: dict[Hashable, HybridShape] = {}


def parse_routes(body: bytes) -> HybridAsked:
    """Return a serialized ``HybridSearchRequest`` cut into itself and its routes."""
    rest, spans = split_message(body, REQUESTS)
    return HybridAsked(rest, tuple(parse_asked(body[slice(*span)]) for span in spans))


@rpc("HybridSearch", pb.HybridSearchRequest, pb.SearchResults, parse=parse_routes)
def hybrid_search(asked: HybridAsked, call: Call) -> bytes:
    """Find rows on several routes and rank them together."""
    shape = shape_of_routes(asked, call)
    command = command_of(asked, shape)
    return encode_result(call.run(command), command.limit, shape.collection, shape.routes[0].time_fields)


def command_of(asked: HybridAsked, shape: HybridShape, **others: Any) -> engine.Hybrid:
    """Return the command that a request gives; ``others`` are arguments that stand in place of its own."""
    routes = tuple(_route(part, route) for part, route in zip(asked.requests, shape.routes, strict=True))
    return engine.Hybrid(routes=routes, **{**shape.arguments, **others})


def _route(part: search.Asked, shape: Shape) -> SearchRequest:
    return SearchRequest(queries=queries_of(part, shape), ids=shape.ids, **shape.arguments)


def shape_of_routes(asked: HybridAsked, call: Call) -> HybridShape:
    """Return what a request means, kept from the last time it was asked."""
    parts = (asked.rest, *(part.rest for part in asked.requests))
    if sum(map(len, parts)) > search.MAX_SHAPE_BYTES:
        return _shape(asked, call, None)
    key = (call.database(), parts)
    shape = SHAPES.get(key)
    if shape is None:
        if len(SHAPES) >= search.MAX_SHAPES:
            SHAPES.clear()
        shape = SHAPES[key] = _shape(asked, call, parts)
    return shape


def _shape(asked: HybridAsked, call: Call, plan_key: Hashable) -> HybridShape:
    try:
        request = pb.HybridSearchRequest.FromString(asked.rest)
    except DecodeError as error:
        raise InvalidParameter(f"the hybrid search request can't be read: {error}") from None
    if request.function_chains:
        raise InvalidParameter("function_chains is not supported for hybrid search yet")
    if request.HasField("namespace"):
        raise unavailable("hybrid search with namespace")
    pairs = dict(pairs_from(request.rank_params))
    ranks = parse_rank_params(pairs)
    routes = _routes(asked.requests, ranks.limit, call)
    arguments = {
        "collection": call.collection(request),
        "limit": ranks.limit,
        "offset": ranks.offset,
        "rerank": _rerank(request, ranks),
        "output_fields": tuple(request.output_fields),
        "partitions": tuple(request.partition_names),
        "round_decimal": ranks.round_decimal,
        "consistency": parse_consistency(request),
        "timezone": routes[0].arguments["timezone"],
        "group": ranks.group,
        "group_scorer": ranks.group_scorer,
        "profile": parse_flag(pairs, PROFILE) or _any_profiled(routes),
        "order": _order(ranks, routes),
        "plan_key": plan_key,
    }
    return HybridShape(arguments, routes, request.collection_name)


def _any_profiled(routes: Sequence[Shape]) -> bool:
    """Whether a route asks what was done; some clients pass parameters on with routes alone."""
    return any(route.arguments["profile"] for route in routes)


def _routes(requests: Sequence[search.Asked], limit: int, call: Call) -> tuple[Shape, ...]:
    if not 1 <= len(requests) <= SUB_SEARCHES:
        raise InvalidParameter(
            f"maximum of ann search requests is {SUB_SEARCHES}, at least one is needed, got {len(requests)}"
        )
    shapes = (shape_of(request, call, route_limit=limit) for request in requests)
    return tuple(
        replace(shape, arguments={key: value for key, value in shape.arguments.items() if key != "collection"})
        for shape in shapes
    )


def _order(ranks: RankParams, routes: Sequence[Shape]) -> tuple[Sort, ...]:
    """Return what the ranked hits are ordered by: as the rank parameters say, or as every sub-request does.

    A client that is asked for an order says it in each sub-request.
    """
    orders = {route.arguments["order"] for route in routes}
    if not ranks.order and len(orders) > 1:
        raise InvalidParameter("order_by_fields should be the same in all sub search requests")
    return ranks.order or orders.pop()


def _rerank(request: Any, ranks: RankParams) -> Rerank:
    """Return the functions that rank; those of a function score stand before the rank parameters'."""
    score = parse_function_score(request.function_score) if request.HasField("function_score") else Rerank()
    if score.main is not None or ranks.function is None:
        return score
    return Rerank((*score.functions, ranks.function), score.params)
