"""Readers beside writers: rows that are only ever replaced are all there, once each, in every single read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from elanus.engine import LocalEngine, collections, data, indexes, partitions, schemas, search
from elanus.engine.base import CollectionName
from elanus.main import open_instance
from elanus.model.columns import Column, vector_array
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.settings import JobSettings, SegmentSettings, Settings
from elanus.model.types import DataType

NAME = CollectionName("default", "busy")
DIM = 4
KEYS = 300
READS = 250
SMALL = SegmentSettings(seal_bytes=20_000, merge_below_rows=2_000, merge_at=3)


def make(engine: LocalEngine, kind: str, shards: int) -> Schema:
    fields = (
        Field(id=FieldId(0), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(0), name="version", type=DataType.INT64),
        Field(id=FieldId(0), name="v", type=DataType.FLOAT_VECTOR, dim=DIM, params=(("dim", str(DIM)),)),
    )
    engine.execute(collections.CreateCollection(NAME, Schema(fields), shards=shards))
    params = (("index_type", kind), ("metric_type", "L2"))
    engine.execute(indexes.CreateIndex(NAME, "v", "v", params))
    engine.execute(partitions.Load(NAME))
    return engine.execute(schemas.GetSchema(NAME))


def upsert(engine: LocalEngine, schema: Schema, keys: list[int], version: int) -> None:
    """Replace rows; every vector of a version is that version."""
    matrix = np.full((len(keys), DIM), version % 1_000, dtype=np.float32)
    columns = [
        Column(schema["id"], pa.array(keys, type=pa.int64())),
        Column(schema["version"], pa.array([version] * len(keys), type=pa.int64())),
        Column(schema["v"], vector_array(schema["v"], matrix)),
    ]
    engine.execute(data.Upsert(NAME, columns, len(keys)))


@contextmanager
def writing(engine: LocalEngine, schema: Schema) -> Iterator[None]:
    """Have two threads replace all rows, each its half, until the block ends; raises what they ran into."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run(parity: int) -> None:
        random = np.random.default_rng(parity)
        mine = np.arange(parity, KEYS, 2)
        version = 1
        try:
            while not stop.is_set():
                some = random.choice(mine, 20, replace=False).tolist()
                upsert(engine, schema, some, version)
                version += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(parity,)) for parity in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def check_once(engine: LocalEngine, number: int, seen: dict[int, int]) -> None:
    """Count all rows and query some by their keys: all are there, none older than what was seen before."""
    counted = engine.execute(search.Query(collection=NAME, filter="", output_fields=("count(*)",)))
    assert counted.count == KEYS
    asked = list(range(number % 7, KEYS, 7))
    found = engine.execute(search.Query(collection=NAME, filter=f"id in {asked}", output_fields=("version",)))
    columns = {column.column.field.name: column.column.data.to_pylist() for column in found.columns}
    assert columns["id"] == asked
    for key, version in zip(columns["id"], columns["version"], strict=True):
        assert version >= seen.get(key, 0), "an older version came back"
        seen[key] = version


def search_all(engine: LocalEngine) -> list[int]:
    """Return the keys that a search for every row finds."""
    zero = search.Queries(DataType.FLOAT_VECTOR, 1, matrix=np.zeros((1, DIM), dtype=np.float32))
    found = engine.execute(search.Search(collection=NAME, queries=zero, limit=KEYS, params={"ef": KEYS}))
    keys: list[int] = found.keys.to_pylist()
    return keys


@pytest.mark.parametrize(("kind", "shards"), [("FLAT", 1), ("HNSW", 1), ("FLAT", 3)])
def test_replaced_rows_are_there_once_in_every_read(tmp_path: Path, kind: str, shards: int) -> None:
    settings = Settings(data=tmp_path / "data", segment=SMALL, jobs=JobSettings(index_min_rows=100))
    settings.data.mkdir()
    with open_instance(settings) as instance:
        engine = LocalEngine(instance)
        schema = make(engine, kind, shards)
        upsert(engine, schema, list(range(KEYS)), 0)
        collection = instance.collection(NAME)
        seen: dict[int, int] = {}
        number = 0
        with writing(engine, schema):
            while number < READS or not collection.manifest.segments:
                check_once(engine, number, seen)
                hits = search_all(engine)
                assert len(set(hits)) == len(hits) == KEYS
                number += 1
