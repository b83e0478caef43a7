"""The write-ahead log of a server: a fixed number of streams that all its shards share. See docs/formats/wal.md."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from elanus._native.checksum import crc32c
from elanus.model.ids import CollectionId
from elanus.model.settings import WalSettings
from elanus.model.time import Timestamp
from elanus.storage.files import REAL_FILES, FileOps, make_folder, naming
from elanus.storage.wal_file import Damage, Record
from elanus.storage.wal_record import RecordKind, ShardId
from elanus.storage.wal_stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Damage", "Record", "RecordKind", "ShardId", "Ticket", "Wal"]


class Ticket(NamedTuple):
    """A record that was appended; ``Wal.sync`` waits until it is on disk."""

    stream: int
    sequence: int


class Wal:
    """Records by shard, durable once synced, kept until released. Every method may be called from any thread."""

    def __init__(self, streams: Sequence[Stream], pin_bytes: int) -> None:
        self._streams = streams
        self._pin_bytes = pin_bytes

    @classmethod
    def open(cls, folder: Path, settings: WalSettings, files: FileOps = REAL_FILES) -> Wal:
        """Open or create the log in a folder; torn tails are cut, damage is kept and listed.

        settings  the number of streams counts for a new log only
        raises    StorageFailed when a file can't be read or written
        cost      reads the header of every record
        """
        with naming(folder, "create"):
            paths = _stream_folders(folder, settings.streams, files)
        streams: list[Stream] = []
        try:
            for path in paths:
                streams.append(Stream(path, settings.segment_bytes, files))  # noqa: PERF401 - a failure closes the others
        except BaseException:
            cls(streams, settings.pin_bytes).close()
            raise
        return cls(streams, settings.pin_bytes)

    def append(self, shard: ShardId, at: Timestamp, kind: RecordKind, payload: Buffer | Sequence[Buffer]) -> Ticket:
        """Write a record without waiting for the disk.

        payload  one buffer or several, written one after the other without a copy
        raises   StorageFailed naming the file; from then on for every append to the stream
        """
        buffers: Sequence[Buffer] = payload if isinstance(payload, (list, tuple)) else [cast("Buffer", payload)]
        stream = self._stream_of(shard)
        return Ticket(stream, self._streams[stream].append(shard, at, kind, buffers))

    def sync(self, ticket: Ticket) -> None:
        """Return when the record is on disk; one fdatasync serves all that wait.

        raises  StorageFailed naming the file when the sync failed, which is never retried
        """
        self._streams[ticket.stream].sync(ticket.sequence)

    def records(self, shard: ShardId, after: Timestamp) -> Iterator[Record]:
        """Return the shard's records later than ``after``, ascending; payloads are verified as they come.

        raises  DataCorrupted with file and offset when a record was changed, or may have been lost to damage
        """
        return self._streams[self._stream_of(shard)].records(shard, after)

    def shards(self) -> set[ShardId]:
        """Return the shards that have records."""
        return set().union(*(stream.shards() for stream in self._streams))

    def release(self, shard: ShardId, through: Timestamp) -> None:
        """Say that nothing of the shard at or below ``through`` is needed; files that nobody needs are removed."""
        self._streams[self._stream_of(shard)].release(shard, through)

    def drop(self, collection: CollectionId) -> None:
        """Say that nothing of a collection is needed; files that nobody needs are removed."""
        for stream in self._streams:
            stream.drop(collection)

    def pinning(self, limit_bytes: int | None = None) -> list[ShardId]:
        """Return the shards to flush so that the oldest files can go; none while the log is within the limit.

        limit_bytes  the settings' ``pin_bytes`` by default; each stream has an equal share
        """
        limit = self._pin_bytes if limit_bytes is None else limit_bytes
        if self.num_bytes <= limit:
            return []
        return sorted(set().union(*(stream.pinning(limit // len(self._streams)) for stream in self._streams)))

    @property
    def num_bytes(self) -> int:
        """Bytes of all files."""
        return sum(stream.num_bytes for stream in self._streams)

    @property
    def damage(self) -> list[Damage]:
        """What can't be read: found when the log was opened."""
        return [item for stream in self._streams for item in stream.damage]

    def close(self) -> None:
        """Close all files; later appends raise StorageFailed."""
        for stream in self._streams:
            stream.close()

    def _stream_of(self, shard: ShardId) -> int:
        return crc32c(struct.pack("<qI", *shard)) % len(self._streams)


def _stream_folders(folder: Path, streams: int, files: FileOps) -> list[Path]:
    """Return the folder of each stream; the highest is made first, so that it tells their number after a crash."""
    make_folder(files, folder)
    present = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    count = max(present) + 1 if present else streams
    paths = [folder / str(number) for number in range(count)]
    for path in reversed(paths):
        make_folder(files, path)
    return paths
