"""Explanations, a service of our own beside Milvus': requests are Milvus' messages, replies hold JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from elanus.engine.explain import ExplainFilter
from elanus.server.grpc import hybrid, search
from elanus.server.grpc import messages as pb
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.pairs import pairs_from
from elanus.server.grpc.params import parse_query
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.templates import template_values

SERVICE = "elanus.v1.Elanus"


@rpc("ExplainFilter", pb.QueryRequest, pb.StringResponse, service=SERVICE)
def explain_filter(request: Any, call: Call) -> pb.Message:
    """Say how each part of a query's filter is answered, as JSON: ways, rows in and out, time."""
    params = parse_query(dict(pairs_from(request.query_params)))
    command = ExplainFilter(
        collection=call.collection(request),
        filter=request.expr,
        limit=params.limit or 1,
        values=template_values(request.expr_template_values),
        partitions=tuple(request.partition_names),
        ignore_growing=params.ignore_growing,
        consistency=parse_consistency(request),
        timezone=params.timezone,
    )
    return pb.StringResponse(value=msgspec.json.encode(call.run(command)).decode())


@rpc("ExplainSearch", pb.SearchRequest, pb.StringResponse, parse=search.parse_asked, service=SERVICE)
def explain_search(asked: search.Asked, call: Call) -> pb.Message:
    """Search and say what was done, as JSON: each segment's strategy and why, rows, time by phase; recall if asked."""
    command = search.command_of(asked, search.shape_of(asked, call), profile=True)
    return pb.StringResponse(value=msgspec.json.encode(call.run(command).profile).decode())


@rpc("ExplainHybridSearch", pb.HybridSearchRequest, pb.StringResponse, parse=hybrid.parse_routes, service=SERVICE)
def explain_hybrid_search(asked: hybrid.HybridAsked, call: Call) -> pb.Message:
    """Search on several routes and say what was done on each and with the hits of all, as JSON."""
    command = hybrid.command_of(asked, hybrid.shape_of_routes(asked, call), profile=True)
    return pb.StringResponse(value=msgspec.json.encode(call.run(command).profile).decode())
