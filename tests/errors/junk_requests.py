"""Requests with parameters that make no sense, sent as they are, and how they end."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import grpc
from errors_stage import DIM, Refusal, Stage
from pymilvus.client.types import PlaceholderType
from pymilvus.grpc_gen import common_pb2, milvus_pb2

INSIDE = (1, 5, 65535)
"""Codes that say no more than that something went wrong."""


def outcome(call: Callable[[], Any]) -> str:
    """Return how a call ended; raises for an end that tells its user nothing."""
    try:
        call()
    except Refusal as refusal:
        if refusal.code in INSIDE or not refusal.status.reason.strip():
            raise
        return f"{refusal.code}: {refusal.status.reason}"
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return "not parsed"
    return "answered"


def pairs(given: dict[str, Any]) -> list[Any]:
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in given.items() if value is not None]


def placeholder(*values: bytes, kind: int = PlaceholderType.FloatVector) -> bytes:
    made = common_pb2.PlaceholderValue(tag="$0", type=int(kind), values=values)
    return bytes(common_pb2.PlaceholderGroup(placeholders=[made]).SerializeToString())


ZEROS = struct.pack(f"{DIM}f", *[0.0] * DIM)


def search_request(stage: Stage, given: dict[str, Any], **fields: Any) -> Any:
    base = {"anns_field": "v", "topk": 3, "params": "{}"} | given
    defaults = {"nq": 1, "placeholder_group": placeholder(ZEROS)} | fields
    return milvus_pb2.SearchRequest(collection_name=stage.plain, search_params=pairs(base), **defaults)


def searched(stage: Stage, given: dict[str, Any], **fields: Any) -> str:
    return outcome(lambda: stage.send("Search", search_request(stage, given, **fields)))


def queried(stage: Stage, given: dict[str, Any], *outputs: str) -> str:
    request = milvus_pb2.QueryRequest(
        collection_name=stage.plain, expr="id >= 0", output_fields=outputs, query_params=pairs(given)
    )
    return outcome(lambda: stage.send("Query", request))


def ranked(stage: Stage, given: dict[str, Any], route: dict[str, Any] | None = None, **fields: Any) -> str:
    request = milvus_pb2.HybridSearchRequest(
        collection_name=stage.plain,
        requests=[search_request(stage, route or {}), search_request(stage, {"anns_field": "w"})],
        rank_params=pairs({"limit": 3} | given),
        **fields,
    )
    return outcome(lambda: stage.send("HybridSearch", request))
