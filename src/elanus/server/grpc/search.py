"""Vector search: a request to a command, hits to a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from elanus._native.codec import encode_floats, encode_longs, split_message, wrap
from elanus.engine import search as engine
from elanus.engine.settled import SearchAgain, SettledResult
from elanus.model.errors import InvalidParameter
from elanus.server.grpc import messages as pb
from elanus.server.grpc.aggregation import check_entries, fill_buckets, parse_aggregation
from elanus.server.grpc.chains import asked_once, parse_chains
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.instants import TimeFormat
from elanus.server.grpc.iterators import search_page
from elanus.server.grpc.outputs import encode_keys, encode_outputs
from elanus.server.grpc.pairs import pairs_from, unavailable
from elanus.server.grpc.params import SearchParams, check_nq, parse_search
from elanus.server.grpc.queries import parse_queries
from elanus.server.grpc.ranking import check_route, parse_function_score
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.templates import template_values

PLACEHOLDER_GROUP = 6
RESULTS = 2
DATA_FIELDS, DATA_SCORES, DATA_IDS = 3, 4, 5
DATA_GROUP, DATA_ELEMENTS, DATA_GROUPS = 8, 15, 17
PROFILE = "profile"
"""The key of a status' extra information under which a report stands."""

UNAVAILABLE_MESSAGES = ("highlighter", "namespace")
UNAVAILABLE_WHEN_SET = ("sub_reqs", "search_by_primary_keys")


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: the request, its bytes without its vectors, and where in it these lie (None without any).

    Clients ask the same with other vectors, so what the rest means is kept in ``SHAPES``.
    """

    body: bytes
    rest: bytes
    vectors: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request without its vectors means.

    arguments  those of the command
    ids        the primary keys that are searched for, None with vectors
    nq         how many vectors the request says it brings
    time_fields  parts of instants that are returned in place of texts
    """

    arguments: Mapping[str, Any]
    ids: pa.Array | None
    nq: int
    collection: str
    time_fields: tuple[str, ...] = ()


SHAPES: dict[tuple[str, bytes, int], Shape] = {}
MAX_SHAPES = 1024
# A longer request holds a list that is hardly asked for twice.
MAX_SHAPE_BYTES = 16 * 1024


def parse_asked(body: bytes) -> Asked:
    """Return a serialized ``SearchRequest`` cut in two."""
    rest, spans = split_message(body, PLACEHOLDER_GROUP)
    return Asked(body, rest, spans[-1] if spans else None)


@rpc("Search", pb.SearchRequest, pb.SearchResults, parse=parse_asked)
def search(asked: Asked, call: Call) -> bytes:
    """Find the nearest rows."""
    shape = shape_of(asked, call)
    again = _search_again(asked, shape, call)
    if again is not None:
        return again
    command = command_of(asked, shape)
    return encode_result(call.run(command), command.limit, shape.collection, shape.time_fields)


def command_of(asked: Asked, shape: Shape, **others: Any) -> engine.Search:
    """Return the command that a request gives; ``others`` are arguments that stand in place of its own."""
    command = engine.Search(queries=queries_of(asked, shape), ids=shape.ids, **{**shape.arguments, **others})
    if command.facets is not None:
        check_entries(command.facets, shape.nq if command.queries is None else command.queries.nq)
    return command


def _search_again(asked: Asked, shape: Shape, call: Call) -> bytes | None:
    """Return the reply to what was asked before over the same rows, None where that takes the long way."""
    if asked.vectors is None or shape.ids is not None or not shape.nq:
        return None
    start, end = asked.vectors
    found = call.run(SearchAgain(shape.arguments["collection"], asked.rest, asked.body, start, end, shape.nq))
    return None if found is None else _encode_settled(found, shape)


def shape_of(asked: Asked, call: Call, *, route_limit: int = 0) -> Shape:
    """Return what a request means, kept from the last time it was asked.

    route_limit  for a route of a hybrid search: how many hits are wanted of it when it doesn't say; its offset doesn't
                 count then. 0 for a search of its own
    """
    if len(asked.rest) > MAX_SHAPE_BYTES:
        return _shape(asked.rest, call, route_limit)
    key = (call.database(), asked.rest, route_limit)
    shape = SHAPES.get(key)
    if shape is None:
        shape = _shape(asked.rest, call, route_limit)
        if shape.arguments["plan_key"] is None:
            return shape
        if len(SHAPES) >= MAX_SHAPES:
            SHAPES.clear()
        SHAPES[key] = shape
    return shape


def _shape(rest: bytes, call: Call, route_limit: int) -> Shape:
    try:
        request = pb.SearchRequest.FromString(rest)
    except DecodeError as error:
        raise InvalidParameter(f"the search request can't be read: {error}") from None
    pairs = dict(pairs_from(request.search_params))
    if route_limit:
        check_route(request, pairs)
        pairs = {"limit": str(route_limit)} | pairs | {"offset": "0"}
    chains = parse_chains(request)
    page = search_page(request, pairs)
    _refuse_unavailable(request)
    params = parse_search(pairs)
    arguments = _arguments(request, params) | {
        "collection": call.collection(request),
        "function_chains": chains,
        "plan_key": None if asked_once(chains) else rest,
    }
    if request.HasField("search_aggregation"):
        facets = parse_aggregation(request.search_aggregation, pairs)
        arguments |= {"facets": facets, "group": facets.group, "limit": facets.limit}
    ids = _keys(request.ids) if request.HasField("ids") else None
    nq = request.nq if ids is None else len(ids)
    return Shape(arguments | page, ids, nq, request.collection_name, params.time_fields)


def _arguments(request: Any, params: SearchParams) -> dict[str, Any]:
    """Return the arguments of the command that stand in a request or among its parameters."""
    return {
        "field": params.anns_field,
        "limit": params.topk,
        "offset": params.offset,
        "metric": params.metric,
        "params": params.index,
        "filter": request.dsl,
        "values": template_values(request.expr_template_values),
        "output_fields": tuple(request.output_fields),
        "partitions": tuple(request.partition_names),
        "round_decimal": params.round_decimal,
        "ignore_growing": params.ignore_growing,
        "consistency": parse_consistency(request),
        "timezone": params.timezone,
        "group": params.group,
        "profile": params.profile,
        "recall": params.recall,
        "order": params.order,
        "rerank": parse_function_score(request.function_score) if request.HasField("function_score") else None,
    }


def queries_of(asked: Asked, shape: Shape) -> engine.Queries | None:
    """Return the vectors that are searched for, None when it is primary keys."""
    if shape.ids is not None:
        check_nq(len(shape.ids))
        return None
    queries = parse_queries(b"" if asked.vectors is None else asked.body[slice(*asked.vectors)])
    check_nq(queries.nq)
    if shape.nq and shape.nq != queries.nq:
        raise InvalidParameter.expected(
            "nq is not the number of vectors in the request", expected=shape.nq, actual=queries.nq
        )
    return queries


def _refuse_unavailable(request: Any) -> None:
    for name in UNAVAILABLE_MESSAGES:
        if request.HasField(name):
            raise unavailable(f"search with {name}")
    for name in UNAVAILABLE_WHEN_SET:
        if getattr(request, name):
            raise unavailable(f"search with {name}")


def _keys(ids: Any) -> pa.Array:
    if ids.HasField("str_id"):
        return pa.array(ids.str_id.data, type=pa.large_string())
    return pa.array(ids.int_id.data, type=pa.int64())


def _encode_settled(found: SettledResult, shape: Shape) -> bytes:
    plan = found.search.plan
    outer, head = _envelope(shape.collection, plan.limit, found.search.at, plan.output.names, plan.primary.name)
    parts = [head, found.answer.data]
    if found.columns:
        times = TimeFormat(shape.arguments["timezone"] or found.timezone, shape.time_fields)
        parts.append(encode_outputs(DATA_FIELDS, found.columns, times))
    return outer + wrap(RESULTS, [b"".join(parts)])


@lru_cache(MAX_SHAPES)
def _envelope(collection: str, limit: int, at: int, fields: tuple[str, ...], primary: str) -> tuple[bytes, bytes]:
    """Return what a reply says besides its hits: of ``SearchResults``, and of the ``SearchResultData`` in it."""
    outer = pb.SearchResults(status=pb.Status(), collection_name=collection, session_ts=at)
    head = pb.SearchResultData(top_k=limit, output_fields=fields, primary_field_name=primary)
    return outer.SerializeToString(), head.SerializeToString()


def encode_result(result: engine.SearchResult, limit: int, collection: str, time_fields: tuple[str, ...] = ()) -> bytes:
    """Return a ``SearchResults`` message; ids, scores and columns are encoded natively and merge into it."""
    head = pb.SearchResultData(
        num_queries=len(result.counts),
        top_k=limit,
        topks=result.counts.tolist(),
        output_fields=result.fields,
        primary_field_name=result.primary.name,
    )
    if result.position is not None:
        head.search_iterator_v2_results.token = result.position.token
        head.search_iterator_v2_results.last_bound = result.position.bound
    if result.facets is not None:
        fill_buckets(head, result.facets, len(result.counts), TimeFormat(result.timezone))
    if result.recalls is not None:
        head.recalls.extend(result.recalls.tolist())
    times = TimeFormat(result.timezone, time_fields)
    body = b"".join(
        (
            head.SerializeToString(),
            encode_keys(DATA_IDS, result.keys),
            encode_floats(DATA_SCORES, result.scores),
            encode_outputs(DATA_FIELDS, result.columns, times),
            b"" if result.elements is None else _encode_elements(result.elements),
            b"" if result.groups is None else _encode_groups(result.groups, times),
        )
    )
    outer = pb.SearchResults(status=pb.Status(), collection_name=collection, session_ts=result.at)
    if result.profile is not None:
        outer.status.extra_info[PROFILE] = msgspec.json.encode(result.profile).decode()
    return bytes(outer.SerializeToString()) + wrap(RESULTS, [body])


def _encode_elements(elements: NDArray[np.int64]) -> bytes:
    """Return which element of its row each hit is, as a ``LongArray``; nothing of no hits."""
    return wrap(DATA_ELEMENTS, [encode_longs(1, elements)] if len(elements) else [])


def _encode_groups(groups: engine.GroupValues, times: TimeFormat) -> bytes:
    """Return what hits are grouped by; a field that was not named in a list travels alone."""
    columns = [engine.OutputColumn(column) for column in groups.columns]
    return encode_outputs(DATA_GROUPS if groups.listed else DATA_GROUP, columns, times)
