"""Every kind of index finds what it should over every shape, type, metric, dimension and number of rows."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import pytest
from quality_data import (
    BINARY_METRICS,
    FLOAT_METRICS,
    SHAPES,
    Column,
    Truth,
    clustered,
    column,
    gaussian,
    keep_of,
    params_of,
    share_of,
    truth,
)

from elanus._native import kernels
from elanus._native.fastscan import FastScan
from elanus._native.graph import CodeName, Graph
from elanus.index.base import INDEX_KINDS
from elanus.index.dense.growing_codes import GrowingCodes
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric
from wordnet_slice import load

K: Final = 10
EF: Final = 100
BUILD: Final = {"M": 16, "efConstruction": 100}
SQ_TYPES: Final = ("SQ4U", "SQ6", "SQ8", "BF16", "FP16")
GRAPHS: Final = (("HNSW", ""), *(("HNSW_SQ", sq_type) for sq_type in SQ_TYPES))
FLOATS: Final = (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
REFINED: Final[dict[str, dict[str, int]]] = {"HNSW": {}, "HNSW_SQ": {"refine_k": 2}}
OF_LONG: Final = {
    DataType.FLOAT_VECTOR: Metric.COSINE,
    DataType.FLOAT16_VECTOR: Metric.L2,
    DataType.BFLOAT16_VECTOR: Metric.IP,
    DataType.INT8_VECTOR: Metric.L2,
}
"""The metric under which long vectors are tried."""
DIMS: Final = (1, 3, 17, 130, 4_096, 32_768)


def built(base: Column, metric: Metric, kind: str, sq_type: str = "", **options: Any) -> Any:
    """Return the index of a column."""
    given = {**BUILD, **({"sq_type": sq_type} if sq_type else {})}
    found = INDEX_KINDS[kind]
    assert found.build is not None
    return found.build(base.vectors, metric, found.build_params.parse(given), **options)


def searched(index: Any, kind: str, base: Column, queries: Column, ef: int = EF, **options: Any) -> Hits:
    """Return what a graph finds."""
    params = params_of(INDEX_KINDS[kind], ef=ef, **options)
    hits: Hits = index.search(queries.vectors, base.vectors, K, params, None)[0]
    return hits


def by_codes(base: Column, queries: Column, metric: Metric) -> Hits:
    """Return what the codes of growing rows find, or a scan where they are too coarse for the rows."""
    codes = GrowingCodes(metric)
    codes.extend(base.vectors, None)
    reader = codes.reader(base.rows)
    if reader is None:
        return kernels.scan(queries.vectors, base.vectors, metric, K)
    return reader.search(queries.vectors, base.vectors, K, None)[0]


@cache
def slice_of_wordnet() -> tuple[Column, Column]:
    found = load()
    return column(found.vectors), column(found.queries)


@cache
def slice_truth(metric: Metric) -> Truth:
    base, queries = slice_of_wordnet()
    return truth(queries, base, metric)


# --- real data ---


@pytest.mark.parametrize(("kind", "sq_type"), GRAPHS)
def test_graphs_find_real_neighbours(kind: str, sq_type: str) -> None:
    base, queries = slice_of_wordnet()
    index = built(base, Metric.COSINE, kind, sq_type)
    for ef, floor in ((16, 0.93), (64, 0.98), (200, 0.995)):
        found = slice_truth(Metric.COSINE).check(searched(index, kind, base, queries, ef=ef), K)
        assert found >= floor, (ef, found)


@pytest.mark.parametrize("metric", FLOAT_METRICS)
def test_growing_codes_find_real_neighbours(metric: Metric) -> None:
    base, queries = slice_of_wordnet()
    codes = GrowingCodes(metric)
    codes.extend(base.vectors.head(4_500), None)
    codes.extend(base.vectors, None)
    reader = codes.reader(base.rows)
    assert reader is not None
    hits, work = reader.search(queries.vectors, base.vectors, K, None)
    assert work.strategy == "codes"
    assert slice_truth(metric).check(hits, K) >= 0.99


# --- shapes ---

SHAPE_DIM: Final = 32
GRAPH_ROWS: Final = 2_000
CODED_ROWS: Final = 4_200


@cache
def shaped(shape: str, data_type: DataType, rows: int = GRAPH_ROWS) -> tuple[Column, Column]:
    base, queries = (SHAPES[shape](count, SHAPE_DIM, seed) for count, seed in ((rows, 1), (40, 2)))
    return column(base, data_type), column(queries, data_type)


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_floats_keeps_its_recall(shape: str, metric: Metric) -> None:
    base, queries = shaped(shape, DataType.FLOAT_VECTOR)
    exact = truth(queries, base, metric)
    hits = searched(built(base, metric, "HNSW"), "HNSW", base, queries)
    assert exact.check(hits, K) >= 0.97


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("shape", SHAPES)
def test_growing_codes_keep_their_recall_over_every_shape(shape: str, metric: Metric) -> None:
    base, queries = shaped(shape, DataType.FLOAT_VECTOR, CODED_ROWS)
    assert truth(queries, base, metric).check(by_codes(base, queries, metric), K) >= 0.97


@pytest.mark.parametrize("code", ["sq8", "sq4", "f16", "bf16"])
@pytest.mark.parametrize("shape", ["gaussian", "wide_norms", "far_from_zero"])
def test_every_code_keeps_its_recall(shape: str, code: CodeName) -> None:
    base, queries = shaped(shape, DataType.FLOAT_VECTOR)
    for metric in FLOAT_METRICS:
        graph = Graph.build(base.vectors, metric, code=code, m=16, ef_construction=100)
        assert graph is not None
        hits, _ = graph.search(queries.vectors, base.vectors, K, ef=150, refine=4 * K)
        found = truth(queries, base, metric).check(hits, K)
        assert found >= 0.95, (metric, found)


TYPED: Final = [
    *((data_type, metric) for data_type in (*FLOATS[1:], DataType.INT8_VECTOR) for metric in FLOAT_METRICS),
    *((DataType.BINARY_VECTOR, metric) for metric in BINARY_METRICS),
]


@pytest.mark.parametrize(("data_type", "metric"), TYPED)
def test_every_type_and_metric_keeps_its_recall(data_type: DataType, metric: Metric) -> None:
    shape = "clustered" if data_type is DataType.BINARY_VECTOR else "gaussian"
    base, queries = shaped(shape, data_type)
    exact = truth(queries, base, metric)
    hits = searched(built(base, metric, "HNSW"), "HNSW", base, queries)
    assert exact.check(hits, K) >= 0.97


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("data_type", [*FLOATS, DataType.INT8_VECTOR])
def test_growing_codes_of_every_type_keep_their_recall(data_type: DataType, metric: Metric) -> None:
    base, queries = shaped("clustered", data_type, CODED_ROWS)
    assert truth(queries, base, metric).check(by_codes(base, queries, metric), K) >= 0.97


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("dim", [2, 3, 4])
def test_few_dimensions_keep_their_recall(dim: int, metric: Metric) -> None:
    base, queries = column(gaussian(1_500, dim)), column(gaussian(40, dim, 2))
    exact = truth(queries, base, metric)
    for kind, sq_type in GRAPHS:
        hits = searched(built(base, metric, kind, sq_type), kind, base, queries)
        found = exact.check(hits, K)
        assert found >= 0.95, (kind, sq_type, found)


# --- sizes ---


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("data_type", [*FLOATS, DataType.INT8_VECTOR, DataType.BINARY_VECTOR])
def test_hardly_any_rows_are_all_found(rows: int, data_type: DataType) -> None:
    metrics = BINARY_METRICS if data_type is DataType.BINARY_VECTOR else FLOAT_METRICS
    base, queries = column(gaussian(rows, 24), data_type), column(gaussian(3, 24, 2), data_type)
    for metric in metrics:
        exact = truth(queries, base, metric)
        kinds = GRAPHS[:1] if data_type is DataType.BINARY_VECTOR else GRAPHS
        for kind, sq_type in kinds:
            index = built(base, metric, kind, sq_type)
            assert exact.check(searched(index, kind, base, queries), K) == 1.0
            for hint in ("scan", "plain", "alpha", "mix", "bridge"):
                assert exact.check(searched(index, kind, base, queries, hints=hint), K) == 1.0


@pytest.mark.parametrize("dim", DIMS)
def test_every_dimension_keeps_its_recall(dim: int) -> None:
    rows = 600 if dim <= 130 else 24
    for data_type in (*FLOATS, DataType.INT8_VECTOR):
        base, queries = column(clustered(rows, dim, 1, 4), data_type), column(clustered(8, dim, 2, 4), data_type)
        for metric in FLOAT_METRICS if dim <= 130 else (OF_LONG[data_type],):
            exact = truth(queries, base, metric)
            for kind, sq_type in GRAPHS if data_type is DataType.FLOAT_VECTOR else GRAPHS[:1]:
                hits = searched(built(base, metric, kind, sq_type), kind, base, queries, **REFINED[kind])
                found = exact.check(hits, K)
                assert found >= 0.95, (data_type, metric, kind, sq_type, found)


@pytest.mark.parametrize("dim", [8, 24, 136, 4_096, 32_768, 262_144])
def test_every_number_of_bits_keeps_its_recall(dim: int) -> None:
    rows = 600 if dim <= 136 else 24
    floats = (clustered(rows, dim, 1, 4), clustered(8, dim, 2, 4))
    base, queries = (column(each, DataType.BINARY_VECTOR) for each in floats)
    for metric in BINARY_METRICS:
        hits = searched(built(base, metric, "HNSW"), "HNSW", base, queries)
        assert truth(queries, base, metric).check(hits, K) >= 0.95


@pytest.mark.parametrize("rows", [0, 1, 2, 31, 33, 700])
@pytest.mark.parametrize("dim", [1, 3, 17, 130])
def test_a_code_scan_of_any_size_finds_every_neighbour(rows: int, dim: int) -> None:
    base, queries = column(clustered(rows, dim)), column(clustered(5, dim, 2))
    for metric in FLOAT_METRICS:
        codes = FastScan.train(base.vectors, metric)
        exact = truth(queries, base, metric)
        hits = codes.search(queries.vectors, base.vectors, K, refine=300)
        assert exact.check(hits, K) >= 0.95
        mask = share_of(rows, 0.3)
        hits = codes.search(queries.vectors, base.vectors, K, refine=300, keep=keep_of(mask))
        assert exact.check(hits, K, mask) >= 0.95


@pytest.mark.parametrize("dim", [4_096, 32_768])
def test_a_code_scan_of_long_vectors_finds_every_neighbour(dim: int) -> None:
    base, queries = column(clustered(24, dim, 1, 4)), column(clustered(4, dim, 2, 4))
    for metric in FLOAT_METRICS:
        hits = FastScan.train(base.vectors, metric).search(queries.vectors, base.vectors, K)
        assert truth(queries, base, metric).check(hits, K) >= 0.95


# --- zeros ---


@pytest.mark.parametrize("metric", FLOAT_METRICS)
def test_zero_vectors_are_rows_like_others(metric: Metric) -> None:
    floats = clustered(1_500, 20)
    floats[::3] = 0
    base = column(floats)
    queries = column(np.concatenate([np.zeros((1, 20), np.float32), clustered(10, 20, 2)]))
    exact = truth(queries, base, metric)
    for kind, sq_type in GRAPHS:
        found = exact.check(searched(built(base, metric, kind, sq_type), kind, base, queries), K)
        assert found >= 0.95, (kind, sq_type, found)
