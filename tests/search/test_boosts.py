"""Boosts through pymilvus: what they make of scores, in every mode and metric, and where they aren't taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hybrid_collection import (
    FIELDS,
    LIVING,
    NUMBERS,
    asked,
    assert_ranked,
    by_query,
    fill,
    found,
    pairs,
)
from pymilvus import Function, FunctionScore, FunctionType, MilvusClient, RRFRanker
from pymilvus.client.prepare import Prepare
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import milvus_pb2

from elanus._native.keys import hash_values
from elanus.engine import LocalEngine, collections, data, indexes, partitions, schemas, search
from elanus.engine.base import CollectionName
from elanus.main import open_instance
from elanus.model.columns import Column, vector_array
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.settings import SegmentSettings, Settings
from elanus.model.types import DataType
from elanus.query.ranking.boost import uniform
from elanus.query.request import Rerank, RerankFunction
from elanus.storage.folder_lock import FolderLock
from ranking_reference import Route, in_order, rrf
from serving import LocalServer

NAME = "boosts"
ALL = 1000
"""More than there are rows, so that every row is a candidate."""
COMBINE: Mapping[str, Callable[[float, float], float]] = {"multiply": lambda a, b: a * b, "sum": lambda a, b: a + b}


@pytest.fixture(scope="module", autouse=True)
def collection(client: MilvusClient) -> Iterator[None]:
    fill(client, NAME)
    yield
    client.drop_collection(NAME)


def boost(weight: float, where: str = "", **params: Any) -> Function:
    given = {"reranker": "boost", "weight": weight, **({"filter": where} if where else {}), **params}
    return Function("b", FunctionType.RERANK, [], params=given)


def searched(client: MilvusClient, field: str, *boosts: Function, nq: int = 2, **options: Any) -> list[Route]:
    params = options.pop("modes", {})
    given = {"limit": ALL} | options
    score = FunctionScore(list(boosts), params)
    return pairs(client.search(NAME, asked(field, nq, ALL).data, anns_field=field, ranker=score, **given))


@pytest.mark.parametrize("function_mode", COMBINE)
@pytest.mark.parametrize("boost_mode", COMBINE)
@pytest.mark.parametrize("field", ["l2", "ip", "cosine", "bits"])
def test_overlapping_boosts_combine_as_their_modes_say(
    field: str, boost_mode: str, function_mode: str, client: MilvusClient
) -> None:
    def boosted(key: int, score: float) -> float:
        number = NUMBERS[key]
        values = [0.25] * (number is not None and number > 30) + [-1.5] * (key % 3 == 0)
        if not values:
            return score
        combined = values[0] if len(values) == 1 else COMBINE[function_mode](*values)
        return COMBINE[boost_mode](score, combined)

    result = searched(
        client,
        field,
        boost(0.25, "n > 30"),
        boost(-1.5, 'color == "red"'),
        modes={"boost_mode": boost_mode, "function_mode": function_mode},
    )
    larger = FIELDS[field].metric.larger_is_nearer
    for hits, plain in zip(result, found(field, 2, ALL), strict=True):
        expected = {key: boosted(key, score) for key, score in plain}
        scores = dict(hits)
        assert scores.keys() == expected.keys()
        np.testing.assert_allclose([scores[key] for key in expected], list(expected.values()), rtol=1e-5, atol=1e-5)
        sign = -1 if larger else 1
        assert hits == sorted(hits, key=lambda hit: (sign * hit[1], hit[0]))


def test_a_boost_without_a_filter_is_for_all(client: MilvusClient) -> None:
    expected = [[(key, score * 0.5) for key, score in hits[:20]] for hits in found("l2", 2, ALL)]
    assert_ranked([_hits(hits) for hits in searched(client, "l2", boost(0.5), limit=20)], expected)


def test_filters_of_boosts_take_template_values(client: MilvusClient) -> None:
    literal = searched(client, "ip", boost(3, "n in [1, 7, 14, 21]"))
    assert searched(client, "ip", boost(3, "n in {some}"), filter_params={"some": [1, 7, 14, 21]}) == literal
    assert literal != searched(client, "ip", boost(1))


def test_a_boost_goes_before_another_ranker(client: MilvusClient) -> None:
    ranker = Function("w", FunctionType.RERANK, [], params={"reranker": "weighted", "weights": [0.5]})
    boosted = searched(client, "ip", boost(3, 'color == "red"'))
    assert_ranked(
        [_hits(hits) for hits in searched(client, "ip", boost(3, 'color == "red"'), ranker)],
        [[(key, score / 2) for key, score in hits] for hits in boosted],
    )


def test_random_scores_are_told_by_key_and_seed(client: MilvusClient) -> None:
    def score(seed: int, **field: str) -> dict[int, float]:
        return dict(searched(client, "ip", boost(1, random_score={"seed": seed, **field}), nq=1)[0])

    first = score(1)
    assert first == score(1) == score(1, field="id")
    assert first != score(2)
    plain = dict(found("ip", 1, ALL)[0])
    values = uniform(hash_values(pa.array(LIVING)), 1)
    expected = [plain[key] * value for key, value in zip(LIVING, values, strict=True)]
    np.testing.assert_allclose([first[key] for key in LIVING], expected, rtol=1e-5, atol=1e-6)


def test_random_numbers_are_spread_evenly() -> None:
    values = uniform(hash_values(pa.array(range(100_000))), 7)
    counts, _ = np.histogram(values, bins=50, range=(0, 1))
    assert counts.sum() == 100_000
    assert np.abs(counts - 2000).max() < 250
    assert abs(np.corrcoef(values, uniform(hash_values(pa.array(range(100_000))), 8))[0, 1]) < 0.02


def test_random_scores_outlive_flush_and_merge(tmp_path: Path) -> None:
    """Rows move between segments; what they get stays."""
    name = CollectionName("default", "c")
    random = RerankFunction("boost", params={"weight": 1, "random_score": {"seed": 3}})
    lock = FolderLock(tmp_path / "data")
    with open_instance(Settings(data=tmp_path / "data", segment=SegmentSettings(merge_at=3))) as instance:
        engine = LocalEngine(instance)
        fields = (
            Field(id=FieldId(0), name="id", type=DataType.INT64, is_primary=True),
            Field(id=FieldId(0), name="v", type=DataType.FLOAT_VECTOR, dim=2, params=(("dim", "2"),)),
        )
        engine.execute(collections.CreateCollection(name, Schema(fields)))
        engine.execute(indexes.CreateIndex(name, "v", "v", (("index_type", "FLAT"), ("metric_type", "IP"))))
        engine.execute(partitions.Load(name))
        schema = engine.execute(schemas.GetSchema(name))

        def insert(first: int) -> None:
            keys = Column(schema["id"], pa.array(range(first + 9, first - 1, -1), type=pa.int64()))
            vectors = Column(schema["v"], vector_array(schema["v"], np.ones((10, 2), dtype=np.float32)))
            engine.execute(data.Insert(name, [keys, vectors], 10))

        def scores() -> dict[int, float]:
            asked_for = search.Queries(DataType.FLOAT_VECTOR, 1, np.ones((1, 2), dtype=np.float32))
            found_now = engine.execute(
                search.Search(collection=name, queries=asked_for, limit=30, rerank=Rerank((random,)))
            )
            return dict(zip(found_now.keys.to_pylist(), found_now.scores.tolist(), strict=True))

        opened = instance.collection(name)
        for first in (20, 0, 10):
            insert(first)
        growing = scores()
        opened.flush()
        flushed = scores()
        for first in (40, 60):
            insert(first)
            opened.flush()
        for job in ("flush", "seal", "maintain"):
            instance.services.jobs.wait((opened.id, job))
        assert len(opened.manifest.segments) == 1
        merged = {**flushed, **scores()}
        assert len(growing) == 30
        assert growing == flushed
        assert {key: merged[key] for key in growing} == growing
    lock.close()


def test_boosts_of_the_whole_go_to_every_route_without_its_own(server: LocalServer, client: MilvusClient) -> None:
    red, blue = boost(4, 'color == "red"'), boost(9, 'color == "blue"')
    names = ("ip", "cosine")
    requests = [asked(name, 2, ALL) for name in names]
    everywhere = client.hybrid_search(NAME, requests, red, limit=ALL)
    parts = by_query([searched(client, name, red) for name in names])
    assert_ranked(everywhere, [in_order(rrf(routes, 60)) for routes in parts])

    raw = [
        Prepare.search_requests_with_expr(
            NAME, request.anns_field, {}, ALL, request.data, consistency_level=0, use_default_consistency=False
        )
        for request in requests
    ]
    raw[1].function_score.CopyFrom(Prepare.ranker_to_function_score(blue))
    whole = Prepare.hybrid_search_request_with_ranker(NAME, raw, RRFRanker(), ALL, use_default_consistency=True)
    whole.function_score.CopyFrom(Prepare.ranker_to_function_score(red))
    reply = _send(client, whole)
    parts = by_query([searched(client, "ip", red), searched(client, "cosine", blue)])
    expected = [key for routes in parts for key, _ in in_order(rrf(routes, 60))]
    assert list(reply.results.ids.int_id.data) == expected


def test_boosts_are_refused_beside_groups_and_iterators(client: MilvusClient) -> None:
    phrase = "don't support use segment scorer with group_by or search_iterator"
    with pytest.raises(MilvusException, match=phrase):
        searched(client, "ip", boost(2), group_by_field="color", limit=5)
    with pytest.raises(MilvusException, match=phrase):
        searched(client, "ip", boost(2), nq=1, limit=5, iterator=True, search_iter_v2=True, search_iter_batch_size=5)
    with pytest.raises(MilvusException, match=phrase):
        client.hybrid_search(NAME, [asked("ip", 1, 5)], boost(2), limit=5, group_by_field="color")


@pytest.mark.parametrize(
    ("params", "phrase"),
    [
        ({"weight": "x"}, "boost param weight: x is not a number"),
        ({"weight": 1e39}, "should be a 32-bit floating-point number"),
        ({"weight": 1, "filter": "nothing > 1"}, "field nothing not exist"),
        ({"weight": 1, "filter": "random_sample(0.5)"}, "random_sample is not supported in a boost filter"),
        ({"weight": 1, "random_score": "x"}, "random_score"),
        ({"weight": 1, "random_score": {"seed": 1, "field": "color"}}, "must be Int64, got VarChar"),
        ({"weight": 1, "random_score": {"seed": 0.5}}, "random_score seed should be an integer"),
        ({}, "boost weight not specified"),
    ],
)
def test_boosts_that_cannot_be_are_refused(params: dict[str, Any], phrase: str, client: MilvusClient) -> None:
    function = Function("b", FunctionType.RERANK, [], params={"reranker": "boost", **params})
    with pytest.raises(MilvusException) as caught:
        searched(client, "ip", function)
    assert phrase in str(caught.value)


def test_modes_and_rankers_that_cannot_be_are_refused(client: MilvusClient) -> None:
    with pytest.raises(MilvusException, match="unknown boost_mode: min"):
        searched(client, "ip", boost(1), modes={"boost_mode": "min"})
    two = [Function(name, FunctionType.RERANK, [], params={"reranker": "rrf"}) for name in ("a", "b")]
    with pytest.raises(MilvusException, match="only supports one rerank function"):
        searched(client, "ip", *two)


def _hits(route: Route) -> list[dict[str, Any]]:
    return [{"id": key, "distance": score} for key, score in route]


def _send(client: MilvusClient, request: milvus_pb2.HybridSearchRequest) -> Any:
    reply = client._get_connection()._stub.HybridSearch(request)
    assert reply.status.code == 0, reply.status.reason
    return reply
