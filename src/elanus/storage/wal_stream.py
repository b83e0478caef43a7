"""One stream of the log: appends in order, group commit, rotation and removal of files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from elanus._native.checksum import crc32c
from elanus.model.errors import StorageFailed
from elanus.model.ids import CollectionId
from elanus.model.time import Timestamp
from elanus.storage.files import FileOps, as_bytes, naming, write_all
from elanus.storage.wal_file import Damage, LogFile, Record, corrupted, read_records
from elanus.storage.wal_record import Header, RecordKind, ShardId, encode_header, padding
from elanus.storage.wal_scan import scan_stream

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Stream:
    """A series of files, of which the last is appended to.

    ``_writing`` guards the files and what is in them. ``_turn`` guards who syncs: one thread at a time leads, its
    sync serves all that wait. A leader never takes ``_writing``, so an appender may wait for it.
    """

    def __init__(self, folder: Path, segment_bytes: int, files: FileOps) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._ops = files
        self._writing = threading.Lock()
        self._turn = threading.Condition()
        self._leading = False
        self._failure: str | None = None
        scan = scan_stream(sorted(folder.glob("*.log")))
        self._files, self._next, self._high = scan.files, scan.next, scan.high
        with naming(folder, "open"):
            if scan.cut is not None:
                files.truncate(scan.cut.path, scan.cut.size)
            if self._files:
                fd = files.append_to(self._active.path)
                files.sync(fd)
            else:
                fd = self._begin_file()
        self._durable = self._next - 1
        # Sequence and descriptor change together, so that a leader takes both without a lock.
        self._written = (self._durable, fd)

    # --- writing ---

    def append(self, shard: ShardId, at: Timestamp, kind: RecordKind, payload: Sequence[Buffer]) -> int:
        """Write a record and return its sequence number; durable after ``sync`` of that number."""
        views = [as_bytes(buffer) for buffer in payload]
        length = sum(view.nbytes for view in views)
        views.append(memoryview(bytes(padding(length))))
        checksum = 0
        for view in views:
            checksum = crc32c(view, checksum)
        with self._writing:
            self._refuse_if_failed()
            if self._active.size >= self._segment_bytes:
                self._rotate()
            high = max(self._high, at)
            header = Header(kind, length, self._next, shard, at, high, checksum)
            with self._or_fail("append to"):
                write_all(self._ops, self._written[1], [encode_header(header), *views])
            self._active.add(self._active.size, header)
            self._high = high
            self._next += 1
            self._written = (header.sequence, self._written[1])
            return header.sequence

    def sync(self, sequence: int) -> None:
        """Return when the record is on disk; StorageFailed when that can't be known."""
        if not self._lead(sequence):
            return
        try:
            written, fd = self._written
            with self._or_fail("sync"):
                self._ops.sync(fd)
            self._durable = written
        finally:
            self._step_down()

    def close(self) -> None:
        """Close the file; what was appended but not synced may be lost."""
        with self._writing:
            self._take_turn()
            try:
                written, fd = self._written
                if fd >= 0:
                    self._failure = self._failure or f"{self._folder} is closed"
                    self._written = (written, -1)
                    self._ops.close(fd)
            finally:
                self._step_down()

    def _lead(self, sequence: int) -> bool:
        """Wait until the record is durable (False) or it is this thread's turn to sync (True)."""
        with self._turn:
            while self._durable < sequence:
                self._refuse_if_failed()
                if not self._leading:
                    self._leading = True
                    return True
                self._turn.wait()
            return False

    def _take_turn(self) -> None:
        with self._turn:
            while self._leading:
                self._turn.wait()
            self._leading = True

    def _step_down(self) -> None:
        with self._turn:
            self._leading = False
            self._turn.notify_all()

    def _rotate(self) -> None:
        """Sync the active file and begin the next; called with ``_writing`` held."""
        self._take_turn()
        try:
            written, fd = self._written
            with self._or_fail("sync"):
                self._ops.sync(fd)
            self._durable = written
            with self._or_fail("begin the file after"):
                self._written = (written, self._begin_file())
            self._ops.close(fd)
        finally:
            self._step_down()

    def _begin_file(self) -> int:
        path = self._folder / f"{self._next:020d}.log"
        fd = self._ops.create(path)
        self._ops.sync_folder(self._folder)
        self._files.append(LogFile(path, first=self._next))
        return fd

    @contextmanager
    def _or_fail(self, action: str) -> Iterator[None]:
        """End the stream's life when a file operation inside does not complete.

        After a failed sync the kernel may drop the pages and report success next time; after a failed or interrupted
        write the file's end is unknown. Neither can be retried.
        """
        path = self._active.path
        try:
            yield
        except OSError as error:
            self._failure = f"cannot {action} {path}: {error.strerror or error}"
            raise StorageFailed(self._failure) from error
        except BaseException:
            self._failure = f"a write to {path} was interrupted"
            raise

    def _refuse_if_failed(self) -> None:
        if self._failure is not None:
            raise StorageFailed(self._failure)

    @property
    def _active(self) -> LogFile:
        return self._files[-1]

    # --- reading ---

    @property
    def num_bytes(self) -> int:
        """Bytes of all files."""
        with self._writing:
            return sum(file.size for file in self._files)

    @property
    def damage(self) -> list[Damage]:
        """What can't be read."""
        with self._writing:
            return [item for file in self._files for item in file.damage]

    def shards(self) -> set[ShardId]:
        """Return the shards that have records here."""
        with self._writing:
            return {shard for file in self._files for shard in file.shards}

    def records(self, shard: ShardId, after: Timestamp) -> Iterator[Record]:
        """Return a shard's records later than ``after``; DataCorrupted when one of them may be lost."""
        for item in self.damage:
            if item.hits(shard, after):
                raise corrupted(item.file, item.offset)
        with self._writing:
            found = [(file.path, file.shards[shard].after(after)) for file in self._files if shard in file.shards]
        return (record for path, offsets in found if offsets for record in read_records(path, offsets))

    # --- removing ---

    def release(self, shard: ShardId, through: Timestamp) -> None:
        """Forget what a shard has at or below ``through`` and remove the files that nobody needs."""
        with self._writing:
            for file in self._files:
                file.release(shard, through)
        self._remove_unneeded()

    def drop(self, collection: CollectionId) -> None:
        """Forget all shards of a collection and remove the files that nobody needs."""
        with self._writing:
            for file in self._files:
                file.drop(collection)
        self._remove_unneeded()

    def pinning(self, share_bytes: int) -> set[ShardId]:
        """Return the shards that must be flushed for the stream to shrink to ``share_bytes``, oldest files first."""
        with self._writing:
            excess = sum(file.size for file in self._files) - share_bytes
            found: set[ShardId] = set()
            for file in self._files[:-1]:
                if excess <= 0:
                    break
                found |= file.shards.keys()
                excess -= file.size
            return found

    def _remove_unneeded(self) -> None:
        with self._writing:
            unneeded = [file for file in self._files[:-1] if not file.is_needed]
            self._files = [file for file in self._files if file not in unneeded]
        for file in unneeded:
            with naming(file.path, "remove"):
                self._ops.remove(file.path)
        if unneeded:
            with naming(self._folder, "sync"):
                self._ops.sync_folder(self._folder)
