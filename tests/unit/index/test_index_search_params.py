from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index import INDEX_KINDS, IndexKind, VectorIndex, parse_search
from elanus.index.dense.graph import GraphSearch
from elanus.index.dense.ivf import IvfSearch
from elanus.index.dense.vectors import as_floats, matrix_of
from elanus.model.bitset import Bitset
from elanus.model.errors import InvalidParameter, SearchFailed
from elanus.model.types import DataType, Metric

HNSW, HNSW_SQ, IVF = INDEX_KINDS["HNSW"], INDEX_KINDS["HNSW_SQ"], INDEX_KINDS["IVF_FLAT"]


def graph_params(kind: IndexKind, pairs: dict[str, object], k: int) -> GraphSearch:
    params = parse_search(kind, pairs, k)
    assert isinstance(params, GraphSearch)
    return params


def build(kind: IndexKind, base: Vectors, metric: Metric, **pairs: object) -> VectorIndex:
    assert kind.build is not None
    return kind.build(base, metric, kind.build_params.parse(pairs))


def test_the_recall_to_aim_at_is_the_target_or_the_levels_or_the_default() -> None:
    def recall(pairs: dict[str, object]) -> float:
        return graph_params(HNSW, pairs, 10).recall

    assert recall({}) == recall({"level": 4}) == 0.96
    assert recall({"target_recall": "0.5"}) == recall({"target_recall": 0.5, "level": 10}) == 0.5
    by_level = [recall({"level": level}) for level in range(1, 11)]
    assert by_level == sorted(set(by_level))


def test_searches_without_a_width_walk_as_wide_as_was_measured() -> None:
    base = Vectors.of(np.random.default_rng(1).normal(size=(12_000, 8)).astype(np.float32))
    index = build(HNSW, base, Metric.L2, M=8, efConstruction=50)

    def scored(**pairs: object) -> int:
        return index.search(base.head(20), base, 10, graph_params(HNSW, pairs, 10), None)[1].scored

    assert scored(target_recall=0.9) < scored() < scored(target_recall=0.999)
    assert scored(ef=20) < scored(ef=60)
    _, work = index.search(base.head(1), base, 10, graph_params(HNSW, {"target_recall": 1.0}, 10), None)
    assert work.strategy == "exact"


@pytest.mark.parametrize("value", [0, -0.5, "1.01", 1.5])
def test_a_target_recall_lies_between_none_and_all(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"param 'target_recall' \(.*\) should be in range \[0\.01, 1\]"):
        parse_search(HNSW, {"target_recall": value}, 10)


def test_refine_k_says_how_many_rows_are_measured_exactly() -> None:
    assert graph_params(HNSW_SQ, {}, 10).candidates(10) == 10
    assert graph_params(HNSW_SQ, {"refine_k": "2.55"}, 10).candidates(10) == 26
    assert graph_params(HNSW, {"refine_k": 0.1}, 10).candidates(10) == 10, "HNSW knows no refine_k"


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (0.99, "Out of range in json: param 'refine_k' (0.99) should be in range [1, inf]"),
        (True, "Type conflict in json: param 'refine_k' (true) should be a number"),
        ("much", "wrong data type in json, key: 'refine_k', value: 'much'"),
        ("nan", "Out of range in json: param 'refine_k' (nan)"),
    ],
)
def test_values_of_refine_k_that_are_refused(value: object, phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_search(HNSW_SQ, {"refine_k": value}, 10)
    assert phrase in caught.value.reason


def test_widths_beyond_all_rows_are_borne() -> None:
    base = Vectors.of(np.eye(16, dtype=np.float32))
    index = build(HNSW_SQ, base, Metric.IP)
    hits, _ = index.search(base, base, 3, parse_search(HNSW_SQ, {"refine_k": "inf", "ef": 2**31 - 1}, 3), None)
    assert hits.rows[:, 0].tolist() == list(range(16))


@pytest.mark.parametrize("kind", [HNSW, HNSW_SQ, IVF, INDEX_KINDS["FLAT"]], ids=lambda kind: kind.name)
def test_hints_are_taken_by_every_kind_and_unknown_ones_refused(kind: IndexKind) -> None:
    for hint in ("", "iterative_filter", "scan", "plain", "alpha", "mix", "bridge"):
        assert parse_search(kind, {"hints": hint}, 10).hints == hint
    assert parse_search(kind, {"hints": "disable"}, 10) == parse_search(kind, {}, 10)
    with pytest.raises(SearchFailed) as caught:
        parse_search(kind, {"hints": "Bridge"}, 10)
    assert "hints: Bridge not supported, supported: alpha, bridge, " in caught.value.reason


def test_hints_of_milvus_leave_the_strategy_to_the_graph() -> None:
    names = {hint: graph_params(HNSW, {"hints": hint}, 10).strategy for hint in ("", "disable", "iterative_filter")}
    assert set(names.values()) == {"auto"}
    assert graph_params(HNSW, {"hints": "bridge"}, 10).strategy == "bridge"


@pytest.mark.parametrize("kind", [HNSW, HNSW_SQ], ids=lambda kind: kind.name)
def test_ef_below_k_is_refused_as_the_engine_does(kind: IndexKind) -> None:
    with pytest.raises(SearchFailed) as caught:
        parse_search(kind, {"ef": 9}, 10)
    assert "ef(9) should be larger than k(10)" in caught.value.reason
    assert caught.value.code == 2000
    parse_search(kind, {"ef": 10}, 10)


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (32.0, "Type conflict in json: param 'ef' (32.0) should be integer"),
        (True, "Type conflict in json: param 'ef' (true) should be integer"),
        (None, "Type conflict in json: param 'ef' (null) should be integer"),
        ([32], "Type conflict in json: param 'ef' ([32]) should be integer"),
        (0, "Out of range in json: param 'ef' (0) should be in range [1, 2147483647]"),
        (2**31, "Out of range in json: param 'ef' (2147483648) should be in range [1, 2147483647]"),
        ("many", "invalid integer value, key: 'ef', value: 'many'"),
    ],
)
def test_values_of_ef_that_are_refused(value: object, phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_search(HNSW, {"ef": value}, 10)
    assert phrase in caught.value.reason


def test_keys_of_other_kinds_and_of_the_query_layer_are_ignored() -> None:
    assert parse_search(IVF, {"ef": -1, "radius": 1, "range_filter": 2, "nprobe": 3}, 10) == IvfSearch(nprobe=3)


def test_a_filter_probes_more_lists() -> None:
    assert IvfSearch(nprobe=8).lists(1.0) == 8
    assert IvfSearch(nprobe=8).lists(0.25) == 16


def test_probing_every_list_is_exact() -> None:
    rng = np.random.default_rng(0)
    base, queries = (rng.normal(size=(n, 16)).astype(np.float32) for n in (2_000, 10))
    index = build(IVF, Vectors.of(base), Metric.L2, nlist=32)
    hits, _ = index.search(Vectors.of(queries), Vectors.of(base), 20, IvfSearch(nprobe=65_536), None)
    true = ((queries[:, None] - base[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(hits.rows, np.argsort(true, axis=1, kind="stable")[:, :20])


def test_an_index_over_few_rows_has_few_lists_and_all_are_found() -> None:
    base = Vectors.of(np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32))
    index = build(IVF, base, Metric.IP, nlist=1_000)
    hits, _ = index.search(base, base, 100, IVF.search_params(), None)
    assert sorted(hits.rows[0].tolist()) == list(range(100))


def test_lists_are_probed_where_that_costs_less_than_a_scan() -> None:
    base = Vectors.of(np.random.default_rng(0).normal(size=(4_000, 8)).astype(np.float32))
    index = build(IVF, base, Metric.L2, nlist=64)
    few = Bitset.from_rows(np.arange(0, 4_000, 400), 4_000)
    asked = {
        "all": (IvfSearch(nprobe=8), None),
        "few": (IvfSearch(nprobe=8), few),
        "forced": (IvfSearch(nprobe=8, hints="scan"), None),
    }
    found = {name: index.search(base, base, 5, *how)[1].strategy for name, how in asked.items()}
    assert found == {"all": "lists", "few": "scan", "forced": "scan"}


def test_lists_that_hold_too_few_rows_are_made_good_by_a_scan() -> None:
    values = np.repeat(np.eye(8, dtype=np.float32) * 100, 100, axis=0)
    base = Vectors.of(values + np.random.default_rng(0).normal(size=values.shape).astype(np.float32))
    index = build(IVF, base, Metric.L2, nlist=20)
    hits, work = index.search(Vectors.of(values[:1]), base, 300, IvfSearch(nprobe=1), None)
    assert (hits.rows >= 0).all()
    assert work.strategy == "scan"


@pytest.mark.parametrize("kind", [HNSW, HNSW_SQ, IVF], ids=lambda kind: kind.name)
def test_the_bitset_is_read_as_it_lies(kind: IndexKind) -> None:
    base = Vectors.of(np.eye(16, dtype=np.float32))
    query = Vectors.of(np.eye(16, dtype=np.float32)[:1])
    index = build(kind, base, Metric.IP)
    for row in range(16):
        hits, _ = index.search(query, base, 3, kind.search_params(), Bitset.from_rows(np.array([row]), 16))
        assert hits.rows.tolist() == [[row, -1, -1]]


@pytest.mark.parametrize("metric", [Metric.L2, Metric.IP, Metric.COSINE])
@pytest.mark.parametrize("sq_type", ["SQ4U", "SQ6", "SQ8", "BF16", "FP16"])
def test_every_scalar_quantizer_finds_well_and_better_when_more_is_measured(sq_type: str, metric: Metric) -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(20, 32))
    rows, asked = ((centres[rng.integers(20, size=n)] + rng.normal(size=(n, 32))).astype(np.float32) for n in (900, 20))
    base, queries = Vectors.of(rows), Vectors.of(asked)
    index = build(HNSW_SQ, base, metric, sq_type=sq_type, M=16, efConstruction=100)
    true = kernels.scan(queries, base, metric, 10)
    recalls = []
    for refine_k in (1, 5):
        params = parse_search(HNSW_SQ, {"ef": 150, "refine_k": refine_k, "hints": "plain"}, 10)
        hits, _ = index.search(queries, base, 10, params, None)
        recalls.append((hits.distances <= true.distances[:, -1:]).mean())
    assert recalls[0] >= 0.95
    assert recalls[1] >= 0.99


def test_half_precision_is_widened_without_loss() -> None:
    values = np.array([[1.5, -2.0, 0.0, 0.25]], dtype=np.float32)
    bfloat16 = (values.view(np.uint32) >> 16).astype(np.uint16)
    for matrix in (values, values.astype(np.float16), bfloat16):
        np.testing.assert_array_equal(as_floats(matrix, Metric.L2), values)
        assert as_floats(matrix, Metric.L2).dtype == np.float32


def test_cosine_makes_unit_vectors_of_all_but_zero() -> None:
    matrix = np.array([[3.0, 4.0], [0.0, 0.0], [3e38, -3e38], [1e-44, 0.0]], dtype=np.float32)
    lengths = np.linalg.norm(as_floats(matrix, Metric.COSINE), axis=1)
    np.testing.assert_allclose(lengths, [1.0, 0.0, 1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("data_type", [DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR])
def test_vectors_in_a_buffer_are_seen_as_rows(data_type: DataType) -> None:
    dtype = {DataType.FLOAT16_VECTOR: np.float16, DataType.BFLOAT16_VECTOR: np.uint16}.get(data_type, np.float32)
    matrix = np.arange(12).astype(dtype).reshape(3, 4)
    np.testing.assert_array_equal(matrix_of(Vectors.of(matrix, data_type)), matrix)


def test_describing_kinds_does_not_load_faiss() -> None:
    code = (
        "import sys, elanus.index; assert len(elanus.index.INDEX_KINDS.names()) >= 7; sys.exit('faiss' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_answers_is_said_in_words() -> None:
    assert HNSW.answered_by(DataType.INT8_VECTOR) == "HNSW graph"
    assert INDEX_KINDS["FLAT"].answered_by(DataType.FLOAT_VECTOR) == "exact scan"
    assert INDEX_KINDS["STL_SORT"].answered_by(DataType.INT64) == "sorted values"
