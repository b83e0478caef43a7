"""Vector search: a request to a command, hits to a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError

from elanus._native.codec import encode_floats, split_message, wrap
from elanus.engine import search as engine
from elanus.model.errors import InvalidParameter
from elanus.server.grpc import messages as pb
from elanus.server.grpc.instants import TimeFormat
from elanus.server.grpc.outputs import encode_keys, encode_outputs
from elanus.server.grpc.pairs import pairs_from, unavailable
from elanus.server.grpc.params import check_nq, consistency, parse_search
from elanus.server.grpc.queries import parse_queries
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.templates import template_values

PLACEHOLDER_GROUP = 6
RESULTS = 2
DATA_FIELDS, DATA_SCORES, DATA_IDS = 3, 4, 5

UNAVAILABLE_MESSAGES = ("function_score", "highlighter", "search_aggregation", "namespace")
UNAVAILABLE_WHEN_SET = ("sub_reqs", "function_chains", "search_by_primary_keys")


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: the request without its vectors, still bytes, and the placeholder group (None without one).

    Clients ask the same with other vectors, so what the rest means is kept in ``SHAPES``.
    """

    rest: bytes
    group: bytes | None


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


SHAPES: dict[tuple[str, bytes], Shape] = {}
MAX_SHAPES = 1024
# A longer request holds a list that is hardly asked for twice.
MAX_SHAPE_BYTES = 16 * 1024


def _parse(body: bytes) -> Asked:
    rest, spans = split_message(body, PLACEHOLDER_GROUP)
    return Asked(rest, body[slice(*spans[-1])] if spans else None)


@rpc("Search", pb.SearchRequest, pb.SearchResults, parse=_parse)
def search(asked: Asked, call: Call) -> bytes:
    """Find the nearest rows."""
    shape = _shape_of(asked, call)
    command = engine.Search(queries=_queries(asked, shape), ids=shape.ids, **shape.arguments)
    return encode_result(call.run(command), command.limit, shape.collection, shape.time_fields)


def _shape_of(asked: Asked, call: Call) -> Shape:
    if len(asked.rest) > MAX_SHAPE_BYTES:
        return _shape(asked.rest, call)
    key = (call.database(), asked.rest)
    shape = SHAPES.get(key)
    if shape is None:
        if len(SHAPES) >= MAX_SHAPES:
            SHAPES.clear()
        shape = SHAPES[key] = _shape(asked.rest, call)
    return shape


def _shape(rest: bytes, call: Call) -> Shape:
    try:
        request = pb.SearchRequest.FromString(rest)
    except DecodeError as error:
        raise InvalidParameter(f"the search request can't be read: {error}") from None
    _refuse_unavailable(request)
    params = parse_search(dict(pairs_from(request.search_params)))
    arguments = {
        "collection": call.collection(request),
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
        "consistency": consistency(request),
        "plan_key": rest,
        "timezone": params.timezone,
    }
    ids = _keys(request.ids) if request.HasField("ids") else None
    return Shape(arguments, ids, request.nq, request.collection_name, params.time_fields)


def _queries(asked: Asked, shape: Shape) -> engine.Queries | None:
    """Return the vectors that are searched for, None when it is primary keys."""
    if shape.ids is not None:
        check_nq(len(shape.ids))
        return None
    queries = parse_queries(asked.group or b"")
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


def encode_result(result: engine.SearchResult, limit: int, collection: str, time_fields: tuple[str, ...] = ()) -> bytes:
    """Return a ``SearchResults`` message; ids, scores and columns are encoded natively and merge into it."""
    head = pb.SearchResultData(
        num_queries=len(result.counts),
        top_k=limit,
        topks=result.counts.tolist(),
        output_fields=result.fields,
        primary_field_name=result.primary.name,
    )
    if result.elements is not None:
        head.element_indices.data.extend(result.elements.tolist())
    body = b"".join(
        (
            head.SerializeToString(),
            encode_keys(DATA_IDS, result.keys),
            encode_floats(DATA_SCORES, result.scores),
            encode_outputs(DATA_FIELDS, result.columns, TimeFormat(result.timezone, time_fields)),
        )
    )
    outer = pb.SearchResults(status=pb.Status(), collection_name=collection, session_ts=result.at)
    return bytes(outer.SerializeToString()) + wrap(RESULTS, [body])
