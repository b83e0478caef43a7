"""Every registered index kind, over every data type and metric it declares, keeps what its descriptor promises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scalar_data import PARAMS

from elanus._native.core import CallLimit
from elanus._native.kernels import Vectors
from elanus.index import INDEX_KINDS, BuildStopped, IndexKind, VectorIndex, parse_search
from elanus.index.sections import read_sections, write_sections
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, InvalidParameter
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

DIM = 64
ROWS = 1_500
K = 10
RECALL_FLOOR = 0.95
REFINED_FLOOR = 0.99

Case = tuple[IndexKind, DataType, Metric]

BUILT = [
    pytest.param((kind, data_type, metric), id=f"{kind.name}-{data_type.label}-{metric}")
    for kind in INDEX_KINDS
    if kind.family == "vector"
    for data_type in sorted(kind.built)
    for metric in kind.metrics[data_type]
]


def encode(floats: np.ndarray, data_type: DataType) -> np.ndarray:
    """Return vectors as a type holds them: int8 in steps of a 16th, bits where a value is positive."""
    if data_type is DataType.FLOAT16_VECTOR:
        return floats.astype(np.float16)
    if data_type is DataType.BFLOAT16_VECTOR:
        return (floats.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if data_type is DataType.INT8_VECTOR:
        return np.clip(np.round(floats.astype(np.float64) * 16), -128, 127).astype(np.int8)
    if data_type is DataType.BINARY_VECTOR:
        return np.packbits(floats > 0, axis=1, bitorder="little")
    return floats.astype(np.float32)


def decode(matrix: np.ndarray) -> np.ndarray:
    if matrix.dtype == np.uint16:
        return (matrix.astype(np.uint32) << 16).view(np.float32)
    if matrix.dtype == np.uint8:
        return np.unpackbits(matrix, axis=1, bitorder="little").astype(np.float32)
    return matrix.astype(np.float32)


def vectors(floats: np.ndarray, data_type: DataType) -> Vectors:
    return Vectors.of(encode(floats, data_type), data_type)


def clustered(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(30, DIM))
    return (centres[rng.integers(30, size=rows)] + 0.8 * rng.normal(size=(rows, DIM))).astype(np.float32)


def distances(queries: np.ndarray, base: np.ndarray, metric: Metric) -> np.ndarray:
    q, b = decode(queries).astype(np.float64), decode(base).astype(np.float64)
    if metric is Metric.L2:
        return ((q[:, None] - b[None]) ** 2).sum(axis=2)
    if metric is Metric.HAMMING:
        return (q[:, None] != b[None]).sum(axis=2).astype(np.float64)
    if metric is Metric.JACCARD:
        common, either = q @ b.T, q.sum(axis=1)[:, None] + b.sum(axis=1)[None] - q @ b.T
        return 1 - common / np.maximum(either, 1)
    if metric is Metric.COSINE:
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-30)
        b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-30)
    return -(q @ b.T)


@cache
def data(data_type: DataType) -> tuple[np.ndarray, np.ndarray]:
    return encode(clustered(ROWS, 2), data_type), encode(clustered(20, 3), data_type)


@cache
def truth(data_type: DataType, metric: Metric) -> np.ndarray:
    base, queries = data(data_type)
    return distances(queries, base, metric)


@cache
def built(name: str, data_type: DataType, metric: Metric) -> VectorIndex:
    kind = INDEX_KINDS[name]
    assert kind.build is not None
    return kind.build(base_of(data_type), metric, kind.build_params())


def base_of(data_type: DataType) -> Vectors:
    return Vectors.of(data(data_type)[0], data_type)


def make(case: Case, floats: np.ndarray, **options: Any) -> tuple[VectorIndex, Vectors]:
    """Return an index with its column."""
    kind, data_type, metric = case
    assert kind.build is not None
    base = vectors(floats, data_type)
    return kind.build(base, metric, kind.build_params(), **options), base


def thorough(kind: IndexKind, k: int = K, **others: Any) -> Any:
    """Parameters of a search that misses little: every way to say so at once, unknown keys are ignored."""
    return parse_search(kind, {"ef": max(200, k), "nprobe": 32, "refine_k": 4, **others}, k)


def recall(found: np.ndarray, true: np.ndarray, k: int) -> float:
    """Share of the found distances that are among the k truly nearest; equal distances count."""
    bound = np.sort(true, axis=1)[:, k - 1 : k]
    return float((found <= bound + 1e-4 * np.abs(bound) + 1e-5).mean())


def floor(case: Case) -> float:
    """The recall that a thorough search reaches; what measures again reaches more."""
    return RECALL_FLOOR if case[0].name.startswith("IVF") else REFINED_FLOOR


@pytest.fixture(params=BUILT)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(params=[param for param in BUILT if param.values[0][0].name.startswith("HNSW")])
def graph_case(request: pytest.FixtureRequest) -> Case:
    return request.param


def index_of(case: Case) -> VectorIndex:
    return built(case[0].name, case[1], case[2])


def search(case: Case, keep: Bitset | None = None, k: int = K, **others: Any) -> Hits:
    """Search the common index thoroughly."""
    queries = Vectors.of(data(case[1])[1], case[1])
    return index_of(case).search(queries, base_of(case[1]), k, thorough(case[0], k, **others), keep)[0]


def test_search_finds_what_brute_force_finds(case: Case) -> None:
    hits = search(case)
    true = truth(case[1], case[2])
    assert hits.rows.shape == hits.distances.shape == (len(true), K)
    assert (hits.rows.dtype, hits.distances.dtype) == (np.int64, np.float32)
    np.testing.assert_allclose(hits.distances, np.take_along_axis(true, hits.rows, axis=1), rtol=1e-4, atol=1e-4)
    assert recall(hits.distances, true, K) >= floor(case)


def test_defaults_find_most_of_it(case: Case) -> None:
    queries = Vectors.of(data(case[1])[1], case[1])
    hits, _ = index_of(case).search(queries, base_of(case[1]), K, case[0].search_params(), None)
    assert recall(hits.distances, truth(case[1], case[2]), K) >= 0.8


def test_queries_may_come_as_float32(case: Case) -> None:
    kind, data_type, _ = case
    if data_type in (DataType.INT8_VECTOR, DataType.BINARY_VECTOR):
        return
    wide = Vectors.of(decode(data(data_type)[1]))
    found, _ = index_of(case).search(wide, base_of(data_type), K, thorough(kind), None)
    np.testing.assert_array_equal(search(case).rows, found.rows)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.1, 0.5, 0.9, 1.0])
def test_only_kept_rows_are_found_and_never_too_few(case: Case, share: float) -> None:
    mask = np.random.default_rng(7).random(ROWS) < share
    hits = search(case, Bitset.from_mask(mask))
    assert mask[hits.rows[hits.rows >= 0]].all()
    assert ((hits.rows >= 0).sum(axis=1) == min(K, mask.sum())).all()
    true = np.where(mask[None], truth(case[1], case[2]), np.inf)
    assert recall(hits.distances, true, K) >= RECALL_FLOOR


def test_a_filter_that_keeps_another_region_is_served(case: Case) -> None:
    first = decode(data(case[1])[0])[:, :4].sum(axis=1)
    mask = first > np.quantile(first, 0.75)
    hits = search(case, Bitset.from_mask(mask))
    assert mask[hits.rows[hits.rows >= 0]].all()
    true = np.where(mask[None], truth(case[1], case[2]), np.inf)
    assert recall(hits.distances, true, K) >= 0.9


def test_none_kept_finds_none_and_all_kept_finds_what_no_filter_finds(case: Case) -> None:
    nothing = search(case, Bitset.none(ROWS))
    assert (nothing.rows == -1).all()
    assert np.isposinf(nothing.distances).all()
    np.testing.assert_array_equal(search(case, Bitset.all(ROWS)).rows, search(case).rows)


def test_results_ascend_by_distance_then_row_and_are_padded(case: Case) -> None:
    index, base = make(case, np.repeat(clustered(20, 5), 3, axis=0))
    k = base.rows + 5
    hits, _ = index.search(vectors(clustered(4, 6), case[1]), base, k, thorough(case[0], k), None)
    np.testing.assert_array_equal(hits.rows[:, -5:], -1)
    assert np.isposinf(hits.distances[hits.rows < 0]).all()
    for rows, found in zip(hits.rows, hits.distances, strict=True):
        assert sorted(rows[:-5].tolist()) == list(range(base.rows))
        pairs = list(zip(found[:-5].tolist(), rows[:-5].tolist(), strict=True))
        assert pairs == sorted(pairs)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tiny_segments(case: Case, rows: int, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index, base = make(case, clustered(rows, 8))
    index.save(tmp_path)
    assert kind.load is not None
    queries = vectors(clustered(3, 9), data_type)
    for opened in (index, kind.load(tmp_path, data_type, metric)):
        hits, _ = opened.search(queries, base, K, thorough(kind), None)
        assert opened.num_rows == rows
        assert ((hits.rows >= 0).sum(axis=1) == rows).all()
        assert np.isposinf(hits.distances[hits.rows < 0]).all()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.7])
def test_null_vectors_are_not_indexed(case: Case, share: float, tmp_path: Path) -> None:
    kind, data_type, metric = case
    floats = clustered(400, 13)
    present = np.random.default_rng(5).random(400) < share
    floats[~present] = 0.0
    keep = Bitset.from_mask(present)
    index, base = make(case, floats, keep=keep)
    index.save(tmp_path)
    assert f'"vectors": {present.sum()}' in (tmp_path / "header.json").read_text()
    assert kind.load is not None
    queries = vectors(clustered(5, 14), data_type)
    measured = distances(encode(clustered(5, 14), data_type), encode(floats, data_type), metric)
    true = np.where(present[None], measured, np.inf)
    for opened in (index, kind.load(tmp_path, data_type, metric)):
        hits, _ = opened.search(queries, base, K, thorough(kind), keep)
        assert opened.num_rows == 400
        assert present[hits.rows[hits.rows >= 0]].all()
        assert ((hits.rows >= 0).sum(axis=1) == min(K, present.sum())).all()
        assert recall(hits.distances, true, K) >= RECALL_FLOOR


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_vectors_give_finite_distances(case: Case, value: float) -> None:
    index, base = make(case, np.full((300, DIM), value, dtype=np.float32))
    queries = vectors(np.stack([np.zeros(DIM), np.ones(DIM)]).astype(np.float32), case[1])
    hits, _ = index.search(queries, base, K, thorough(case[0]), None)
    assert (hits.rows >= 0).all()
    assert np.isfinite(hits.distances).all()


def test_overflow_is_never_nan(case: Case) -> None:
    limit = 6e4 if case[1] is DataType.FLOAT16_VECTOR else 3e38
    floats = clustered(400, 10)
    floats[::3] = np.clip(floats[::3].astype(np.float64) * 1e38, -limit, limit)
    index, base = make(case, floats)
    hits, _ = index.search(base, base, K, thorough(case[0]), None)
    assert not np.isnan(hits.distances).any()
    assert np.isposinf(hits.distances[hits.rows < 0]).all()


@pytest.mark.parametrize("mapped", [False, True], ids=["in memory", "mapped"])
def test_a_saved_index_answers_as_the_built_one(case: Case, mapped: bool, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index = index_of(case)
    index.save(tmp_path)
    assert kind.load is not None
    loaded = kind.load(tmp_path, data_type, metric, mapped=mapped)
    queries, base = Vectors.of(data(data_type)[1], data_type), base_of(data_type)
    for rows in (None, Bitset.from_mask(np.random.default_rng(4).random(ROWS) < 0.5)):
        (ours, _), (theirs, _) = (i.search(queries, base, K, thorough(kind), rows) for i in (index, loaded))
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_array_equal(ours.distances, theirs.distances)
    assert loaded.num_rows == index.num_rows == ROWS
    assert loaded.memory_bytes < index.memory_bytes if mapped else loaded.memory_bytes <= index.memory_bytes


def body_of(folder: Path) -> Path:
    """Return the file beside the header."""
    (path,) = (path for path in folder.iterdir() if path.name != "header.json")
    return path


def test_a_loaded_index_saves_again(case: Case, tmp_path: Path) -> None:
    kind, data_type, metric = case
    assert kind.load is not None
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    index_of(case).save(first)
    kind.load(first, data_type, metric).save(second)
    for name in ("header.json", body_of(first).name):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage", "header gone", "header garbage"])
def test_damaged_files_are_named(case: Case, damage: str, tmp_path: Path) -> None:
    kind, data_type, metric = case
    index_of(case).save(tmp_path)
    path = tmp_path / "header.json" if damage.startswith("header") else body_of(tmp_path)
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
        make(case, clustered(400, 12))[0].save(tmp_path / name)
    one, two = ((body_of(tmp_path / name)).read_bytes() for name in ("one", "two"))
    assert one == two


def test_building_on_several_threads_finds_as_well(case: Case) -> None:
    index, base = make(case, clustered(600, 15), threads=2)
    hits, _ = index.search(base, base, 1, thorough(case[0], 1), None)
    true = distances(encode(clustered(600, 15), case[1]), encode(clustered(600, 15), case[1]), case[2])
    assert recall(hits.distances, true, 1) > 0.99


def test_a_build_that_nobody_wants_any_more_stops(case: Case) -> None:
    with pytest.raises(BuildStopped):
        make(case, clustered(ROWS, 2), stop=lambda: True)


def test_a_search_past_the_deadline_of_its_call_ends(case: Case) -> None:
    with deadline.limited(CallLimit(0.0)), pytest.raises(deadline.Expired):
        search(case)


def test_a_search_of_a_cancelled_call_ends(case: Case) -> None:
    limit = CallLimit()
    limit.cancel()
    with deadline.limited(limit), pytest.raises(deadline.Cancelled):
        search(case)


# --- graphs ---


@pytest.mark.parametrize("hint", ["plain", "alpha", "mix", "bridge", "scan"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_every_strategy_can_be_forced(graph_case: Case, hint: str, share: float) -> None:
    kind, data_type, metric = graph_case
    mask = np.random.default_rng(17).random(ROWS) < share
    queries = Vectors.of(data(data_type)[1], data_type)
    hits, work = index_of(graph_case).search(
        queries, base_of(data_type), K, thorough(kind, hints=hint), Bitset.from_mask(mask)
    )
    assert mask[hits.rows].all()
    assert recall(hits.distances, np.where(mask[None], truth(data_type, metric), np.inf), K) >= 0.9
    assert work.strategy in (hint, "scan")
    assert work.hops + work.scanned > 0


def test_a_wider_beam_walks_further(graph_case: Case) -> None:
    kind, data_type, _ = graph_case
    queries, base = Vectors.of(data(data_type)[1], data_type), base_of(data_type)
    hops = []
    for ef in (16, 64, 256):
        params = parse_search(kind, {"ef": ef, "hints": "plain"}, K)
        hops.append(index_of(graph_case).search(queries, base, K, params, None)[1].hops)
    assert hops == sorted(set(hops))


def test_a_stream_yields_every_kept_row_once_from_the_nearest_on(graph_case: Case) -> None:
    kind, data_type, metric = graph_case
    mask = np.random.default_rng(18).random(ROWS) < 0.5
    query = Vectors.of(data(data_type)[1][:1], data_type)
    stream = index_of(graph_case).stream(query, base_of(data_type), K, thorough(kind), Bitset.from_mask(mask))
    assert stream is not None
    rows, found = [], []
    while len(batch := stream.next(100)[0]):
        rows += batch.tolist()
        found.append(batch)
    assert sorted(rows) == np.flatnonzero(mask).tolist()
    true = np.where(mask, truth(data_type, metric)[0], np.inf)
    nearest = set(np.argsort(true, kind="stable")[:50].tolist())
    assert true[rows[:100]].max() < np.median(true[mask])
    assert len(nearest & set(rows[:100])) >= 45


@pytest.mark.parametrize("section", ["base", "upper_rows", "upper_ends", "upper_links", "codes", "tails", "mean"])
def test_sections_of_a_graph_that_do_not_fit_are_named(graph_case: Case, section: str, tmp_path: Path) -> None:
    kind, data_type, metric = graph_case
    index_of(graph_case).save(tmp_path)
    whole = {name: array.copy() for name, array in read_sections(tmp_path).all_numbers().items()}
    assert kind.load is not None
    if not len(whole[section]):
        return  # a graph that is walked on the column itself has no codes
    longer = np.append(whole[section], np.ones(3, dtype=whole[section].dtype))
    for damaged in (longer, whole[section].astype(np.float64)):
        write_sections(tmp_path, whole | {section: damaged})
        with pytest.raises(DataCorrupted, match=rf"index\.arrow, section {section.partition('_')[0]}"):
            kind.load(tmp_path, data_type, metric)
    write_sections(tmp_path, {name: array for name, array in whole.items() if name != section})
    with pytest.raises(DataCorrupted, match=rf"index\.arrow, section {section}"):
        kind.load(tmp_path, data_type, metric)


@pytest.mark.parametrize("section", ["base", "upper_links", "upper_rows"])
def test_links_to_rows_that_are_not_there_are_refused(section: str, tmp_path: Path) -> None:
    kind = INDEX_KINDS["HNSW"]
    built("HNSW", DataType.FLOAT_VECTOR, Metric.L2).save(tmp_path)
    whole = {name: array.copy() for name, array in read_sections(tmp_path).all_numbers().items()}
    whole[section][-1 if section == "upper_rows" else 0] = ROWS
    write_sections(tmp_path, whole)
    assert kind.load is not None
    with pytest.raises(DataCorrupted, match=r"index\.arrow, section (base|upper)"):
        kind.load(tmp_path, DataType.FLOAT_VECTOR, Metric.L2)


def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    kind = INDEX_KINDS["HNSW"]
    built("HNSW", DataType.FLOAT_VECTOR, Metric.L2).save(tmp_path)
    path = tmp_path / "header.json"
    whole = path.read_text()
    assert kind.load is not None
    for old, new in (('"element": "f32"', '"element": "f16"'), (f'"rows": {ROWS}', '"rows": 3'), ('"entry":', '"x":')):
        assert old in whole
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(DataCorrupted):
            kind.load(tmp_path, DataType.FLOAT_VECTOR, Metric.L2)


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
