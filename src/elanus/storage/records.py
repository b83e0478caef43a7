"""Payloads of log records: Arrow IPC streams of one batch, columns by field id. See docs/formats/wal.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from elanus.model.columns import Column, ColumnBatch, null_column
from elanus.model.ids import PartitionId

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from elanus.model.schema import Schema

PARTITION = b"partition"
SCHEMA_VERSION = b"schema_version"
KEYS = "keys"


def encode_insert(partition: PartitionId, schema_version: int, batch: ColumnBatch) -> list[Buffer]:
    """Return the payload of an insert: every column of the batch.

    cost  one copy of the columns
    """
    metadata = {PARTITION: b"%d" % partition, SCHEMA_VERSION: b"%d" % schema_version}
    fields = [pa.field(str(field_id), column.data.type) for field_id, column in batch.columns.items()]
    arrays = [column.data for column in batch]
    return [_to_stream(pa.record_batch(arrays, schema=pa.schema(fields, metadata=metadata)))]


def decode_insert(payload: Buffer, schema: Schema) -> tuple[PartitionId, ColumnBatch]:
    """Return the partition and the columns that ``schema`` has, over the payload's own bytes.

    Columns of dropped fields are skipped; fields that were added later are filled with their default or null.
    """
    batch = _from_stream(payload)
    partition = PartitionId(int(batch.schema.metadata[PARTITION]))
    present = {int(name): batch.column(at) for at, name in enumerate(batch.schema.names)}
    columns: dict[int, Column] = {}
    for field in schema:
        data = present.get(field.id)
        columns[field.id] = null_column(field, batch.num_rows) if data is None else Column(field, data)
    return partition, ColumnBatch(columns, batch.num_rows)


def encode_delete(keys: pa.Array) -> Buffer:
    """Return the payload of a delete of primary keys, int64 or large_string."""
    return _to_stream(pa.record_batch([keys], names=[KEYS]))


def decode_delete(payload: Buffer) -> pa.Array:
    """Return the primary keys of a delete, over the payload's own bytes."""
    return _from_stream(payload).column(KEYS)


def _to_stream(batch: pa.RecordBatch) -> Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: Buffer = sink.getvalue()
    return stream


def _from_stream(payload: Buffer) -> pa.RecordBatch:
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return reader.read_next_batch()
