from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from elanus.index import INDEX_KINDS, parse_search
from elanus.index.dense.graph import HnswSearch
from elanus.index.dense.ivf import IvfSearch
from elanus.index.dense.vectors import as_floats, chunks
from elanus.model.bitset import Bitset
from elanus.model.errors import InvalidParameter, SearchFailed
from elanus.model.types import DataType, Metric

HNSW, IVF = INDEX_KINDS["HNSW"], INDEX_KINDS["IVF_FLAT"]


def width(pairs: dict[str, object], k: int, selectivity: float = 1.0) -> int:
    params = parse_search(HNSW, pairs, k)
    assert isinstance(params, HnswSearch)
    return params.width(k, selectivity)


def test_ef_defaults_to_64_or_k() -> None:
    assert width({}, 10) == 64
    assert width({}, 100) == 100
    assert width({"ef": "80"}, 10) == 80


def test_level_widens_the_default_alone() -> None:
    assert width({"level": 10}, 10) == 640
    assert width({"level": 10, "ef": 20}, 10) == 20


def test_a_filter_widens_the_beam_up_to_a_bound_that_never_narrows_it() -> None:
    assert width({}, 10, 0.5) == 128
    assert width({}, 10, 0.0001) == 2_048
    assert width({"ef": 5_000}, 10, 0.1) == 5_000


def test_ef_below_k_is_refused_as_the_engine_does() -> None:
    with pytest.raises(SearchFailed) as caught:
        parse_search(HNSW, {"ef": 9}, 10)
    assert "ef(9) should be larger than k(10)" in caught.value.reason
    assert caught.value.code == 2000
    parse_search(HNSW, {"ef": 10}, 10)


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
    assert IVF.build is not None
    index = IVF.build(base, DataType.FLOAT_VECTOR, Metric.L2, IVF.build_params.parse({"nlist": 32}))
    hits = index.search(queries, 20, parse_search(IVF, {"nprobe": 65_536}, 20), None)
    true = ((queries[:, None] - base[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(hits.rows, np.argsort(true, axis=1, kind="stable")[:, :20])


def test_an_index_over_few_rows_has_few_lists_and_all_are_found() -> None:
    base = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    assert IVF.build is not None
    index = IVF.build(base, DataType.FLOAT_VECTOR, Metric.IP, IVF.build_params.parse({"nlist": 1_000}))
    hits = index.search(base[:1], 100, IVF.search_params(), None)
    assert sorted(hits.rows[0].tolist()) == list(range(100))


def test_building_on_several_threads_finds_as_well() -> None:
    base = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
    assert HNSW.build is not None
    index = HNSW.build(base, DataType.FLOAT_VECTOR, Metric.L2, HNSW.build_params(), threads=2)
    hits = index.search(base, 1, HNSW.search_params(), None)
    assert (hits.rows[:, 0] == np.arange(600)).mean() > 0.99


def test_the_bitset_is_read_as_it_lies() -> None:
    base = np.eye(16, dtype=np.float32)
    assert HNSW.build is not None
    index = HNSW.build(base, DataType.FLOAT_VECTOR, Metric.IP, HNSW.build_params())
    for row in range(16):
        keep = Bitset.from_rows(np.array([row]), 16)
        hits = index.search(base[:1], 3, HNSW.search_params(), keep)
        assert hits.rows.tolist() == [[row, -1, -1]]


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


def test_chunks_are_the_whole_in_order() -> None:
    matrix = np.arange(40_000, dtype=np.float32).reshape(20_000, 2)
    np.testing.assert_array_equal(np.concatenate(list(chunks(matrix, Metric.IP))), matrix)


def test_describing_kinds_does_not_load_faiss() -> None:
    code = (
        "import sys, elanus.index; assert len(elanus.index.INDEX_KINDS.names()) >= 7; sys.exit('faiss' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_answers_is_said_in_words() -> None:
    assert HNSW.answered_by(DataType.FLOAT_VECTOR) == "HNSW graph (FAISS)"
    assert HNSW.answered_by(DataType.INT8_VECTOR) == "exact scan"
    assert INDEX_KINDS["FLAT"].answered_by(DataType.FLOAT_VECTOR) == "exact scan"
    assert INDEX_KINDS["STL_SORT"].answered_by(DataType.INT64) == "sorted values"
