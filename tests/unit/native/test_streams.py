"""Streams over columns without an index: what one scan finds, in its order, in batches of any size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import SparseVectors, Vectors
from elanus._native.streams import FlatStream, SparseStream
from elanus.model.bitset import Bitset
from elanus.model.types import DataType, Metric

ROWS, DIM = 5_000, 24
CASES = [
    (DataType.FLOAT_VECTOR, Metric.L2),
    (DataType.FLOAT_VECTOR, Metric.COSINE),
    (DataType.FLOAT16_VECTOR, Metric.IP),
    (DataType.BFLOAT16_VECTOR, Metric.L2),
    (DataType.INT8_VECTOR, Metric.COSINE),
    (DataType.BINARY_VECTOR, Metric.HAMMING),
    (DataType.BINARY_VECTOR, Metric.JACCARD),
]
Batch = tuple[NDArray[np.int64], NDArray[np.float32]]


@pytest.fixture(params=kernels.simd_levels(), autouse=True)
def level(request: pytest.FixtureRequest) -> Iterator[None]:
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    yield
    kernels.set_simd_level(before)


def column(data_type: DataType, rows: int, seed: int) -> Vectors:
    """Vectors of few different values: many distances are equal."""
    numbers = np.random.default_rng(seed).integers(-2, 3, (rows, DIM))
    if data_type is DataType.BINARY_VECTOR:
        return Vectors.of(np.packbits(numbers > 1, axis=1), data_type)
    if data_type is DataType.INT8_VECTOR:
        return Vectors.of(numbers.astype(np.int8), data_type)
    if data_type is DataType.FLOAT16_VECTOR:
        return Vectors.of(numbers.astype(np.float16), data_type)
    floats = numbers.astype(np.float32)
    if data_type is DataType.BFLOAT16_VECTOR:
        return Vectors.of((floats.view(np.uint32) >> 16).astype(np.uint16), data_type)
    return Vectors.of(floats, data_type)


def sparse_rows(rows: int, seed: int) -> SparseVectors:
    """Rows of 0 to 5 of 12 indexes."""
    numbers = np.random.default_rng(seed)
    lengths = numbers.integers(0, 6, rows)
    entries = np.zeros(lengths.sum(), dtype=[("index", "<u4"), ("value", "<f4")])
    indexes = [np.sort(numbers.permutation(12)[:length]) for length in lengths]
    entries["index"] = np.concatenate([np.zeros(0, np.uint32), *indexes])
    entries["value"] = numbers.integers(-2, 3, len(entries))
    return SparseVectors(np.concatenate([[0], np.cumsum(lengths) * 8]).astype(np.int64), entries.tobytes())


def drained(stream: FlatStream | SparseStream, first: int) -> Batch:
    """Return all rows, taken in batches that grow."""
    batches, size = [], first
    while True:
        batches.append(stream.next(size))
        if len(batches[-1][0]) < size:
            break
        size = 1 + size * 3 % 1_999
    assert len(stream.next(10)[0]) == 0
    rows, distances = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert rows.dtype == np.int64
    assert distances.dtype == np.float32
    assert len(rows) == stream.num_rows
    return rows, distances


def keeps(rows: int) -> list[Bitset | None]:
    numbers = np.random.default_rng(4).random(rows)
    return [None, *(Bitset.from_mask(numbers < share) for share in (1.0, 0.5, 0.01, 0.0))]


@pytest.mark.parametrize(("data_type", "metric"), CASES)
@pytest.mark.parametrize("rows", [0, 1, 2, ROWS])
def test_batches_together_are_a_scan(data_type: DataType, metric: Metric, rows: int) -> None:
    base, query = column(data_type, rows, 1), column(data_type, 1, 2)
    for number, keep in enumerate(keeps(rows)):
        exact = kernels.scan(query, base, metric, max(1, rows), keep=keep)
        found = exact.rows[0] >= 0
        streamed = drained(FlatStream(query, base, metric, keep), number * 40)
        np.testing.assert_array_equal(streamed[0], exact.rows[0][found])
        np.testing.assert_array_equal(streamed[1], exact.distances[0][found])


@pytest.mark.parametrize("rows", [0, 1, 2, ROWS])
def test_batches_of_sparse_rows_together_are_a_scan(rows: int) -> None:
    base, query = sparse_rows(rows, 1), sparse_rows(20, 2)
    longest = int(np.argmax(np.diff(query.offsets)))
    query = SparseVectors(query.offsets[longest : longest + 2], query.data)
    for number, keep in enumerate(keeps(rows)):
        exact = kernels.scan_sparse(query, base, max(1, rows), keep=keep)
        found = exact.rows[0] >= 0
        streamed = drained(SparseStream(query, base, keep), number * 40)
        np.testing.assert_array_equal(streamed[0], exact.rows[0][found])
        np.testing.assert_array_equal(streamed[1], exact.distances[0][found])


def test_a_stream_outlives_its_column() -> None:
    values = np.arange(40, dtype=np.float32).reshape(10, 4)
    stream = FlatStream(Vectors.of(values[:1].copy()), Vectors.of(values), Metric.L2)
    values[:] = 0
    assert stream.next(3)[0].tolist() == [0, 1, 2]
    assert stream.next(100)[0].tolist() == list(range(3, 10))


def test_what_does_not_go_together_is_refused() -> None:
    floats, bits = column(DataType.FLOAT_VECTOR, 4, 1), column(DataType.BINARY_VECTOR, 4, 1)
    sparse = sparse_rows(4, 1)
    for query, base, metric in [
        (floats, floats, Metric.L2),
        (floats.head(0), floats, Metric.L2),
        (floats.head(1), bits, Metric.HAMMING),
        (floats.head(1), floats, Metric.HAMMING),
    ]:
        with pytest.raises(ValueError, match=r"one query|queries of|no Hamming"):
            FlatStream(query, base, metric)
    with pytest.raises(ValueError, match="one query"):
        SparseStream(sparse, sparse)
    with pytest.raises(ValueError, match="too short"):
        FlatStream(floats.head(1), floats, Metric.L2, Bitset.from_mask(np.ones(0, dtype=np.bool_)))
