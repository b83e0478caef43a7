"""Look for the rows of primary keys in the segments of a collection, as a write finds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.ingest.lookup import Lookup
from elanus.ingest.shard import Shard
from elanus.ingest.stored import Living, Stored
from elanus.model.columns import ColumnBatch
from elanus.model.schema import Field
from elanus.query.fetch import fetch
from elanus.segment.base import SegmentReader
from elanus.segment.growing import GrowingReader, GrowingSegment
from elanus.segment.sealed import SealedSegment


class _Places:
    """Where the rows of keys are found to be.

    parts, rows  int64 [n]: position in ``segments`` and row within that segment, -1 where no row is there
    """

    def __init__(self, num_keys: int) -> None:
        self.segments: list[SegmentReader] = []
        self.parts = np.full(num_keys, -1, dtype=np.int64)
        self.rows = np.full(num_keys, -1, dtype=np.int64)
        self.versions = np.zeros(num_keys, dtype=np.int64)
        self.partitions = np.zeros(num_keys, dtype=np.int64)

    def put(self, keys: NDArray[np.int64], segment: GrowingSegment | SealedSegment, rows: NDArray[np.int64]) -> None:
        """Note the rows of some keys, given by their positions."""
        self.parts[keys], self.rows[keys] = len(self.segments), rows
        self.versions[keys] = segment.written_at(segment.num_rows)[rows]
        self.partitions[keys] = segment.partition
        self.segments.append(_reader(segment))

    def forget(self, gone: NDArray[np.bool_]) -> None:
        """Take some rows as not there."""
        self.parts[gone], self.rows[gone], self.versions[gone], self.partitions[gone] = -1, -1, 0, 0

    def read(self, fields: Sequence[Field]) -> ColumnBatch:
        """Return fields of the rows that are there, in the order of their keys."""
        there = self.parts >= 0
        return fetch(self.segments, self.parts[there], self.rows[there], fields)


def find_stored(shards: Iterable[tuple[Shard, NDArray[np.int64] | None]], keys: pa.Array, living: Living) -> Stored:
    """Return what is stored under primary keys; every write that was applied counts, published or not.

    shards  each shard with the positions of its keys, None for all; their locks are held
    cost    as of a lookup; of the rows only the TTL field is read, if any
    """
    places = _Places(len(keys))
    for shard, positions in shards:
        own = np.arange(len(keys), dtype=np.int64) if positions is None else positions
        for segment, rows in shard.rows(keys if positions is None else keys.take(pa.array(positions))):
            found = rows >= 0
            found[found] = segment.tombstones.living(rows[found])
            if found.any():
                places.put(own[found], segment, rows[found])
    places.forget(places.versions <= living.after)
    if living.ends is not None:
        places.forget(_ended(places, living.ends, living.now_us))
    return Stored(keys, places.versions, places.partitions, places.read)


def open_columns(segments: Iterable[SealedSegment], keys: pa.Array, fields: Sequence[Field]) -> None:
    """Read from files what ``find_stored`` will read under locks, so that these aren't held for as long.

    cost  a lookup; where a segment has one of the keys, and nobody has read them before, whole columns of scalars
    """
    lookup, nothing = Lookup(keys), np.zeros(0, dtype=np.int64)
    own = [field.id for field in fields]
    for segment in segments:
        rows = lookup.rows_in(segment)
        if rows is not None and (rows >= 0).any():
            segment.fetch(nothing, own)


def _ended(places: _Places, field: Field, now_us: int) -> NDArray[np.bool_]:
    """Return which keys have a row whose own end has come, bool [keys]."""
    there = places.parts >= 0
    column = places.read([field])[field.id]
    ended = column.numbers() <= now_us
    valid = column.valid
    gone = np.zeros(len(there), dtype=np.bool_)
    gone[there] = ended if valid is None else ended & valid
    return gone


def _reader(segment: GrowingSegment | SealedSegment) -> SegmentReader:
    return segment if isinstance(segment, SealedSegment) else GrowingReader(segment, segment.num_rows)
