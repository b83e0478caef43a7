"""Background work and what it leaves: the log shrinks, failures leave no files and hold up nothing else."""

import threading

import numpy as np
import pyarrow as pa
import pytest

from elanus.collection.compaction import choose
from elanus.collection.maintenance import Maintenance
from elanus.engine import CollectionName
from elanus.engine.collections import DropCollection
from elanus.engine.data import Delete, Insert
from elanus.engine.indexes import CreateIndex, DescribeIndexes
from elanus.engine.partitions import CreatePartition, DropPartition, Load
from elanus.engine.search import Queries, Search
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import StorageFailed
from elanus.model.schema import Field
from elanus.model.settings import SegmentSettings
from elanus.model.types import DataType, IndexState
from elanus.segment.writer import SegmentWriter
from elanus.storage.manifest import ManifestLog

C = CollectionName("default", "c")
HNSW = (("index_type", "HNSW"), ("metric_type", "L2"))
FLAT = (("index_type", "FLAT"), ("metric_type", "L2"))


def put(house, first: int, rows: int, partition: str = "", **others: list) -> None:
    fields = house.instance.collection(C).manifest.schema
    keys = list(range(first, first + rows))
    values = {"id": keys, "v": [[float(key)] * 4 for key in keys], **others}
    columns = [Column(fields[name], pa.array(given, arrow_type(fields[name]))) for name, given in values.items()]
    house.run(Insert(C, columns, rows, partition))


def data_files(house) -> list[str]:
    return [key for key in house.files() if "/manifest/" not in key]


def test_a_restart_does_not_bring_back_what_the_log_may_forget(house):
    house.create("c")
    house.insert(C, 5)
    house.instance.collection(C).flush()
    house.reopen()
    assert house.wal.shards(), "the file is read again"
    house.instance.collection(C)
    assert not house.wal.shards()


def test_a_flush_lets_the_log_forget_deletes(house):
    house.create("c")
    house.insert(C, 5)
    house.instance.collection(C).flush()
    house.run(Delete(C, "id in [1, 99]"))
    assert house.wal.shards()
    house.instance.collection(C).flush()
    assert not house.wal.shards()


def test_a_flush_that_fails_leaves_no_files_and_is_made_good_later(house, monkeypatch):
    house.create("c")
    house.insert(C, 5)
    collection = house.instance.collection(C)

    def full(*_args):
        raise StorageFailed("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SegmentWriter, "_write_vectors", full)
        for _ in range(2):
            with pytest.raises(StorageFailed):
                collection.flush()
    assert data_files(house) == []
    put(house, 5, 5)
    assert len(list(collection.view.all_growing())) == 1, "the same segment takes rows again"
    collection.flush()
    assert [info.num_rows for info in collection.manifest.segments] == [10]


def test_a_flush_that_can_not_be_committed_is_made_good_later(house, monkeypatch):
    house.create("c")
    house.insert(C, 5)
    collection = house.instance.collection(C)

    def full(*_args):
        raise StorageFailed("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ManifestLog, "commit", full)
        with pytest.raises(StorageFailed):
            collection.flush()
    put(house, 5, 5)
    collection.flush()
    assert [info.num_rows for info in collection.manifest.segments] == [10]
    assert not house.wal.shards()


def test_the_background_does_not_flush_again_right_after_that_failed(house, monkeypatch):
    house.create("c")
    house.insert(C, 50)
    collection = house.instance.collection(C)
    tried = []

    def full(*_args):
        tried.append(1)
        raise StorageFailed("no space left on device")

    monkeypatch.setattr(SegmentWriter, "_write_vectors", full)
    (growing,) = collection.view.all_growing()
    growing.first_at = 1
    for _ in range(3):
        collection.tick()
        house.jobs.wait((collection.id, "flush"))
    assert tried == [1]


def test_a_partition_dropped_during_a_flush_leaves_no_files(house, monkeypatch):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    house.insert(C, 5, "p")
    collection = house.instance.collection(C)
    write = SegmentWriter.write

    def write_and_drop(*args):
        written = write(*args)
        house.run(DropPartition(C, "p"))
        return written

    monkeypatch.setattr(SegmentWriter, "write", write_and_drop)
    collection.flush()
    assert collection.manifest.segments == ()
    assert data_files(house) == []


def test_a_collection_dropped_during_a_flush_leaves_no_files(house, monkeypatch):
    house.create("c")
    house.insert(C, 5)
    collection = house.instance.collection(C)
    written, go_on = threading.Event(), threading.Event()
    write = SegmentWriter.write

    def write_slowly(*args):
        info = write(*args)
        written.set()
        go_on.wait(10)
        return info

    monkeypatch.setattr(SegmentWriter, "write", write_slowly)
    failures = []

    def flush() -> None:
        try:
            collection.flush()
        except Exception as error:
            failures.append(error)

    flushing = threading.Thread(target=flush)
    flushing.start()
    written.wait(10)
    dropping = threading.Thread(target=house.run, args=(DropCollection(C),))
    dropping.start()
    while not collection._closed:
        pass
    go_on.set()
    dropping.join()
    flushing.join()
    assert len(failures) == 1
    assert house.files() == []


def test_a_change_that_is_durable_is_not_reported_as_failed_when_old_files_stay(house, monkeypatch):
    house.create("c")
    collection = house.instance.collection(C)

    def stuck(*_args):
        raise StorageFailed("cannot remove")

    monkeypatch.setattr(ManifestLog, "prune", stuck)
    house.run(CreatePartition(C, "p"))
    assert "p" in collection.manifest.partitions_by_name


def test_a_damaged_segment_holds_up_neither_merges_nor_indexes_of_the_others(house):
    house.create("c")
    for number in range(3):
        put(house, 10 * number, 10)
        house.instance.collection(C).flush()
    house.jobs.wait_idle()
    collection = house.instance.collection(C)
    damaged = collection.manifest.segments[0]
    path = house.folder / "store" / f"collections/{collection.id}" / damaged.scalars.key
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    house.reopen()
    collection = house.instance.collection(C)
    put(house, 30, 10)
    collection.flush()
    house.run(CreateIndex(C, "v", "", HNSW))
    house.settle(C)
    (described,) = house.run(DescribeIndexes(C))
    assert (described.state, described.indexed_rows) == (IndexState.FINISHED, 40)
    for number in range(4, 8):
        put(house, 10 * number, 10)
        collection.flush()
    house.settle(C)
    assert sorted(info.num_rows for info in collection.manifest.segments) == [10, 10, 10, 10, 40]


def test_small_segments_merge_no_more_than_fits_in_memory(house, monkeypatch):
    monkeypatch.setattr(Maintenance, "run", lambda _self: None)
    house.create("c")
    collection = house.instance.collection(C)
    for number in range(6):
        put(house, 10 * number, 10)
        collection.flush()
    (sealed,) = collection.view.sealed
    (size,) = {one.info.scalars.size + one.info.vectors[0].file.size for one in sealed}
    assert len(choose(sealed, SegmentSettings())) == 6
    assert len(choose(sealed, SegmentSettings(seal_bytes=2 * size))) == 4
    assert len(choose(sealed, SegmentSettings(seal_bytes=size + 1))) == 2
    assert choose(sealed, SegmentSettings(seal_bytes=size)) == []


def test_a_failed_build_is_forgotten_with_its_segment(house, monkeypatch):
    house.create("c")
    put(house, 0, 10)
    collection = house.instance.collection(C)
    collection.flush()
    house.settle(C)

    def fails(*_args):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "_build", fails)
        house.run(CreateIndex(C, "v", "", HNSW))
        house.settle(C)
        (described,) = house.run(DescribeIndexes(C))
        assert described.state is IndexState.FAILED
        assert described.fail_reason == "MemoryError"
    for number in range(1, 4):
        put(house, 10 * number, 10)
        collection.flush()
    house.settle(C)
    (described,) = house.run(DescribeIndexes(C))
    assert described.state is IndexState.FINISHED
    assert described.indexed_rows == 40


def test_reads_go_on_while_a_release_lets_go_of_files(house):
    house.create("c", Field(id=0, name="w", type=DataType.FLOAT_VECTOR, nullable=True, params=(("dim", "4"),)))
    values = [[float(row)] * 4 if row % 3 else None for row in range(300)]
    put(house, 0, 300, w=values)
    house.run(CreateIndex(C, "v", "v", FLAT))
    house.run(CreateIndex(C, "w", "w", HNSW))
    house.run(Load(C))
    collection = house.instance.collection(C)
    collection.flush()
    house.settle(C)
    (segment,) = collection.view.all_sealed()
    asked = Queries(DataType.FLOAT_VECTOR, 1, matrix=np.zeros((1, 4), dtype=np.float32))
    done = threading.Event()

    def let_go() -> None:
        while not done.is_set():
            segment.cool()

    thread = threading.Thread(target=let_go)
    thread.start()
    try:
        for _ in range(60):
            found = house.run(Search(collection=C, field="w", queries=asked, limit=3))
            assert found.keys.to_pylist() == [1, 2, 4]
    finally:
        done.set()
        thread.join()


def test_a_search_with_a_long_list_keeps_no_plan(house):
    house.create("c")
    house.run(CreateIndex(C, "v", "v", FLAT))
    house.run(Load(C))
    put(house, 0, 3)
    asked = Queries(DataType.FLOAT_VECTOR, 1, matrix=np.zeros((1, 4), dtype=np.float32))
    collection = house.instance.collection(C)
    for keys, kept in (([1, 2], 1), (list(range(5000)), 1)):
        text = f"id in {keys}"
        house.run(Search(collection=C, queries=asked, limit=3, filter=text, plan_key=text.encode()))
        assert len(collection.search_plans._kept[1]) == kept
