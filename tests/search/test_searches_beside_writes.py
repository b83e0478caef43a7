"""Reads of every kind beside writes, flushes and merges: each sees all that was acknowledged, nothing that was deleted.

Rows are of two sorts. Steady ones stay, and are replaced by later versions again and again. Passing ones come and go,
each after the one before, so that two numbers say which of them there are.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, Function, FunctionType, MilvusClient, RRFRanker

from elanus.model.settings import JobSettings
from serving import LocalServer, settings_for

NAME, DIM = "busy", 8
STEADY, FIRST = 60, 1000
"""Keys of steady rows are below the one, those of passing rows begin with the other."""
ROUNDS, CAME, ALIVE = 40, 10, 40
"""Rounds of writing; how many rows come in each, and how many of them stay."""
ALL = 1000
EXACT = {"params": {"ef": 2000}}
ROUTE = np.ones(DIM, dtype=np.float32).tolist()
Seen = list[tuple[int, int | None]]
"""Keys, and versions where these were asked for."""


@dataclass
class Progress:
    """How far writers are: what has begun, and what is acknowledged."""

    begun: list[int] = field(default_factory=lambda: [0] * STEADY)
    versions: list[int] = field(default_factory=lambda: [0] * STEADY)
    coming: int = FIRST
    came: int = FIRST
    going: int = FIRST
    gone: int = FIRST

    def copy(self) -> Progress:
        # What is acknowledged is read first: reading takes time, in which more may begin.
        versions, came, gone = list(self.versions), self.came, self.gone
        return Progress(list(self.begun), versions, self.coming, came, self.going, gone)


def row(key: int, version: int) -> dict[str, Any]:
    random = np.random.default_rng(key * 1000 + version)
    return {
        "id": key,
        "version": version,
        "color": f"color {key % 5}",
        "v": random.normal(size=DIM).astype(np.float32).tolist(),
        "w": random.normal(size=DIM).astype(np.float32).tolist(),
    }


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("busy") / "data", jobs=jobs)) as running:
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[MilvusClient]:
    connected = server.connect()
    schema = connected.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("version", DataType.INT64)
    schema.add_field("color", DataType.VARCHAR, max_length=16)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("w", DataType.FLOAT_VECTOR, dim=DIM)
    indexes = connected.prepare_index_params()
    indexes.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 16, "efConstruction": 100})
    indexes.add_index("w", index_type="FLAT", metric_type="IP")
    connected.create_collection(NAME, schema=schema, consistency_level="Strong")
    connected.create_index(NAME, indexes, sync=False)
    connected.load_collection(NAME)
    connected.insert(NAME, [row(key, 0) for key in range(STEADY)])
    yield connected
    connected.close()


# --- writers ---


def replace_steady(client: MilvusClient, progress: Progress) -> None:
    for number in range(1, ROUNDS * 2):
        keys = range(number % 3, STEADY, 3)
        for key in keys:
            progress.begun[key] = number
        client.upsert(NAME, [row(key, number) for key in keys])
        for key in keys:
            progress.versions[key] = number


def let_pass(client: MilvusClient, progress: Progress) -> None:
    for number in range(ROUNDS):
        progress.coming += CAME
        client.insert(NAME, [row(key, 0) for key in range(progress.came, progress.coming)])
        progress.came = progress.coming
        if progress.came - progress.gone > ALIVE:
            progress.going = progress.came - ALIVE
            where = f"id >= {FIRST} and id < {progress.going}"
            client.delete(NAME, filter=where if number % 2 else f"{where} and version == 0")
            progress.gone = progress.going


def flush(client: MilvusClient, server: LocalServer) -> None:
    for number in range(ROUNDS // 4):
        client.flush(NAME)
        if number % 3 == 2:
            server.settle()


# --- readers ---


def of_hits(hits: Any) -> Seen:
    return [(hit["id"], hit["entity"].get("version")) for hit in hits]


def of_rows(rows: Any) -> Seen:
    return [(one["id"], one["version"]) for one in rows]


def search(client: MilvusClient, field_name: str = "v", **options: Any) -> Seen:
    given = {"limit": ALL, "output_fields": ["version"], "search_params": EXACT} | options
    return of_hits(client.search(NAME, [ROUTE], anns_field=field_name, **given)[0])


def hybrid(client: MilvusClient) -> Seen:
    routes = [AnnSearchRequest([ROUTE], name, EXACT, ALL) for name in ("v", "w")]
    return of_hits(client.hybrid_search(NAME, routes, RRFRanker(), limit=ALL, output_fields=["version"])[0])


def boosted(client: MilvusClient) -> Seen:
    boost = Function("b", FunctionType.RERANK, [], params={"reranker": "boost", "weight": 2.0, "filter": "version > 3"})
    return search(client, ranker=boost)


def search_pages(client: MilvusClient) -> Seen:
    pages = client.search_iterator(
        NAME, [ROUTE], anns_field="v", batch_size=30, output_fields=["version"], search_params=EXACT
    )
    return of_hits(until_empty(pages))


def query_pages(client: MilvusClient) -> Seen:
    return of_rows(until_empty(client.query_iterator(NAME, 30, filter="id >= 0", output_fields=["id", "version"])))


def until_empty(pages: Any) -> list[Any]:
    found: list[Any] = []
    while page := pages.next():
        found += page
    pages.close()
    return found


def ordered(client: MilvusClient) -> Seen:
    seen = search(client, order_by_fields=[{"field": "version", "order": "desc"}])
    versions = [version or 0 for _, version in seen]
    assert versions == sorted(versions, reverse=True)
    return seen


def by_key(client: MilvusClient) -> Seen:
    found = client.search(NAME, ids=[3], anns_field="v", limit=ALL, output_fields=["version"], search_params=EXACT)
    assert found[0][0]["id"] == 3
    assert found[0][0]["distance"] < 1e-5
    return of_hits(found[0])


READERS: dict[str, Callable[[MilvusClient], Seen]] = {
    "search": search,
    "by scan": lambda client: search(client, "w"),
    "filtered": lambda client: search(client, filter="color like 'color%' and version >= 0"),
    "without fields": lambda client: search(client, output_fields=[]),
    "grouped": lambda client: search(client, group_by_field="id"),
    "ordered": ordered,
    "boosted": boosted,
    "hybrid": hybrid,
    "search pages": search_pages,
    "query": lambda client: of_rows(client.query(NAME, "id >= 0", output_fields=["version"])),
    "query pages": query_pages,
    "by key": by_key,
}


def check(seen: Seen, before: Progress, after: Progress) -> None:
    keys = [key for key, _ in seen]
    assert len(keys) == len(set(keys)), "a key was found twice"
    assert set(range(STEADY)) <= set(keys), "a row that stays was not found"
    passing = {key for key in keys if key >= STEADY}
    assert not [key for key in passing if key < before.gone], "a deleted row was found"
    assert not [key for key in passing if key >= after.coming], "a row was found that was never written"
    assert set(range(after.going, before.came)) <= passing, "an acknowledged row was not found"
    for key, version in seen:
        if version is not None and key < STEADY:
            assert before.versions[key] <= version <= after.begun[key], "a version was found that was none then"


@pytest.mark.parametrize("group", [0, 1, 2])
def test_reads_see_what_was_acknowledged(server: LocalServer, client: MilvusClient, group: int, caplog: Any) -> None:
    progress, done = Progress(), threading.Event()
    names = tuple(READERS)[group::3]

    def read(name: str) -> int:
        connected = server.connect()
        try:
            for count in itertools.count(1):
                finished = done.is_set()
                for _ in range(4):
                    before = progress.copy()
                    seen = READERS[name](connected)
                    check(seen, before, progress.copy())
                if finished:
                    return count
        finally:
            connected.close()
        raise AssertionError("counting has no end")

    with caplog.at_level(logging.ERROR, logger="elanus"), ThreadPoolExecutor(12) as threads:
        reading = {name: threads.submit(read, name) for name in names}
        writing = [threads.submit(write, client, progress) for write in (replace_steady, let_pass)]
        writing.append(threads.submit(flush, client, server))
        try:
            for each in writing:
                each.result()
        finally:
            done.set()
        assert {name: each.result() for name, each in reading.items()}.keys() == set(names)
    assert not [record.getMessage() for record in caplog.records if record.name.startswith("elanus")]
