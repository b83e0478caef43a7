"""Hybrid search and rerankers through pymilvus: growing, sealed and deleted rows, against the definitions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hybrid_collection import (
    FIELDS,
    LIVING,
    NUMBERS,
    SEALED,
    TEXTS,
    asked,
    assert_ranked,
    by_query,
    fill,
    found,
    pairs,
    queries,
)
from pymilvus import (
    AnnSearchRequest,
    AsyncMilvusClient,
    Function,
    FunctionType,
    MilvusClient,
    RRFRanker,
    WeightedRanker,
)
from pymilvus.client.prepare import Prepare
from pymilvus.exceptions import MilvusException

from elanus.query.ranking.decay import Decay, DecayFunction, decay_factors
from ranking_reference import Route, in_order, merged, rrf, weighted
from rerank_service import Answer, RerankService, score_of
from serving import LocalServer

NAME = "hybrid"
NQ = 3
ROUTES = {"mixed": ("l2", "cosine"), "similarities": ("ip", "cosine"), "distances": ("l2", "bits"), "one": ("bits",)}


@pytest.fixture(scope="module", autouse=True)
def collection(client: MilvusClient) -> Iterator[None]:
    fill(client, NAME)
    yield
    client.drop_collection(NAME)


def reranker(kind: str, *inputs: str, **params: Any) -> Function:
    return Function("f", FunctionType.RERANK, list(inputs), params={"reranker": kind, **params})


def routes_of(names: tuple[str, ...], limit: int = 20) -> tuple[list[AnnSearchRequest], list[list[Route]]]:
    """Return routes for pymilvus, and for each query what they find."""
    return [asked(name, NQ, limit) for name in names], by_query([found(name, NQ, limit) for name in names])


@pytest.mark.parametrize("kind", ROUTES)
def test_reciprocal_ranks(kind: str, client: MilvusClient) -> None:
    requests, parts = routes_of(ROUTES[kind])
    expected = [in_order(rrf(routes, 10))[:15] for routes in parts]
    assert_ranked(client.hybrid_search(NAME, requests, RRFRanker(10), limit=15), expected)
    assert_ranked(client.hybrid_search(NAME, requests, reranker("rrf", k=10), limit=15), expected)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kind", ROUTES)
def test_weighted_scores(kind: str, norm: bool, client: MilvusClient) -> None:
    names = ROUTES[kind]
    requests, parts = routes_of(names)
    weights = [0.3, 0.9][: len(names)]
    scored = [weighted(routes, [FIELDS[name].metric for name in names], weights, norm=norm) for routes in parts]
    expected = [in_order(scores, descending=descending)[:15] for scores, descending in scored]
    assert_ranked(client.hybrid_search(NAME, requests, WeightedRanker(*weights, norm_score=norm), limit=15), expected)
    function = reranker("weighted", weights=weights, norm_score=norm)
    assert_ranked(client.hybrid_search(NAME, requests, function, limit=15), expected)


def decayed(scores: Mapping[int, float], decay: Decay) -> Route:
    values = np.array([NUMBERS[key] or 0.0 for key in scores])
    valid = np.array([NUMBERS[key] is not None for key in scores])
    factors = decay_factors(values, valid, decay)
    return in_order({key: score * factor for (key, score), factor in zip(scores.items(), factors, strict=True)})


@pytest.mark.parametrize("mode", ["max", "sum", "avg"])
@pytest.mark.parametrize("norm", [True, False])
def test_decay_lessens_merged_scores_and_leaves_nothing_of_nulls(mode: str, norm: bool, client: MilvusClient) -> None:
    names = ROUTES["mixed"]
    requests, parts = routes_of(names)
    function = reranker("decay", "n", function="gauss", origin=50, scale=20, offset=3, score_mode=mode, norm_score=norm)
    decay = Decay(DecayFunction.GAUSS, 50, 20, 3)
    metrics = [FIELDS[name].metric for name in names]
    expected = [decayed(merged(routes, metrics, mode, norm=norm), decay) for routes in parts]
    result = client.hybrid_search(NAME, requests, function, limit=100)
    assert_ranked(result, expected)
    assert 0.0 in {hit["distance"] for hits in result for hit in hits}, "no row without a number was found"


def test_decay_by_instant_counts_microseconds(client: MilvusClient) -> None:
    origin = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
    function = reranker("decay", "at", function="linear", origin=origin, scale=60_000_000, decay=0.001)
    hits = client.search(NAME, queries("ip", 1), anns_field="ip", limit=30, ranker=function)[0]
    plain = dict(found("ip", 1, 30)[0])
    for hit in hits:
        factor = 1 - 0.999 * (hit["id"] % 60) / 60
        assert hit["distance"] == pytest.approx(plain[hit["id"]] * factor, rel=1e-4)


def test_a_model_scores_the_texts_of_all_routes(client: MilvusClient) -> None:
    requests, parts = routes_of(ROUTES["mixed"])
    asks = ["abc", "what is 7f", "gh"]
    with RerankService() as service:
        ranker = reranker("model", "text", provider="tei", endpoint=service.uri, queries=asks)
        result = client.hybrid_search(NAME, requests, ranker, limit=50)
        plain = client.search(NAME, queries("l2", NQ), anns_field="l2", limit=20, ranker=ranker)
    found_rows = [{key for route in routes for key, _ in route} for routes in parts]
    scores = [
        {key: score_of(ask, TEXTS[key] or "") for key in rows} for ask, rows in zip(asks, found_rows, strict=True)
    ]
    assert_ranked(result, [in_order(of_rows) for of_rows in scores])
    assert_ranked(
        plain, [in_order({key: of[key] for key, _ in hits}) for of, (hits, _) in zip(scores, parts, strict=True)]
    )


def test_a_model_that_fails_fails_the_search(client: MilvusClient) -> None:
    requests, _ = routes_of(ROUTES["mixed"])
    with RerankService(lambda asked: Answer({"error": "too long"}, status=413)) as service:
        ranker = reranker("model", "text", provider="tei", endpoint=service.uri, queries=["a"] * NQ)
        with pytest.raises(MilvusException, match="too long"):
            client.hybrid_search(NAME, requests, ranker, limit=5)
        short = reranker("model", "text", provider="tei", endpoint=service.uri, queries=["a"])
        with pytest.raises(
            MilvusException, match=r"nq must equal to queries size, but got nq \[3\], queries size \[1\]"
        ):
            client.hybrid_search(NAME, requests, short, limit=5)


@pytest.mark.parametrize(
    ("inputs", "params", "phrase"),
    [
        ((), {"queries": ["a"]}, "model reranker requires exactly 1 input field, got 0"),
        (("n",), {"queries": ["a"]}, "must be VarChar, got Int64"),
        (("text",), {}, "rerank queries not specified"),
        (("text",), {"queries": ["a"], "provider": "none"}, "unsupported rerank service provider: [none]"),
    ],
)
def test_models_that_cannot_be_are_refused(
    inputs: tuple[str, ...], params: dict[str, Any], phrase: str, client: MilvusClient
) -> None:
    ranker = reranker("model", *inputs, **{"provider": "tei", "endpoint": "http://127.0.0.1:1"} | params)
    with pytest.raises(MilvusException) as caught:
        client.search(NAME, queries("l2", 1), anns_field="l2", limit=2, ranker=ranker)
    assert phrase in str(caught.value)


def test_rerankers_work_on_a_plain_search(client: MilvusClient) -> None:
    route = found("l2", NQ, 12)
    cases: list[tuple[Function, list[Route]]] = [
        (reranker("rrf"), [in_order(rrf([hits], 60)) for hits in route]),
        (reranker("weighted", weights=[0.5]), [[(key, score / 2) for key, score in hits] for hits in route]),
        (
            reranker("decay", "n", function="exp", origin=0, scale=30),
            [
                decayed(merged([hits], [FIELDS["l2"].metric], "max", norm=False), Decay(DecayFunction.EXP, 0, 30))
                for hits in route
            ],
        ),
    ]
    for function, expected in cases:
        whole = client.search(NAME, queries("l2", NQ), anns_field="l2", limit=12, ranker=function)
        assert_ranked(whole, expected)
        page = client.search(NAME, queries("l2", NQ), anns_field="l2", limit=4, offset=8, ranker=function)
        assert pairs(page) == [hits[8:] for hits in pairs(whole)]


def test_groups_of_a_plain_search_are_ranked_too(client: MilvusClient) -> None:
    options: dict[str, Any] = {"anns_field": "ip", "limit": 2, "group_by_field": "color", "group_size": 4}
    plain = pairs(client.search(NAME, queries("ip", NQ), **options))
    halved = client.search(NAME, queries("ip", NQ), ranker=reranker("weighted", weights=[0.5]), **options)
    assert_ranked(halved, [[(key, score / 2) for key, score in hits] for hits in plain])
    ranked = pairs(client.search(NAME, queries("ip", NQ), ranker=reranker("rrf"), **options))
    for hits, before in zip(ranked, plain, strict=True):
        assert sorted(hits, key=lambda hit: -hit[1]) == [
            (key, pytest.approx(1 / (60 + rank)))
            for rank, (key, _) in enumerate(sorted(before, key=lambda hit: -hit[1]), start=1)
        ]


def test_routes_have_filters_of_their_own(client: MilvusClient) -> None:
    requests = [
        asked("l2", NQ, 20, expr="n > {low} and color == {color}", expr_params={"low": 30, "color": "red"}),
        asked("cosine", NQ, 20, expr="id < {top}", expr_params={"top": 100}),
        asked("ip", NQ, 20, expr="id < 0"),
    ]
    parts = by_query(
        [
            found("l2", NQ, 20, lambda row: (NUMBERS[row] or 0) > 30 and row % 3 == 0),
            found("cosine", NQ, 20, lambda row: row < 100),
            found("ip", NQ, 20, lambda row: False),
        ]
    )
    expected = [in_order(rrf(routes, 60))[:25] for routes in parts]
    result = client.hybrid_search(NAME, requests, RRFRanker(), limit=25, output_fields=["n", "color"])
    assert_ranked(result, expected)
    for hit in (hit for hits in result for hit in hits):
        color = "red" if hit["id"] % 3 == 0 else "blue"
        assert hit["entity"] == {"n": NUMBERS[hit["id"]], "color": color}


def test_routes_may_be_range_searches(client: MilvusClient) -> None:
    every = found("l2", NQ, 1000)
    radius = float(np.median([score for _, score in every[0]]))
    requests = [asked("l2", NQ, 300, param={"params": {"radius": radius}}), asked("ip", NQ, 5)]
    within = [[(key, score) for key, score in hits if score < radius] for hits in every]
    parts = by_query([within, found("ip", NQ, 5)])
    result = client.hybrid_search(NAME, requests, RRFRanker(), limit=300)
    assert_ranked(result, [in_order(rrf(routes, 60)) for routes in parts])


def test_growing_rows_can_be_left_out(client: MilvusClient) -> None:
    requests, _ = routes_of(("l2", "ip"), 300)
    result = client.hybrid_search(NAME, requests, RRFRanker(), limit=300, ignore_growing=True)
    sealed = {row for row in LIVING if row < SEALED - 20}
    assert [{hit["id"] for hit in hits} for hits in result] == [sealed] * NQ


def test_partitions_of_the_whole_are_those_of_its_routes(client: MilvusClient, name: str) -> None:
    client.create_collection(name, dimension=2, metric_type="L2", consistency_level="Strong")
    client.create_partition(name, "p")
    client.insert(name, [{"id": key, "vector": [key, 0]} for key in range(4)])
    client.insert(name, [{"id": key, "vector": [key, 0]} for key in range(4, 8)], partition_name="p")
    routes = [AnnSearchRequest([[place, 0.0]], "vector", {}, 3) for place in (0.0, 9.0)]
    whole = client.hybrid_search(name, routes, RRFRanker(), limit=8)
    part = client.hybrid_search(name, routes, RRFRanker(), limit=8, partition_names=["p"])
    assert [{hit["id"] for hit in hits} for hits in (whole[0], part[0])] == [{0, 1, 2, 5, 6, 7}, {4, 5, 6, 7}]
    with pytest.raises(MilvusException, match="partition name q not found"):
        client.hybrid_search(name, routes, RRFRanker(), limit=8, partition_names=["q"])
    client.drop_collection(name)


def test_a_route_may_search_by_primary_key(client: MilvusClient) -> None:
    by_key = Prepare.search_requests_with_expr(NAME, "ip", {}, 5, ids=[LIVING[3]], use_default_consistency=True)
    by_vector = Prepare.search_requests_with_expr(
        NAME, "ip", {}, 5, FIELDS["ip"].values[LIVING[3], None], use_default_consistency=True
    )
    stub = client._get_connection()._stub
    replies = [
        stub.HybridSearch(Prepare.hybrid_search_request_with_ranker(NAME, [route], RRFRanker(), 5))
        for route in (by_key, by_vector)
    ]
    assert [reply.status.reason for reply in replies] == ["", ""]
    assert len(replies[0].results.ids.int_id.data) == 5
    assert replies[0].results.ids == replies[1].results.ids


def test_what_is_written_is_found_at_once_though_the_plan_is_kept(client: MilvusClient, name: str) -> None:
    client.create_collection(name, dimension=2, metric_type="L2", consistency_level="Strong")
    routes = [AnnSearchRequest([[0.0, 0.0]], "vector", {}, 3)] * 2
    for count in range(4):
        result = client.hybrid_search(name, routes, RRFRanker(), limit=8)
        assert [hit["id"] for hit in result[0]] == sorted(range(count), reverse=True)[:3]
        client.insert(name, [{"id": count, "vector": [9 - count, 0]}])
    client.drop_collection(name)


def test_pages_make_up_the_whole(client: MilvusClient) -> None:
    requests, _ = routes_of(ROUTES["mixed"])
    whole = pairs(client.hybrid_search(NAME, requests, RRFRanker(), limit=24))
    pages = [pairs(client.hybrid_search(NAME, requests, RRFRanker(), limit=8, offset=start)) for start in (0, 8, 16)]
    assert [[hit for part in parts for hit in part] for parts in by_query(pages)] == whole


def test_scores_are_rounded_after_ordering(client: MilvusClient) -> None:
    requests, parts = routes_of(ROUTES["mixed"])
    result = client.hybrid_search(NAME, requests, RRFRanker(), limit=20, round_decimal=3)
    expected = [in_order(rrf(routes, 60))[:20] for routes in parts]
    assert [[key for key, _ in hits] for hits in pairs(result)] == [[key for key, _ in hits] for hits in expected]
    for hits, exact in zip(pairs(result), expected, strict=True):
        np.testing.assert_allclose([score for _, score in hits], np.round([score for _, score in exact], 3), atol=1e-7)


def best_of_each_color(route: Route) -> Route:
    """Return the best three hits of each color, which a route of a grouped search finds."""
    best = [hit for red in (True, False) for hit in [hit for hit in route if (hit[0] % 3 == 0) is red][:3]]
    return [hit for hit in route if hit in best]


def test_groups_are_ranked_by_the_scores_of_their_hits(client: MilvusClient) -> None:
    requests, parts = routes_of(ROUTES["mixed"], 300)
    for scorer, of_group in (("max", max), ("sum", sum), ("avg", lambda scores: sum(scores) / len(scores))):
        result = client.hybrid_search(
            NAME,
            requests,
            RRFRanker(),
            limit=2,
            group_by_field="color",
            group_size=3,
            strict_group_size=True,
            rank_group_scorer=scorer,
        )
        for hits, routes in zip(pairs(result), parts, strict=True):
            ranked = in_order(rrf([best_of_each_color(route) for route in routes], 60))
            best = [[hit for hit in ranked if (hit[0] % 3 == 0) is red][:3] for red in (True, False)]
            best.sort(key=lambda group: (-np.float32(of_group([score for _, score in group])), ranked.index(group[0])))
            assert [key for key, _ in hits] == [key for group in best for key, _ in group]


def test_the_async_client_gets_the_same(server: LocalServer, client: MilvusClient) -> None:
    requests, _ = routes_of(ROUTES["mixed"])

    async def ask() -> list[Any]:
        other = AsyncMilvusClient(server.uri)
        results = await asyncio.gather(
            *(other.hybrid_search(NAME, requests, RRFRanker(k), limit=10, output_fields=["n"]) for k in (1, 60, 500))
        )
        await other.close()
        return results

    for k, result in zip((1, 60, 500), asyncio.run(ask()), strict=True):
        assert pairs(result) == pairs(client.hybrid_search(NAME, requests, RRFRanker(k), limit=10))
        assert all("n" in hit["entity"] for hits in result for hit in hits)
