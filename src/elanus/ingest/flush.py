"""Seal and write: a shard's growing segments become files, its tombstones are saved, its checkpoint moves on.

Nothing here changes what readers see. The caller commits the outcome to the manifest and swaps the view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from elanus.ingest.shard import Frozen, Shard
from elanus.model.columns import Column, ColumnBatch
from elanus.model.ids import SegmentId
from elanus.model.manifest import Manifest, SegmentInfo
from elanus.model.time import Timestamp
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment
from elanus.segment.writer import Rows, SegmentWriter


@dataclass(frozen=True, slots=True)
class WrittenSegment:
    """A growing segment and the files that hold its rows now; ``order[new row]`` is the row it was."""

    growing: GrowingSegment
    info: SegmentInfo
    order: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlushOutcome:
    """What a flush wrote.

    deletes  the descriptions of older segments whose tombstones were saved anew
    """

    shard: int
    frozen: Frozen
    written: tuple[WrittenSegment, ...]
    deletes: tuple[SegmentInfo, ...]

    def apply(self, manifest: Manifest) -> Manifest:
        """Return the manifest with the new files; segments of partitions dropped meanwhile stay out."""
        for info in (written.info for written in self.written):
            if info.partition in manifest.partitions_by_id:
                manifest = manifest.with_segment(info)
        known = {segment.id: segment for segment in manifest.segments}
        for info in self.deletes:
            if info.id in known:
                current = known[info.id]
                manifest = manifest.with_segment(replace(current, deletes=info.deletes, num_deleted=info.num_deleted))
        checkpoints = list(manifest.checkpoints)
        checkpoints[self.shard] = max(checkpoints[self.shard], self.frozen.at)
        return replace(manifest, checkpoints=tuple(checkpoints))


def write_frozen(
    shard: Shard,
    frozen: Frozen,
    sealed: tuple[SealedSegment, ...],
    writer: SegmentWriter,
    new_id: Callable[[], SegmentId],
) -> FlushOutcome:
    """Write the shard's frozen segments; durable when it returns. When one can't be written, none is left behind.

    Tombstones are saved up to the checkpoint only: a later one may belong to a write that never becomes durable.
    """
    shard.sync(frozen.ticket)
    # Durable now, so readers may see it: no row in files is ever later than what is published, which a merge counts on.
    shard.publish(frozen.at)
    # Old segments first: one that is damaged is found before anything is written.
    deletes = tuple(
        info for info in (_save_deletes(segment, frozen.at, writer) for segment in sealed) if info is not None
    )
    written = _write_all(frozen, shard.id.number, writer, new_id)
    return FlushOutcome(shard.id.number, frozen, written, deletes)


def _write_all(
    frozen: Frozen, shard: int, writer: SegmentWriter, new_id: Callable[[], SegmentId]
) -> tuple[WrittenSegment, ...]:
    filled = [(new_id(), segment) for segment in frozen.segments if segment.num_rows]
    try:
        return tuple(_write(segment, shard, frozen.at, writer, segment_id) for segment_id, segment in filled)
    except BaseException:
        writer.discard(segment_id for segment_id, _ in filled)
        raise


def _write(
    segment: GrowingSegment, shard: int, through: Timestamp, writer: SegmentWriter, segment_id: SegmentId
) -> WrittenSegment:
    num_rows = segment.num_rows
    columns: dict[int, Column] = {
        field.id: Column(field, segment.column_data(field.id, num_rows)) for field in segment.schema
    }
    rows = Rows(ColumnBatch(columns, num_rows), segment.written_at(num_rows))
    info, order = writer.write(segment_id, segment.partition, shard, segment.schema, rows)
    dead, at = segment.tombstones.dead_rows(through)
    return WrittenSegment(segment, _with_deletes(info, _remapped(dead, order), at, writer), order)


def _remapped(dead: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.arange(len(order))
    return where[dead]


def _with_deletes(
    info: SegmentInfo, rows: NDArray[np.int64], at: NDArray[np.uint64], writer: SegmentWriter
) -> SegmentInfo:
    if not len(rows):
        return info
    return replace(info, deletes=writer.write_deletes(info, rows, at), num_deleted=len(rows))


def _save_deletes(segment: SealedSegment, through: Timestamp, writer: SegmentWriter) -> SegmentInfo | None:
    rows, at = segment.tombstones.dead_rows(through)
    if len(rows) <= segment.info.num_deleted:
        return None
    return _with_deletes(segment.info, rows, at, writer)
