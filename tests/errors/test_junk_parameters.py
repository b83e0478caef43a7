"""Parameters of reads that make no sense: each ends with an answer or a clear refusal, never inside of the server."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from errors_stage import DIM, Stage
from junk_requests import ZEROS, outcome, pairs, placeholder, queried, ranked, searched
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

JUNK = (
    *("", " ", "abc", "nan", "inf", "-inf", "1e400", "-1", "0", "1", "1.5", "3e2", "0x10", "1_000", "٣"),
    *(str(2**31), str(2**63), str(-(2**63) - 1), "9" * 5000),
    *(
        "true",
        "True",
        "null",
        "[]",
        "{}",
        '"x"',
        "[[[]]]",
        "[nan]",
        "[1,",
        '{"a":',
        "[" * 3000,
        '{"a":' * 500 + "1" + "}" * 500,
    ),
    *(
        "id",
        "n",
        "v",
        "gone",
        "id,n",
        "id,",
        ",",
        ":",
        "id:",
        "id:up",
        "id:asc:first:x",
        'j["x"]',
        'j["',
        "j[0",
        "$meta",
        "count(*)",
    ),
    *("\x00", "é" * 200, "💥", "' or 1", 'a"b', "\\", "%s%n", "\ud7ff"),
)

SEARCH_KEYS = (
    *("anns_field", "topk", "limit", "offset", "metric_type", "params", "round_decimal", "ignore_growing", "timezone"),
    *("time_fields", "page_retain_order", "hints", "analyzer_name", "pipeline_trace", "query_mode"),
    *("group_by_field", "group_by_fields", "group_size", "strict_group_size", "json_path", "json_type", "strict_cast"),
    *("order_by_fields", "collection_id", "rank_group_scorer", "enable_recall_calculation"),
    *("radius", "range_filter", "ef", "nprobe", "search_list", "reorder_k", "element_scope", "retrieval_ann_ratio"),
    "emb_list_rerank",
)
GROUPED_KEYS = (
    "group_size",
    "strict_group_size",
    "json_path",
    "json_type",
    "strict_cast",
    "offset",
    "limit",
    "round_decimal",
)
INDEX_KEYS = (
    *("radius", "range_filter", "ef", "nprobe", "hints", "page_retain_order", "element_scope", "drop_ratio_search"),
    *("level", "refine_k", "itopk_size", "search_list", "gone"),
)
ITERATOR_KEYS = (
    "iterator",
    "search_iter_v2",
    "search_iter_batch_size",
    "search_iter_id",
    "search_iter_last_bound",
    "collection_id",
)
QUERY_KEYS = (
    *(
        "limit",
        "offset",
        "iterator",
        "reduce_stop_for_best",
        "ignore_growing",
        "timezone",
        "time_fields",
        "collection_id",
    ),
    *("group_by_fields", "order_by_fields", "query_iter_last_pk", "query_iter_last_element_offset"),
)
RANK_KEYS = (
    *("strategy", "params", "limit", "offset", "round_decimal", "group_by_field", "group_by_fields", "group_size"),
    *("strict_group_size", "rank_group_scorer", "order_by_fields", "json_path", "json_type", "strict_cast"),
)
VALUES = (None, True, -1, 0, 0.5, 1e308, 10**30, "x", "", [], [0.5], ["x", None], {}, {"a": 1}, [[1]], float("nan"))
"""Values in JSON."""


@pytest.mark.parametrize("key", SEARCH_KEYS)
def test_keys_of_searches(stage: Stage, key: str) -> None:
    ends = {searched(stage, {key: junk}) for junk in JUNK}
    assert ends


@pytest.mark.parametrize("key", GROUPED_KEYS)
def test_keys_of_grouping(stage: Stage, key: str) -> None:
    for field in ("n", "s", "j", 'j["x"]'):
        for junk in JUNK:
            searched(stage, {"group_by_field": field, "group_size": 2, key: junk})


@pytest.mark.parametrize("key", INDEX_KEYS)
def test_keys_of_indexes(stage: Stage, key: str) -> None:
    for field, junk in itertools.product(("v", "w"), VALUES):
        searched(stage, {"anns_field": field, "params": json.dumps({key: junk})})


@pytest.mark.parametrize("key", ITERATOR_KEYS)
def test_keys_of_search_iterators(stage: Stage, key: str) -> None:
    first = {"iterator": "True", "search_iter_v2": "True", "search_iter_batch_size": 2}
    for junk in JUNK:
        searched(stage, first | {key: junk})


@pytest.mark.parametrize("key", QUERY_KEYS)
def test_keys_of_queries(stage: Stage, key: str) -> None:
    for given in ({"limit": 3}, {"limit": 3, "iterator": "True"}, {}):
        for junk in JUNK:
            queried(stage, given | {key: junk})


@pytest.mark.parametrize("key", RANK_KEYS)
def test_keys_of_rank_parameters(stage: Stage, key: str) -> None:
    for junk in JUNK:
        ranked(stage, {key: junk})


@pytest.mark.parametrize("key", SEARCH_KEYS)
def test_keys_of_routes(stage: Stage, key: str) -> None:
    for junk in JUNK:
        ranked(stage, {}, {key: junk})


@pytest.mark.parametrize("strategy", ["rrf", "weighted"])
def test_parameters_of_rankers(stage: Stage, strategy: str) -> None:
    for junk in VALUES:
        for name in ("k", "weights", "norm_score"):
            params = {"weights": [0.5, 0.5]} | {name: junk}
            ranked(stage, {"strategy": strategy, "params": json.dumps(params)})


RERANKERS: dict[str, dict[str, Any]] = {
    "rrf": {"k": 60},
    "weighted": {"weights": "[0.5]", "norm_score": "true"},
    "decay": {
        "function": "exp",
        "origin": 0,
        "scale": 1,
        "offset": 0,
        "decay": 0.5,
        "score_mode": "max",
        "norm_score": "true",
    },
    "model": {
        "provider": "tei",
        "queries": '["q"]',
        "endpoint": "http://127.0.0.1:1",
        "max_client_batch_size": 1,
        "timeout_ms": 1,
    },
    "boost": {"weight": 2, "filter": "n > 1", "random_score": '{"seed": 1, "field": "n"}'},
}


@pytest.mark.parametrize("reranker", RERANKERS)
def test_parameters_of_rerank_functions(stage: Stage, reranker: str) -> None:
    given = RERANKERS[reranker]
    inputs = {"decay": ["n"], "model": ["s"]}.get(reranker, [])
    for name, junk in itertools.product((*given, "reranker", "gone"), JUNK):
        if reranker == "model" and name == "gone":
            continue
        changed = {"reranker": reranker} | given | {name: junk}
        score = schema_pb2.FunctionScore(
            functions=[
                schema_pb2.FunctionSchema(
                    name="f", type=schema_pb2.FunctionType.Rerank, input_field_names=inputs, params=pairs(changed)
                )
            ]
        )
        searched(stage, {}, function_score=score)


def test_modes_of_boosts(stage: Stage) -> None:
    boost = schema_pb2.FunctionSchema(
        name="f", type=schema_pb2.FunctionType.Rerank, params=pairs({"reranker": "boost", "weight": 2})
    )
    for name, junk in itertools.product(("boost_mode", "function_mode", "gone"), JUNK):
        score = schema_pb2.FunctionScore(functions=[boost, boost], params=pairs({name: junk}))
        searched(stage, {}, function_score=score)


@pytest.mark.parametrize("kind", [*range(8), *range(100, 108), 200, 201, 202, 203, 204, 300, 301, 2**31 - 1])
def test_placeholders(stage: Stage, kind: int) -> None:
    for values in (
        (),
        (b"",),
        (b"\x01",),
        (ZEROS,),
        (ZEROS, b""),
        (ZEROS * 3,),
        (b"\xff" * 16,),
        (b"\x00\x00\x80\x7f" * DIM,),
    ):
        group = placeholder(*values, kind=kind)
        for nq in (0, 1, 2, -1, 2**40):
            for key in (
                {},
                {"group_by_field": "n"},
                {"iterator": "True", "search_iter_v2": "True", "search_iter_batch_size": 2},
            ):
                searched(stage, key, nq=nq, placeholder_group=group)


def test_requests_cut_short(stage: Stage) -> None:
    for group in (b"", b"\x00", b"\xff" * 20, placeholder(ZEROS) * 2, placeholder(ZEROS)[:-1]):
        searched(stage, {}, placeholder_group=group)
    empty = milvus_pb2.HybridSearchRequest(collection_name=stage.plain, requests=[milvus_pb2.SearchRequest()])
    assert "limit not found" in outcome(lambda: stage.send("HybridSearch", empty))
    for request in (milvus_pb2.SearchRequest(), milvus_pb2.SearchRequest(collection_name=stage.plain)):
        assert outcome(lambda request=request: stage.send("Search", request)) != "answered"
    assert outcome(lambda: stage.send("Query", milvus_pb2.QueryRequest())) != "answered"


def test_bounds_that_are_no_numbers_are_refused(stage: Stage) -> None:
    first = {"iterator": "True", "search_iter_v2": "True", "search_iter_batch_size": 2}
    assert "search_iter_last_bound: nan" in searched(stage, first | {"search_iter_last_bound": "nan"})
    assert "key: 'radius', value: 'nan'" in searched(stage, {"radius": "nan"})
    assert "key: 'radius', value: 'True'" in searched(stage, {"params": '{"radius": true}'})
    assert "must be an integer" in searched(stage, {"topk": "1_0"})
