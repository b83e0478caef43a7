"""Growing rows in a graph, asked for by stock pymilvus: recall, deletions and flushes while rows are linked."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient
from quality_data import clustered, column, distances

from elanus.engine import CollectionName
from elanus.index.dense import growing_graph
from elanus.index.dense.growing_graph import GrowingLinks
from elanus.model.settings import JobSettings, SegmentSettings
from elanus.model.types import Metric
from elanus.segment.growing import GrowingSegment
from serving import LocalServer, settings_for

DIM: Final = 32
K: Final = 10
ROWS: Final = 9_000
BATCH: Final = 3_000
NAME: Final = "grows"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that writes rows to files when it is told to, and builds no index then."""
    jobs, segment = JobSettings(index_min_rows=10**6), SegmentSettings(seal_after_s=3_600.0)
    with LocalServer(settings_for(tmp_path_factory.mktemp("growing") / "data", jobs=jobs, segment=segment)) as server:
        yield server


class Grown:
    """A collection whose rows grow: vectors by key, None where one is null."""

    def __init__(self, server: LocalServer, walks: list[bool]) -> None:
        self.server, self.walks = server, walks
        self.client: MilvusClient = server.connect()
        self.held: dict[int, NDArray[np.float32]] = {}
        self.queries = clustered(20, DIM, 99)
        schema = self.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM, nullable=True)
        self.client.create_collection(NAME, schema=schema, consistency_level="Strong")
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="L2")
        self.client.create_index(NAME, index, sync=False)
        self.client.load_collection(NAME)

    def put(self, first: int, vectors: NDArray[np.float32], *, null: int = 0, upsert: bool = False) -> None:
        """Insert vectors under keys from ``first`` on; every ``null``-th key has none."""
        write = self.client.upsert if upsert else self.client.insert
        for start in range(0, len(vectors), BATCH):
            keys = range(first + start, first + min(start + BATCH, len(vectors)))
            sent = {key: None if null and key % null == 0 else vectors[key - first] for key in keys}
            write(NAME, [{"id": key, "vector": vector} for key, vector in sent.items()])
            self.held.update({key: vector for key, vector in sent.items() if vector is not None})

    def delete(self, keys: NDArray[np.int64]) -> None:
        self.client.delete(NAME, ids=keys.tolist())
        for key in keys.tolist():
            self.held.pop(key, None)

    def ask(self, **options: Any) -> Any:
        return self.client.search(NAME, list(self.queries), limit=K, **options)

    @property
    def segment(self) -> GrowingSegment:
        collection = self.server._server._instance.collection(CollectionName("default", NAME))
        segment: GrowingSegment
        (segment,) = collection.view.all_growing()
        return segment

    @property
    def linked(self) -> int:
        ((_, index),) = self.segment._indexes.values()
        assert index.links is not None
        return index.links.num_rows

    def link(self) -> None:
        """Have rows coded and linked, as the background does once enough was asked."""
        instance = self.server._server._instance
        self.ask()
        instance.tick()
        instance.services.jobs.wait_idle()
        while self.segment.lacks_links:
            instance.tick()
            instance.services.jobs.wait_idle()

    def check(self, *, walked: bool, **options: Any) -> None:
        """Search, and assert the recall, each row's distance, and whether a graph found them."""
        self.walks.clear()
        answers = self.ask(**options)
        keys = np.fromiter(self.held, np.int64, len(self.held))
        passing = keys[keys % 3 == 0] if options else keys
        base = column(np.stack([self.held[key] for key in passing.tolist()]))
        away = distances(column(self.queries), base, Metric.L2)
        place, right = {key: number for number, key in enumerate(passing.tolist())}, 0
        for query, hits in enumerate(answers):
            ids = [hit["id"] for hit in hits]
            assert len(set(ids)) == K
            true = away[query, [place[key] for key in ids]]
            np.testing.assert_allclose([hit["distance"] for hit in hits], true, rtol=2e-5, atol=1e-4)
            right += int((true <= np.partition(away[query], K - 1)[K - 1] + 1e-4).sum())
        assert right / (K * len(self.queries)) >= 0.95
        assert self.walks == [walked]


@pytest.fixture
def grown(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grown]:
    """A collection of which a few thousand rows do for a graph, after the first search."""
    small = {"LEAST_ROWS": 4_096, "FIRST_CHECK": 4_096, "ROWS_A_WIDTH": 16, "PRICE": 0, "STEP_S": 3_600.0}
    for name, value in small.items():
        monkeypatch.setattr(growing_graph, name, value)
    walks: list[bool] = []
    search = GrowingLinks.search

    def noted(self: GrowingLinks, *args: Any) -> Any:
        found = search(self, *args)
        walks.append(found is not None)
        return found

    monkeypatch.setattr(GrowingLinks, "search", noted)
    one = Grown(server, walks)
    yield one
    one.client.drop_collection(NAME)
    one.client.close()


def test_growing_rows_keep_their_recall_as_they_come_and_go(grown: Grown) -> None:
    grown.put(0, clustered(ROWS, DIM, 1), null=50)
    grown.link()
    assert grown.linked == ROWS // 1_024 * 1_024
    grown.check(walked=True)
    grown.check(walked=False, filter="id % 3 == 0")
    grown.put(ROWS, clustered(300, DIM, 2))
    grown.check(walked=True)
    grown.put(100, clustered(900, DIM, 3), upsert=True)
    grown.link()
    grown.check(walked=True)
    random = np.random.default_rng(1)
    grown.delete(np.flatnonzero(random.random(ROWS) < 0.15))
    grown.check(walked=True)
    grown.delete(np.flatnonzero(random.random(ROWS) < 0.9))
    grown.check(walked=False)


def test_a_flush_frees_the_graph(grown: Grown) -> None:
    grown.put(0, clustered(ROWS, DIM, 1))
    grown.link()
    ((_, index),) = grown.segment._indexes.values()
    assert index.memory_bytes > ROWS * (DIM + 4 * 32)
    links = weakref.ref(index.links)
    del index
    grown.client.flush(NAME)
    gc.collect()
    assert links() is None
    assert len(grown.ask()[0]) == K


@pytest.mark.parametrize("end", ["flush", "drop_collection", "truncate_collection"])
def test_linking_stops_for_what_takes_its_rows_away(grown: Grown, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """What ends a segment does not wait for its links."""
    grown.put(0, clustered(ROWS, DIM, 1))
    grown.ask()
    began, ended = threading.Event(), threading.Event()

    def endless(self: GrowingLinks, base: Any, keep: Any, stop: Any) -> None:
        began.set()
        while not stop():
            pass
        ended.set()

    monkeypatch.setattr(GrowingLinks, "extend", endless)
    grown.server._server._instance.tick()
    assert began.wait(30)
    getattr(grown.client, end)(NAME)
    assert ended.wait(30)
    if end == "drop_collection":
        return
    grown.held.clear()
    grown.put(0, clustered(100, DIM, 5), upsert=True)
    assert len(grown.ask()[0]) == K


def test_searches_beside_inserts_deletes_and_linking_are_right(grown: Grown) -> None:
    """Keys that stay are found as near as they are, and every distance is its row's own, while others come and go."""
    steady, passing = clustered(ROWS, DIM, 1), clustered(3_000, DIM, 2)
    grown.put(0, steady)
    grown.ask()
    every = np.concatenate([steady, passing])
    away = distances(column(grown.queries), column(every), Metric.L2)
    last = np.partition(away[:, :ROWS], K - 1, axis=1)[:, K - 1 : K]
    done = threading.Event()
    shares: list[float] = []
    wrong: list[BaseException] = []

    def search() -> None:
        client = grown.server.connect()
        try:
            while not done.is_set() or len(shares) < 10:
                answers = client.search(NAME, list(grown.queries), limit=K)
                ids = np.array([[hit["id"] for hit in hits] for hits in answers])
                given = np.array([[hit["distance"] for hit in hits] for hits in answers])
                true = np.take_along_axis(away, ids, axis=1)
                assert all(len(set(found)) == K for found in ids.tolist())
                np.testing.assert_allclose(given, true, rtol=2e-5, atol=1e-4)
                shares.append(float((true <= last + 1e-4).mean()))
        except BaseException as error:
            wrong.append(error)
        finally:
            client.close()

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for searcher in searchers:
        searcher.start()
    for start in range(0, len(passing), 300):
        grown.put(ROWS + start, passing[start : start + 300])
        grown.server._server._instance.tick()
        grown.delete(np.arange(ROWS + start, ROWS + start + 300, 2))
    grown.link()
    done.set()
    for searcher in searchers:
        searcher.join()
    assert not wrong, wrong[0]
    assert np.mean(shares) >= 0.95
    grown.check(walked=True)
