"""The writes of a collection: rows go to their shards' logs, and are seen on all of them once they are durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pyarrow as pa

from elanus.collection.stored import find_stored, open_columns
from elanus.ingest.prepare import keys_are_fresh
from elanus.ingest.route import by_shard
from elanus.ingest.shard import Pending, Shard
from elanus.ingest.stored import Living, Stored
from elanus.model.columns import ColumnBatch
from elanus.model.ids import PartitionId
from elanus.model.schema import Field
from elanus.model.time import Clock, Timestamp
from elanus.segment.view import ViewCell

Change = Iterable[tuple[PartitionId, ColumnBatch]]
"""Complete rows by the partition that they go to; KEYED for where their partition keys say."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many keys a delete named that were still as they were seen, and its timestamp."""

    count: int
    at: Timestamp


class Writes:
    """What writes to the shards of one collection; a write is on all of its shards or on none.

    published  called after readers can see a write, no lock held
    """

    def __init__(self, shards: Sequence[Shard], cell: ViewCell, clock: Clock, published: Callable[[], None]) -> None:
        self._shards = shards
        self._cell = cell
        self._clock = clock
        self._published = published

    def insert(self, partition: PartitionId, batch: ColumnBatch, replaced: pa.Array | None = None) -> Timestamp:
        """Store a complete batch; returns its timestamp once it is durable and visible.

        replaced  keys whose rows die in the same step, besides those of the batch's own keys
        """
        with self.locked():
            pending = self._apply([(partition, batch)], replaced)
        return self._publish(pending)

    def change(
        self,
        keys: pa.Array,
        living: Living,
        make: Callable[[Stored], Change],
        *,
        replaced: bool = False,
        reads: Sequence[Field] = (),
    ) -> Timestamp:
        """Store rows that depend on those stored; returns their timestamp once they are durable and visible.

        No other write comes between the look at what is stored and the write; what ``make`` raises stops all of it.

        keys      primary keys, distinct, whose rows are looked at
        make      returns the complete rows, by the partition that they go to
        replaced  the rows of the keys die, though the new rows have keys of their own
        reads     fields that ``make`` reads; their files are read before other writes have to wait
        """
        fields = reads if living.ends is None else (*reads, living.ends)
        if fields:
            open_columns(self._cell.view.all_sealed(), keys, fields)
        with self.locked():
            found = ((self._shards[number], rows) for number, rows in by_shard(keys, len(self._shards)))
            pending = self._apply(make(find_stored(found, keys, living)), keys if replaced else None)
        return self._publish(pending)

    def delete(self, keys: pa.Array, seen: Sequence[Timestamp] | None = None) -> Deleted:
        """Delete primary keys; answers once it is durable and visible.

        seen  for each shard the timestamp at which the keys were chosen: those written anew since then stay
        """
        with self.locked():
            chosen = list(self._keys_by_shard(keys))
            if seen is not None:
                chosen = [(shard, shard.unchanged(part, seen[shard.id.number])) for shard, part in chosen]
            staged = [(shard, shard.stage_delete(part), len(part)) for shard, part in chosen if len(part)]
            pending = [(shard, shard.write(write)) for shard, write, _ in staged]
        at = self._publish(pending) if pending else self._clock.now()
        return Deleted(sum(count for _, _, count in staged), at)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the locks of all shards: nothing is written meanwhile."""
        with ExitStack() as locks:
            for shard in self._shards:
                locks.enter_context(shard.lock)
            yield

    def _apply(self, parts: Change, replaced: pa.Array | None) -> list[tuple[Shard, Pending]]:
        """Log and apply rows; the shards are locked."""
        manifest = self._cell.view.manifest
        # Everything is staged before anything is logged: what can't be read stops all of it.
        staged = [
            (shard, shard.stage_insert(partition, part, fresh=keys_are_fresh(manifest)))
            for partition, batch in parts
            for shard, part in self._by_shard(batch[manifest.schema.primary.id].data, batch)
        ]
        # The new rows come first in the log: a crash in between leaves both versions, never none.
        if replaced is not None:
            staged += [(shard, shard.stage_delete(part)) for shard, part in self._keys_by_shard(replaced)]
        return [(shard, shard.write(write)) for shard, write in staged]

    def _publish(self, pending: Sequence[tuple[Shard, Pending]]) -> Timestamp:
        """Wait until every part is on disk, then let readers see all of them."""
        for shard, write in pending:
            shard.sync(write.ticket)
        # A shard's last record is published with those before it: nobody sees an insert without its delete.
        for shard, at in {shard: write.at for shard, write in pending}.items():
            shard.publish(at)
        self._published()
        return max(write.at for _, write in pending)

    def _by_shard(self, keys: pa.Array, batch: ColumnBatch) -> Iterator[tuple[Shard, ColumnBatch]]:
        for number, rows in by_shard(keys, len(self._shards)):
            yield self._shards[number], batch if rows is None else batch.take(rows)

    def _keys_by_shard(self, keys: pa.Array) -> Iterator[tuple[Shard, pa.Array]]:
        for number, rows in by_shard(keys, len(self._shards)):
            yield self._shards[number], keys if rows is None else keys.take(pa.array(rows))
