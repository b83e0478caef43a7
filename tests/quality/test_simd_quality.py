"""Every instruction set finds the same rows, at the same distances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from quality_data import BINARY_METRICS, FLOAT_METRICS, clustered, column, gaussian, keep_of, share_of, truth

from elanus._native import kernels
from elanus._native.fastscan import FastScan
from elanus._native.graph import CodeName, Graph
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

LEVELS: Final = kernels.simd_levels()
K: Final = 10
ALIKE: Final = 1e-5

WHOLE: Final = [
    *((DataType.INT8_VECTOR, metric, code) for metric in FLOAT_METRICS for code in ("sq8", "sq4", "column")),
    *((DataType.BINARY_VECTOR, metric, "column") for metric in BINARY_METRICS),
]
BROKEN: Final = [
    (data_type, metric, code)
    for data_type in (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
    for metric in FLOAT_METRICS
    for code in ("sq8", "sq4", "f16", "bf16", "column")
]
SHARES: Final = (1.0, 0.5, 0.03)


@pytest.fixture(autouse=True)
def active_again() -> Iterator[None]:
    """Leave the instruction set as it was."""
    before = kernels.simd_level()
    yield
    kernels.set_simd_level(before)


def by_every_level(search: Any) -> dict[str, Hits]:
    """Return what a search finds at each level."""
    found = {}
    for level in LEVELS:
        kernels.set_simd_level(level)
        assert kernels.simd_level() == level
        found[level] = search()
    return found


def all_find_alike(found: dict[str, Hits], *, alike: float, rows: float) -> None:
    """Assert that distances of all levels are the same within a share, and so many of the rows."""
    first = found[LEVELS[0]]
    for level, hits in found.items():
        same = [set(one) == set(other) for one, other in zip(hits.rows.tolist(), first.rows.tolist(), strict=True)]
        assert np.mean(same) >= rows, level
        ended = np.isposinf(first.distances)
        np.testing.assert_array_equal(ended, np.isposinf(hits.distances))
        apart = np.abs(hits.distances[~ended] - first.distances[~ended])
        close = apart <= alike * np.maximum(1.0, np.abs(first.distances[~ended]))
        assert close.mean() >= rows, level


@pytest.mark.parametrize(("data_type", "metric", "code"), WHOLE)
def test_integers_and_bits_give_the_same_rows_and_distances(
    data_type: DataType, metric: Metric, code: CodeName
) -> None:
    base, queries = column(clustered(1_500, 72), data_type), column(clustered(25, 72, 2), data_type)
    graph = Graph.build(base.vectors, metric, code=code, m=12, ef_construction=80)
    assert graph is not None
    for share in SHARES:
        keep = keep_of(share_of(base.rows, share))

        def search(keep: Any = keep) -> Hits:
            return graph.search(queries.vectors, base.vectors, K, ef=120, refine=60, keep=keep, strategy="plain")[0]

        all_find_alike(by_every_level(search), alike=0 if metric is not Metric.COSINE else ALIKE, rows=1.0)


@pytest.mark.parametrize(("data_type", "metric", "code"), BROKEN)
def test_floats_give_nearly_the_same_rows_and_distances(data_type: DataType, metric: Metric, code: CodeName) -> None:
    base, queries = column(gaussian(900, 72), data_type), column(gaussian(25, 72, 2), data_type)
    graph = Graph.build(base.vectors, metric, code=code, m=12, ef_construction=80)
    assert graph is not None
    exact = truth(queries, base, metric)
    for share in SHARES:
        mask = share_of(base.rows, share)

        def search(mask: Any = mask) -> Hits:
            hits, _ = graph.search(
                queries.vectors, base.vectors, K, ef=150, refine=100, keep=keep_of(mask), strategy="plain"
            )
            return hits

        found = by_every_level(search)
        all_find_alike(found, alike=ALIKE, rows=0.96)
        shares = [exact.check(hits, K, mask) for hits in found.values()]
        assert max(shares) - min(shares) <= 0.01


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("data_type", [DataType.FLOAT_VECTOR, DataType.BFLOAT16_VECTOR, DataType.INT8_VECTOR])
def test_code_scans_give_nearly_the_same_rows_and_distances(data_type: DataType, metric: Metric) -> None:
    base, queries = column(clustered(3_000, 40), data_type), column(clustered(25, 40, 2), data_type)
    codes = FastScan.train(base.vectors, metric)
    for share in SHARES:
        keep = keep_of(share_of(base.rows, share))

        def search(keep: Any = keep) -> Hits:
            return codes.search(queries.vectors, base.vectors, K, refine=200, keep=keep)

        all_find_alike(by_every_level(search), alike=ALIKE, rows=0.96)


@pytest.mark.parametrize("level", LEVELS)
def test_graphs_built_at_every_level_find_alike(level: str) -> None:
    kernels.set_simd_level(level)
    base, queries = column(gaussian(1_500, 40)), column(gaussian(25, 40, 2))
    for code in ("sq8", "sq4", "f16", "bf16", "column"):
        graph = Graph.build(base.vectors, Metric.L2, code=code, m=12, ef_construction=80)
        assert graph is not None
        hits, _ = graph.search(queries.vectors, base.vectors, K, ef=150, refine=60)
        assert truth(queries, base, Metric.L2).check(hits, K) >= 0.97
