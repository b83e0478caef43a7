"""One shard's writes: timestamp, log, apply, sync, publish, acknowledge.

The order is what makes an acknowledged write safe and a read consistent:

1. under the shard's lock: take a timestamp, append the log record, apply it to the segments;
2. without the lock: wait until the record is on disk (one fsync serves every writer that waits);
3. publish the timestamp: from here on reads see the write. Then acknowledge.

What can fail, such as reading a damaged file, is done before the record is logged: a write is staged, then written.
A write that fails between 1 and 3 is never published, and the log or the shard refuses every later one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.ingest.lookup import Lookup
from elanus.ingest.route import by_partition
from elanus.model.columns import ColumnBatch
from elanus.model.errors import CollectionNotFound, PartitionNotFound, StorageFailed
from elanus.model.ids import PartitionId, SegmentId
from elanus.model.manifest import Manifest
from elanus.model.schema import Field
from elanus.model.time import NEVER, Clock, Timestamp
from elanus.segment.deletes import Tombstones
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment
from elanus.segment.view import ViewCell
from elanus.storage.records import decode_delete, decode_insert, encode_delete, encode_insert
from elanus.storage.wal import RecordKind, ShardId, Ticket, Wal

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class Pending:
    """A write that is applied but not yet durable."""

    at: Timestamp
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Frozen:
    """Growing segments that take no more rows; everything of the shard up to ``at`` is in them or in files."""

    segments: tuple[GrowingSegment, ...]
    at: Timestamp
    ticket: Ticket | None


class Dead(NamedTuple):
    """Rows of one segment that a write deletes or replaces."""

    tombstones: Tombstones
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Staged:
    """A write that was looked up and encoded; nothing of it is stored yet. Valid while the shard's lock is held.

    dead   the rows that it deletes or replaces
    parts  the rows that it adds, by the segment that takes them
    """

    kind: RecordKind
    payload: Sequence[Buffer]
    dead: Sequence[Dead]
    parts: Sequence[tuple[GrowingSegment, ColumnBatch]] = ()


class Shard:
    """The writer of one shard of a collection.

    lock       held while a write is applied, and by whoever replaces segments of this shard
    published  reads see everything up to here and nothing later
    """

    def __init__(self, shard_id: ShardId, cell: ViewCell, wal: Wal, clock: Clock, published: Timestamp) -> None:
        self.id = shard_id
        self.lock = threading.RLock()
        self.published = published
        self._cell = cell
        self._wal = wal
        self._clock = clock
        self._last: Ticket | None = None
        self._applied = published
        self._closed = False
        self._failed = False

    # --- writes ---

    def stage_insert(self, partition: PartitionId, batch: ColumnBatch, *, fresh: bool) -> Staged:
        """Prepare the insertion of rows; older rows of the same keys will die in the same step.

        partition  where the rows go, KEYED when each row's partition key says
        fresh      the keys were made here and exist nowhere yet
        """
        with self.lock:
            self._refuse_if_over()
            manifest = self._cell.view.manifest
            parts = self._parts(manifest, partition, batch)
            dead = [] if fresh else self._find(batch[manifest.schema.primary.id].data)
            return Staged(RecordKind.INSERT, encode_insert(partition, manifest.schema.version, batch), dead, parts)

    def stage_delete(self, keys: pa.Array) -> Staged:
        """Prepare the deletion of primary keys, whether they exist or not."""
        with self.lock:
            return Staged(RecordKind.DELETE, [encode_delete(keys)], self._find(keys))

    def write(self, staged: Staged) -> Pending:
        """Log and apply a write; the lock was held since it was staged."""
        with self.lock:
            self._refuse_if_over()
            at = self._clock.now()
            self._last = self._wal.append(self.id, at, staged.kind, staged.payload)
            self._applied = at
            try:
                self._apply(staged.dead, staged.parts, at)
            except BaseException:
                # Some columns may have the rows and others not. What is published is whole; the log has the rest.
                self._failed = True
                raise
            return Pending(at, self._last)

    def unchanged(self, keys: pa.Array, since: Timestamp) -> pa.Array:
        """Return those of the keys whose newest row was written at ``since`` or before, or that have none."""
        with self.lock:
            changed = np.zeros(len(keys), dtype=np.bool_)
            for segment, rows in self.rows(keys, since):
                changed |= (rows >= 0) & (segment.written_at(segment.num_rows)[rows] > np.uint64(since))
            return keys.filter(pa.array(~changed)) if changed.any() else keys

    def rows(
        self, keys: pa.Array, since: Timestamp = NEVER
    ) -> Iterator[tuple[GrowingSegment | SealedSegment, NDArray[np.int64]]]:
        """Yield the segments that may have some of the keys, with the row of each key, -1 where there is none.

        Valid while the lock is held; a row may be dead.

        since  only segments with rows written later
        """
        view, lookup = self._cell.view, Lookup(keys)
        segments: list[GrowingSegment | SealedSegment] = [*view.growing[self.id.number], *view.sealed[self.id.number]]
        for segment in segments:
            rows = lookup.rows_in(segment) if segment.last_at > since else None
            if rows is not None:
                yield segment, rows

    def close(self) -> None:
        """Take no more writes: a record logged after this would belong to a collection that nobody has."""
        with self.lock:
            self._closed = True

    def sync(self, ticket: Ticket | None) -> None:
        """Wait until a record, and with it all before it, is on disk; None stands for no record."""
        if ticket is not None:
            self._wal.sync(ticket)

    def publish(self, at: Timestamp) -> None:
        """Let readers see everything up to a durable write."""
        with self.lock:
            self.published = max(self.published, at)

    def _refuse_if_over(self) -> None:
        if self._closed:
            raise CollectionNotFound(collection=self.id.collection)
        if self._failed:
            raise StorageFailed(
                f"an earlier write to collection {self.id.collection} failed half-way in memory; it takes no more "
                "until the server is started again, which reads the log anew"
            )

    # --- applying ---

    def _find(self, keys: pa.Array) -> list[Dead]:
        """Return where the keys' rows are now."""
        found = [(segment, rows[rows >= 0]) for segment, rows in self.rows(keys)]
        return [Dead(segment.tombstones, rows) for segment, rows in found if len(rows)]

    def _apply(self, dead: Iterable[Dead], parts: Iterable[tuple[GrowingSegment, ColumnBatch]], at: Timestamp) -> None:
        for tombstones, rows in dead:
            tombstones.mark(rows, at)
        for segment, batch in parts:
            segment.append(batch, at)

    def _parts(
        self, manifest: Manifest, partition: PartitionId, batch: ColumnBatch
    ) -> list[tuple[GrowingSegment, ColumnBatch]]:
        parts = list(by_partition(manifest, partition, batch))
        if len(parts) > 1:
            # A segment sees to the keys that come to it twice; rows of one key in two partitions are seen to here.
            newest = _newest_of_each_key(batch, manifest.schema.primary)
            parts = parts if newest is batch else list(by_partition(manifest, partition, newest))
        return [(self._growing(target), rows) for target, rows in parts]

    def _growing(self, partition: PartitionId) -> GrowingSegment:
        """Return the segment that takes the partition's rows, a new one when there is none."""
        view = self._cell.view
        for segment in view.growing[self.id.number]:
            if segment.partition == partition and not segment.frozen:
                return segment
        if partition not in view.manifest.partitions_by_id:
            raise PartitionNotFound(partition=partition)
        segment = GrowingSegment(SegmentId(self._clock.now()), partition, view.manifest.schema)
        self._cell.swap(lambda view: view.with_growing(self.id.number, lambda old: (*old, segment)))
        return segment

    # --- flush and recovery ---

    def freeze(self) -> Frozen:
        """Close the growing segments to new rows and return them."""
        with self.lock:
            self._refuse_if_over()
            segments = self._cell.view.growing[self.id.number]
            for segment in segments:
                segment.frozen = True
            return Frozen(segments, self._applied, self._last)

    def thaw(self, frozen: Frozen) -> None:
        """Open growing segments to rows again that could not be written to files."""
        with self.lock:
            for segment in frozen.segments:
                segment.frozen = False

    def replay(self, after: Timestamp) -> None:
        """Apply the log's records after a checkpoint, in order; rows of partitions that are gone are passed over."""
        manifest = self._cell.view.manifest
        last = after
        with self.lock:
            for record in self._wal.records(self.id, after):
                if record.kind is RecordKind.DELETE:
                    self._apply(self._find(decode_delete(record.payload)), [], record.at)
                else:
                    self._replay_insert(manifest, record.payload, record.at)
                last = record.at
            self.published = self._applied = max(self.published, last)

    def _replay_insert(self, manifest: Manifest, payload: memoryview, at: Timestamp) -> None:
        partition, batch = decode_insert(payload, manifest.schema)
        dead = self._find(batch[manifest.schema.primary.id].data)
        known = partition in manifest.partitions_by_id or manifest.schema.partition_key is not None
        # Rows of a dropped partition are gone, but what they replaced elsewhere stays replaced.
        self._apply(dead, self._parts(manifest, partition, batch) if known else [], at)


def _newest_of_each_key(batch: ColumnBatch, primary: Field) -> ColumnBatch:
    """Return the batch without the rows whose key comes again further down; the batch itself when none does."""
    keys = batch[primary.id].data
    places = pc.dictionary_encode(keys)
    if len(places.dictionary) == len(keys):
        return batch
    last = np.zeros(len(places.dictionary), dtype=np.int64)
    last[places.indices.to_numpy()] = np.arange(len(keys))
    return batch.take(np.sort(last))
