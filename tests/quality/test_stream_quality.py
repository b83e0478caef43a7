"""Streams: every kept row once, at its distance; the first of them are what a search finds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from quality_data import FLOAT_METRICS, Column, clustered, column, keep_of, share_of, truth

from elanus._native.graph import CodeName, Graph
from elanus._native.kernels import Vectors
from elanus.model.types import DataType, Metric

ROWS: Final = 2_500
CASES: Final = [
    *((DataType.FLOAT_VECTOR, metric, code) for metric in FLOAT_METRICS for code in ("sq8", "sq4", "column")),
    (DataType.FLOAT16_VECTOR, Metric.COSINE, "f16"),
    (DataType.BFLOAT16_VECTOR, Metric.IP, "bf16"),
    (DataType.INT8_VECTOR, Metric.L2, "sq8"),
    (DataType.BINARY_VECTOR, Metric.HAMMING, "column"),
    (DataType.BINARY_VECTOR, Metric.JACCARD, "column"),
]
SHARES: Final = (1.0, 0.5, 0.1, 0.01, 0.001)

Pulled = tuple[NDArray[np.int64], NDArray[np.float32]]


def pulled(stream: Any, counts: Any, most: int) -> list[Pulled]:
    """Return batches of those sizes, until ``most`` rows came or one is not full."""
    batches: list[Pulled] = []
    for count in counts:
        batches.append(stream.next(count))
        if len(batches[-1][0]) < count or sum(len(rows) for rows, _ in batches) >= most:
            return batches
    return batches


def doubling(first: int) -> Any:
    while True:
        yield first
        first *= 2


def graph_of(base: Column, metric: Metric, code: CodeName, keep: Any = None) -> Graph:
    built = Graph.build(base.vectors, metric, code=code, m=12, ef_construction=80, keep=keep)
    assert built is not None
    return built


@pytest.mark.parametrize(("data_type", "metric", "code"), CASES)
def test_a_stream_to_its_end_is_every_kept_row_once(data_type: DataType, metric: Metric, code: CodeName) -> None:
    base, queries = column(clustered(ROWS, 40), data_type), column(clustered(3, 40, 2), data_type)
    graph, exact = graph_of(base, metric, code), truth(queries, base, metric)
    for share in (*SHARES, 0.0):
        mask = share_of(ROWS, share)
        for query in range(3):
            stream = graph.stream(_one(queries, query), base.vectors, ef=64, keep=keep_of(mask))
            batches = pulled(stream, doubling(7), ROWS + 1)
            rows, found = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            assert sorted(rows.tolist()) == np.flatnonzero(mask).tolist()
            assert (np.abs(found - exact.distances[query, rows]) <= exact.slack[query, rows] + 1e-30).all()
            assert all((np.diff(part) >= 0).all() for _, part in batches)
            assert len(stream.next(5)[0]) == 0, "an ended stream stays so"


def _one(queries: Column, query: int) -> Vectors:
    """Return one of the queries."""
    vectors = queries.vectors
    size = vectors.data.nbytes // vectors.rows
    return Vectors(np.asarray(vectors.data).ravel()[query * size : (query + 1) * size], 1, vectors.dim, vectors.type)


@pytest.mark.parametrize(("data_type", "metric", "code"), CASES)
def test_batches_are_about_one_big_search(data_type: DataType, metric: Metric, code: CodeName) -> None:
    base, queries = column(clustered(ROWS, 40), data_type), column(clustered(10, 40, 2), data_type)
    graph, exact = graph_of(base, metric, code), truth(queries, base, metric)
    for share in (1.0, 0.3):
        mask, wanted, right, total = share_of(ROWS, share), 200, 0, 0
        for query in range(10):
            stream = graph.stream(_one(queries, query), base.vectors, ef=64, keep=keep_of(mask))
            batches = pulled(stream, iter([20] * 10), wanted)
            found = np.concatenate([rows for rows, _ in batches])
            assert len(set(found.tolist())) == len(found) == wanted
            near = np.where(mask, exact.distances[query], np.inf)
            last = np.partition(near, wanted - 1)[wanted - 1]
            right += int((near[found] <= last + exact.slack[query, found]).sum())
            total += wanted
        assert right / total >= 0.95, (share, right / total)


@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_streams_over_hardly_any_rows(rows: int) -> None:
    base, queries = column(clustered(rows, 12)), column(clustered(1, 12, 2))
    for metric in FLOAT_METRICS:
        graph = graph_of(base, metric, "sq8")
        batches = pulled(graph.stream(queries.vectors, base.vectors, ef=10), doubling(2), 100)
        assert sorted(np.concatenate([found for found, _ in batches]).tolist()) == list(range(rows))


def test_streams_over_rows_that_lack_vectors() -> None:
    base, queries = column(clustered(ROWS, 12)), column(clustered(1, 12, 2))
    present, also = share_of(ROWS, 0.4, 3), share_of(ROWS, 0.5, 4)
    graph = graph_of(base, Metric.L2, "sq8", keep_of(present))
    for mask in (present, present & also):
        batches = pulled(graph.stream(queries.vectors, base.vectors, ef=32, keep=keep_of(mask)), doubling(50), ROWS + 1)
        found = np.concatenate([rows for rows, _ in batches])
        assert sorted(found.tolist()) == np.flatnonzero(mask).tolist()
    batches = pulled(graph.stream(queries.vectors, base.vectors, ef=32), doubling(50), ROWS + 1)
    found = np.concatenate([rows for rows, _ in batches])
    assert len(set(found.tolist())) == len(found)


def test_equal_vectors_all_come_once() -> None:
    base = column(np.ones((700, 8), np.float32))
    for metric in FLOAT_METRICS:
        stream = graph_of(base, metric, "sq8").stream(base.vectors.head(1), base.vectors, ef=16)
        batches = pulled(stream, iter([50] * 20), 701)
        found = np.concatenate([rows for rows, _ in batches])
        assert sorted(found.tolist()) == list(range(700))
