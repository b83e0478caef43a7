"""4.6 hybrid search and rerank functions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from errors_stage import DIM, Stage, each, refused
from pymilvus import AnnSearchRequest, Function, FunctionScore, FunctionType, RRFRanker, WeightedRanker
from pymilvus.client.types import PlaceholderType
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

ZEROS = [0.0] * DIM


def _route(nq: int = 1, field: str = "v", **params: Any) -> Any:
    """Return a sub-request as a message."""
    vectors = common_pb2.PlaceholderValue(
        tag="$0", type=int(PlaceholderType.FloatVector), values=[struct.pack(f"{DIM}f", *ZEROS)] * nq
    )
    given = {"anns_field": field, "topk": 3, "params": "{}"} | params
    return milvus_pb2.SearchRequest(
        nq=nq,
        placeholder_group=common_pb2.PlaceholderGroup(placeholders=[vectors]).SerializeToString(),
        search_params=[common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in given.items()],
    )


def _hybrid(stage: Stage, routes: Sequence[Any] | None = None, **params: Any) -> None:
    """Send a hybrid search that pymilvus would not make."""
    given = {"limit": 3} | params
    request = milvus_pb2.HybridSearchRequest(
        collection_name=stage.plain,
        requests=[_route(), _route(field="w")] if routes is None else routes,
        rank_params=[
            common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in given.items() if value is not None
        ],
    )
    stage.send("HybridSearch", request)


def _ranked(stage: Stage, ranker: Any) -> None:
    routes = [AnnSearchRequest([ZEROS], field, {}, 3) for field in ("v", "w")]
    stage.client.hybrid_search(stage.plain, routes, ranker, limit=3)


def _reranked(stage: Stage, *inputs: str, **params: Any) -> None:
    stage.search(ranker=Function("f", FunctionType.RERANK, list(inputs), params=params))


DECAY = {"reranker": "decay", "function": "exp", "origin": 0, "scale": 1}


each(
    172,
    1100,
    ("unsupported rank type best", lambda stage: _hybrid(stage, strategy="best")),
    ("The rank params k should be in range (0, 16384)", lambda stage: _ranked(stage, RRFRanker(0))),
    ("The rank params k should be in range (0, 16384)", lambda stage: _ranked(stage, RRFRanker(16_384))),
    (
        "the length of weights param mismatch with ann search requests: invalid parameter[expected=2][actual=3]",
        lambda stage: _ranked(stage, WeightedRanker(0.1, 0.2, 0.3)),
    ),
    ("rank param weight should be in range [0, 1]", lambda stage: _ranked(stage, WeightedRanker(0.1, 1.2))),
    ("rank param weight should be in range [0, 1]", lambda stage: _ranked(stage, WeightedRanker(-0.1, 0.2))),
    ("maximum of ann search requests is 1024", lambda stage: _hybrid(stage, [_route()] * 1025)),
    ("maximum of ann search requests is 1024", lambda stage: _hybrid(stage, [])),
    ("sub search request nq should be the same", lambda stage: _hybrid(stage, [_route(1), _route(2)])),
    ("limit [0] is invalid, should be greater than 0", lambda stage: _hybrid(stage, limit=0)),
    ("offset [-1] is invalid, should be gte than 0", lambda stage: _hybrid(stage, offset=-1)),
    (
        "invalid max query result window, (offset+limit) should be in range [1, 16384], but got 16387",
        lambda stage: _hybrid(stage, offset=16_384),
    ),
    (
        "round_decimal [7] is invalid, should be -1 or an integer in range [0, 6]",
        lambda stage: _hybrid(stage, round_decimal=7),
    ),
    ("rank params [[]] should be a JSON object", lambda stage: _hybrid(stage, strategy="rrf", params="[]")),
    ("is no JSON", lambda stage: _hybrid(stage, strategy="rrf", params="{")),
    ("topk [0] is invalid", lambda stage: _hybrid(stage, [_route(topk=0)])),
    (
        "search iterator v2 is not supported for hybrid search",
        lambda stage: _hybrid(stage, [_route(iterator="True", search_iter_v2="True")]),
    ),
    ("search iterator is not supported for hybrid search", lambda stage: _hybrid(stage, [_route(iterator="1")])),
)


@refused(172, 1100, "partition name nowhere not found")
def unknown_partition(stage: Stage) -> None:
    request = milvus_pb2.HybridSearchRequest(
        collection_name=stage.plain,
        partition_names=["nowhere"],
        requests=[_route()],
        rank_params=[common_pb2.KeyValuePair(key="limit", value="3")],
    )
    stage.send("HybridSearch", request)


@refused(172, 1101, "limit not found in rank_params")
def no_limit(stage: Stage) -> None:
    _hybrid(stage, limit=None)


@refused(172, 1100, "not support hybrid search with highlight now")
def highlighted_route(stage: Stage) -> None:
    route = _route()
    route.highlighter.SetInParent()
    _hybrid(stage, [route])


@refused(172, 1100, "a sub search request takes boost functions only, got reranker rrf")
def ranked_route(stage: Stage) -> None:
    route = _route()
    route.function_score.functions.add(name="f", type=schema_pb2.FunctionType.Rerank).params.add(
        key="reranker", value="rrf"
    )
    _hybrid(stage, [route])


each(
    173,
    1100,
    ("unsupported reranker best", lambda stage: _reranked(stage, reranker="best")),
    ("decay param origin: x is not a number", lambda stage: _reranked(stage, "n", **DECAY | {"origin": "x"})),
    ("decay: scale must be > 0", lambda stage: _reranked(stage, "n", **DECAY | {"scale": 0})),
    ("decay: offset must be >= 0", lambda stage: _reranked(stage, "n", **DECAY | {"offset": -1})),
    ("decay: decay must be in range [0.001, 0.999]", lambda stage: _reranked(stage, "n", **DECAY | {"decay": 1})),
    ("decay reranker requires exactly 1 input field, got 2", lambda stage: _reranked(stage, "n", "f", **DECAY)),
    ("must be numeric, got VarChar", lambda stage: _reranked(stage, "s", **DECAY)),
    ("input field x not found in collection schema", lambda stage: _reranked(stage, "x", **DECAY)),
    (
        "currently only supports one rerank function",
        lambda stage: stage.search(
            ranker=FunctionScore(
                [Function(name, FunctionType.RERANK, [], params={"reranker": "rrf"}) for name in ("f", "g")]
            )
        ),
    ),
    (
        "is no rerank function",
        lambda stage: stage.search(ranker=Function("f", FunctionType.BM25, ["s"], params={"reranker": "rrf"})),
    ),
)
each(
    173,
    1101,
    ("reranker name not specified", lambda stage: _reranked(stage, k=60)),
    ("decay origin not specified", lambda stage: _reranked(stage, "n", reranker="decay", function="exp", scale=1)),
    ("decay scale not specified", lambda stage: _reranked(stage, "n", reranker="decay", function="exp", origin=1)),
    ("decay function not specified", lambda stage: _reranked(stage, "n", reranker="decay", origin=1, scale=1)),
    ("weights not found in rank params", lambda stage: _reranked(stage, reranker="weighted")),
    ("boost weight not specified", lambda stage: _reranked(stage, reranker="boost")),
)
