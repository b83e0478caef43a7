"""4.6 function chains."""

from __future__ import annotations

import struct
from typing import Any

from errors_stage import DIM, Stage, each
from pymilvus.client.types import PlaceholderType
from pymilvus.function_chain import FunctionChain, FunctionChainStage
from pymilvus.grpc_gen import common_pb2, milvus_pb2


def _chain(stage: FunctionChainStage = FunctionChainStage.L2_RERANK) -> FunctionChain:
    return FunctionChain(stage).limit(1)


def _request(stage: Stage, *chains: FunctionChain, **params: Any) -> Any:
    """Return a search that pymilvus would not make."""
    vectors = common_pb2.PlaceholderValue(
        tag="$0", type=int(PlaceholderType.FloatVector), values=[struct.pack(f"{DIM}f", *[0.0] * DIM)]
    )
    given = {"anns_field": "v", "topk": 3, "params": "{}"} | params
    return milvus_pb2.SearchRequest(
        collection_name=stage.plain,
        nq=1,
        placeholder_group=common_pb2.PlaceholderGroup(placeholders=[vectors]).SerializeToString(),
        search_params=[common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in given.items()],
        function_chains=[chain.to_proto() for chain in chains],
    )


def _beside_a_function_score(stage: Stage) -> None:
    request = _request(stage, _chain())
    request.function_score.functions.add(name="f", type=3).params.add(key="reranker", value="rrf")
    stage.send("Search", request)


def _in_a_hybrid_search(stage: Stage) -> None:
    limit = common_pb2.KeyValuePair(key="limit", value="3")
    route = _request(stage, _chain())
    request = milvus_pb2.HybridSearchRequest(collection_name=stage.plain, requests=[route], rank_params=[limit])
    stage.send("HybridSearch", request)


def _without_a_value(stage: Stage) -> None:
    request = _request(stage, _chain())
    request.function_chains[0].ops[0].params["offset"].Clear()
    stage.send("Search", request)


def _of_no_stage(stage: Stage) -> None:
    request = _request(stage, _chain())
    request.function_chains[0].stage = 9
    stage.send("Search", request)


each(
    174,
    1100,
    ("function_score and function_chains cannot be used together", _beside_a_function_score),
    ("function_chains is not supported for hybrid search yet", _in_a_hybrid_search),
    (
        "function chain stage L2_rerank appears more than once",
        lambda stage: stage.search(function_chains=[_chain(), _chain()]),
    ),
    (
        "function chain stage L1_rerank is not supported for search",
        lambda stage: stage.search(function_chains=_chain(FunctionChainStage.L1_RERANK)),
    ),
    ("unsupported function chain stage: 9", _of_no_stage),
    ("function chain parameter has no value", _without_a_value),
    (
        "don't support use segment scorer with group_by or search_iterator",
        lambda stage: stage.send(
            "Search", _request(stage, _chain(), iterator="True", search_iter_v2="True", search_iter_batch_size=2)
        ),
    ),
)
