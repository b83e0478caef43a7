"""Filters that lie to the queries in every way: kept rows alone, all that are wanted, near ones, at a bounded cost."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from quality_data import Column, Truth, clustered, column, keep_of, share_of, truth

from elanus._native.graph import Graph, Strategy
from elanus.model.hits import Hits, Work
from elanus.model.types import Metric
from wordnet_slice import load

K: Final = 10
SHARES: Final = (0.5, 0.1, 0.01, 0.001)
LIES: Final = ("independent", "near", "far", "one_place")
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
COSTS: Final = {"run": 12.0, "list": 16.0, "scattered": 35.0, "exact": 60.0, "link": 1.5, "hop": 60.0}
"""What the steps of a search cost, so that a choice does not depend on how busy a machine was during the build."""
DEAR_SCANS: Final = {**COSTS, "run": 40.0, "list": 40.0}
"""The same where scans are slow, so that walks are chosen over few rows already."""


@dataclass(frozen=True, eq=False)
class Case:
    """A column with its graph, and queries with exact distances; ``ef`` is the width of walks."""

    base: Column
    queries: Column
    metric: Metric
    graph: Graph
    exact: Truth
    ef: int = 64

    def search(self, keep: NDArray[np.bool_] | None, strategy: Strategy = "auto", k: int = K) -> tuple[Hits, Any]:
        return self.graph.search(
            self.queries.vectors,
            self.base.vectors,
            k,
            ef=max(self.ef, k),
            refine=2 * k,
            keep=keep_of(keep),
            strategy=strategy,
        )

    def part(self, chosen: NDArray[np.int64]) -> Case:
        """Return the case of some queries alone."""
        asked = column(self.queries.numbers[chosen].astype(np.float32))
        exact = Truth(self.exact.distances[chosen], self.exact.slack[chosen])
        return replace(self, queries=asked, exact=exact)

    def one(self, query: int) -> Case:
        """Return the case of one query alone."""
        return self.part(np.array([query]))


def case_of(base: Column, queries: Column, metric: Metric, code: Any = "sq8") -> Case:
    """Return a case whose graph goes by the costs of ``COSTS``."""
    built = Graph.build(base.vectors, metric, code=code, m=16, ef_construction=150)
    assert built is not None
    return Case(base, queries, metric, costing(built, COSTS), truth(queries, base, metric))


def costing(graph: Graph, costs: dict[str, float]) -> Graph:
    """Return a graph that takes its steps to cost that much."""
    facts = {**graph.facts, **{f"cost_{name}": cost for name, cost in costs.items()}}
    assert facts.keys() == graph.facts.keys()
    return Graph.open(facts, graph.sections())


@cache
def wordnet() -> Case:
    found = load()
    return case_of(column(found.vectors), column(found.queries), Metric.COSINE)


@cache
def clusters() -> Case:
    return case_of(column(clustered(20_000, 24, 1, 300)), column(clustered(60, 24, 2, 300)), Metric.L2)


@cache
def dear_scans() -> Case:
    case = clusters()
    return replace(case, graph=costing(case.graph, DEAR_SCANS), ef=32)


CASES: Final = {"wordnet": wordnet, "clusters": clusters, "dear_scans": dear_scans}


def lying(case: Case, lie: str, share: float) -> tuple[Case, NDArray[np.bool_]]:
    """Return a filter that keeps a share of the rows, and the queries that it is to be asked with.

    independent  a random filter, all queries
    near         the rows that lie in the direction of the queries, which are those farthest in it
    far          the rows that lie on the other side
    one_place    the rows around one row, far from most queries
    """
    count = max(1, round(share * case.base.rows))
    if lie == "independent":
        return case, share_of(case.base.rows, share)
    if lie == "one_place":
        middle = case.base.numbers[17]
        return case, _first(((case.base.numbers - middle) ** 2).sum(axis=1), count)
    direction = np.random.default_rng(5).normal(size=case.base.numbers.shape[1])
    along, asked = case.base.numbers @ direction, case.queries.numbers @ direction
    return case.part(np.argsort(-asked)[:30]), _first(-along if lie == "near" else along, count)


def _first(order: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(len(order), np.bool_)
    mask[np.argsort(order, kind="stable")[:count]] = True
    return mask


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", CASES)
def test_every_strategy_finds_kept_rows_and_all_that_are_wanted(name: str, lie: str, share: float) -> None:
    case, keep = lying(CASES[name](), lie, share)
    # What scans cost matters to a choice alone.
    for strategy in STRATEGIES if name != "dear_scans" else ("auto",):
        hits, report = case.search(keep, strategy)
        found = case.exact.check(hits, K, keep)
        if strategy == "auto":
            assert found >= 0.95, (found, report)
        elif strategy == "scan":
            assert found >= 0.99, (found, report)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", CASES)
def test_a_filter_costs_at_most_about_two_scans_of_what_it_keeps(name: str, lie: str, share: float) -> None:
    case, keep = lying(CASES[name](), lie, share)
    for query in range(0, case.queries.rows, 7):
        _, report = case.one(query).search(keep)
        assert _work(report) <= 2.2 * keep.sum() + 100, report


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", CASES)
def test_rows_just_beyond_a_distance_are_found_at_nearly_the_least_distance(name: str, share: float) -> None:
    """The kept rows that are nearest lie at almost one distance, which codes can't order; any of them will do."""
    for query in range(5):
        case = CASES[name]().one(query)
        keep = _first(-case.exact.distances[0], round(share * case.base.rows))
        hits, _ = case.search(keep)
        case.exact.check(hits, K, keep)
        count = min(K, int(keep.sum()))
        least = np.sort(case.exact.distances[0][keep])[:count]
        spread = np.ptp(case.exact.distances[0])
        assert (hits.distances[0, :count] - least).max() <= 0.01 * spread


@pytest.mark.parametrize("share", SHARES)
def test_as_many_rows_as_are_kept_come_however_many_are_wanted(share: float) -> None:
    case = wordnet()
    for lie in LIES:
        few, keep = lying(case, lie, share)
        one = few.one(0)
        for k in (1, 100, 700, 5_000):
            hits, _ = one.search(keep, k=k)
            assert one.exact.check(hits, k, keep) >= 0.95


@pytest.mark.parametrize("code", ["sq4", "f16", "bf16", "column"])
def test_filters_over_every_code_keep_their_recall(code: str) -> None:
    whole = case_of(column(clustered(6_000, 24, 1, 100)), column(clustered(40, 24, 2, 100)), Metric.IP, code)
    for lie in LIES:
        for share in SHARES:
            case, keep = lying(whole, lie, share)
            assert case.exact.check(case.search(keep)[0], K, keep) >= 0.95, (lie, share)


@pytest.mark.parametrize("name", CASES)
def test_filters_that_keep_nothing_all_or_one_row(name: str) -> None:
    case = CASES[name]()
    rows = case.base.rows
    for mask in (np.zeros(rows, np.bool_), np.ones(rows, np.bool_), np.arange(rows) == rows - 1):
        for strategy in STRATEGIES:
            hits, _ = case.search(mask, strategy)
            assert case.exact.check(hits, K, mask) >= 0.95


OF_WORDNET: Final = ("f50", "f10", "f1", "f01", "c50", "c10", "c1", "c01", "own")


@cache
def wordnet_filter(name: str, query: int) -> NDArray[np.bool_]:
    """Return a filter of the slice as a mask; "own" keeps the rows of the query's own category."""
    found = load()
    own = found.asked["lexname"][query].as_py()
    names, parts = found.rows["lexname"].to_numpy(), found.rows["u"].to_numpy()
    if name == "own":
        mask = names == own
    elif name.startswith("c"):
        mask = np.isin(names, re.findall(r'"([^"]+)"', found.filters[name]))
    else:
        mask = parts < float(found.filters[name].split("<")[1])
    return np.asarray(mask, np.bool_)


@pytest.mark.parametrize("name", OF_WORDNET)
def test_filters_by_meaning_keep_their_recall(name: str) -> None:
    case, expected = wordnet(), load().truth[name]
    for query in range(0, case.queries.rows, 4):
        keep = wordnet_filter(name, query if name == "own" else 0)
        assert keep.sum() >= (expected[query] >= 0).sum()
        one = case.one(query)
        for strategy in STRATEGIES:
            hits, report = one.search(keep, strategy)
            one.exact.check(hits, K, keep)
            assert strategy != "auto" or _work(report) <= 2.2 * keep.sum() + 100
    if name == "own":
        return
    for strategy in ("auto", "scan", "mix", "bridge"):
        hits, report = case.search(keep, strategy)
        found = case.exact.check(hits, K, keep)
        assert found >= 0.95, (found, report)


# --- deleted rows and rows without a vector ---


@pytest.mark.parametrize("dead", [0.1, 0.5, 0.9])
def test_deleted_rows_never_come_back(dead: float) -> None:
    for make in CASES.values():
        case = make()
        alive = ~share_of(case.base.rows, dead, seed=8)
        for strategy in STRATEGIES:
            hits, report = case.search(alive, strategy)
            found = case.exact.check(hits, K, alive)
            assert strategy != "auto" or found >= 0.95, (found, report)


@pytest.mark.parametrize("without", [0.1, 0.5, 0.9, 0.9999, 1.0])
def test_rows_without_a_vector_are_never_found(without: float) -> None:
    base, queries = column(clustered(3_000, 24)), column(clustered(30, 24, 2))
    present = ~share_of(base.rows, without, seed=9)
    graph = Graph.build(base.vectors, Metric.L2, code="sq8", keep=keep_of(present))
    assert graph is not None
    exact = truth(queries, base, Metric.L2)
    for also in (np.ones(base.rows, np.bool_), share_of(base.rows, 0.3, seed=10)):
        kept = present & also
        for strategy in STRATEGIES:
            hits, report = graph.search(
                queries.vectors, base.vectors, K, ef=64, refine=2 * K, keep=keep_of(kept), strategy=strategy
            )
            found = exact.check(hits, K, kept)
            assert strategy != "auto" or found >= 0.95, (found, report)


# --- work: a walk that got longer, or a choice that got dearer, shows here ---

UNFILTERED: Final = {"wordnet": (70.3, 867.3), "clusters": (71.4, 411.8), "dear_scans": (39.6, 276.6)}
"""Hops, and rows scored, of a query without a filter."""
FILTERED: Final = {
    ("clusters", "independent", 0.5): 918.5,
    ("clusters", "near", 0.5): 641.9,
    ("clusters", "far", 0.5): 1228.4,
    ("clusters", "one_place", 0.5): 784.5,
    ("dear_scans", "independent", 0.5): 410.9,
    ("dear_scans", "near", 0.5): 374.3,
    ("dear_scans", "far", 0.5): 678.1,
    ("dear_scans", "one_place", 0.5): 469.1,
    ("dear_scans", "independent", 0.1): 571.9,
    ("dear_scans", "near", 0.1): 426.1,
    ("dear_scans", "far", 0.1): 500.3,
    ("dear_scans", "one_place", 0.1): 571.0,
}
"""Rows that a query scores where it walks; a scan scores those that are kept."""
MARGIN: Final = 1.15


def _work(report: Work) -> int:
    return report.scored + report.scanned


@pytest.mark.parametrize("name", CASES)
def test_a_walk_follows_and_scores_no_more_rows_than_it_did(name: str) -> None:
    case = CASES[name]()
    hits, report = case.search(None)
    assert case.exact.check(hits, K) >= 0.99
    hops, scored = UNFILTERED[name]
    assert report.strategy == "plain"
    assert report.hops <= MARGIN * hops * case.queries.rows
    assert _work(report) <= MARGIN * scored * case.queries.rows


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", CASES)
def test_a_filtered_search_scores_no_more_rows_than_it_did(name: str, lie: str, share: float) -> None:
    case, keep = lying(CASES[name](), lie, share)
    _, report = case.search(keep)
    scored = MARGIN * FILTERED[name, lie, share] if (name, lie, share) in FILTERED else keep.sum()
    assert _work(report) <= scored * case.queries.rows
