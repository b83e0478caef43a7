"""Writes that fail half-way, collide or meet others: what is acknowledged stays, what isn't leaves no trace."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.collections import TruncateCollection
from elanus.engine.data import Delete, Insert, Upsert
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import CreatePartition, Load
from elanus.engine.search import Queries, Query, Search
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.errors import DataCorrupted, InvalidParameter, StorageFailed
from elanus.model.schema import Field
from elanus.model.types import DataType

C = CollectionName("default", "c")
L2 = (("index_type", "FLAT"), ("metric_type", "L2"))


def batch(house, ids: list, vectors: list[float], **others: list) -> list[Column]:
    fields = house.instance.collection(C).manifest.schema
    values = {"id": ids, "v": [[value] * 4 for value in vectors], **others}
    return [Column(fields[name], pa.array(given, arrow_type(fields[name]))) for name, given in values.items()]


def put(house, ids: list, vectors: list[float], kind: type = Insert, partition: str = "", **others: list) -> None:
    house.run(kind(C, batch(house, ids, vectors, **others), len(ids), partition))


def stored(house) -> dict[int, float]:
    """Return the first value of each key's vector; every key is there once."""
    answer = house.run(Query(collection=C, filter="", limit=1000, output_fields=("id", "v")))
    found = {column.column.field.name: column.column.data.to_pylist() for column in answer.columns}
    assert len(set(found["id"])) == len(found["id"])
    return {key: vector[0] for key, vector in zip(found["id"], found["v"], strict=True)}


@pytest.fixture
def ready(house) -> Callable:
    """Make and load the collection."""

    def make(*fields: Field, **options):
        house.create("c", *fields, **options)
        house.run(CreateIndex(C, "v", "", L2))
        house.run(Load(C))
        return house.instance.collection(C)

    return make


class Failing:
    """A column that has no memory left for one append."""

    def __init__(self, column) -> None:
        self._column = column

    def __getattr__(self, name: str):
        return getattr(self._column, name)

    def append(self, _data) -> None:
        raise MemoryError


def fail_next_append(collection) -> None:
    (segment,) = collection.view.growing[0]
    field = collection.manifest.schema["v"].id
    segment._columns[field] = Failing(segment._columns[field])


def test_a_write_that_fails_in_memory_changes_no_acknowledged_row(house, ready):
    collection = ready()
    put(house, [1, 2, 3], [1.0, 2.0, 3.0])
    fail_next_append(collection)
    with pytest.raises(MemoryError):
        put(house, [2, 4], [20.0, 40.0])
    assert stored(house) == {1: 1.0, 2: 2.0, 3: 3.0}
    for refused in (lambda: put(house, [5], [5.0]), lambda: house.run(Delete(C, "id == 1")), collection.flush):
        with pytest.raises(StorageFailed, match="failed half-way"):
            refused()
    house.reopen()
    # The record was logged before memory ran out: the log decides, and whole.
    assert stored(house) == {1: 1.0, 2: 20.0, 3: 3.0, 4: 40.0}
    put(house, [5], [5.0])
    assert stored(house)[5] == 5.0


def test_a_key_that_comes_twice_for_two_partitions_is_one_row(house, ready):
    ready(Field(id=0, name="k", type=DataType.INT64, is_partition_key=True), num_partitions=8)
    put(house, [1, 2, 1, 1], [1.0, 2.0, 3.0, 4.0], k=[1, 2, 3, 4])
    assert stored(house) == {1: 4.0, 2: 2.0}
    house.reopen()
    assert stored(house) == {1: 4.0, 2: 2.0}


def test_a_delete_by_filter_spares_rows_written_after_it_looked(house, ready):
    collection = ready()
    put(house, [1, 2, 3], [1.0, 2.0, 3.0])
    looked = [collection.published(0)]
    put(house, [2], [20.0], Upsert)
    done = collection.writes.delete(pa.array([1, 2, 9]), looked)
    assert done.count == 2
    assert stored(house) == {2: 20.0, 3: 3.0}
    house.reopen()
    assert stored(house) == {2: 20.0, 3: 3.0}


def test_a_delete_by_filter_spares_later_rows_that_are_in_files(house, ready):
    collection = ready()
    put(house, [1, 2], [1.0, 2.0])
    looked = [collection.published(0)]
    put(house, [2], [20.0], Upsert)
    collection.flush()
    assert collection.writes.delete(pa.array([1, 2]), looked).count == 1
    assert stored(house) == {2: 20.0}


def test_keys_are_deleted_from_a_partition_that_is_not_loaded(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    put(house, [1, 2], [1.0, 2.0], partition="p")
    put(house, [3], [3.0])
    assert house.run(Delete(C, "id in [1, 3, 9]", "p")).count == 3
    house.run(CreateIndex(C, "v", "", L2))
    house.run(Load(C))
    assert stored(house) == {2: 2.0, 3: 3.0}


def test_an_insert_that_meets_a_damaged_file_leaves_nothing_on_any_shard(house, ready):
    collection = ready(shards=2)
    put(house, list(range(40)), [0.0] * 40)
    collection.flush()
    house.reopen()
    collection = house.instance.collection(C)
    damaged = collection.view.sealed[1][0]
    path = house.folder / "store" / f"collections/{collection.id}" / damaged.info.scalars.key
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataCorrupted):
        put(house, [*range(100, 140), 0, 39], [1.0] * 42)
    assert sum(segment.num_rows for segment in collection.view.all_growing()) == 0
    assert not house.wal.shards()


def test_a_replaced_row_with_an_automatic_key_is_never_seen_beside_the_new_one(house, ready, monkeypatch):
    collection = ready()
    (shard,) = collection._shards
    seen = []
    publish = shard.publish
    monkeypatch.setattr(shard, "publish", lambda at: (publish(at), seen.append(sorted(stored(house).values()))))
    put(house, [1], [1.0])
    new = batch(house, [7], [2.0])
    whole = {column.field.id: column for column in new}
    collection.writes.insert(collection.manifest.partitions[0].id, ColumnBatch(whole, 1), pa.array([1]))
    assert seen == [[1.0], [2.0]]


def test_distances_that_overflow_are_ordered_by_key(house, ready):
    ready()
    put(house, [5, 3, 4, 1, 2], [3e38] * 5)
    far = Queries(DataType.FLOAT_VECTOR, 1, matrix=np.full((1, 4), -3e38, dtype=np.float32))
    found = house.run(Search(collection=C, queries=far, limit=2))
    assert found.keys.to_pylist() == [1, 2]
    assert np.isposinf(found.scores).all()


def test_the_vector_of_a_row_that_is_not_loaded_is_not_searched_for(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    put(house, [1], [1.0], partition="p")
    put(house, [2, 3], [2.0, 3.0])
    house.run(CreateIndex(C, "v", "", L2))
    house.run(Load(C, ("_default",)))
    found = house.run(Search(collection=C, queries=None, ids=pa.array([3, 2]), limit=1))
    assert found.keys.to_pylist() == [3, 2]
    with pytest.raises(InvalidParameter, match=r"missing IDs = \[1\]"):
        house.run(Search(collection=C, queries=None, ids=pa.array([1, 2]), limit=1))


def test_truncated_rows_stay_away_after_a_restart_and_new_ones_stay(house, ready):
    ready()
    put(house, [1, 2], [1.0, 2.0])
    house.run(TruncateCollection(C))
    put(house, [2], [20.0])
    house.reopen()
    assert stored(house) == {2: 20.0}


def test_time_to_live_is_looked_up_once_a_segment(house, ready, monkeypatch):
    collection = ready(properties=(("collection.ttl.seconds", "3600"),))
    put(house, [1, 2], [1.0, 2.0])
    collection.flush()
    (segment,) = collection.view.all_sealed()
    reads = []
    read = segment._files.read_timestamps
    monkeypatch.setattr(segment._files, "read_timestamps", lambda info: (reads.append(info), read(info))[1])
    assert stored(house) == stored(house) == {1: 1.0, 2: 2.0}
    assert len(reads) == 1
