"""Growing rows become files: sorted by primary key, scalars in one Parquet file, each dense vector in its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.keys import argsort_strings
from elanus.model.columns import Column, ColumnBatch, fixed_values, varlen_buffers
from elanus.model.ids import PartitionId, SegmentId
from elanus.model.manifest import FileInfo, JsonFile, SegmentInfo, VectorFile
from elanus.model.schema import Field, Schema
from elanus.model.settings import SegmentSettings
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment.statistics import build_blooms, describe
from elanus.storage import parquet
from elanus.storage.blooms import write_blooms
from elanus.storage.shredded import write_shredded
from elanus.storage.store import ObjectStore
from elanus.storage.vectors import write_vectors


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be written, in any order: their columns and when each was written (uint64)."""

    batch: ColumnBatch
    written: NDArray[np.uint64]


def key_order(keys: pa.Array) -> NDArray[np.int64]:
    """Return the rows in ascending order of their keys; rows of equal keys stay in order."""
    if pa.types.is_integer(keys.type):
        return np.argsort(fixed_values(keys), kind="stable").astype(np.int64, copy=False)
    return argsort_strings(*varlen_buffers(keys))


class SegmentWriter:
    """Writes sealed segments below ``segments/<id>/``."""

    def __init__(self, store: ObjectStore, settings: SegmentSettings) -> None:
        self._store = store
        self._settings = settings

    def write(
        self, segment_id: SegmentId, partition: PartitionId, shard: int, schema: Schema, rows: Rows
    ) -> tuple[SegmentInfo, NDArray[np.int64]]:
        """Write rows (at least one) and return the segment with the order that they are in now.

        returns  the segment's description and int64 [rows]: the old row of each new one
        cost     one gather and one write of every column; durable when it returns
        """
        order = key_order(rows.batch[schema.primary.id].data)
        batch, written = rows.batch.take(order), rows.written[order]
        keys = batch[schema.primary.id].data
        folder = f"segments/{segment_id}"
        info = SegmentInfo(
            id=segment_id,
            partition=partition,
            shard=shard,
            num_rows=batch.num_rows,
            low=keys[0].as_py(),
            high=keys[-1].as_py(),
            first=Timestamp(int(written.min())),
            last=Timestamp(int(written.max())),
            schema_version=schema.version,
            scalars=parquet.write_scalars(self._store, f"{folder}/scalars.parquet", schema.fields, batch, written),
            vectors=tuple(self._write_vectors(folder, batch[field.id]) for field in _dense(schema)),
            statistics=describe(batch),
            blooms=self._write_blooms(folder, batch),
            json=self._write_json(folder, schema, batch),
        )
        return info, order

    def _write_blooms(self, folder: str, batch: ColumnBatch) -> FileInfo | None:
        filters = build_blooms(batch)
        return write_blooms(self._store, f"{folder}/blooms", filters) if filters else None

    def _write_json(self, folder: str, schema: Schema, batch: ColumnBatch) -> tuple[JsonFile, ...]:
        if batch.num_rows < self._settings.typed_json_rows:
            return ()
        fields = [field.id for field in schema if field.type is DataType.JSON]
        files = {field: write_shredded(self._store, f"{folder}/json.{field}.parquet", batch[field]) for field in fields}
        return tuple([JsonFile(field, file) for field, file in files.items() if file is not None])

    def _write_vectors(self, folder: str, column: Column) -> VectorFile:
        key = f"{folder}/vectors.{column.field.id}.parquet"
        return write_vectors(
            self._store, key, column.field, column.matrix(), row_group_bytes=self._settings.row_group_bytes
        )

    def discard(self, segments: Iterable[SegmentId]) -> None:
        """Remove whatever was written of segments that no manifest names."""
        folders = [f"{kind}/{segment_id}/" for segment_id in segments for kind in ("segments", "deletes")]
        self._store.delete([item.key for folder in folders for item in self._store.list(folder)])

    def write_deletes(self, segment: SegmentInfo, rows: NDArray[np.int64], at: NDArray[np.uint64]) -> FileInfo:
        """Write the tombstones of a sealed segment: all of them, in a new file named by the newest."""
        key = f"deletes/{segment.id}/{int(at.max()):020d}.parquet"
        # Only a flush that failed before its commit can have left the same name behind.
        self._store.delete([key])
        return parquet.write_deletes(self._store, key, rows, at)


def _dense(schema: Schema) -> Sequence[Field]:
    return [field for field in schema if field.type.is_dense_vector]
