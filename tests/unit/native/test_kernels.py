"""Exact kernels against brute force in double precision."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import SparseVectors, Vectors
from elanus.model.bitset import Bitset
from elanus.model.types import DENSE_VECTORS, DataType, Metric

PRODUCTS = (Metric.L2, Metric.IP, Metric.COSINE)
BITWISE = (Metric.HAMMING, Metric.JACCARD)
DENSE = [
    (kind, metric)
    for kind in sorted(DENSE_VECTORS)
    for metric in (BITWISE if kind is DataType.BINARY_VECTOR else PRODUCTS)
]

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=kernels.simd_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    yield request.param
    kernels.set_simd_level(before)


def random_vectors(
    rng: np.random.Generator, rows: int, dim: int, kind: DataType
) -> tuple[Vectors, NDArray[np.float64]]:
    """Return vectors of a type and their values in double precision (bits for BINARY_VECTOR)."""
    if kind is DataType.BINARY_VECTOR:
        packed = rng.integers(0, 256, (rows, dim // 8), dtype=np.uint8)
        return Vectors.of(packed, kind), np.unpackbits(packed, axis=1, bitorder="little").astype(np.float64)
    if kind is DataType.INT8_VECTOR:
        array = rng.integers(-128, 128, (rows, dim), dtype=np.int8)
        return Vectors.of(array, kind), array.astype(np.float64)
    floats = rng.standard_normal((rows, dim), dtype=np.float32)
    if kind is DataType.FLOAT16_VECTOR:
        return Vectors.of(floats.astype(np.float16), kind), floats.astype(np.float16).astype(np.float64)
    if kind is DataType.BFLOAT16_VECTOR:
        upper = floats.view(np.uint32) >> 16
        return Vectors.of(upper.astype(np.uint16), kind), (upper << 16).view(np.float32).astype(np.float64)
    return Vectors.of(floats), floats.astype(np.float64)


def brute_force(queries: NDArray[np.float64], base: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Return the distance of every query to every row."""
    dots = queries @ base.T
    squares = (queries**2).sum(axis=1)[:, None], (base**2).sum(axis=1)[None, :]
    match metric:
        case Metric.L2:
            return ((queries[:, None, :] - base[None, :, :]) ** 2).sum(axis=2)
        case Metric.IP:
            return -dots
        case Metric.COSINE:
            sizes = np.sqrt(squares[0] * squares[1])
            return -np.divide(dots, sizes, out=np.zeros_like(dots), where=sizes > 0)
        case Metric.HAMMING:
            return squares[0] + squares[1] - 2 * dots
        case Metric.JACCARD:
            either = squares[0] + squares[1] - dots
            return np.divide(either - dots, either, out=np.zeros_like(dots), where=either > 0)


def nearest(distances: NDArray[np.float64], k: int, keep: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Return the k nearest kept rows of each query, ties in row order, padded with -1."""
    rows = np.flatnonzero(keep) if keep is not None else np.arange(distances.shape[1])
    found = np.full((len(distances), k), -1, dtype=np.int64)
    for query, line in enumerate(distances[:, rows]):
        order = rows[np.argsort(line, kind="stable")][:k]
        found[query, : len(order)] = order
    return found


def assert_hits(
    hits: kernels.Hits, distances: NDArray[np.float64], k: int, keep: NDArray[np.bool_] | None, size: float
) -> None:
    """Check rows where distances tell them apart, and the distance of every row returned."""
    expected = nearest(distances, k, keep)
    valid = expected >= 0
    assert ((hits.rows >= 0) == valid).all()
    assert np.isposinf(hits.distances[~valid]).all()
    padded = np.pad(distances, ((0, 0), (0, 1)))
    by_rank, of_found = (np.take_along_axis(padded, rows, axis=1) for rows in (expected, hits.rows))
    tolerance = 1e-6 * (np.abs(by_rank) + size)
    assert (np.abs(hits.distances - of_found) <= tolerance)[valid].all()
    assert (np.abs(of_found - by_rank) <= 2 * tolerance)[valid].all()
    assert keep is None or keep[hits.rows[valid]].all()
    assert all(len(set(line[line >= 0])) == (line >= 0).sum() for line in hits.rows)


def error_scale(metric: Metric, values: NDArray[np.float64]) -> float:
    """Return what rounding is measured by beside the distance: products cancel, sums of squares don't."""
    return {Metric.IP: float((values**2).sum(axis=1).max()), Metric.COSINE: 1.0}.get(metric, 0.0)


@pytest.mark.parametrize("share", [None, 0.5, 0.03])
@pytest.mark.parametrize(("kind", "metric"), DENSE)
def test_scan_finds_what_brute_force_finds(level: str, kind: DataType, metric: Metric, share: float | None) -> None:
    rng = np.random.default_rng(3)
    base, values = random_vectors(rng, 1_500, 72, kind)
    queries, asked = random_vectors(rng, 7, 72, kind)
    mask = None if share is None else rng.random(base.rows) < share
    keep = None if mask is None else Bitset.from_mask(mask)
    hits = kernels.scan(queries, base, metric, 100, keep=keep)
    assert hits.rows.dtype == np.int64
    assert hits.distances.dtype == np.float32
    assert (hits.distances[:, :-1] <= hits.distances[:, 1:]).all()
    assert_hits(hits, brute_force(asked, values, metric), 100, mask, error_scale(metric, values))


@settings(max_examples=60, deadline=None)
@given(seed=seeds, case=st.sampled_from(DENSE), rows=st.integers(0, 300), dim=st.integers(1, 40), k=st.integers(1, 320))
def test_scan_of_any_shape_finds_what_brute_force_finds(
    seed: int, case: tuple[DataType, Metric], rows: int, dim: int, k: int
) -> None:
    kind, metric = case
    rng = np.random.default_rng(seed)
    dim = dim * 8 if kind is DataType.BINARY_VECTOR else dim
    base, values = random_vectors(rng, rows, dim, kind)
    queries, asked = random_vectors(rng, int(rng.integers(0, 7)), dim, kind)
    mask = rng.random(rows) < rng.random()
    hits = kernels.scan(queries, base, metric, k, keep=Bitset.from_mask(mask), threads=int(rng.integers(1, 4)))
    size = error_scale(metric, values) if rows else 0.0
    assert_hits(hits, brute_force(asked, values, metric), k, mask, size)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, metric=st.sampled_from((Metric.L2, Metric.IP)), k=st.integers(1, 500), threads=st.integers(1, 3))
def test_ties_come_in_row_order(seed: int, metric: Metric, k: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    base, queries = rng.integers(-1, 2, (400, 3)), rng.integers(-1, 2, (6, 3))
    mask = rng.random(400) < rng.random()
    asked, vectors = Vectors.of(queries.astype(np.float32)), Vectors.of(base.astype(np.float32))
    hits = kernels.scan(asked, vectors, metric, k, keep=Bitset.from_mask(mask), threads=threads)
    distances = brute_force(queries.astype(np.float64), base.astype(np.float64), metric)
    assert (hits.rows == nearest(distances, k, mask)).all()


@pytest.mark.parametrize("source", ["bytes", "map"])
def test_base_may_lie_at_any_address(level: str, source: str) -> None:
    rng = np.random.default_rng(5)
    base, queries = rng.standard_normal((50, 37), dtype=np.float32), rng.standard_normal((3, 37), dtype=np.float32)
    expected = kernels.scan(Vectors.of(queries), Vectors.of(base), Metric.L2, 10)
    for shift in range(1, 9):
        data = b"\xff" * shift + base.tobytes()
        if source == "map":
            mapped = mmap.mmap(-1, len(data))
            mapped[:] = data
            view = memoryview(mapped)[shift:]
        else:
            view = memoryview(data)[shift:]
        hits = kernels.scan(Vectors.of(queries), Vectors(view, 50, 37), Metric.L2, 10)
        assert (hits.rows == expected.rows).all()
        assert (hits.distances == expected.distances).all()


@pytest.mark.parametrize(("kind", "metric"), DENSE)
def test_a_distance_does_not_depend_on_how_it_was_searched(level: str, kind: DataType, metric: Metric) -> None:
    rng = np.random.default_rng(11)
    base, _ = random_vectors(rng, 300, 104, kind)
    queries, _ = random_vectors(rng, 6, 104, kind)
    together = kernels.scan(queries, base, metric, 300)
    again = kernels.distances_of(queries, base, together.rows, metric)
    assert (again == together.distances).all()
    for query in range(6):
        row_bytes = len(memoryview(queries.data).cast("B")) // 6
        data = memoryview(queries.data).cast("B")[query * row_bytes : (query + 1) * row_bytes]
        alone = kernels.scan(Vectors(data, 1, 104, kind), base, metric, 300, threads=2)
        assert (alone.rows[0] == together.rows[query]).all()
        assert (alone.distances[0] == together.distances[query]).all()


@pytest.mark.parametrize(("kind", "metric"), DENSE)
def test_range_scan_returns_the_rows_inside_the_window(level: str, kind: DataType, metric: Metric) -> None:
    rng = np.random.default_rng(13)
    base, _ = random_vectors(rng, 700, 64, kind)
    queries, _ = random_vectors(rng, 4, 64, kind)
    mask = rng.random(700) < 0.6
    everything = kernels.scan(queries, base, metric, 700, keep=Bitset.from_mask(mask))
    low, high = (float(everything.distances[0, at]) for at in (20, 200))
    found = kernels.range_scan(
        queries, base, metric, nearer_than=high, not_nearer_than=low, keep=Bitset.from_mask(mask), first_row=1_000
    )
    for query in range(4):
        inside = (everything.distances[query] >= low) & (everything.distances[query] < high)
        start, end = found.offsets[query : query + 2]
        assert (found.rows[start:end] == everything.rows[query][inside] + 1_000).all()
        assert (found.distances[start:end] == everything.distances[query][inside]).all()


def test_range_scan_without_bounds_returns_every_row_and_a_limit_the_nearest() -> None:
    base = Vectors.of(np.arange(10, dtype=np.float32)[:, None])
    query = Vectors.of(np.zeros((2, 1), dtype=np.float32))
    whole = kernels.range_scan(query, base, Metric.L2)
    assert whole.offsets.tolist() == [0, 10, 20]
    limited = kernels.range_scan(query, base, Metric.L2, not_nearer_than=4.0, nearer_than=49.0, limit=3)
    assert limited.rows.tolist() == [2, 3, 4, 2, 3, 4]
    assert limited.distances.tolist() == [4.0, 9.0, 16.0] * 2
    assert kernels.range_scan(query, base, Metric.L2, nearer_than=0.0).rows.tolist() == []


def test_more_wanted_than_kept_is_padded() -> None:
    base = Vectors.of(np.ones((3, 4), dtype=np.float32))
    query = Vectors.of(np.ones((1, 4), dtype=np.float32))
    hits = kernels.scan(query, base, Metric.L2, 4, keep=Bitset.from_rows(np.array([1]), 3), first_row=50)
    assert hits.rows.tolist() == [[51, -1, -1, -1]]
    assert hits.distances.tolist() == [[0.0, np.inf, np.inf, np.inf]]


@pytest.mark.parametrize(("kind", "metric"), DENSE)
def test_no_rows_and_no_queries_give_nothing(kind: DataType, metric: Metric) -> None:
    rng = np.random.default_rng(0)
    none, some = random_vectors(rng, 0, 16, kind)[0], random_vectors(rng, 2, 16, kind)[0]
    assert (kernels.scan(some, none, metric, 3).rows == -1).all()
    assert kernels.scan(none, some, metric, 3).rows.shape == (0, 3)
    assert kernels.scan(some, some, metric, 3, keep=Bitset.none(2)).rows.tolist() == [[-1] * 3] * 2
    assert kernels.range_scan(some, none, metric).offsets.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", [kind for kind, metric in DENSE if metric is Metric.COSINE])
def test_a_zero_vector_has_cosine_zero(level: str, kind: DataType) -> None:
    vectors = {
        DataType.INT8_VECTOR: np.array([[0, 0], [3, 4]], dtype=np.int8),
        DataType.BFLOAT16_VECTOR: np.array([[0, 0], [0x4040, 0x4080]], dtype=np.uint16),
        DataType.FLOAT16_VECTOR: np.array([[0, 0], [3, 4]], dtype=np.float16),
    }.get(kind, np.array([[0, 0], [3, 4]], dtype=np.float32))
    both = Vectors.of(vectors, kind)
    distances = kernels.distances_of(both, both, np.array([[0, 1], [0, 1]]), Metric.COSINE)
    assert distances == pytest.approx(np.array([[0.0, 0.0], [0.0, -1.0]]), abs=1e-7)
    assert not np.signbit(distances[distances == 0]).any()


def test_two_empty_sets_have_jaccard_distance_zero(level: str) -> None:
    sets = Vectors.of(np.array([[0], [1]], dtype=np.uint8), DataType.BINARY_VECTOR)
    assert kernels.distances_of(sets, sets, np.array([[0, 1]] * 2), Metric.JACCARD).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_given_lengths_give_the_same_cosine(level: str) -> None:
    rng = np.random.default_rng(17)
    base, values = random_vectors(rng, 200, 99, DataType.FLOAT16_VECTOR)
    queries, _ = random_vectors(rng, 5, 99, DataType.FLOAT_VECTOR)
    lengths = kernels.norms(base)
    assert lengths == pytest.approx(np.linalg.norm(values, axis=1), rel=1e-6)
    with_lengths = kernels.scan(queries, base, Metric.COSINE, 20, lengths=lengths)
    without = kernels.scan(queries, base, Metric.COSINE, 20)
    assert (with_lengths.rows == without.rows).all()
    assert (with_lengths.distances == without.distances).all()


def test_overflow_is_infinitely_far_and_found_last(level: str) -> None:
    base = Vectors.of(np.array([[3e38, -3e38], [1.0, 1.0]], dtype=np.float32))
    query = Vectors.of(np.array([[3e38, 3e38]], dtype=np.float32))
    hits = kernels.scan(query, base, Metric.IP, 2)
    assert hits.rows.tolist() == [[1, 0]]
    assert hits.distances[0, 1] == np.inf


def test_distances_of_no_row_are_infinite() -> None:
    base = Vectors.of(np.arange(4, dtype=np.float32)[:, None])
    query = Vectors.of(np.zeros((1, 1), dtype=np.float32))
    assert kernels.distances_of(query, base, np.array([[-1, 3, -1, 2]]), Metric.L2).tolist() == [[np.inf, 9, np.inf, 4]]
    assert kernels.distances_of(query, base, np.empty((1, 0), dtype=np.int64), Metric.L2).shape == (1, 0)


def sparse(dense: NDArray[np.float32]) -> SparseVectors:
    """Return the non-zero entries of ``dense`` as sparse rows that begin at an odd address."""
    chunks = []
    for row in dense:
        indexes = np.flatnonzero(row).astype("<u4")
        entries = np.empty(len(indexes), dtype=[("index", "<u4"), ("value", "<f4")])
        entries["index"], entries["value"] = indexes, row[indexes]
        chunks.append(entries.tobytes())
    offsets = np.cumsum([0, *(len(chunk) for chunk in chunks)], dtype=np.int64)
    return SparseVectors(offsets + 1, b"\xff" + b"".join(chunks))


@settings(max_examples=60, deadline=None)
@given(seed=seeds, rows=st.integers(0, 200), k=st.integers(1, 50), density=st.floats(0.005, 0.5))
def test_sparse_scan_finds_rows_with_a_common_index(seed: int, rows: int, k: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 300))
    base, queries = (
        rng.standard_normal((count, width)).astype(np.float32) * (rng.random((count, width)) < density)
        for count in (rows, 4)
    )
    keep = rng.random(rows) < rng.random()
    hits = kernels.scan_sparse(sparse(queries), sparse(base), k, keep=Bitset.from_mask(keep), threads=2)
    ranged = kernels.range_scan_sparse(sparse(queries), sparse(base), nearer_than=0.0, keep=Bitset.from_mask(keep))
    for query in range(4):
        distances = -(base.astype(np.float64) @ queries[query].astype(np.float64))
        common = keep & ((base != 0) & (queries[query] != 0)).any(axis=1)
        order = np.flatnonzero(common)
        order = order[np.argsort(distances[order].astype(np.float32), kind="stable")]
        assert hits.rows[query].tolist() == (order[:k].tolist() + [-1] * k)[:k]
        found = hits.rows[query] >= 0
        assert hits.distances[query][found] == pytest.approx(distances[order[:k]], rel=1e-6, abs=1e-12)
        start, end = ranged.offsets[query : query + 2]
        assert ranged.rows[start:end].tolist() == [row for row in order if np.float32(distances[row]) < 0]


def test_sparse_indexes_of_any_size_are_told_apart() -> None:
    entries = np.array([(0, 1), (2**31, 2), (2**32 - 2, 4)], dtype=[("index", "<u4"), ("value", "<f4")])
    offsets = np.arange(4, dtype=np.int64) * 8
    rows = SparseVectors(offsets, entries)
    hits = kernels.scan_sparse(rows, rows, 2)
    assert hits.rows.tolist() == [[0, -1], [1, -1], [2, -1]]
    assert hits.distances[:, 0].tolist() == [-1.0, -4.0, -16.0]


@pytest.mark.parametrize(
    ("offsets", "size"), [([0, 8], 7), ([0, 12, 16], 16), ([8, 0], 8), ([-8, 0], 8), ([], 8), ([0, 16, 8], 16)]
)
def test_sparse_offsets_that_do_not_fit_are_refused(offsets: list[int], size: int) -> None:
    good = SparseVectors(np.array([0, 8]), bytes(8))
    bad = SparseVectors(np.array(offsets, dtype=np.int64), bytes(size))
    with pytest.raises(ValueError, match="offsets"):
        kernels.scan_sparse(good, bad, 1)


def test_arguments_that_do_not_go_together_are_refused() -> None:
    floats, bits = (
        Vectors.of(np.ones((2, 8), dtype=np.float32)),
        Vectors.of(np.ones((2, 1), np.uint8), DataType.BINARY_VECTOR),
    )
    narrow, many = (Vectors.of(np.ones(shape, dtype=np.float32)) for shape in ((2, 4), (9, 8)))
    with pytest.raises(ValueError, match="Hamming"):
        kernels.scan(floats, floats, Metric.HAMMING, 1)
    with pytest.raises(ValueError, match="L2"):
        kernels.scan(bits, bits, Metric.L2, 1)
    with pytest.raises(ValueError, match="queries of a column of F32 are F32, not Bit"):
        kernels.scan(bits, floats, Metric.L2, 1)
    with pytest.raises(ValueError, match="queries of 4 dimensions for a column of 8"):
        kernels.scan(narrow, floats, Metric.L2, 1)
    with pytest.raises(ValueError, match="at least one row"):
        kernels.scan(floats, floats, Metric.L2, 0)
    with pytest.raises(ValueError, match="don't hold 3 rows"):
        kernels.scan(floats, Vectors(floats.data, 3, 8), Metric.L2, 1)
    with pytest.raises(ValueError, match="bitmap of 1 bytes"):
        kernels.scan(floats, many, Metric.L2, 1, keep=Bitset.all(8))
    with pytest.raises(ValueError, match="lengths of fewer than 2 rows"):
        kernels.scan(floats, floats, Metric.COSINE, 1, lengths=np.ones(1, dtype=np.float32))
    with pytest.raises(ValueError, match="row 2 is not among 2 rows"):
        kernels.distances_of(floats, floats, np.array([[0], [2]]), Metric.L2)
    with pytest.raises(ValueError, match="in an array of float64"):
        Vectors.of(np.ones((2, 8)))
    with pytest.raises(TypeError, match="base"):
        kernels.scan(floats, Vectors(np.ones((4, 16), dtype=np.float32)[:, ::2], 4, 8), Metric.L2, 1)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, rows=st.integers(0, 300), spare=st.integers(0, 20))
def test_bitmaps_are_counted_and_listed(seed: int, rows: int, spare: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 256, (rows + 7) // 8 + spare, dtype=np.uint8)
    expected = np.flatnonzero(np.unpackbits(bits, bitorder="little")[:rows])
    assert kernels.popcount(bits, rows) == len(expected)
    assert kernels.set_rows(bits, rows).tolist() == expected.tolist()


def test_a_level_of_another_machine_is_refused() -> None:
    before = kernels.simd_level()
    with pytest.raises(ValueError, match="not one of scalar"):
        kernels.set_simd_level("sve")
    assert kernels.simd_level() == before


@pytest.mark.parametrize(("name", "printed"), [("scalar", "scalar"), ("quantum", "")])
def test_the_environment_chooses_the_level(name: str, printed: str) -> None:
    program = "from elanus._native import core; print(core.simd_level())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ELANUS_SIMD": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == printed
    assert ("quantum" in done.stderr) == (name == "quantum")
