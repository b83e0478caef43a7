"""Fusion of routes: what rankers give equals their definitions, hit by hit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from elanus.model.errors import InvalidParameter, MissingParameter
from elanus.model.schema import Field, Schema
from elanus.model.settings import FunctionSettings
from elanus.model.types import DataType, Metric
from elanus.query.candidates import Candidates
from elanus.query.ranking.bind import Ranking, Setting, bind_ranking
from elanus.query.ranking.fusion import BestFirst, ScoreMode, unite
from elanus.query.request import RerankFunction
from ranking_reference import (
    FakeSegment,
    Route,
    candidates_of,
    drawn_routes,
    hits_of,
    in_order,
    merged,
    rrf,
    weighted,
)

METRICS = (Metric.L2, Metric.IP, Metric.COSINE, Metric.HAMMING)
SCHEMA = Schema(
    (
        Field(id=100, name="id", type=DataType.INT64, is_primary=True),
        Field(id=101, name="n", type=DataType.INT64),
        Field(id=102, name="s", type=DataType.VARCHAR, max_length=8),
    )
)


def bound(function: RerankFunction | None, metrics: Sequence[Metric]) -> Ranking:
    return bind_ranking(function, Setting(SCHEMA, metrics, FunctionSettings()))


def ranked(function: RerankFunction | None, metrics: Sequence[Metric], routes: Sequence[Candidates]) -> list[Route]:
    """Return what a function makes of routes, without the stages that read fields."""
    return hits_of(BestFirst().apply(bound(function, metrics).fusion.fuse(routes)))


def assert_same(found: list[Route], expected: list[Route]) -> None:
    assert [[key for key, _ in query] for query in found] == [[key for key, _ in query] for query in expected]
    scores = [[score for query in hits for _, score in query] for hits in (found, expected)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", range(100))
def test_rankers_equal_their_definitions(case: int) -> None:
    random = np.random.default_rng(case)
    nq, count = int(random.integers(1, 4)), int(random.integers(1, 5))
    metrics = [METRICS[choice] for choice in random.integers(0, len(METRICS), count)]
    drawn = drawn_routes(random, metrics, nq)
    routes = [candidates_of(queries, metric, random) for queries, metric in zip(drawn, metrics, strict=True)]
    of_query = [[queries[query] for queries in drawn] for query in range(nq)]

    k = float(random.choice([1, 60, 16_000.5]))
    by_rank = RerankFunction("rrf", params={"k": k})
    assert_same(ranked(by_rank, metrics, routes), [in_order(rrf(parts, k)) for parts in of_query])

    weights = random.integers(0, 5, count) / 4
    for norm in (True, False):
        function = RerankFunction("weighted", params={"weights": weights.tolist(), "norm_score": norm})
        scored = [weighted(parts, metrics, weights, norm=norm) for parts in of_query]
        expected = [in_order(scores, descending=descending) for scores, descending in scored]
        assert_same(ranked(function, metrics, routes), expected)
        for mode in ScoreMode:
            params = {"function": "exp", "origin": 0, "scale": 1, "score_mode": mode, "norm_score": str(norm)}
            function = RerankFunction("decay", inputs=("n",), params=params)
            expected = [in_order(merged(parts, metrics, mode, norm=norm)) for parts in of_query]
            assert_same(ranked(function, metrics, routes), expected)


def test_reciprocal_ranks_are_the_default_with_sixty() -> None:
    route = candidates_of([[(3, 0.5), (1, 0.25)]], Metric.IP, np.random.default_rng(0))
    assert_same(ranked(None, [Metric.IP], [route]), [[(3, 1 / 61), (1, 1 / 62)]])


def test_ranks_deep_in_a_list_keep_their_order() -> None:
    """Their scores differ by less than distances that count as equal."""
    keys = np.random.default_rng(1).permutation(16_384)
    numbers = np.arange(len(keys))
    route = Candidates(
        [FakeSegment(1, len(keys))],
        np.array([len(keys)]),
        np.zeros_like(numbers),
        numbers,
        pa.array(keys),
        numbers.astype(np.float32),
        descending=False,
    )
    fused = BestFirst().apply(bound(None, [Metric.L2]).fusion.fuse([route]))
    assert fused.keys.equals(pa.array(keys))


def route_of_elements(elements: list[int]) -> Candidates:
    """Return elements of one row, in order."""
    count = len(elements)
    return Candidates(
        [FakeSegment(7, 9)],
        np.array([count]),
        np.zeros(count, dtype=np.int64),
        np.full(count, 4, dtype=np.int64),
        pa.array([40] * count),
        np.arange(count, dtype=np.float32),
        descending=False,
        elements=np.array(elements),
    )


def test_an_element_stands_once_where_all_routes_find_elements() -> None:
    rows, place = unite([route_of_elements([0, 2]), route_of_elements([2, 1])])
    assert rows.elements is not None
    assert rows.elements.tolist() == [0, 1, 2]
    assert place.tolist() == [0, 2, 2, 1]


def test_elements_stay_apart_beside_a_route_that_finds_nothing() -> None:
    nothing = Candidates.none(1, SCHEMA.primary, descending=False)
    for routes in ([nothing, route_of_elements([2, 0])], [route_of_elements([2, 0]), nothing]):
        rows, place = unite(routes)
        assert rows.elements is not None
        assert rows.elements.tolist() == [0, 2]
        assert place.tolist() == [1, 0]


def test_routes_without_any_hit_rank_nothing() -> None:
    empty = Candidates.none(2, SCHEMA.primary, descending=True)
    for kind, params in (("rrf", {}), ("weighted", {"weights": [1, 1]})):
        fused = bound(RerankFunction(kind, params=params), [Metric.IP] * 2).fusion.fuse([empty, empty])
        assert fused.counts.tolist() == [0, 0]


DECAY = {"function": "gauss", "origin": 0, "scale": 1}


@pytest.mark.parametrize(
    ("kind", "params", "phrase"),
    [
        ("rrf", {"k": 0}, "The rank params k should be in range (0, 16384)"),
        ("rrf", {"k": 16_384}, "The rank params k should be in range (0, 16384)"),
        ("rrf", {"k": "x"}, "rank param k: x is not a number"),
        ("weighted", {}, "weights not found"),
        ("weighted", {"weights": "[0.5, 1.5]"}, "rank param weight should be in range [0, 1]"),
        ("weighted", {"weights": [-0.1, 0]}, "rank param weight should be in range [0, 1]"),
        ("weighted", {"weights": [1]}, "mismatch with ann search requests: invalid parameter[expected=2][actual=1]"),
        ("weighted", {"weights": "{}"}, "should be a list of numbers"),
        ("weighted", {"weights": [1, 1], "norm_score": "perhaps"}, "norm_score"),
        ("decay", DECAY | {"function": "cubic"}, "invalid decay function: cubic"),
        ("decay", {"origin": 0, "scale": 1}, "decay function not specified"),
        ("decay", DECAY | {"scale": 0}, "decay: scale must be > 0"),
        ("decay", DECAY | {"offset": -1}, "decay: offset must be >= 0"),
        ("decay", DECAY | {"decay": 1}, "decay: decay must be in range [0.001, 0.999]"),
        ("decay", DECAY | {"decay": 0.0001}, "decay: decay must be in range [0.001, 0.999]"),
        ("decay", DECAY | {"origin": "nan"}, "decay param origin: nan is not a number"),
        ("decay", DECAY | {"score_mode": "min"}, "unsupported score_mode: min"),
        ("nothing", {}, "unsupported reranker nothing"),
    ],
)
def test_parameters_out_of_range_are_refused(kind: str, params: dict[str, Any], phrase: str) -> None:
    function = RerankFunction(kind, inputs=("n",) if kind == "decay" else (), params=params)
    with pytest.raises((InvalidParameter, MissingParameter)) as caught:
        bound(function, [Metric.L2, Metric.L2])
    assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "phrase"),
    [
        ((), "decay reranker requires exactly 1 input field, got 0"),
        (("n", "s"), "decay reranker requires exactly 1 input field, got 2"),
        (("s",), "must be numeric, got VarChar"),
        (("m",), "input field m not found in collection schema"),
    ],
)
def test_a_decay_needs_one_number(inputs: tuple[str, ...], phrase: str) -> None:
    with pytest.raises(InvalidParameter, match=phrase):
        bound(RerankFunction("decay", inputs=inputs, params=DECAY), [Metric.L2])
