"""Vector search: a request to a command, hits to a reply. The metric's own sign returns here, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.codec import encode_floats, wrap
from elanus.engine import search as engine
from elanus.model.errors import InvalidParameter
from elanus.server.grpc import messages as pb
from elanus.server.grpc.outputs import encode_keys, encode_outputs
from elanus.server.grpc.pairs import pairs_from, unavailable
from elanus.server.grpc.params import check_nq, consistency, parse_search
from elanus.server.grpc.queries import parse_queries
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.templates import template_values

RESULTS = 2
DATA_FIELDS, DATA_SCORES, DATA_IDS = 3, 4, 5

UNAVAILABLE_MESSAGES = ("function_score", "highlighter", "search_aggregation", "namespace")
UNAVAILABLE_LISTS = ("sub_reqs", "function_chains")


@rpc("Search", pb.SearchRequest, pb.SearchResults)
def search(request: Any, call: Call) -> bytes:
    """Find the nearest rows."""
    command = _command(request, call)
    return encode_result(call.run(command), command.limit, request.collection_name)


def _command(request: Any, call: Call) -> engine.Search:
    _refuse_unavailable(request)
    params = parse_search(dict(pairs_from(request.search_params)))
    queries, ids = _inputs(request)
    return engine.Search(
        collection=call.collection(request),
        field=params.anns_field,
        queries=queries,
        ids=ids,
        limit=params.topk,
        offset=params.offset,
        metric=params.metric,
        params=params.index,
        filter=request.dsl,
        values=template_values(request.expr_template_values),
        output_fields=tuple(request.output_fields),
        partitions=tuple(request.partition_names),
        round_decimal=params.round_decimal,
        ignore_growing=params.ignore_growing,
        consistency=consistency(request),
    )


def _refuse_unavailable(request: Any) -> None:
    for name in UNAVAILABLE_MESSAGES:
        if request.HasField(name):
            raise unavailable(f"search with {name}")
    for name in UNAVAILABLE_LISTS:
        if getattr(request, name):
            raise unavailable(f"search with {name}")


def _inputs(request: Any) -> tuple[engine.Queries | None, pa.Array | None]:
    """Return the vectors or the primary keys that are searched for."""
    if request.HasField("ids"):
        ids = _keys(request.ids)
        check_nq(len(ids))
        return None, ids
    queries = parse_queries(request.placeholder_group)
    check_nq(queries.nq)
    if request.nq and request.nq != queries.nq:
        raise InvalidParameter.expected(
            "nq is not the number of vectors in the request", expected=request.nq, actual=queries.nq
        )
    return queries, None


def _keys(ids: Any) -> pa.Array:
    if ids.HasField("str_id"):
        return pa.array(ids.str_id.data, type=pa.large_string())
    return pa.array(ids.int_id.data, type=pa.int64())


def encode_result(result: engine.SearchResult, limit: int, collection: str) -> bytes:
    """Return a ``SearchResults`` message; ids, scores and columns are encoded natively and merge into it."""
    head = pb.SearchResultData(
        num_queries=len(result.counts),
        top_k=limit,
        topks=result.counts.tolist(),
        output_fields=result.fields,
        primary_field_name=result.primary.name,
    )
    body = b"".join(
        (
            head.SerializeToString(),
            encode_keys(DATA_IDS, result.keys),
            encode_floats(DATA_SCORES, scores(result)),
            encode_outputs(DATA_FIELDS, result.columns),
        )
    )
    outer = pb.SearchResults(status=pb.Status(), collection_name=collection, session_ts=result.at)
    return bytes(outer.SerializeToString()) + wrap(RESULTS, [body])


def scores(result: engine.SearchResult) -> NDArray[np.float32]:
    """Return what users see, float32 [hits]: similarities larger is nearer, distances as they are, rounded if asked."""
    distances = result.distances
    # Subtracting from zero keeps a similarity of zero from becoming minus zero.
    seen = np.float32(0) - distances if result.metric.larger_is_nearer else distances
    if result.round_decimal < 0:
        return seen
    return np.round(seen.astype(np.float64), result.round_decimal).astype(np.float32)
