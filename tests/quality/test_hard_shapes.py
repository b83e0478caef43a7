"""Data that small codes can't tell apart: graphs that walk on the vectors themselves find it, and are chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
import pytest
from quality_data import Column, Floats, Truth, clustered, column, gaussian, truth

from elanus._native.graph import CodeName, Graph
from elanus._native.kernels import Vectors
from elanus.index.base import INDEX_KINDS
from elanus.index.dense.calibrating import calibrate
from elanus.index.dense.code_choice import choose_code
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import Metric

ROWS: Final = 1_500
DIM: Final = 32
K: Final = 10


def tight_clusters(rows: int, seed: int) -> Floats:
    """Return vectors around centres that lie a hundred times farther apart than they spread."""
    centres = 10 * np.random.default_rng(7).normal(size=(20, DIM))
    random = np.random.default_rng(seed)
    return (gaussian(rows, DIM, seed) * 0.1 + centres[random.integers(0, 20, rows)]).astype(np.float32)


def two_points(rows: int, seed: int) -> Floats:
    """Return vectors around two places that lie ten thousand times farther apart than they spread."""
    random = np.random.default_rng(seed)
    return (gaussian(rows, DIM, seed) * 0.01 + np.where(random.random((rows, 1)) < 0.5, 0, 100)).astype(np.float32)


def one_long_axis(rows: int, seed: int) -> Floats:
    """Return vectors of which one value is a thousand times the others."""
    drawn = gaussian(rows, DIM, seed)
    drawn[:, 0] *= 1_000
    return drawn


def outliers(rows: int, seed: int) -> Floats:
    """Return vectors of which every fiftieth is ten thousand times as long."""
    drawn = gaussian(rows, DIM, seed)
    drawn[::50] *= 10_000
    return drawn


def hardly_any_differ(rows: int, seed: int) -> Floats:
    """Return vectors of which nine in ten are the same."""
    drawn = gaussian(rows, DIM, seed)
    drawn[: rows * 9 // 10] = 1
    return drawn


def lattice(rows: int, seed: int) -> Floats:
    """Return corners of a cube."""
    return np.random.default_rng(seed).integers(0, 2, (rows, DIM)).astype(np.float32)


def along_a_line(rows: int, seed: int) -> Floats:
    """Return places along one line, in order."""
    along = np.sort(np.random.default_rng(seed).random(rows))[:, None]
    return (along * np.linspace(1, 2, DIM)[None]).astype(np.float32)


def tiny(rows: int, seed: int) -> Floats:
    return clustered(rows, DIM, seed) * np.float32(1e-18)


def huge(rows: int, seed: int) -> Floats:
    return clustered(rows, DIM, seed) * np.float32(1e17)


Shape = Callable[[int, int], Floats]
HARD: Final[list[tuple[Shape, Metric]]] = [
    (tight_clusters, Metric.L2),
    (two_points, Metric.L2),
    (two_points, Metric.IP),
    (one_long_axis, Metric.COSINE),
    (outliers, Metric.L2),
]
"""What eight bits don't tell apart, and the metric under which they don't."""
ODD: Final[list[tuple[Shape, Metric]]] = [
    (shape, metric)
    for shape in (hardly_any_differ, lattice, along_a_line, tiny, huge)
    for metric in (Metric.L2, Metric.IP, Metric.COSINE)
]


def named(case: Any) -> str:
    return case.value if isinstance(case, Metric) else case.__name__


@cache
def of(shape: Shape, metric: Metric) -> tuple[Column, Column, Truth]:
    # A walk over fewer rows than these ends up with all of them, however little it can tell them apart.
    rows = 2 * ROWS if shape is two_points else ROWS
    base, queries = column(shape(rows, 1)), column(shape(40, 2))
    return base, queries, truth(queries, base, metric)


def built(base: Column, metric: Metric, code: CodeName) -> Graph:
    graph = Graph.build(base.vectors, metric, code=code, m=16, ef_construction=120)
    assert graph is not None
    return graph


@pytest.mark.parametrize(("shape", "metric"), [*HARD, *ODD], ids=named)
def test_walks_on_the_vectors_themselves_find_everything(shape: Shape, metric: Metric) -> None:
    base, queries, exact = of(shape, metric)
    hits, _ = built(base, metric, "column").search(queries.vectors, base.vectors, K, ef=64)
    assert exact.check(hits, K) >= 0.97


@pytest.mark.parametrize(("shape", "metric"), ODD, ids=named)
@pytest.mark.parametrize("code", ["sq8", "sq4", "f16", "bf16"])
def test_codes_of_odd_data_find_everything(shape: Shape, metric: Metric, code: CodeName) -> None:
    base, queries, exact = of(shape, metric)
    hits, _ = built(base, metric, code).search(queries.vectors, base.vectors, K, ef=100, refine=40)
    assert exact.check(hits, K) >= 0.95


@pytest.mark.parametrize(("shape", "metric"), HARD, ids=named)
def test_every_candidate_measured_again_mends_an_order_that_codes_lost(shape: Shape, metric: Metric) -> None:
    base, queries, exact = of(shape, metric)
    graph = built(base, metric, "sq8")
    few, every = (
        exact.check(graph.search(queries.vectors, base.vectors, K, ef=400, refine=refine)[0], K) for refine in (K, 400)
    )
    assert every > few


@pytest.mark.parametrize("params", [{}, {"ef": 100}], ids=str)
def test_an_index_finds_tight_clusters_with_or_without_a_width(params: dict[str, int]) -> None:
    base, queries, exact = of(tight_clusters, Metric.L2)
    kind = INDEX_KINDS["HNSW"]
    assert kind.build is not None
    index = kind.build(base.vectors, Metric.L2, kind.build_params.parse({}))
    hits, _ = index.search(queries.vectors, base.vectors, K, kind.search_params.parse(params), None)
    assert exact.check(hits, K) >= 0.95


@pytest.mark.parametrize(("shape", "metric"), HARD, ids=named)
def test_the_code_that_is_chosen_finds_what_it_promises(shape: Shape, metric: Metric) -> None:
    base, queries, exact = of(shape, metric)

    def measured(graph: Graph, code: str) -> Any:
        def search(asked: Vectors, k: int, ef: int, refine: int, keep: Bitset | None) -> Hits:
            return graph.search(asked, base.vectors, k, ef=ef, refine=refine, keep=keep)[0]

        return calibrate(search, base.vectors, metric, code=code, ef_construction=120)

    graph, calibration, _ = choose_code(lambda code: built(base, metric, code), measured)
    assert calibration is not None
    setting = calibration.setting(K, 0.99)
    hits, _ = graph.search(queries.vectors, base.vectors, K, ef=setting.ef, refine=setting.refine)
    assert exact.check(hits, K) >= 0.95
