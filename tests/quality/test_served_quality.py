"""Searches of a running server by stock pymilvus: recall, liveness and distances through a collection's whole life."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException
from quality_data import Column, clustered, column, distances

from elanus.engine import CollectionName
from elanus.model.settings import JobSettings, SegmentSettings
from elanus.model.types import DataType as ModelType
from elanus.model.types import Metric
from elanus.query.order import TOLERANCE
from serving import LocalServer, settings_for

DIM: Final = 32
K: Final = 10
BATCH: Final = 3_000
NEVER_S: Final = 3_600.0
LARGER_IS_NEARER: Final = (Metric.IP, Metric.COSINE)
CLOSE: Final = 2e-5
TYPES: Final = {
    DataType.FLOAT_VECTOR: ModelType.FLOAT_VECTOR,
    DataType.INT8_VECTOR: ModelType.INT8_VECTOR,
    DataType.BINARY_VECTOR: ModelType.BINARY_VECTOR,
}

Key = int
Stage = Callable[[], None]


class Live:
    """A collection, and what it should hold: the vector of each key that is alive."""

    def __init__(self, server: LocalServer, name: str, metric: Metric, kind: DataType = DataType.FLOAT_VECTOR) -> None:
        self.server, self.name, self.metric, self.kind = server, name, metric, kind
        self.client: MilvusClient = server.connect()
        self.held: dict[Key, NDArray[Any]] = {}
        self.queries = self.as_sent(clustered(20, DIM, 99))

    def close(self) -> None:
        self.client.drop_collection(self.name)
        self.client.close()

    # --- making ---

    def create(self, index: str, params: dict[str, Any], *, nullable: bool = False) -> None:
        """Make and load the collection: a key, a number ``part``, a vector."""
        schema = self.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("part", DataType.DOUBLE)
        schema.add_field("vector", self.kind, dim=DIM, nullable=nullable)
        self.client.create_collection(self.name, schema=schema, consistency_level="Strong")
        self.index(index, params)
        self.client.load_collection(self.name)

    def index(self, index: str, params: dict[str, Any]) -> None:
        """Create the vector's index; doesn't wait for it."""
        made = self.client.prepare_index_params()
        made.add_index("vector", index_type=index, metric_type=self.metric.value, params=params)
        self.client.create_index(self.name, made, sync=False)

    def as_sent(self, floats: NDArray[np.float32]) -> NDArray[Any]:
        """Return vectors as their type has them; bits packed."""
        of_type = column(floats, TYPES[self.kind]).vectors
        dtype = {DataType.FLOAT_VECTOR: np.float32, DataType.INT8_VECTOR: np.int8}.get(self.kind, np.uint8)
        return np.frombuffer(of_type.data, np.uint8).view(dtype).reshape(len(floats), -1)  # type: ignore[call-overload]

    def entity(self, key: Key, vector: NDArray[Any] | None) -> dict[str, Any]:
        sent = vector if vector is None or self.kind is not DataType.BINARY_VECTOR else vector.tobytes()
        return {"id": key, "part": part_of(key), "vector": sent}

    def put(self, first: Key, vectors: NDArray[np.float32], *, upsert: bool = False, null: int = 0) -> None:
        """Insert vectors under keys from ``first`` on; every ``null``-th has none."""
        write = self.client.upsert if upsert else self.client.insert
        sent = self.as_sent(vectors)
        keys = range(first, first + len(sent))
        rows = {key: None if null and key % null == 0 else sent[key - first] for key in keys}
        for start in range(first, first + len(sent), BATCH):
            part = [self.entity(key, rows[key]) for key in range(start, min(start + BATCH, first + len(sent)))]
            write(self.name, part)
        for key, vector in rows.items():
            self.held.pop(key, None)
            if vector is not None:
                self.held[key] = vector

    def delete(self, keys: NDArray[np.int64]) -> None:
        self.client.delete(self.name, ids=keys.tolist())
        for key in keys.tolist():
            self.held.pop(key, None)

    # --- what the background does ---

    @property
    def _collection(self) -> Any:
        return self.server._server._instance.collection(CollectionName("default", self.name))

    def seal(self) -> None:
        """Write rows to files and wait for their index."""
        self.client.flush(self.name)
        self.server._server._instance.services.jobs.wait_idle()
        state = self.client.describe_index(self.name, "vector")
        assert (state["state"], state["pending_index_rows"]) == ("Finished", 0), state

    def code(self) -> None:
        """Have the growing rows coded, as they are a second after the first search."""
        self.ask()
        self.server._server._instance.tick()
        self.server._server._instance.services.jobs.wait_idle()
        (growing,) = self._collection.view.all_growing()
        ((_, index),) = growing._indexes.values()
        assert index.codes.num_rows > growing.num_rows - 1_024

    @property
    def states(self) -> tuple[int, int]:
        """How many sealed segments there are, and how many growing rows."""
        view = self._collection.view
        return len(list(view.all_sealed())), sum(segment.num_rows for segment in view.all_growing())

    # --- searching ---

    def ask(self, limit: int = K, text: str = "", **params: Any) -> Any:
        sent = (
            list(self.queries) if self.kind is not DataType.BINARY_VECTOR else [one.tobytes() for one in self.queries]
        )
        return self.client.search(self.name, sent, filter=text, limit=limit, search_params={"params": params})

    def true(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the keys alive, and their distance to each query [nq, keys], smaller is nearer."""
        keys = np.fromiter(self.held, np.int64, len(self.held))
        if not len(keys):
            return keys, np.zeros((len(self.queries), 0))
        base, asked = self.numbers(np.stack([self.held[key] for key in keys.tolist()])), self.numbers(self.queries)
        return keys, distances(asked, base, self.metric)

    def numbers(self, sent: NDArray[Any]) -> Column:
        bits = np.unpackbits(sent, axis=1, bitorder="little") if self.kind is DataType.BINARY_VECTOR else sent
        return Column(None, bits.astype(np.float64))  # type: ignore[arg-type]  # numbers are all that is asked for

    def check(self, floor: float = 0.95, limit: int = K, part: float = 1.0, **params: Any) -> None:
        """Search, and assert what ``found`` does and the recall."""
        text = f"part < {part}" if part < 1 else ""
        keys, away = self.true()
        passing = np.array([part_of(key) < part for key in keys.tolist()], np.bool_)
        share = self.found(self.ask(limit, text, **params), keys[passing], away[:, passing], limit)
        assert share >= floor, (share, params, part)

    def found(self, answers: Any, keys: NDArray[np.int64], away: NDArray[np.float64], limit: int) -> float:
        """Return the recall; every hit must be unique, alive, passing, in order and at its distance, and none lack."""
        place = {key: number for number, key in enumerate(keys.tolist())}
        count, right = min(limit, len(keys)), 0
        for query, hits in enumerate(answers):
            ids = [hit["id"] for hit in hits]
            assert len(ids) == len(set(ids)) == count
            if not count:
                continue
            assert set(ids) <= place.keys()
            true = away[query, [place[key] for key in ids]]
            given = np.array([hit["distance"] for hit in hits])
            given = -given if self.metric in LARGER_IS_NEARER else given
            np.testing.assert_allclose(given, true, rtol=CLOSE, atol=CLOSE * np.abs(away[query]).max())
            assert_in_order(given, ids)
            last = np.partition(away[query], count - 1)[count - 1]
            right += int((true <= last + 1e-6 * max(1.0, abs(last))).sum())
        return right / (len(answers) * count) if count else 1.0


def assert_in_order(given: NDArray[np.float64], keys: Sequence[Key] | NDArray[np.int64]) -> None:
    """Assert that distances ascend; those less than the tolerance apart are equal, and stand by key."""
    steps = np.diff(given)
    assert (steps > -TOLERANCE).all()
    assert (np.diff(keys)[steps <= 0] > 0).all()


def part_of(key: Key) -> float:
    """Return a number below 1 that goes with a key, evenly spread."""
    return key * 0.6180339887498949 % 1.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that indexes every sealed segment, and writes rows to files when it is told to."""
    jobs, segment = JobSettings(index_min_rows=1), SegmentSettings(seal_after_s=NEVER_S)
    with LocalServer(settings_for(tmp_path_factory.mktemp("quality") / "data", jobs=jobs, segment=segment)) as server:
        yield server


@pytest.fixture
def live(house: LocalServer, name: str) -> Iterator[Callable[..., Live]]:
    """Return a function that makes a collection; it is dropped after the test."""
    made: list[Live] = []

    def make(metric: Metric, kind: DataType = DataType.FLOAT_VECTOR) -> Live:
        made.append(Live(house, f"quality_{name}", metric, kind))
        return made[-1]

    yield make
    for one in made:
        one.close()


GRAPH: Final = {"M": 16, "efConstruction": 120}
LIVES: Final = [
    ("HNSW", Metric.L2, DataType.FLOAT_VECTOR, GRAPH, {"ef": 100}),
    ("HNSW_SQ", Metric.COSINE, DataType.FLOAT_VECTOR, {**GRAPH, "sq_type": "SQ4U"}, {"ef": 100, "refine_k": 3}),
    ("AUTOINDEX", Metric.IP, DataType.FLOAT_VECTOR, {}, {}),
    ("HNSW", Metric.COSINE, DataType.INT8_VECTOR, GRAPH, {"ef": 100}),
    ("HNSW", Metric.JACCARD, DataType.BINARY_VECTOR, GRAPH, {"ef": 100}),
]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life[0]}-{life[1].value}-{life[2].name}")
def test_a_collection_keeps_its_recall_through_its_life(
    live: Callable[..., Live], life: tuple[str, Metric, DataType, dict[str, Any], dict[str, Any]]
) -> None:
    index, metric, kind, build, params = life
    one = live(metric, kind)
    coded = kind is not DataType.BINARY_VECTOR
    one.create(index, build)
    one.put(0, clustered(5_000, DIM, 1))
    one.check(0.999, **params)
    if coded:
        one.code()
    one.check(**params)
    one.check(part=0.1, **params)
    one.seal()
    assert one.states == (1, 0)
    one.check(**params)
    one.check(part=0.1, **params)
    one.put(10_000, clustered(4_200, DIM, 2))
    if coded:
        one.code()
    assert one.states == (1, 4_200)
    one.check(**params)
    one.check(part=0.5, **params)
    one.seal()
    one.check(**params)
    one.client.release_collection(one.name)
    one.client.drop_index(one.name, "vector")
    one.index("HNSW", GRAPH)
    one.client.load_collection(one.name)
    one.check(**{**params, "ef": 100, "refine_k": 1} if index != "HNSW_SQ" else {"ef": 100})
    one.seal()
    one.check(ef=100)


@pytest.mark.parametrize("dead", [0.1, 0.5, 0.9])
def test_deleted_rows_never_come_back(live: Callable[..., Live], dead: float) -> None:
    one = live(Metric.L2)
    one.create("HNSW", GRAPH)
    one.put(0, clustered(4_500, DIM, 1))
    one.code()
    random = np.random.default_rng(1)
    one.delete(np.flatnonzero(random.random(2_250) < dead))
    one.check(ef=100)
    one.seal()
    one.check(ef=100)
    one.delete(2_250 + np.flatnonzero(random.random(2_250) < dead))
    for part in (1.0, 0.5, 0.02):
        one.check(part=part, ef=100)
        one.check(limit=1_000, part=part, ef=1_000)
    for hint in ("scan", "plain", "alpha", "mix", "bridge", "iterative_filter"):
        one.check(0.8, part=0.3, ef=100, hints=hint)
    one.delete(np.fromiter(one.held, np.int64))
    one.check()


def test_upserted_rows_are_found_where_they_are_now(live: Callable[..., Live]) -> None:
    one = live(Metric.COSINE)
    one.create("HNSW", GRAPH)
    one.put(0, clustered(4_400, DIM, 1))
    one.seal()
    one.put(0, clustered(1_500, DIM, 3), upsert=True)
    one.check(ef=100)
    one.put(700, clustered(1_500, DIM, 4), upsert=True)
    one.check(ef=100)
    one.seal()
    one.check(ef=100)
    one.put(0, -clustered(4_400, DIM, 1), upsert=True)
    one.check(ef=100)
    one.code()
    one.check(ef=100)


@pytest.mark.parametrize("null", [10, 2, 1])
def test_rows_without_a_vector_are_never_found(live: Callable[..., Live], null: int) -> None:
    one = live(Metric.IP)
    one.create("HNSW", GRAPH, nullable=True)
    one.put(0, clustered(4_500, DIM, 1), null=null)
    if null > 1:
        one.code()
    one.check(ef=100)
    one.check(part=0.1, ef=100)
    one.seal()
    one.check(ef=100)
    one.put(4_500, clustered(4_500, DIM, 2), null=3)
    one.code()
    one.check(part=0.5, ef=100)
    one.check(limit=5_000, ef=5_000)


# --- filters ---

HINTS: Final = ("", "disable", "iterative_filter", "scan", "plain", "alpha", "mix", "bridge")


def test_every_hint_answers_filters_that_lie_to_the_queries_in_every_way(live: Callable[..., Live]) -> None:
    one = live(Metric.L2)
    one.create("HNSW", GRAPH)
    vectors = clustered(6_000, DIM, 1, 300)
    direction = np.random.default_rng(5).normal(size=DIM)
    asked = clustered(400, DIM, 99, 300)
    one.queries = asked[np.argsort(asked @ direction)[:20]]
    # Keys follow the direction: low ones are near the queries, high ones far.
    one.put(0, vectors[np.argsort(vectors @ direction)])
    one.seal()
    keys, away = one.true()
    for share in (0.5, 0.1, 0.01, 0.001):
        wanted = round(share * len(keys))
        for text, passing in (
            (f"id < {wanted}", keys < wanted),
            (f"id >= {len(keys) - wanted}", keys >= len(keys) - wanted),
            (f"part < {share}", np.array([part_of(key) < share for key in keys.tolist()])),
        ):
            for hint in HINTS:
                answers = one.ask(text=text, ef=64, **({"hints": hint} if hint else {}))
                found = one.found(answers, keys[passing], away[:, passing], K)
                if hint in ("", "disable", "iterative_filter", "scan"):
                    assert found >= 0.95, (text, hint, found)


# --- ranges ---


@pytest.mark.parametrize("metric", [Metric.L2, Metric.IP, Metric.COSINE])
def test_a_range_holds_what_brute_force_finds_in_it(live: Callable[..., Live], metric: Metric) -> None:
    one = live(metric)
    one.create("HNSW", GRAPH)
    one.put(0, clustered(5_000, DIM, 1))
    one.seal()
    one.put(5_000, clustered(4_500, DIM, 2))
    one.code()
    one.delete(np.arange(0, 9_500, 11))
    keys, away = one.true()
    sign = -1.0 if metric in LARGER_IS_NEARER else 1.0
    place = {key: number for number, key in enumerate(keys.tolist())}
    for low, high in ((0, 30), (20, 150), (100, 1_500), (3_000, 6_000)):
        right = total = 0
        for query in range(0, len(one.queries), 3):
            ordered = np.sort(away[query])
            # Bounds lie between two rows, where rounding doesn't matter.
            inner, outer = ((ordered[at] + ordered[at + 1]) / 2 for at in (low, high))
            bounds = {"radius": sign * float(outer), "range_filter": sign * float(inner), "ef": 100}
            (hits,) = one.client.search(
                one.name, [one.queries[query]], limit=16_384, search_params={"params": bounds}, anns_field="vector"
            )
            ids = [hit["id"] for hit in hits]
            assert len(set(ids)) == len(ids)
            true = away[query, [place[key] for key in ids]]
            given = sign * np.array([hit["distance"] for hit in hits])
            np.testing.assert_allclose(given, true, rtol=CLOSE, atol=CLOSE * np.abs(away[query]).max())
            assert_in_order(given, ids)
            inside = (away[query] >= inner) & (away[query] < outer)
            assert ((true >= inner - 1e-4) & (true < outer + 1e-4)).all()
            right, total = right + len(ids), total + int(inside.sum())
        assert 0.97 <= right / total <= 1.001, (low, high, right / total)


# --- parameters ---


def test_parameters_of_a_search_may_be_text_and_are_checked(live: Callable[..., Live]) -> None:
    one = live(Metric.L2)
    one.create("HNSW", {"M": "16", "efConstruction": "120"})
    one.put(0, clustered(2_000, DIM, 1))
    one.seal()
    one.check(ef="100")
    one.check(ef=100, hints="mix", part=0.5)
    with pytest.raises(MilvusException, match=r"ef\(5\) should be larger than k\(10\)"):
        one.ask(ef=5)
    with pytest.raises(MilvusException, match=r"ef\(5\) should be larger than k\(10\)"):
        one.ask(ef="5")
    with pytest.raises(MilvusException, match="Out of range in json: param 'ef'"):
        one.ask(ef=0)
    with pytest.raises(MilvusException, match="hints: quick not supported"):
        one.ask(hints="quick")


# --- at the same time ---


def test_searches_beside_writes_and_builds_are_right(live: Callable[..., Live]) -> None:
    """Keys that stay are found as near as they are; each answer is in order, and every distance is its row's own."""
    one = live(Metric.L2)
    one.create("HNSW", GRAPH)
    steady, passing = clustered(4_400, DIM, 1), clustered(6_000, DIM, 2)
    one.put(0, steady)
    one.ask()
    every = np.concatenate([steady, passing])
    away = distances(one.numbers(one.queries), one.numbers(every), one.metric)
    last = np.partition(away[:, : len(steady)], K - 1, axis=1)[:, K - 1 : K]
    done, wrong, shares = threading.Event(), [], []

    def search(ef: int) -> None:
        client = one.server.connect()
        try:
            while not done.is_set():
                answers = client.search(one.name, list(one.queries), limit=K, search_params={"params": {"ef": ef}})
                ids = np.array([[hit["id"] for hit in hits] for hits in answers])
                given = np.array([[hit["distance"] for hit in hits] for hits in answers])
                true = np.take_along_axis(away, ids, axis=1)
                assert ids.shape == (len(one.queries), K)
                assert all(len(set(found)) == K for found in ids.tolist())
                assert np.allclose(given, true, rtol=CLOSE, atol=1e-4)
                for distances_of_one, found in zip(given, ids, strict=True):
                    assert_in_order(distances_of_one, found)
                shares.append(float((true <= last + 1e-4).mean()))
        except BaseException as error:
            wrong.append(error)
        finally:
            client.close()

    searchers = [threading.Thread(target=search, args=(ef,)) for ef in (64, 100, 200)]
    for searcher in searchers:
        searcher.start()
    try:
        for step in range(4):
            one.put(len(steady) + 1_500 * step, passing[1_500 * step : 1_500 * (step + 1)])
            one.server._server._instance.tick()
            if step % 2:
                one.delete(len(steady) + np.arange(1_500 * (step - 1), 1_500 * step))
                one.client.flush(one.name)
        one.seal()
        one.client.refresh_load(one.name)
    finally:
        done.set()
        for searcher in searchers:
            searcher.join()
    assert not wrong, wrong[0]
    assert len(shares) >= 4
    assert min(shares) >= 0.9
    one.check(ef=100)


def test_a_restart_changes_no_answer(tmp_path: Any, name: str) -> None:
    jobs, segment = JobSettings(index_min_rows=1), SegmentSettings(seal_after_s=NEVER_S)
    with LocalServer(settings_for(tmp_path / "data", jobs=jobs, segment=segment)) as server:
        one = Live(server, name, Metric.COSINE)
        one.create("HNSW", GRAPH)
        one.put(0, clustered(3_000, DIM, 1))
        one.seal()
        before = [[(hit["id"], hit["distance"]) for hit in hits] for hits in one.ask(ef=40)]
        one.client.close()
        server.restart()
        one.client = server.connect()
        assert [[(hit["id"], hit["distance"]) for hit in hits] for hits in one.ask(ef=40)] == before
        one.put(3_000, clustered(4_200, DIM, 2))
        one.delete(np.arange(0, 7_200, 3))
        one.check(ef=100)
        one.client.close()
        server.restart()
        one.client = server.connect()
        one.check(ef=100)
        one.close()
