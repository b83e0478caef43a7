"""Writers that keep book of what a server acknowledged, so that it can be asked for after the server was killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import grpc
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

from raw_columns import floats, longs, strings

DIM = 8
KEYS_EACH = 1_500
"""Keys of one writer; all rows of a collection fit into one query."""
ALL = 16_384

Key = int | str
State = int | None
"""The version of a row, None when it isn't there."""
LOOKS = 1_000
"""Versions that differ by a multiple of it have the same vector, so that a version can change without it."""


def vector(key: Key, version: int) -> list[float]:
    """Return the vector that a row has at a version."""
    number = int(str(key).lstrip("k"))
    return [float((number * 31 + version % LOOKS * 17 + place * 7) % 97) for place in range(DIM)]


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

    def same_looks(self, keys: Sequence[Key], draw: random.Random) -> dict[Key, State]:
        """Return new versions, with the vectors that they have, of those keys whose rows are surely there."""
        states = {key: self.states.get(key, {None}) for key in keys}
        known = {key: version for key, (version, *others) in states.items() if version is not None and not others}
        return {key: version % LOOKS + LOOKS * draw.randrange(1, 2**30) for key, version in known.items()}

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
    """Writer threads on some collections, until the server goes away.

    They call the stubs themselves: a client would go on trying for minutes after the server is gone.
    """

    def __init__(self, target: str, collections: Sequence[Collection], seed: int) -> None:
        self._target = target
        self._progress = threading.Condition()
        self._acknowledged = 0
        self._running = 0
        self._may_go = False
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(self._writer(collection, number, seed),))
            for collection in collections
            for number in range(len(collection.books))
        ]
        self._threads.append(threading.Thread(target=self._run, args=(partial(_flush, collections),)))

    def _writer(self, collection: Collection, number: int, seed: int) -> Callable[[Any], None]:
        return partial(_write, collection, number, random.Random(f"{seed} {collection.name} {number}"))

    def start(self) -> None:
        """Start writing."""
        self._running = len(self._threads)
        for thread in self._threads:
            thread.start()

    def wait_for(self, writes: int) -> None:
        """Return when that many calls were acknowledged, or a writer has stopped; from here on the server may go."""
        with self._progress:
            self._progress.wait_for(lambda: self._acknowledged >= writes or self._running < len(self._threads))
            self._may_go = True

    def join(self) -> None:
        """Return when every writer has seen the server go; raises what else went wrong."""
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self, write: Callable[[Any], None]) -> None:
        """Write until the server is gone."""
        try:
            with grpc.insecure_channel(self._target) as channel:
                stub = milvus_pb2_grpc.MilvusServiceStub(channel)
                while True:
                    write(stub)
                    with self._progress:
                        self._acknowledged += 1
                        self._progress.notify_all()
        except grpc.RpcError as error:
            self._end(None if self._may_go else error)
        except BaseException as error:
            self._end(error)

    def _end(self, failure: BaseException | None) -> None:
        with self._progress:
            self._running -= 1
            self._failure = self._failure or failure
            self._progress.notify_all()


def _write(collection: Collection, writer: int, draw: random.Random, stub: Any) -> None:
    """Insert, upsert or delete some rows of one writer, and note what became of it."""
    book = collection.books[writer]
    first = draw.randrange(KEYS_EACH)
    numbers = range(first, min(first + draw.randint(1, 120), KEYS_EACH))
    keys = [collection.key(writer, number) for number in numbers]
    kind = draw.choice(["insert", "upsert", "upsert", "update", "update", "delete"])
    version = draw.randrange(1, 2**40)
    changes: dict[Key, State] = dict.fromkeys(keys, None if kind == "delete" else version)
    if kind == "update":
        changes = book.same_looks(keys, draw)
    if not changes:
        return
    book.begin(changes)
    _accepted(_send(stub, kind, collection, changes).status)
    book.acknowledge(changes)


def _send(stub: Any, kind: str, collection: Collection, changes: dict[Key, State]) -> Any:
    keys = list(changes)
    if kind == "delete":
        listed = ", ".join(f'"{key}"' if collection.text_keys else str(key) for key in keys)
        return stub.Delete(milvus_pb2.DeleteRequest(collection_name=collection.name, expr=f"id in [{listed}]"))
    ids: Any = strings("id", keys) if collection.text_keys else longs("id", keys)  # type: ignore[arg-type]
    versions = [version for version in changes.values() if version is not None]
    columns = [ids, longs("version", versions)]
    if kind == "update":
        return stub.Upsert(
            milvus_pb2.UpsertRequest(
                collection_name=collection.name, fields_data=columns, num_rows=len(keys), partial_update=True
            )
        )
    values = [value for key, version in zip(keys, versions, strict=True) for value in vector(key, version)]
    columns.append(floats("vector", values, DIM))
    request = milvus_pb2.InsertRequest if kind == "insert" else milvus_pb2.UpsertRequest
    call = stub.Insert if kind == "insert" else stub.Upsert
    return call(request(collection_name=collection.name, fields_data=columns, num_rows=len(keys)))


def _flush(collections: Sequence[Collection], stub: Any) -> None:
    """Flush, so that a kill often lands in a flush, a merge or a commit."""
    names = [collection.name for collection in collections]
    _accepted(stub.Flush(milvus_pb2.FlushRequest(collection_names=names)).status)


def _accepted(status: Any) -> None:
    assert status.code == 0, status.reason
