"""AUTOINDEX on six shapes of data: what recall it gives to whoever chooses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.index.auto import PRESETS, suitable_kind
from elanus.model.types import DataType, Metric
from nearest.data import Dataset
from nearest.timing import best_pass, spent_by

ROWS, QUERIES = 20_000, 200
SLACK = 1e-5
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """Rows and queries of one distribution; the last ``QUERIES`` vectors drawn are the queries."""

    name: str
    metric: Metric
    base: Floats
    queries: Floats

    @classmethod
    def of(cls, name: str, metric: Metric, vectors: NDArray[Any]) -> Shape:
        floats = np.ascontiguousarray(vectors, dtype=np.float32)
        return cls(name, metric, floats[:-QUERIES], floats[-QUERIES:])


def shapes(data: Dataset) -> Iterator[Shape]:
    """Yield the six."""
    rng = np.random.default_rng(5)
    count = ROWS + QUERIES
    yield Shape.of("gaussian, 64 dims", Metric.L2, rng.standard_normal((count, 64)))
    centres = rng.standard_normal((200, 128))
    near = centres[rng.integers(0, 200, count)] + 0.35 * rng.standard_normal((count, 128))
    yield Shape.of("200 clusters, 128 dims", Metric.COSINE, near)
    few = rng.standard_normal((ROWS // 10, 64))
    repeated = np.concatenate((few[rng.integers(0, len(few), ROWS)], rng.standard_normal((QUERIES, 64))))
    yield Shape.of("each row ten times, 64 dims", Metric.L2, repeated)
    asked = data.queries[: min(QUERIES, len(data.queries))]
    yield Shape(f"{data.name}, first {min(ROWS, data.rows):,}", Metric(data.metric), data.base[:ROWS], asked)
    norms = rng.lognormal(0.0, 1.0, (count, 1))
    yield Shape.of("inner product, wide norms, 96 dims", Metric.IP, norms * rng.standard_normal((count, 96)))
    yield Shape.of("4 dims", Metric.L2, rng.random((count, 4)))


def recalls(data: Dataset, k: int, budget_s: float) -> list[dict[str, Any]]:
    """Return of each shape the recall of the first k, queries a second of CPU, and seconds of the build."""
    return [_measured(shape, k, budget_s) for shape in shapes(data)]


def _measured(shape: Shape, k: int, budget_s: float) -> dict[str, Any]:
    kind = suitable_kind(DataType.FLOAT_VECTOR)
    assert kind is not None
    assert kind.build is not None
    built: list[Any] = []
    settings = kind.build_params.parse(PRESETS.get(kind.name, {}))
    spent = spent_by(lambda: built.append(kind.build(shape.base, DataType.FLOAT_VECTOR, shape.metric, settings)))
    params = kind.search_params.parse({})
    found = best_pass(
        lambda query: built[0].search(shape.queries[query : query + 1], k, params, None).rows[0],
        len(shape.queries),
        budget_s,
    )
    recall = float(np.mean([_share(shape, query, rows, k) for query, rows in enumerate(found.found)]))
    return {"shape": shape.name, "kind": kind.name, "recall": recall, "qps": found.qps, "build_s": spent.cpu_s}


def _share(shape: Shape, query: int, rows: NDArray[np.int64], k: int) -> float:
    """Return the share of the k nearest that was found; a row as near as the k-th counts."""
    distances = _distances(shape, shape.queries[query])
    worst = np.partition(distances, k - 1)[k - 1]
    rows = np.unique(rows[rows >= 0])
    return int((distances[rows] <= worst + SLACK * max(1.0, abs(worst))).sum().clip(max=k)) / k


def _distances(shape: Shape, query: Floats) -> NDArray[np.float32]:
    if shape.metric is Metric.L2:
        return ((shape.base - query) ** 2).sum(1)
    products = shape.base @ query
    return -products / np.linalg.norm(shape.base, axis=1) if shape.metric is Metric.COSINE else -products
