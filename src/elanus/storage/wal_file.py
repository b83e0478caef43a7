"""One file of a log stream: which records it holds, found by reading headers only."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted
from elanus.model.ids import CollectionId
from elanus.model.time import Timestamp
from elanus.storage.files import map_file, naming
from elanus.storage.wal_record import HEADER_BYTES, Header, RecordKind, ShardId, decode_header


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of the log that are no record any more.

    offset  where they begin in ``file``
    shard   whose record it was, None when that can't be told
    high    nothing later than this was lost, as far as can be told
    """

    file: Path
    offset: int
    shard: ShardId | None
    high: Timestamp

    def hits(self, shard: ShardId, after: Timestamp) -> bool:
        """Whether a record of the shard later than ``after`` may have been lost."""
        return self.shard in (None, shard) and self.high > after


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a shard; ``payload`` is mapped from the file and stays valid while it is held."""

    kind: RecordKind
    at: Timestamp
    payload: memoryview


class Places:
    """Where a shard's records lie in one file, with their timestamps: 16 bytes a record."""

    __slots__ = ("offsets", "times")

    def __init__(self) -> None:
        self.offsets = array("Q")
        self.times = array("Q")

    def add(self, offset: int, at: int) -> None:
        """Add the next record."""
        self.offsets.append(offset)
        self.times.append(at)

    def after(self, at: Timestamp) -> list[int]:
        """Return the offsets of records later than ``at``."""
        return [offset for offset, time in zip(self.offsets, self.times, strict=True) if time > at]


@dataclass(slots=True, eq=False)
class LogFile:
    """A file and its records.

    first   sequence number of its first record
    size    bytes of it that are in use
    shards  the shards that need a record in it
    damage  what can't be read in it
    """

    path: Path
    first: int
    size: int = 0
    shards: dict[ShardId, Places] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)

    @property
    def is_needed(self) -> bool:
        """Whether a shard needs the file, or damage in it keeps it as evidence."""
        return bool(self.shards or self.damage)

    def add(self, offset: int, header: Header) -> None:
        """Note a record."""
        places = self.shards.get(header.shard)
        if places is None:
            places = self.shards[header.shard] = Places()
        places.add(offset, header.at)
        self.size = offset + header.size

    def forget_last(self, shard: ShardId) -> None:
        """Forget the last record of a shard."""
        places = self.shards[shard]
        places.offsets.pop()
        places.times.pop()
        if not places.offsets:
            del self.shards[shard]

    def release(self, shard: ShardId, through: Timestamp) -> None:
        """Forget a shard that needs nothing at or below ``through`` and has nothing later here."""
        places = self.shards.get(shard)
        if places is not None and places.times[-1] <= through:
            del self.shards[shard]
        self.damage = [item for item in self.damage if item.shard != shard or item.high > through]

    def drop(self, collection: CollectionId) -> None:
        """Forget all shards of a collection."""
        self.shards = {shard: places for shard, places in self.shards.items() if shard.collection != collection}
        self.damage = [item for item in self.damage if item.shard is None or item.shard.collection != collection]


def read_records(path: Path, offsets: list[int]) -> Iterator[Record]:
    """Yield the records at ``offsets``; DataCorrupted with file and offset when one is not what was written."""
    with naming(path, "read"):
        data = map_file(path)
    for offset in offsets:
        header = decode_header(data[offset : offset + HEADER_BYTES])
        if header is None or not is_intact(data, offset, header):
            raise corrupted(path, offset)
        start = offset + HEADER_BYTES
        yield Record(RecordKind(header.kind), header.at, data[start : start + header.length])


def corrupted(path: Path, offset: int) -> DataCorrupted:
    """Return the error that names a place in the log."""
    return DataCorrupted(f"log record in {path} at offset {offset}")


def is_intact(data: memoryview, offset: int, header: Header) -> bool:
    """Whether a record's payload and padding are what was written."""
    body = data[offset + HEADER_BYTES : offset + header.size]
    return len(body) == header.size - HEADER_BYTES and crc32c(body) == header.checksum
