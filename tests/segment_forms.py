"""The rows of a batch as the segments that hold them in a collection: growing in memory, sealed in files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elanus.model.columns import ColumnBatch
from elanus.model.ids import PartitionId, SegmentId
from elanus.model.schema import Schema
from elanus.model.settings import SegmentSettings
from elanus.model.time import Timestamp
from elanus.segment.files import SegmentFiles
from elanus.segment.growing import GrowingReader, GrowingSegment
from elanus.segment.sealed import SealedSegment
from elanus.segment.writer import Rows, SegmentWriter
from elanus.storage.memory import MemoryStore


def growing(batch: ColumnBatch, schema: Schema, cuts: Sequence[int] = ()) -> GrowingReader:
    """Return rows that came in several appends, cut before the given rows."""
    segment = GrowingSegment(SegmentId(1), PartitionId(1), schema)
    at = Timestamp(0)
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), batch.num_rows], strict=True):
        if start < end:
            at = Timestamp(at + 1)
            columns = {key: column.slice(start, end) for key, column in batch.columns.items()}
            segment.append(ColumnBatch(columns, end - start), at)
    return segment.reader(at)


def sealed(batch: ColumnBatch, schema: Schema, *, typed_json: bool) -> SealedSegment:
    """Return rows (at least one) that were written to files and are read back, sorted by primary key."""
    store = MemoryStore()
    settings = SegmentSettings(typed_json_rows=1 if typed_json else 2**40)
    written = np.arange(1, batch.num_rows + 1, dtype=np.uint64)
    info, _ = SegmentWriter(store, settings).write(SegmentId(1), PartitionId(1), 0, schema, Rows(batch, written))
    return SealedSegment(info, schema, SegmentFiles(store))
