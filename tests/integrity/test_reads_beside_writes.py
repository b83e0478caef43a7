"""What a read sees while rows are written, flushed, merged and dropped under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from elanus.collection.collection import Collection
from elanus.collection.compaction import merge
from elanus.engine import Instance, LocalEngine, collections, data, indexes, partitions, schemas, search
from elanus.engine.base import CollectionName
from elanus.engine.reads import pin
from elanus.main import open_instance
from elanus.model.columns import Column, ColumnBatch, vector_array
from elanus.model.ids import FieldId, PartitionId, SegmentId
from elanus.model.schema import Field, Schema
from elanus.model.settings import SegmentSettings, Settings
from elanus.model.time import NEVER, Timestamp, compose
from elanus.model.types import DataType
from elanus.query.plan import Where
from elanus.query.snapshot import Snapshot
from elanus.segment.growing import GrowingSegment
from elanus.storage.folder_lock import FolderLock
from elanus.storage.lease import ClockFile

NAME = CollectionName("default", "c")
DIM = 2


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    lock = FolderLock(tmp_path / "data")
    yield tmp_path / "data"
    lock.close()


@pytest.fixture
def instance(folder: Path) -> Iterator[Instance]:
    with open_instance(Settings(data=folder, segment=SegmentSettings(merge_at=3))) as opened:
        yield opened


def make(instance: Instance) -> LocalEngine:
    """Make a loaded collection of a key and a vector."""
    engine = LocalEngine(instance)
    fields = (
        Field(id=FieldId(0), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(0), name="v", type=DataType.FLOAT_VECTOR, dim=DIM, params=(("dim", str(DIM)),)),
    )
    engine.execute(collections.CreateCollection(NAME, Schema(fields)))
    engine.execute(indexes.CreateIndex(NAME, "v", "v", (("index_type", "FLAT"), ("metric_type", "L2"))))
    engine.execute(partitions.Load(NAME))
    return engine


def columns(schema: Schema, keys: list[int], value: float = 0.0) -> list[Column]:
    matrix = np.full((len(keys), DIM), value, dtype=np.float32)
    return [
        Column(schema["id"], pa.array(keys, type=pa.int64())),
        Column(schema["v"], vector_array(schema["v"], matrix)),
    ]


def insert(engine: LocalEngine, keys: list[int], partition: str = "") -> Timestamp:
    schema = engine.execute(schemas.GetSchema(NAME))
    return engine.execute(data.Insert(NAME, columns(schema, keys), len(keys), partition=partition)).at


def settle(instance: Instance, collection: Collection) -> None:
    for job in ("flush", "seal", "maintain"):
        instance.services.jobs.wait((collection.id, job))


def test_pinned_view_stays_readable_after_a_merge_and_its_files_go_with_it(instance: Instance, folder: Path) -> None:
    engine = make(instance)
    collection = instance.collection(NAME)
    for first in (0, 10):
        insert(engine, list(range(first, first + 10)))
        collection.flush()
    view, at = pin(collection)
    old = {file.key for info in view.manifest.segments for file in info.files}
    insert(engine, list(range(20, 30)))
    collection.flush()
    settle(instance, collection)
    assert len(collection.manifest.segments) == 1
    held = list(Snapshot(view, at, NEVER, 0).readers(Where()))
    assert sorted(key for segment, _ in held for key in segment.column(100).data.to_pylist()) == list(range(20))
    assert all(np.asarray(segment.vectors(view.manifest.schema["v"])).shape == (10, DIM) for segment, _ in held)
    swept = [(collection.id, "sweep", info.id) for info in view.manifest.segments]
    del view, held
    for job in swept:
        instance.services.jobs.wait(job)
    left = {info.key for info in collection.store.list("segments/")}
    assert not left & old
    assert left == {file.key for info in collection.manifest.segments for file in info.files}


def test_merge_of_a_partition_that_is_dropped_meanwhile_leaves_nothing_of_it(instance: Instance) -> None:
    engine = make(instance)
    engine.execute(partitions.CreatePartition(NAME, "p"))
    engine.execute(partitions.Release(NAME, ("p",)))
    collection = instance.collection(NAME)
    for first in (0, 10):
        insert(engine, list(range(first, first + 10)), "p")
        collection.flush()
    sealed = list(collection.view.sealed[0])
    new_id = SegmentId(instance.services.clock.now())
    merged = merge(sealed, collection.published(0), collection.manifest.schema, new_id, collection.writer)
    engine.execute(partitions.DropPartition(NAME, "p"))
    collection.replace_segments(0, sealed, merged)
    assert collection.manifest.segments == ()
    assert collection.view.sealed == ((),)


def test_rows_in_files_are_published(instance: Instance) -> None:
    """A merge keeps what is published, so a flush may not be ahead of that."""
    make(instance)
    collection = instance.collection(NAME)
    manifest = collection.manifest
    rows = {column.field.id: column for column in columns(manifest.schema, [1, 2])}
    (shard,) = collection._shards
    with shard.lock:
        pending = shard.write(shard.stage_insert(manifest.partitions[0].id, ColumnBatch(rows, 2), fresh=False))
    assert collection.published(0) < pending.at
    collection.flush()
    assert collection.published(0) >= pending.at
    assert [info.num_rows for info in collection.manifest.segments] == [2]


def test_older_version_of_a_key_is_found_by_a_reader_that_does_not_see_the_newer() -> None:
    fields = (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(101), name="v", type=DataType.FLOAT_VECTOR, dim=DIM),
    )
    schema = Schema(fields)
    segment = GrowingSegment(SegmentId(1), PartitionId(1), schema)

    def append(keys: list[int], at: int) -> None:
        given = {column.field.id: column for column in columns(schema, keys)}
        segment.append(ColumnBatch(given, len(keys)), Timestamp(at))

    append([5, 6, 7], 10)
    append([6], 20)
    append([6, 7], 30)
    asked = pa.array([7, 6, 5, 4], type=pa.int64())
    assert segment.reader(Timestamp(10)).rows_of(asked).tolist() == [2, 1, 0, -1]
    assert segment.reader(Timestamp(20)).rows_of(asked).tolist() == [2, 3, 0, -1]
    assert segment.reader(Timestamp(30)).rows_of(asked).tolist() == [5, 4, 0, -1]


def test_reading_ones_own_write_does_not_wait_for_the_wall_clock(folder: Path) -> None:
    """After a restart timestamps run ahead of the wall, here by an hour; they are no less the present for that."""
    folder.mkdir(exist_ok=True)
    ahead = ClockFile(folder / "clock")
    with open_instance(Settings(data=folder)) as first:
        hour = 3_600_000
        now = first.services.clock.now()
    ahead.store(compose((now >> 18) + hour))
    with open_instance(Settings(data=folder)) as opened:
        engine = make(opened)
        at = insert(engine, [1])
        guarantee = search.Consistency(guarantee=at)
        found = engine.execute(search.Query(collection=NAME, filter="id == 1", consistency=guarantee))
        assert found.num_rows == 1
