"""What a write finds under its keys: living rows only, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from elanus.collection.stored import find_stored, open_columns
from elanus.ingest.stored import Living
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId, PartitionId, SegmentId
from elanus.model.schema import Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment
from segment_forms import sealed

ID = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
ENDS = Field(id=FieldId(101), name="ends", type=DataType.TIMESTAMPTZ, nullable=True)
SCHEMA = Schema((ID, ENDS))


def batch(keys: list[int]) -> ColumnBatch:
    """Return rows that end at ten times their key; those of odd keys never."""
    ends = [None if key % 2 else key * 10 for key in keys]
    columns = {ID.id: Column(ID, pa.array(keys)), ENDS.id: Column(ENDS, pa.array(ends, type=arrow_type(ENDS)))}
    return ColumnBatch(columns, len(keys))


class Segments:
    """A shard as the lookup sees it: the first rows in files, written at 1, 2 and 3, the others in memory, at 7."""

    def __init__(self) -> None:
        self.files = sealed(batch([0, 1, 2]), SCHEMA, typed_json=False)
        self.memory = GrowingSegment(SegmentId(2), PartitionId(9), SCHEMA)
        self.memory.append(batch([4, 5]), Timestamp(7))

    def rows(self, keys: pa.Array) -> Iterator[tuple[GrowingSegment | SealedSegment, Any]]:
        for segment in (self.files, self.memory):
            yield segment, segment.find(keys)


@pytest.fixture
def shard() -> Any:
    return Segments()


KEYS = pa.array([5, 2, 3, 0, 4, 1])


def test_rows_are_found_in_files_and_in_memory(shard: Any) -> None:
    stored = find_stored([(shard, None)], KEYS, Living())
    assert stored.versions.tolist() == [7, 3, 0, 1, 7, 2]
    assert stored.partitions.tolist() == [9, 1, 0, 1, 9, 1]
    assert stored.read([ID])[ID.id].data.to_pylist() == [5, 2, 0, 4, 1]


def test_columns_are_read_ahead_where_a_key_is(shard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []
    monkeypatch.setattr(SealedSegment, "fetch", lambda _self, rows, fields: fetched.append((len(rows), fields)))
    open_columns([shard.files], pa.array([7, 9]), [ENDS])
    assert fetched == []
    open_columns([shard.files], KEYS, [ENDS])
    assert fetched == [(0, [ENDS.id])]


def test_each_shard_is_asked_for_its_own_keys(shard: Any) -> None:
    stored = find_stored([(shard, np.array([1, 2, 4]))], KEYS, Living())
    assert stored.versions.tolist() == [0, 3, 0, 0, 7, 0]
    assert stored.read([ID])[ID.id].data.to_pylist() == [2, 4]


def test_deleted_rows_are_not_there(shard: Any) -> None:
    shard.files.tombstones.mark(np.array([2]), Timestamp(8))
    shard.memory.tombstones.mark(np.array([1]), Timestamp(8))
    stored = find_stored([(shard, None)], KEYS, Living())
    assert stored.versions.tolist() == [0, 0, 0, 1, 7, 2]
    assert stored.read([ID])[ID.id].data.to_pylist() == [0, 4, 1]


def test_expired_rows_are_not_there(shard: Any) -> None:
    assert find_stored([(shard, None)], KEYS, Living(after=Timestamp(2))).versions.tolist() == [7, 3, 0, 0, 7, 0]


def test_rows_whose_own_end_has_come_are_not_there(shard: Any) -> None:
    for now, versions in ((19, [7, 3, 0, 0, 7, 2]), (20, [7, 0, 0, 0, 7, 2]), (40, [7, 0, 0, 0, 0, 2])):
        stored = find_stored([(shard, None)], KEYS, Living(ends=ENDS, now_us=now))
        assert stored.versions.tolist() == versions
        assert len(stored.read([ENDS])[ENDS.id]) == sum(version > 0 for version in versions)


def test_nothing_is_found_where_nothing_is_stored() -> None:
    stored = find_stored([], KEYS, Living(ends=ENDS, now_us=5))
    assert not stored.there.any()
    assert stored.read([ID]).num_rows == 0
