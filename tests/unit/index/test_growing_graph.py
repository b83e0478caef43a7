"""Graphs of growing rows: bought by searches, found by nobody who should not see, and never worse than codes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.core import CallLimit
from elanus._native.growing import GrowingGraph
from elanus._native.kernels import Vectors
from elanus.index.base import SearchParams
from elanus.index.dense import growing_graph
from elanus.index.dense.graph import GraphSearch
from elanus.index.dense.growing import GrowingIndex
from elanus.index.dense.growing_graph import LinkSettings, link_settings
from elanus.index.dense.recall import recalls
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.deadline import Cancelled, Expired
from elanus.model.hits import Hits, Work
from elanus.model.ids import FieldId, IndexId
from elanus.model.manifest import IndexInfo
from elanus.model.types import DataType, Metric

DIM, K, ROWS = 16, 10, 9_300
SETTINGS = LinkSettings()
METRICS = [Metric.L2, Metric.IP, Metric.COSINE]


def goes_on() -> bool:
    return False


def drawn(rows: int, seed: int, dim: int = DIM) -> Vectors:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(20, dim))
    near = centres[random.integers(0, 20, rows)] + 0.4 * random.normal(size=(rows, dim))
    return Vectors.of(near.astype(np.float32))


BASE, QUERIES = drawn(ROWS, 1), drawn(40, 2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a few thousand rows do for a graph."""
    one_step = ("STEP_S", 3_600.0)
    for name, value in (("LEAST_ROWS", 4_096), ("FIRST_CHECK", 4_096), ("ROWS_A_WIDTH", 16), one_step):
        monkeypatch.setattr(growing_graph, name, value)


def grown(metric: Metric, base: Vectors = BASE, keep: Bitset | None = None, *, coded: int = 0) -> GrowingIndex:
    """Return an index whose rows have links, but for those from ``coded`` on where that is given."""
    index = GrowingIndex(metric, SETTINGS)
    assert index.links is not None
    index.links.ask(10**12)
    head = base.head(coded or base.rows)
    index.code(head, keep)
    while index.lacks_links(head.rows):
        index.link(head, keep, goes_on)
    return index


def searched(
    index: GrowingIndex, base: Vectors, keep: Bitset | None = None, *, k: int = K, params: SearchParams | None = None
) -> tuple[Hits, Work]:
    reader = index.reader(base.rows)
    assert reader is not None
    return reader.search(QUERIES, base, k, params or GraphSearch(), keep)


def check(hits: Hits, base: Vectors, metric: Metric, keep: Bitset | None = None, k: int = K) -> float:
    """Return the recall; every row must be kept, come once, in order, at its distance, and none lack."""
    every = kernels.scan(QUERIES, base, metric, base.rows, keep=keep)
    kept = min(k, base.rows if keep is None else keep.count())
    for found, at, rows, distances in zip(hits.rows, hits.distances, every.rows, every.distances, strict=True):
        true = dict(zip(rows.tolist(), distances.tolist(), strict=True))
        assert len(set(found[:kept].tolist())) == kept
        assert (found[kept:] == -1).all()
        assert [true[row] for row in found[:kept].tolist()] == at[:kept].tolist()
        assert (np.diff(at[:kept]) >= 0).all()
    return float(recalls(hits.distances, every.distances, k).mean())


@pytest.mark.parametrize("metric", METRICS)
def test_linked_rows_and_those_behind_them_are_found(metric: Metric) -> None:
    index = grown(metric, coded=8_300)
    assert index.links is not None
    assert index.links.num_rows == 8_192
    for rows in (8_192, 8_300, ROWS):
        base = BASE.head(rows)
        hits, work = searched(index, base)
        assert (work.strategy, work.hops > 0) == ("plain", True)
        assert work.scanned == (rows - 8_192) * QUERIES.rows
        assert check(hits, base, metric) >= 0.95


def test_rows_with_codes_of_their_own_are_found_before_they_are_linked() -> None:
    index = grown(Metric.L2, coded=8_300)
    index.code(BASE, None)
    hits, work = searched(index, BASE)
    assert (work.strategy, work.scanned) == ("plain", (ROWS - 8_192) * QUERIES.rows)
    assert check(hits, BASE, Metric.L2) >= 0.95


def test_a_reader_of_the_past_sees_no_later_row() -> None:
    index = grown(Metric.L2)
    for rows in (4_200, 7_000, 8_300, 9_299):
        hits, work = searched(index, BASE.head(rows))
        assert work.strategy == ("plain" if rows > 8_200 else "codes")
        assert check(hits, BASE.head(rows), Metric.L2) >= 0.95


@pytest.mark.parametrize("data_type", [DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR, DataType.INT8_VECTOR])
def test_every_type_that_has_codes_is_linked(data_type: DataType) -> None:
    floats = np.frombuffer(BASE.data, np.float32).reshape(ROWS, DIM)
    made: dict[DataType, Any] = {
        DataType.FLOAT16_VECTOR: floats.astype(np.float16),
        DataType.BFLOAT16_VECTOR: (floats.view(np.uint32) >> 16).astype(np.uint16),
        DataType.INT8_VECTOR: np.clip(np.rint(floats * 30), -128, 127).astype(np.int8),
    }
    base = Vectors.of(made[data_type], data_type)
    index = grown(Metric.COSINE, base)
    reader = index.reader(ROWS)
    assert reader is not None
    asked = Vectors.of(made[data_type][::200], data_type)
    hits, work = reader.search(asked, base, K, GraphSearch(), None)
    exact = kernels.scan(asked, base, Metric.COSINE, K)
    assert work.strategy == "plain"
    assert recalls(hits.distances, exact.distances, K).mean() >= 0.95


# --- filters, deletes, nulls ---


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.8, 0.97])
def test_filters_keep_their_recall(share: float) -> None:
    index = grown(Metric.L2)
    keep = Bitset.from_mask(np.random.default_rng(3).random(ROWS) < share)
    hits, work = searched(index, BASE, keep)
    assert work.strategy == ("plain" if share > 0.7 else "codes")
    assert check(hits, BASE, Metric.L2, keep) >= 0.95


def test_filters_that_take_away_what_is_near_keep_their_recall() -> None:
    index = grown(Metric.L2)
    near = kernels.scan(QUERIES, BASE, Metric.L2, 60).rows
    keep = Bitset.all(ROWS) - Bitset.from_rows(np.unique(near), ROWS)
    assert 0.7 * ROWS < keep.count() < 0.9 * ROWS
    assert check(searched(index, BASE, keep)[0], BASE, Metric.L2, keep) >= 0.95


def test_rows_without_a_vector_are_not_found() -> None:
    present = Bitset.from_mask(np.arange(ROWS) % 5 != 0)
    index = grown(Metric.COSINE, keep=present)
    hits, work = searched(index, BASE, present)
    assert work.strategy == "plain"
    assert check(hits, BASE, Metric.COSINE, present) >= 0.95


# --- what is hostile ---


def test_rows_that_are_all_equal_are_found() -> None:
    base = Vectors.of(np.ones((ROWS, DIM), np.float32))
    index = grown(Metric.L2, base)
    reader = index.reader(ROWS)
    assert reader is not None
    for keep in (None, Bitset.from_mask(np.arange(ROWS) % 10 != 0), Bitset.from_mask(np.arange(ROWS) % 10 == 0)):
        hits, _ = reader.search(QUERIES, base, K, GraphSearch(), keep)
        assert check(hits, base, Metric.L2, keep) == 1.0


def test_data_of_which_walks_find_too_little_are_scanned_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_graph, "WIDTHS", (10,))
    base = Vectors.of(np.random.default_rng(1).normal(size=(ROWS, 48)).astype(np.float32))
    index = grown(Metric.L2, base)
    assert index.links is not None
    assert index.links.num_rows == index.links.memory_bytes == 0
    assert not index.lacks_links(10 * ROWS)
    reader = index.reader(ROWS)
    assert reader is not None
    _, work = reader.search(base.head(3), base, K, GraphSearch(), None)
    assert work.hops == 0


def test_rows_whose_codes_are_too_coarse_are_linked_all_the_same() -> None:
    index = grown(Metric.L2)
    index.codes._tells_apart = False
    hits, work = searched(index, BASE)
    assert work.strategy == "plain"
    assert check(hits, BASE, Metric.L2) >= 0.95
    few = Bitset.from_mask(np.arange(ROWS) % 3 == 0)
    hits, work = searched(index, BASE, few)
    assert (work.strategy, work.scanned) == ("exact", few.count() * QUERIES.rows)
    assert check(hits, BASE, Metric.L2, few) == 1.0


def test_a_graph_of_no_row_or_one_finds_what_there_is() -> None:
    graph = GrowingGraph(BASE, Metric.L2, m=8, ef_construction=20, most_rows=3)
    hits, _, enough = graph.search(QUERIES, BASE.head(0), K, ef=20)
    assert (hits.rows == -1).all()
    assert enough
    graph.encode(BASE, 10)
    graph.link(1, 10.0)
    assert (graph.coded, graph.linked) == (3, 1)
    for rows in (1, 2, 3):
        hits, _, enough = graph.search(QUERIES, BASE.head(rows), K, ef=20)
        assert enough
        assert check(hits, BASE.head(rows), Metric.L2) == 1.0
    with pytest.raises(ValueError, match="4 rows, of which 3 have codes"):
        graph.search(QUERIES, BASE.head(4), K, ef=20)
    with pytest.raises(ValueError, match="the index is of 16 F32"):
        graph.encode(drawn(5, 1, DIM + 8), 5)
    with pytest.raises(ValueError, match="bitmap"):
        graph.link(64, 1.0, keep=Bitset.all(8))


# --- when ---


def test_searches_pay_for_links() -> None:
    index = GrowingIndex(Metric.L2, SETTINGS)
    index.code(BASE, None)
    reader = index.reader(ROWS)
    assert reader is not None
    assert not index.lacks_links(ROWS)
    for _ in range(SETTINGS.price // QUERIES.rows - 1):
        index.links.ask(QUERIES.rows * ROWS)  # type: ignore[union-attr]
    assert not index.lacks_links(ROWS)
    reader.search(QUERIES, BASE, K, GraphSearch(), None)
    assert index.lacks_links(ROWS)
    assert not index.lacks_links(growing_graph.LEAST_ROWS - 1)
    assert not index.lacks_links(ROWS + ROWS // 10), "more rows have not been asked for as often"


@pytest.mark.parametrize(
    ("k", "params", "strategy"),
    [
        (1, GraphSearch(), "plain"),
        (100, GraphSearch(), "plain"),
        (101, GraphSearch(), "codes"),
        (K, GraphSearch(ef=30), "plain"),
        (K, GraphSearch(ef=300), "codes"),
        (K, GraphSearch(level=1), "plain"),
        (K, GraphSearch(level=10), "codes"),
        (K, GraphSearch(target_recall=0.99), "codes"),
        (K, GraphSearch(hints="plain"), "plain"),
        (K, GraphSearch(hints="scan"), "codes"),
    ],
)
def test_what_is_asked_decides_the_way(k: int, params: GraphSearch, strategy: str) -> None:
    hits, work = searched(grown(Metric.L2), BASE, k=k, params=params)
    assert work.strategy == strategy
    assert check(hits, BASE, Metric.L2, k=k) >= 0.95


def test_linking_ends_as_soon_as_it_is_stopped() -> None:
    index = GrowingIndex(Metric.L2, SETTINGS)
    assert index.links is not None
    index.links.ask(10**12)
    index.link(BASE, None, lambda: True)
    assert 0 < index.links.num_rows < ROWS // 2
    index.link(BASE, None, goes_on)
    assert index.links.num_rows == ROWS // 1_024 * 1_024


def test_a_search_ends_with_its_call() -> None:
    index, limit = grown(Metric.L2), CallLimit()
    with deadline.limited(CallLimit(0.0)), pytest.raises(Expired):
        searched(index, BASE)
    with deadline.limited(limit):
        searched(index, BASE)
        limit.cancel()
        with pytest.raises(Cancelled):
            searched(index, BASE)


def info(kind: str, **params: object) -> IndexInfo:
    given = tuple((key, str(value)) for key, value in {"index_type": kind, **params}.items())
    return IndexInfo(id=IndexId(1), name="i", field=FieldId(1), kind=kind, metric=Metric.L2, params=given)


def test_links_are_made_as_the_index_says_within_bounds_and_only_for_graphs() -> None:
    assert link_settings(info("HNSW")) == LinkSettings()
    assert link_settings(info("HNSW", M=30)) == LinkSettings(m=30)
    assert link_settings(info("HNSW_SQ", M=8, efConstruction=77, sq_type="SQ8")) == LinkSettings(8, 77)
    assert link_settings(info("HNSW", M=2048, efConstruction=100_000)) == LinkSettings(64, 512)
    assert link_settings(info("IVF_FLAT", nlist=10)) is None
    assert link_settings(info("FLAT")) is None


# --- at the same time ---


def test_searches_beside_coding_linking_and_a_moving_column_are_right() -> None:
    """Readers see rows and deletions of a moment, each in a copy of the column, while both writers go on."""
    index = GrowingIndex(Metric.L2, SETTINGS)
    assert index.links is not None
    index.links.ask(10**12)
    floats = np.frombuffer(BASE.data, np.float32).reshape(ROWS, DIM)
    index.code(BASE.head(4_200), None)
    at, done = [4_200], threading.Event()
    shares: list[float] = []
    wrong: list[BaseException] = []

    def search(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            while not done.is_set() or len(shares) < 20:
                rows = at[0]
                base = Vectors.of(floats[:rows].copy())
                keep = None if random.random() < 0.3 else Bitset.from_mask(random.random(rows) < random.random())
                hits, _ = searched(index, base, keep)
                shares.append(check(hits, base, Metric.L2, keep))
        except BaseException as error:
            wrong.append(error)

    def link() -> None:
        try:
            while not done.is_set() or index.lacks_links(ROWS):
                index.link(Vectors.of(floats[: at[0]].copy()), None, goes_on)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(2)] + [threading.Thread(target=link)]
    for thread in threads:
        thread.start()
    for rows in range(4_300, ROWS + 1, 200):
        index.code(Vectors.of(floats[:rows].copy()), None)
        at[0] = rows
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert np.mean(shares) >= 0.95
    assert searched(index, BASE)[1].strategy == "plain"
