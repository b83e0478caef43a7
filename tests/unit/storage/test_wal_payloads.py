"""Payloads of log records: every type comes back, by field id, over the log's own bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_columns import all_types, assert_same_column, random_batch

from elanus.model.columns import Column, ColumnBatch
from elanus.model.schema import Field, Schema
from elanus.model.settings import WalSettings
from elanus.model.types import DataType
from elanus.storage.records import decode_delete, decode_insert, encode_delete, encode_insert
from elanus.storage.wal import RecordKind, ShardId, Wal

SCHEMA = all_types()


def joined(buffers: list) -> bytes:
    return b"".join(bytes(memoryview(buffer)) for buffer in buffers)


@given(st.integers(0, 40), st.integers(0, 2**32), st.integers(-1, 2**62))
@settings(max_examples=30, deadline=None)
def test_insert_comes_back_as_it_was(rows: int, seed: int, partition: int) -> None:
    batch = random_batch(SCHEMA, rows, seed)
    found_partition, found = decode_insert(joined(encode_insert(partition, 4, batch)), SCHEMA)
    assert (found_partition, found.num_rows) == (partition, rows)
    assert list(found.columns) == [field.id for field in SCHEMA]
    for column in batch:
        assert_same_column(found[column.field.id], column)


def test_slice_of_a_batch_is_logged_as_the_slice() -> None:
    batch = random_batch(SCHEMA, 30, seed=1)
    part = ColumnBatch({key: column.slice(7, 19) for key, column in batch.columns.items()}, 12)
    payload = joined(encode_insert(1, 1, part))
    _, found = decode_insert(payload, SCHEMA)
    for column in part:
        assert_same_column(found[column.field.id], column)
    assert len(payload) < len(joined(encode_insert(1, 1, batch)))


def test_renamed_field_is_found_dropped_one_skipped_and_added_one_filled() -> None:
    batch = random_batch(SCHEMA, 5, seed=2)
    renamed = replace(SCHEMA.by_id(100), name="renamed")
    added = (
        Field(id=2000, name="plain", type=DataType.INT32, nullable=True),
        Field(id=2001, name="filled", type=DataType.VARCHAR, nullable=True, default="x"),
        Field(id=2002, name="vector", type=DataType.FLOAT_VECTOR, dim=4, nullable=True),
    )
    newer = Schema((SCHEMA.primary, renamed, *added), version=2)
    _, found = decode_insert(joined(encode_insert(1, 1, batch)), newer)
    assert list(found.columns) == [900, 100, 2000, 2001, 2002]
    assert found[100].data.equals(batch[100].data)
    assert found[100].field.name == "renamed"
    assert found[2000].data.null_count == 5
    assert found[2001].data.to_pylist() == ["x"] * 5
    assert found[2002].data.null_count == 5


@pytest.mark.parametrize(
    "keys", [pa.array([3, -1, 2**63 - 1]), pa.array(["", "ü", "b"], pa.large_string()), pa.array([], pa.int64())]
)
def test_delete_comes_back_as_it_was(keys: pa.Array) -> None:
    assert decode_delete(joined([encode_delete(keys)])).equals(keys)


def test_columns_lie_in_the_mapped_log_and_outlive_it(tmp_path: Path) -> None:
    field = Field(id=101, name="vector", type=DataType.FLOAT_VECTOR, dim=64)
    schema = Schema((Field(id=100, name="id", type=DataType.INT64, is_primary=True), field))
    batch = random_batch(schema, 50, seed=3)
    wal = Wal.open(tmp_path, WalSettings(streams=1, segment_bytes=1))
    shard = ShardId(1, 0)
    wal.append(shard, 1, RecordKind.INSERT, encode_insert(7, 1, batch))
    wal.sync(wal.append(shard, 2, RecordKind.DELETE, encode_delete(pa.array([1]))))
    (record,) = [record for record in wal.records(shard, 0) if record.kind is RecordKind.INSERT]
    start = np.frombuffer(record.payload, np.uint8).ctypes.data
    _, found = decode_insert(record.payload, schema)
    matrix = found[101].matrix()
    assert start < matrix.ctypes.data < start + len(record.payload)
    assert matrix.ctypes.data % 8 == 0
    del record
    wal.release(shard, 2)
    wal.close()
    assert not list(tmp_path.glob(f"0/{0:020d}.log"))
    assert_same_column(Column(field, found[101].data), batch[101])
