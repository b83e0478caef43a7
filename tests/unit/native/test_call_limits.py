"""Native searches end with the call that they belong to, wherever they are."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.core import CallLimit
from elanus._native.fastscan import FastScan
from elanus._native.graph import Graph
from elanus._native.kernels import SparseVectors, Vectors
from elanus._native.streams import FlatStream, SparseStream
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.types import DataType, Metric

ROWS = 6_000
LIMIT_S = 60.0
Search = Callable[[], object]
STRATEGIES = ("auto", "plain", "alpha", "mix", "bridge", "scan")
NAMES = (
    "scan",
    "scan on two threads",
    "range scan",
    "sparse scan",
    "sparse range scan",
    "codes",
    "codes on two threads",
    "stream of a graph",
    "stream of a graph under a filter",
    "stream of a column",
    "stream of a sparse column",
    *(f"graph, {strategy}" for strategy in STRATEGIES),
)


@pytest.fixture(scope="module")
def searches() -> dict[str, Search]:
    numbers = np.random.default_rng(5)
    base = Vectors.of(numbers.standard_normal((ROWS, 8), dtype=np.float32))
    asked, one = base.head(3), base.head(1)
    entries = np.zeros(ROWS, dtype=[("index", "<u4"), ("value", "<f4")])
    entries["value"] = numbers.random(ROWS)
    sparse = SparseVectors(np.arange(ROWS + 1, dtype=np.int64) * 8, entries.tobytes())
    single = SparseVectors(sparse.offsets[:2], sparse.data)
    codes = FastScan.train(base, Metric.L2)
    graph = Graph.build(base, Metric.L2, m=8, ef_construction=40)
    assert graph is not None
    keep = Bitset.from_mask(numbers.random(ROWS) < 0.5)
    stream, kept_stream = graph.stream(one, base, ef=64), graph.stream(one, base, ef=64, keep=keep)
    made: dict[str, Search] = {
        "scan": lambda: kernels.scan(asked, base, Metric.L2, 3),
        "scan on two threads": lambda: kernels.scan(asked, base, Metric.L2, 3, keep=keep, threads=2),
        "range scan": lambda: kernels.range_scan(asked, base, Metric.L2, nearer_than=1.0),
        "sparse scan": lambda: kernels.scan_sparse(single, sparse, 3),
        "sparse range scan": lambda: kernels.range_scan_sparse(single, sparse, nearer_than=1.0),
        "codes": lambda: codes.search(asked, base, 3),
        "codes on two threads": lambda: codes.search(asked, base, 3, keep=keep, threads=2),
        "stream of a graph": lambda: stream.next(500),
        "stream of a graph under a filter": lambda: kept_stream.next(500),
        "stream of a column": lambda: FlatStream(one, base, Metric.L2),
        "stream of a sparse column": lambda: SparseStream(single, sparse),
    }
    for strategy in STRATEGIES:
        made[f"graph, {strategy}"] = lambda strategy=strategy: graph.search(  # type: ignore[misc]
            asked, base, 3, ef=50, keep=keep, strategy=strategy
        )
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_search_of_a_call_that_is_over_ends(name: str, searches: dict[str, Search]) -> None:
    search, limit = searches[name], CallLimit()
    limit.cancel()
    with deadline.limited(CallLimit(0.0)), pytest.raises(deadline.Expired):
        search()
    with deadline.limited(limit), pytest.raises(deadline.Cancelled):
        search()
    with deadline.limited(CallLimit(LIMIT_S)):
        search()


def _endless() -> dict[str, Search]:
    """Searches that take minutes unless they are ended."""
    zeros = np.zeros((1 << 18, 64), dtype=np.uint8)
    bits = Vectors(zeros, 1 << 18, 512, DataType.BINARY_VECTOR)
    offsets = np.arange((1 << 18) + 1, dtype=np.int64) * 64
    row = np.zeros(8, dtype=[("index", "<u4"), ("value", "<f4")])
    row["index"] = np.arange(8)
    sparse = SparseVectors(offsets, np.tile(row, 1 << 18).tobytes())
    return {
        "scan": lambda: kernels.scan(bits.head(1 << 17), bits, Metric.HAMMING, 1),
        "sparse scan": lambda: kernels.scan_sparse(SparseVectors(offsets[: 1 << 15], sparse.data), sparse, 1),
    }


@pytest.mark.parametrize("name", ["scan", "sparse scan"])
def test_a_search_is_cancelled_while_it_runs(name: str) -> None:
    """It would run for minutes, and no one looks at the clock or the flag but the search itself."""
    search, limit = _endless()[name], CallLimit()
    raised: list[type[deadline.CallOver]] = []

    def run() -> None:
        with deadline.limited(limit):
            limit.check()
            started.set()
            try:
                search()
            except deadline.CallOver as over:
                raised.append(type(over))

    started = threading.Event()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(LIMIT_S)
    limit.cancel()
    thread.join(LIMIT_S)
    assert raised == [deadline.Cancelled]


def test_a_stream_that_was_cancelled_goes_on_where_it_was() -> None:
    base = Vectors.of(np.random.default_rng(6).standard_normal((ROWS, 8), dtype=np.float32))
    graph = Graph.build(base, Metric.L2, m=8, ef_construction=40)
    assert graph is not None
    stream, undisturbed = (graph.stream(base.head(1), base, ef=64) for _ in range(2))
    limit = CallLimit()
    rows = [stream.next(100)[0]]
    limit.cancel()
    with deadline.limited(limit), pytest.raises(deadline.Cancelled):
        stream.next(100)
    rows.append(stream.next(100)[0])
    expected = [undisturbed.next(100)[0] for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate(rows), np.concatenate(expected))


def test_only_a_native_limit_is_taken() -> None:
    base = Vectors.of(np.zeros((4, 4), dtype=np.float32))
    with deadline.limited("soon"), pytest.raises(TypeError):  # type: ignore[arg-type]
        kernels.scan(base, base, Metric.L2, 1)
