"""Writers that keep book of what a server acknowledged, so that it can be asked for after the server was killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

DIM = 8
KEYS_EACH = 1_500
"""Keys of one writer; all rows of a collection fit into one query."""
ALL = 16_384

Key = int | str
State = int | None
"""The version of a row, None when it isn't there."""


def vector(key: Key, version: int) -> list[float]:
    """Return the vector that a row has at a version."""
    number = int(str(key).lstrip("k"))
    return [float((number * 31 + version * 17 + place * 7) % 97) for place in range(DIM)]


class Book:
    """What each key of one writer may be: the acknowledged state, and those of writes that were cut short."""

    def __init__(self) -> None:
        self.states: dict[Key, set[State]] = {}

    def begin(self, changes: dict[Key, State]) -> None:
        """Note a write before it is sent: until it is acknowledged it may have happened or not."""
        for key, state in changes.items():
            self.states.setdefault(key, {None}).add(state)

    def acknowledge(self, changes: dict[Key, State]) -> None:
        """Note that a write was acknowledged."""
        for key, state in changes.items():
            self.states[key] = {state}

    def settle(self, found: dict[Key, int]) -> None:
        """Take over what is there now: from here on that is the truth."""
        for key in self.states:
            self.states[key] = {found.get(key)}


class Collection:
    """One collection under load, and the books of its writers."""

    def __init__(self, name: str, key_type: DataType, shards: int, writers: int) -> None:
        self.name = name
        self.text_keys = key_type is DataType.VARCHAR
        self.shards = shards
        self.books = [Book() for _ in range(writers)]

    def create(self, client: MilvusClient) -> None:
        """Make the collection with an HNSW index, loaded."""
        schema = client.create_schema(auto_id=False)
        if self.text_keys:
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=32)
        else:
            schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("version", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        params = client.prepare_index_params()
        params.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 40})
        client.create_collection(
            self.name, schema=schema, index_params=params, num_shards=self.shards, consistency_level="Strong"
        )

    def key(self, writer: int, number: int) -> Key:
        """Return a key of one writer; no two writers share one."""
        whole = number * len(self.books) + writer
        return f"k{whole}" if self.text_keys else whole

    def check(self, client: MilvusClient) -> None:
        """Compare every row with the books, and settle them."""
        anything = 'id >= ""' if self.text_keys else "id >= 0"
        rows = client.query(self.name, anything, output_fields=["id", "version", "vector"], limit=ALL)
        found: dict[Key, int] = {row["id"]: row["version"] for row in rows}
        assert len(found) == len(rows), "a key came twice"
        counted = client.query(self.name, "", output_fields=["count(*)"])
        assert counted[0]["count(*)"] == len(rows)
        for row in rows:
            assert list(row["vector"]) == vector(row["id"], row["version"])
        known = {key: states for book in self.books for key, states in book.states.items()}
        assert found.keys() <= known.keys(), "a row came that nobody wrote"
        wrong = {key: (found.get(key), states) for key, states in known.items() if found.get(key) not in states}
        assert not wrong, f"{len(wrong)} keys differ from what was acknowledged: {dict(list(wrong.items())[:5])}"
        self._check_search(client, rows)
        for book in self.books:
            book.settle(found)

    def _check_search(self, client: MilvusClient, rows: Sequence[dict[str, Any]]) -> None:
        """Find some rows by their own vector, deleted ones never."""
        asked = rows[:: max(1, len(rows) // 10)]
        if not asked:
            return
        live = {row["id"]: row["vector"] for row in rows}
        vectors = [row["vector"] for row in asked]
        answers = client.search(self.name, vectors, limit=5, search_params={"params": {"ef": 64}})
        for row, hits in zip(asked, answers, strict=True):
            assert hits[0]["distance"] == 0
            for hit in hits:
                assert hit["id"] in live
                squared = sum((a - b) ** 2 for a, b in zip(row["vector"], live[hit["id"]], strict=True))
                assert hit["distance"] == squared


class Load:
    """Writer threads on some collections, until the server goes away."""

    def __init__(self, uri: str, collections: Sequence[Collection], seed: int) -> None:
        self._uri = uri
        self._progress = threading.Condition()
        self._acknowledged = 0
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(collection, number, f"{seed} {collection.name} {number}"))
            for collection in collections
            for number in range(len(collection.books))
        ]
        self._threads.append(threading.Thread(target=self._flush, args=(collections,)))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, writes: int) -> None:
        """Return when that many writes were acknowledged."""
        with self._progress:
            self._progress.wait_for(lambda: self._acknowledged >= writes or self._failure is not None)

    def join(self) -> None:
        """Return when every writer has seen the server go; raises what else went wrong."""
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self, collection: Collection, writer: int, seed: str) -> None:
        draw = random.Random(seed)
        try:
            client = MilvusClient(self._uri, dedicated=True)
            while True:
                self._write(client, collection, writer, draw)
                with self._progress:
                    self._acknowledged += 1
                    self._progress.notify_all()
        except MilvusException:
            return  # the server is gone
        except BaseException as error:
            with self._progress:
                self._failure = error
                self._progress.notify_all()

    def _write(self, client: MilvusClient, collection: Collection, writer: int, draw: random.Random) -> None:
        book = collection.books[writer]
        first = draw.randrange(KEYS_EACH)
        numbers = range(first, min(first + draw.randint(1, 120), KEYS_EACH))
        keys = [collection.key(writer, number) for number in numbers]
        kind = draw.choice(["insert", "upsert", "upsert", "delete"])
        version = draw.randrange(1, 2**40)
        changes: dict[Key, State] = dict.fromkeys(keys, None if kind == "delete" else version)
        book.begin(changes)
        if kind == "delete":
            client.delete(collection.name, ids=keys, retry_times=1)
        else:
            rows = [{"id": key, "version": version, "vector": vector(key, version)} for key in keys]
            (client.insert if kind == "insert" else client.upsert)(collection.name, rows, retry_times=1)
        book.acknowledge(changes)

    def _flush(self, collections: Sequence[Collection]) -> None:
        """Flush all the time, so that a kill often lands in a flush, a merge or a commit."""
        try:
            client = MilvusClient(self._uri, dedicated=True)
            while True:
                for collection in collections:
                    client.flush(collection.name, retry_times=1)
        except MilvusException:
            return
