"""Iterators through stock pymilvus: every row once and in order, whatever is written, flushed or merged meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pymilvus.milvus_client.milvus_client as stock
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.client.iterator import SearchIterator, SearchIteratorV2
from pymilvus.exceptions import ServerVersionIncompatibleException
from search_cases import KINDS, LARGER_IS_NEARER, make, nearest

from elanus.model.settings import JobSettings
from elanus.query import iterators
from serving import LocalServer, settings_for

SEALED, ROWS = 500, 700
GONE = (3, 4, 5, 600, 601)
EXACT = [
    ("float", "FLAT", "L2"),
    ("float", "IVF_FLAT", "COSINE"),
    ("float16", "FLAT", "IP"),
    ("int8", "HNSW", "L2"),
    ("binary", "BIN_FLAT", "HAMMING"),
    ("binary", "BIN_FLAT", "JACCARD"),
    ("sparse", "SPARSE_INVERTED_INDEX", "IP"),
]
PARAMS: dict[str, dict[str, Any]] = {"IVF_FLAT": {"nlist": 8}, "HNSW": {"M": 8, "efConstruction": 64}}

Hit = tuple[Any, float]
Combination = tuple[str, str, str]
"""Vectors, index, metric."""


@dataclass
class Rows:
    """A collection: most rows sealed and indexed, some growing, some deleted; many are equally far away."""

    server: LocalServer
    client: MilvusClient
    name: str
    kind: str
    metric: str
    vectors: np.ndarray

    @property
    def query(self) -> Any:
        return KINDS[self.kind].ask(self.vectors[0])

    @property
    def alive(self) -> list[int]:
        return [key for key in range(len(self.vectors)) if key not in GONE]

    def expected(self, keys: list[int]) -> list[Hit]:
        """Return what brute force finds among some keys, best first, equal scores by key."""
        return nearest(self.vectors[0], self.vectors[keys], keys, self.metric, len(keys))

    def insert(self, keys: range) -> None:
        send = KINDS[self.kind].send
        self.client.insert(self.name, [{"id": key, "v": send(self.vectors[key]), "n": key % 7} for key in keys])


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that gives every sealed segment its index."""
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("iterators") / "data", jobs=jobs)) as server:
        yield server


@pytest.fixture(scope="module")
def caller(eager: LocalServer) -> Iterator[MilvusClient]:
    connected = eager.connect()
    yield connected
    connected.close()


def _coarse(kind: str, vectors: np.ndarray) -> np.ndarray:
    """Return vectors of which many lie at the same distance."""
    if kind in ("binary", "sparse"):
        return vectors
    small = np.random.default_rng(5).integers(-1, 2, vectors.shape)
    small[:, 0] = 1
    return small.astype(vectors.dtype)


def _fill(
    server: LocalServer,
    client: MilvusClient,
    name: str,
    combination: Combination,
    vectors: np.ndarray,
    *,
    sealed: int = SEALED,
) -> Rows:
    kind, index, metric = combination
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    KINDS[kind].add_to(schema, "v")
    make(client, name, schema, [("v", index, metric, PARAMS.get(index, {}))])
    rows = Rows(server, client, name, kind, metric, vectors)
    rows.insert(range(sealed))
    server.settle()
    rows.insert(range(sealed, len(vectors))[::-1])
    client.delete(name, ids=list(GONE))
    return rows


@pytest.fixture
def flat(eager: LocalServer, caller: MilvusClient, name: str) -> Rows:
    """Small whole numbers under L2, searched exactly."""
    vectors = _coarse("float", np.zeros((ROWS, 16), dtype=np.float32))
    return _fill(eager, caller, name, ("float", "FLAT", "L2"), vectors)


def _pages(iterator: Any, between: Callable[[], None] = lambda: None) -> list[list[Hit]]:
    """Return the pages of a search iterator; ``between`` runs after the first one."""
    pages = []
    while page := iterator.next():
        pages.append([(hit.id, hit.distance) for hit in page])
        if len(pages) == 1:
            between()
    return pages


def _flat(pages: list[list[Any]]) -> list[Any]:
    return [item for page in pages for item in page]


def _keys(hits: list[Hit]) -> list[Any]:
    return [key for key, _ in hits]


def _churn(rows: Rows) -> None:
    """Insert, delete and replace rows, then seal and merge everything."""
    times = rows.server.settings.segment.merge_at
    for step in range(times):
        rows.client.insert(rows.name, [_row(rows, 10_000 + step, rows.vectors[0])])
        rows.client.delete(rows.name, ids=[20 + step, 610 + step])
        rows.client.upsert(rows.name, [_row(rows, 40 + step, rows.vectors[1])])
        rows.client.flush(rows.name)
    rows.server.settle()


def _row(rows: Rows, key: int, vector: np.ndarray) -> dict[str, Any]:
    return {"id": key, "v": KINDS[rows.kind].send(vector), "n": 0}


# --- search, second version ---


@pytest.mark.parametrize("combination", EXACT, ids="-".join)
def test_pages_are_one_exact_search_cut_into_pieces(eager, caller, name, combination):
    kind, _, metric = combination
    vectors = _coarse(kind, KINDS[kind].draw(np.random.default_rng(3), ROWS))
    rows = _fill(eager, caller, name, combination, vectors)
    found = _pages(caller.search_iterator(name, data=[rows.query], batch_size=64))
    assert {len(page) for page in found[:-1]} == {64}
    expected = rows.expected(rows.alive)
    hits = _flat(found)
    assert sorted(_keys(hits)) == sorted(_keys(expected))
    scores = [score for _, score in hits]
    assert np.allclose(scores, [score for _, score in expected], rtol=1e-5, atol=1e-5)
    assert scores == sorted(scores, reverse=metric in LARGER_IS_NEARER)
    for before, after in itertools.pairwise(hits):
        assert before[1] != after[1] or before[0] < after[0]


def test_a_graph_gives_every_row_once_and_the_nearest_first(eager, caller, name, monkeypatch):
    monkeypatch.setattr(iterators, "EXACT_ROWS", 0)
    vectors = np.random.default_rng(8).normal(size=(3000, 16)).astype(np.float32)
    rows = _fill(eager, caller, name, ("float", "HNSW", "L2"), vectors, sealed=2900)
    pages = _pages(
        caller.search_iterator(name, data=[rows.query], batch_size=200, search_params={"params": {"ef": 64}})
    )
    keys = _keys(_flat(pages))
    assert len(keys) == len(set(keys))
    assert set(keys) == set(rows.alive)
    nearest_keys = _keys(rows.expected(rows.alive))
    assert len(set(keys[:400]) & set(nearest_keys[:400])) >= 380


@pytest.mark.parametrize("filter_", ["n < 3", "id in [0, 1, 2, 3, 599, 600, 699]", "n > 100"])
def test_only_rows_that_pass_the_filter_come(flat, filter_):
    passing = {
        "n < 3": [key for key in flat.alive if key % 7 < 3],
        "id in [0, 1, 2, 3, 599, 600, 699]": [0, 1, 2, 599, 699],
        "n > 100": [],
    }[filter_]
    pages = _pages(flat.client.search_iterator(flat.name, data=[flat.query], batch_size=50, filter=filter_))
    assert _flat(pages) == flat.expected(passing)


def test_a_range_ends_an_iterator(flat):
    params = {"params": {"radius": 12.0, "range_filter": 6.0}}
    pages = _pages(flat.client.search_iterator(flat.name, data=[flat.query], batch_size=20, search_params=params))
    expected = [(key, score) for key, score in flat.expected(flat.alive) if 6.0 <= score < 12.0]
    assert len(expected) > 40
    assert _flat(pages) == expected


def test_pages_bring_output_fields_of_their_own_rows_and_a_limit_ends_them(flat):
    iterator = flat.client.search_iterator(flat.name, data=[flat.query], batch_size=40, limit=100, output_fields=["n"])
    hits = []
    while page := iterator.next():
        hits += [(hit.id, hit.entity["n"]) for hit in page]
    assert hits == [(key, key % 7) for key, _ in flat.expected(flat.alive)[:100]]


def test_writes_flushes_and_merges_between_pages_change_nothing(flat):
    iterator = flat.client.search_iterator(flat.name, data=[flat.query], batch_size=100)
    assert _flat(_pages(iterator, lambda: _churn(flat))) == flat.expected(flat.alive)
    fresh = _flat(_pages(flat.client.search_iterator(flat.name, data=[flat.query], batch_size=100)))
    assert 10_000 in _keys(fresh)
    assert 20 not in _keys(fresh)


def test_an_external_filter_fills_pages(flat):
    iterator = flat.client.search_iterator(
        flat.name,
        data=[flat.query],
        batch_size=30,
        limit=90,
        external_filter_func=lambda hits: [hit for hit in hits if hit.id % 4 == 0],
    )
    pages = _pages(iterator)
    assert [len(page) for page in pages] == [30, 30, 30]
    assert _flat(pages) == flat.expected([key for key in flat.alive if key % 4 == 0])[:90]


def test_a_page_may_be_asked_for_again(flat):
    iterator = flat.client.search_iterator(flat.name, data=[flat.query], batch_size=100)
    first = iterator.next()
    before = dict(iterator._params)
    second = [hit.id for hit in iterator.next()]
    iterator._params = before
    assert [hit.id for hit in iterator.next()] == second
    assert first[-1].id not in second


def test_an_iterator_goes_on_after_a_restart_beyond_its_last_score(tmp_path: Path):
    with LocalServer(settings_for(tmp_path / "data")) as server:
        client = server.connect()
        vectors = np.random.default_rng(2).normal(size=(ROWS, 16)).astype(np.float32)
        rows = _fill(server, client, "c", ("float", "FLAT", "IP"), vectors)
        searched = client.search_iterator("c", data=[rows.query], batch_size=50)
        queried = client.query_iterator("c", batch_size=50)
        hits, keys = [(hit.id, hit.distance) for hit in searched.next()], [row["id"] for row in queried.next()]
        client.insert("c", [_row(rows, 10_000, vectors[0])])
        client.delete("c", ids=[100, 650])
        client.close()
        server.restart()
        again = server.connect()
        searched._handler = queried._handler = again._get_connection()
        searched._context = queried._context = again._generate_call_context()
        hits += _flat(_pages(searched))
        while page := queried.next():
            keys += [row["id"] for row in page]
        assert _keys(hits) == _keys(rows.expected(rows.alive))
        assert keys == rows.alive
        again.close()


def test_a_token_of_another_collection_is_refused(flat, caller):
    iterator = caller.search_iterator(flat.name, data=[flat.query], batch_size=10)
    iterator.next()
    caller.drop_collection(flat.name)
    _fill(flat.server, caller, flat.name, ("float", "FLAT", "L2"), flat.vectors)
    with pytest.raises(MilvusException, match="is not consistent to that in the search context") as refused:
        iterator.next()
    assert refused.value.code == 1100


def test_a_released_collection_is_not_read_and_a_loaded_one_goes_on(flat, caller):
    iterator = caller.search_iterator(flat.name, data=[flat.query], batch_size=100)
    first = [hit.id for hit in iterator.next()]
    caller.release_collection(flat.name)
    with pytest.raises(MilvusException, match="collection not loaded"):
        iterator.next()
    caller.load_collection(flat.name)
    assert not {hit.id for hit in iterator.next()} & set(first)


# --- search, first version ---


class _Hidden(SearchIteratorV2):
    """What pymilvus sees of a server without the second version."""

    def _check_token_exists(self, token: str | None) -> None:
        raise ServerVersionIncompatibleException(message="hidden")


@pytest.mark.parametrize(
    "combination", [*EXACT[:2], ("float", "HNSW", "IP"), ("binary", "BIN_FLAT", "JACCARD")], ids="-".join
)
def test_the_first_version_loses_and_repeats_nothing(eager, caller, name, monkeypatch, combination):
    kind, index, metric = combination
    monkeypatch.setattr(stock, "SearchIteratorV2", _Hidden)
    vectors = _coarse(kind, KINDS[kind].draw(np.random.default_rng(3), ROWS))
    rows = _fill(eager, caller, name, combination, vectors)
    params = {"metric_type": metric, "params": {"ef": 256} if index == "HNSW" else {}}
    iterator = caller.search_iterator(name, data=[rows.query], batch_size=100, filter="n < 6", search_params=params)
    assert isinstance(iterator, SearchIterator)
    hits = _flat(_pages(iterator, lambda: _churn(rows)))
    scores = dict(rows.expected([key for key in rows.alive if key % 7 < 6]))
    assert len(hits) >= 400
    assert len(set(_keys(hits))) == len(hits)
    worst = hits[-1][1]
    sign = -1 if metric in LARGER_IS_NEARER else 1
    assert {key for key, score in scores.items() if sign * score < sign * worst - 1e-5} <= set(_keys(hits))
    assert [score for _, score in hits] == sorted((score for _, score in hits), key=lambda score: sign * score)


# --- query ---


def _queried(iterator: Any, between: Callable[[], None] = lambda: None) -> list[list[dict[str, Any]]]:
    pages = []
    while page := iterator.next():
        pages.append(list(page))
        if len(pages) == 1:
            between()
    iterator.close()
    return pages


@pytest.mark.parametrize("filter_", [None, "n == 3", "n == 3 or id > 600", "id >= 450 and id < 550"])
def test_a_query_iterator_gives_rows_by_key_whatever_is_written_meanwhile(flat, filter_):
    tests: dict[str | None, Callable[[int], bool]] = {
        None: lambda _key: True,
        "n == 3": lambda key: key % 7 == 3,
        "n == 3 or id > 600": lambda key: key % 7 == 3 or key > 600,
        "id >= 450 and id < 550": lambda key: 450 <= key < 550,
    }
    iterator = flat.client.query_iterator(flat.name, filter=filter_, batch_size=30, output_fields=["n"])
    pages = _queried(iterator, lambda: _churn(flat))
    keys = [key for key in flat.alive if tests[filter_](key)]
    assert {len(page) for page in pages[:-1]} <= {30}
    assert _flat(pages) == [{"id": key, "n": key % 7} for key in keys]


def test_a_query_iterator_over_texts_with_limit_and_offset(caller, name):
    schema = caller.create_schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    make(caller, name, schema, [("v", "FLAT", "L2", {})])
    keys = [f"{'é' * (number % 3)}{number}" for number in range(300)]
    for part in (keys[:200], keys[200:]):
        caller.insert(name, [{"id": key, "v": [0.0, 1.0]} for key in part])
        if part[0] == keys[0]:
            caller.flush(name)
    iterator = caller.query_iterator(name, batch_size=32, offset=10, limit=100)
    assert [row["id"] for row in _flat(_queried(iterator))] == sorted(keys)[10:110]


def test_a_checkpoint_file_resumes_a_query_iterator(flat, tmp_path):
    file = tmp_path / "checkpoint"
    first = flat.client.query_iterator(flat.name, batch_size=100, iterator_cp_file=str(file))
    keys = [row["id"] for row in first.next()]
    flat.client.delete(flat.name, ids=[650])
    flat.client.insert(flat.name, [_row(flat, 10_000, flat.vectors[0])])
    first._cp_file_handler.flush()
    resumed = flat.client.query_iterator(flat.name, batch_size=100, iterator_cp_file=str(file))
    assert keys + [row["id"] for row in _flat(_queried(resumed))] == flat.alive


@pytest.mark.parametrize("filter_", ["n == 3", "id > 490", "n < 6 and (id < 100 or id > 650)"])
def test_pages_of_a_plain_query_are_one_query_cut_into_pieces(flat, filter_):
    whole = [row["id"] for row in flat.client.query(flat.name, filter=filter_)]
    assert whole == sorted(whole)
    pages = [
        [row["id"] for row in flat.client.query(flat.name, filter=filter_, limit=17, offset=offset)]
        for offset in range(0, len(whole) + 17, 17)
    ]
    assert _flat(pages) == whole
