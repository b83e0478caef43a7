"""Every registered index kind, over every data type and metric it declares, keeps what its descriptor promises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scalar_data import PARAMS

from elanus.index import INDEX_KINDS, IndexKind, VectorIndex, parse_search
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, InvalidParameter
from elanus.model.types import DataType, Metric

DIM = 24
ROWS = 1_500
K = 10
RECALL_FLOOR = 0.95

Case = tuple[IndexKind, DataType, Metric]

BUILT = [
    pytest.param((kind, data_type, metric), id=f"{kind.name}-{data_type.label}-{metric}")
    for kind in INDEX_KINDS
    if kind.family == "vector"
    for data_type in sorted(kind.built)
    for metric in kind.metrics[data_type]
]


def encode(floats: np.ndarray, data_type: DataType) -> np.ndarray:
    if data_type is DataType.FLOAT16_VECTOR:
        return floats.astype(np.float16)
    if data_type is DataType.BFLOAT16_VECTOR:
        return (floats.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return floats.astype(np.float32)


def decode(matrix: np.ndarray) -> np.ndarray:
    if matrix.dtype == np.uint16:
        return (matrix.astype(np.uint32) << 16).view(np.float32)
    return matrix.astype(np.float32)


def clustered(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(30, DIM))
    return (centres[rng.integers(30, size=rows)] + 0.4 * rng.normal(size=(rows, DIM))).astype(np.float32)


def distances(queries: np.ndarray, base: np.ndarray, metric: Metric) -> np.ndarray:
    q, b = decode(queries).astype(np.float64), decode(base).astype(np.float64)
    if metric is Metric.L2:
        return ((q[:, None] - b[None]) ** 2).sum(axis=2)
    if metric is Metric.COSINE:
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-30)
        b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-30)
    return -(q @ b.T)


@cache
def data(data_type: DataType) -> tuple[np.ndarray, np.ndarray]:
    return encode(clustered(ROWS, 2), data_type), encode(clustered(20, 3), data_type)


@cache
def built(name: str, data_type: DataType, metric: Metric) -> VectorIndex:
    kind = INDEX_KINDS[name]
    assert kind.build is not None
    return kind.build(data(data_type)[0], data_type, metric, kind.build_params())


def make(case: Case, matrix: np.ndarray) -> VectorIndex:
    kind, data_type, metric = case
    assert kind.build is not None
    return kind.build(encode(matrix, data_type), data_type, metric, kind.build_params())


def thorough(kind: IndexKind, k: int = K) -> Any:
    """Parameters of a search that misses little: every way to say so at once, unknown keys are ignored."""
    return parse_search(kind, {"ef": max(200, k), "nprobe": 32}, k)


def recall(found: np.ndarray, true: np.ndarray, k: int) -> float:
    """Share of the found distances that are among the k truly nearest; equal distances count."""
    bound = np.sort(true, axis=1)[:, k - 1 : k]
    return float((found <= bound + 1e-4).mean())


@pytest.fixture(params=BUILT)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def index_of(case: Case) -> VectorIndex:
    return built(case[0].name, case[1], case[2])


def test_search_finds_what_brute_force_finds(case: Case) -> None:
    base, queries = data(case[1])
    hits = index_of(case).search(queries, K, thorough(case[0]), None)
    true = distances(queries, base, case[2])
    assert hits.rows.shape == hits.distances.shape == (len(queries), K)
    assert (hits.rows.dtype, hits.distances.dtype) == (np.int64, np.float32)
    np.testing.assert_allclose(hits.distances, np.take_along_axis(true, hits.rows, axis=1), rtol=1e-4, atol=1e-4)
    assert recall(hits.distances, true, K) >= RECALL_FLOOR


def test_defaults_find_most_of_it(case: Case) -> None:
    base, queries = data(case[1])
    hits = index_of(case).search(queries, K, case[0].search_params(), None)
    assert recall(hits.distances, distances(queries, base, case[2]), K) >= 0.8


def test_queries_may_come_as_float32(case: Case) -> None:
    _, queries = data(case[1])
    own = index_of(case).search(queries, K, thorough(case[0]), None)
    wide = index_of(case).search(decode(queries), K, thorough(case[0]), None)
    np.testing.assert_array_equal(own.rows, wide.rows)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_only_kept_rows_are_found_and_well(case: Case, share: float) -> None:
    base, queries = data(case[1])
    mask = np.random.default_rng(7).random(ROWS) < share
    hits = index_of(case).search(queries, K, thorough(case[0]), Bitset.from_mask(mask))
    assert mask[hits.rows[hits.rows >= 0]].all()
    true = np.where(mask[None], distances(queries, base, case[2]), np.inf)
    assert recall(hits.distances, true, K) >= RECALL_FLOOR


def test_a_filter_that_keeps_another_region_is_served(case: Case) -> None:
    base, queries = data(case[1])
    mask = decode(base)[:, 0] > np.quantile(decode(base)[:, 0], 0.75)
    hits = index_of(case).search(queries, K, thorough(case[0]), Bitset.from_mask(mask))
    assert mask[hits.rows[hits.rows >= 0]].all()
    true = np.where(mask[None], distances(queries, base, case[2]), np.inf)
    assert recall(hits.distances, true, K) >= 0.9


def test_none_kept_finds_none_and_all_kept_finds_what_no_filter_finds(case: Case) -> None:
    _, queries = data(case[1])
    index, params = index_of(case), thorough(case[0])
    nothing = index.search(queries, K, params, Bitset.none(ROWS))
    assert (nothing.rows == -1).all()
    assert np.isposinf(nothing.distances).all()
    free = index.search(queries, K, params, None)
    np.testing.assert_array_equal(index.search(queries, K, params, Bitset.all(ROWS)).rows, free.rows)


def test_results_ascend_by_distance_then_row_and_are_padded(case: Case) -> None:
    matrix = np.repeat(clustered(20, 5), 3, axis=0)
    index = make(case, matrix)
    k = len(matrix) + 5
    hits = index.search(encode(clustered(4, 6), case[1]), k, thorough(case[0], k), None)
    np.testing.assert_array_equal(hits.rows[:, -5:], -1)
    assert np.isposinf(hits.distances[hits.rows < 0]).all()
    for rows, found in zip(hits.rows, hits.distances, strict=True):
        count = int((rows >= 0).sum())
        pairs = list(zip(found[:count].tolist(), rows[:count].tolist(), strict=True))
        assert pairs == sorted(pairs)
        assert len(set(rows[:count].tolist())) == count


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tiny_segments(case: Case, rows: int, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index = make(case, clustered(rows, 8))
    index.save(tmp_path)
    assert kind.load is not None
    queries = encode(clustered(3, 9), data_type)
    for opened in (index, kind.load(tmp_path, data_type, metric)):
        hits = opened.search(queries, K, thorough(kind), None)
        assert opened.num_rows == rows
        assert ((hits.rows >= 0).sum(axis=1) == rows).all()
        assert np.isposinf(hits.distances[hits.rows < 0]).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_vectors_give_finite_distances(case: Case, value: float) -> None:
    index = make(case, np.full((300, DIM), value, dtype=np.float32))
    queries = encode(np.stack([np.zeros(DIM), np.ones(DIM)]).astype(np.float32), case[1])
    hits = index.search(queries, K, thorough(case[0]), None)
    assert (hits.rows >= 0).all()
    assert np.isfinite(hits.distances).all()


def test_overflow_is_never_nan(case: Case) -> None:
    limit = 6e4 if case[1] is DataType.FLOAT16_VECTOR else 3e38
    matrix = clustered(400, 10)
    matrix[::3] = np.clip(matrix[::3].astype(np.float64) * 1e38, -limit, limit)
    index = make(case, matrix)
    hits = index.search(encode(matrix, case[1]), K, thorough(case[0]), None)
    assert not np.isnan(hits.distances).any()
    assert np.isposinf(hits.distances[hits.rows < 0]).all()


def test_a_saved_index_answers_as_the_built_one(case: Case, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index = index_of(case)
    index.save(tmp_path)
    assert kind.load is not None
    loaded = kind.load(tmp_path, data_type, metric)
    _, queries = data(data_type)
    keep = Bitset.from_mask(np.random.default_rng(4).random(ROWS) < 0.5)
    for rows in (None, keep):
        ours, theirs = (i.search(queries, K, thorough(kind), rows) for i in (index, loaded))
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_array_equal(ours.distances, theirs.distances)
    assert loaded.num_rows == index.num_rows == ROWS
    assert loaded.memory_bytes < index.memory_bytes


def test_a_loaded_index_saves_again(case: Case, tmp_path: Path) -> None:
    kind, data_type, metric = case
    assert kind.load is not None
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    index_of(case).save(first)
    kind.load(first, data_type, metric).save(second)
    for name in ("header.json", "index.faiss"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage", "header gone", "header garbage"])
def test_damaged_files_are_named(case: Case, damage: str, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index_of(case).save(tmp_path)
    path = tmp_path / ("header.json" if damage.startswith("header") else "index.faiss")
    whole = path.read_bytes()
    if damage.endswith("gone"):
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2]}.get(damage, b"no such thing" * 9))
    assert kind.load is not None
    with pytest.raises(DataCorrupted, match=path.name):
        kind.load(tmp_path, data_type, metric)


def test_another_metric_or_type_is_refused_at_load(case: Case, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index_of(case).save(tmp_path)
    assert kind.load is not None
    other_metric = next(m for m in kind.metrics[data_type] if m is not metric)
    other_type = next(t for t in kind.built if t is not data_type)
    for wrong in ((data_type, other_metric), (other_type, metric)):
        with pytest.raises(DataCorrupted, match=r"header\.json"):
            kind.load(tmp_path, *wrong)


def test_building_is_repeatable(case: Case, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make(case, clustered(400, 12)).save(tmp_path / name)
    assert (tmp_path / "one" / "index.faiss").read_bytes() == (tmp_path / "two" / "index.faiss").read_bytes()


def test_walks_cost_more_the_fewer_rows_are_kept_of_a_share(case: Case) -> None:
    index, params = index_of(case), case[0].search_params()
    shares = [index.walk_rows(params, K, share) / (share * ROWS) for share in (1.0, 0.5, 0.1, 0.01)]
    assert shares == sorted(shares)
    assert index.walk_rows(params, K, 0.0) == 0.0


# --- every kind, built or not ---


@pytest.mark.parametrize("kind", list(INDEX_KINDS), ids=lambda kind: kind.name)
def test_a_descriptor_is_whole(kind: IndexKind) -> None:
    assert kind.built <= kind.fields
    build, load = (kind.build, kind.load) if kind.family == "vector" else (kind.build_scalar, kind.load_scalar)
    assert (build is None) == (load is None) == (not kind.built) == (not kind.engine)
    assert (
        len({name.upper() for other in INDEX_KINDS for name in other.names if other is not kind} & set(kind.names)) == 0
    )
    for data_type in kind.fields:
        assert data_type.is_vector == (kind.family == "vector")
        assert bool(kind.metrics[data_type]) == data_type.is_vector
        assert kind.default_metric(data_type) == next(iter(kind.metrics[data_type]), None)
        assert kind.answered_by(data_type)
    kind.build_params.parse(PARAMS.get(kind.name, {}))
    parse_search(kind, {}, 16_384)


def _bounds() -> Iterator[Any]:
    for kind in INDEX_KINDS:
        for params in (kind.build_params, kind.search_params):
            for wire, attribute in params.wire_names().items():
                field = params.__dataclass_fields__[attribute]
                spec = field.metadata["spec"]
                if spec.low is not None and spec.high is not None:
                    yield pytest.param(params, wire, spec, isinstance(field.default, int), id=f"{kind.name}-{wire}")


@pytest.mark.parametrize(("params", "wire", "spec", "whole"), list(_bounds()))
def test_every_range_is_kept(params: Any, wire: str, spec: Any, whole: bool) -> None:
    params.parse({wire: spec.low})
    params.parse({wire: str(spec.low)})
    outside = [spec.low - 1, spec.high if spec.high_open else spec.high + 1]
    for value in (*outside, *map(str, outside)):
        with pytest.raises(InvalidParameter, match=f"Out of range in json: param '{wire}'"):
            params.parse({wire: value})
    if whole:
        with pytest.raises(
            InvalidParameter, match=rf"Type conflict in json: param '{wire}' \(true\) should be integer"
        ):
            params.parse({wire: True})
        with pytest.raises(InvalidParameter, match=f"invalid integer value, key: '{wire}', value: 'True'"):
            params.parse({wire: "True"})
        with pytest.raises(InvalidParameter, match="wrong data type in json"):
            params.parse({wire: "16.0"})
