"""Query by filter, and counting."""

from __future__ import annotations

from typing import Any

import numpy as np

from elanus._native.codec import encode_field_data, wrap
from elanus.engine import search as engine
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.instants import TimeFormat
from elanus.server.grpc.iterators import query_page
from elanus.server.grpc.outputs import encode_outputs
from elanus.server.grpc.pairs import pairs_from, unavailable
from elanus.server.grpc.params import parse_query
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.templates import template_values

RESULT_FIELDS = 2


@rpc("Query", pb.QueryRequest, pb.QueryResults)
def query(request: Any, call: Call) -> bytes:
    """Return the rows that a filter selects, or their number."""
    if request.HasField("namespace"):
        raise unavailable("query with namespace")
    pairs = dict(pairs_from(request.query_params))
    page = query_page(request, pairs)
    params = parse_query(pairs)
    arguments = {
        "collection": call.collection(request),
        "filter": request.expr,
        "limit": params.limit,
        "offset": params.offset,
        "values": template_values(request.expr_template_values),
        "output_fields": tuple(request.output_fields),
        "partitions": tuple(request.partition_names),
        "ignore_growing": params.ignore_growing,
        "consistency": parse_consistency(request),
        "timezone": params.timezone,
        "order": params.order,
        "group_by": params.group_by,
        "having": params.having,
    }
    command = engine.Query(**(arguments | page))
    return encode_result(call.run(command), request.collection_name, params.time_fields)


def encode_result(result: engine.QueryResult, collection: str, time_fields: tuple[str, ...] = ()) -> bytes:
    """Return a ``QueryResults`` message; columns are encoded natively and merge into it."""
    if result.count is None:
        times = TimeFormat(result.timezone, time_fields)
        fields, columns = result.fields, encode_outputs(RESULT_FIELDS, result.columns, times)
    else:
        fields, columns = result.fields, wrap(RESULT_FIELDS, [_count_column(result.fields[0], result.count)])
    head = pb.QueryResults(
        status=pb.Status(),
        collection_name=collection,
        output_fields=fields,
        session_ts=result.at,
        primary_field_name=result.primary.name,
    )
    if result.elements is not None:
        head.element_indices.extend(_element_indices(result.elements))
    return bytes(head.SerializeToString()) + columns


def _element_indices(runs: engine.ElementRuns) -> list[Any]:
    """Return a message for each row: the places of its elements."""
    each = np.split(runs.places, np.cumsum(runs.counts)[:-1])
    return [pb.ElementIndices(indices=pb.LongArray(data=places.tolist())) for places in each if len(places)]


def _count_column(name: str, count: int) -> bytes:
    values = np.array([count], dtype=np.int64)
    return encode_field_data(name=name, type=int(DataType.INT64), kind="long", values=values)
