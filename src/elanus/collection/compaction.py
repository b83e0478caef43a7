"""Many small sealed segments become one: living rows only, so that an index is built once over many rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, ColumnBatch
from elanus.model.ids import FieldId, SegmentId
from elanus.model.limits import INDEX_MIN_ROWS
from elanus.model.manifest import SegmentInfo
from elanus.model.schema import Schema
from elanus.model.settings import SegmentSettings
from elanus.model.time import Timestamp
from elanus.segment.deletes import Tombstones
from elanus.segment.sealed import SealedSegment
from elanus.segment.writer import Rows, SegmentWriter


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a merge and its rows that were taken (int64, ascending)."""

    segment: SealedSegment
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged segment; ``order[new row]`` is the row among the inputs' taken rows, one input after another."""

    info: SegmentInfo
    sources: tuple[Source, ...]
    order: NDArray[np.int64]

    def tombstones(self) -> Tombstones:
        """Return the tombstones that came to the inputs since their rows were taken."""
        times = [source.segment.tombstones.times(source.segment.num_rows)[source.rows] for source in self.sources]
        moved = np.concatenate(times)[self.order]
        dead = np.flatnonzero(moved).astype(np.int64, copy=False)
        return Tombstones.of(dead, moved[dead])


def choose(sealed: Sequence[SealedSegment], settings: SegmentSettings) -> list[SealedSegment]:
    """Return small segments of one partition that are worth merging, an empty list when there are none.

    Only segments of about the same size are merged, so a row is rewritten a few times, not with every flush. They are
    at least two, and no more than are held in memory at ease: a merge does that.
    """
    alike: dict[tuple[int, int], list[SealedSegment]] = {}
    for segment in sealed:
        if segment.num_rows < settings.merge_below_rows and _num_bytes(segment) < settings.seal_bytes:
            alike.setdefault((segment.partition, _tier(segment.num_rows, settings.merge_at)), []).append(segment)
    ready = (group for group in alike.values() if len(group) >= settings.merge_at)
    group = max(ready, key=len, default=[])
    ends = accumulate(map(_num_bytes, group))
    return group[: max(2, sum(end <= 2 * settings.seal_bytes for end in ends))]


def _tier(num_rows: int, width: int) -> int:
    """Return how often a segment of ``width`` times fewer rows was merged; segments below the index size are alike."""
    return max(0, math.ceil(math.log(num_rows / INDEX_MIN_ROWS, max(2, width))))


def _num_bytes(segment: SealedSegment) -> int:
    info = segment.info
    return info.scalars.size + sum(vector.file.size for vector in info.vectors)


def merge(
    segments: Sequence[SealedSegment], at: Timestamp, schema: Schema, segment_id: SegmentId, writer: SegmentWriter
) -> Merged | None:
    """Write the rows of ``segments`` that live at ``at`` into one new segment; None when no row does.

    segments  of one shard and one partition

    cost  reads every column of the inputs and holds them in memory while it writes
    """
    sources = tuple(Source(segment, _living(segment, at)) for segment in segments)
    if not any(len(source.rows) for source in sources):
        return None
    columns: dict[int, Column] = {field.id: Column(field, _gather(sources, field.id)) for field in schema}
    written = np.concatenate([source.segment.timestamps()[source.rows] for source in sources])
    rows = Rows(ColumnBatch(columns, len(written)), written)
    info, order = writer.write(segment_id, segments[0].partition, segments[0].info.shard, schema, rows)
    return Merged(info, sources, order)


def _living(segment: SealedSegment, at: Timestamp) -> NDArray[np.int64]:
    alive = segment.alive(at)
    return np.arange(segment.num_rows, dtype=np.int64) if alive is None else alive.rows()


def _gather(sources: Sequence[Source], field_id: FieldId) -> pa.Array:
    return pa.concat_arrays([source.segment.fetch(source.rows, [field_id])[field_id].data for source in sources])
