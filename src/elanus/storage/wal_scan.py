"""Reading a stream when the log is opened: what is a record, what is damage, and what is a torn tail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from elanus.model.time import Timestamp
from elanus.storage.files import map_file, naming
from elanus.storage.wal_file import Damage, LogFile, is_intact
from elanus.storage.wal_record import ALIGNMENT, HEADER_BYTES, SECTOR_BYTES, Header, correct_header, decode_header


@dataclass(slots=True)
class Scan:
    """A stream as it was found.

    files  oldest first
    next   sequence number of the next record
    high   largest timestamp of any record
    cut    the file with a torn tail behind its size, None without one
    """

    files: list[LogFile]
    next: int
    high: Timestamp
    cut: LogFile | None


class _Tail(NamedTuple):
    """The place from which a file could not be read on; ``header`` when only the record's end is missing."""

    file: LogFile
    offset: int
    header: Header | None


class _Last(NamedTuple):
    """The last record that was read."""

    file: LogFile
    offset: int
    header: Header


def scan_stream(paths: Iterable[Path]) -> Scan:
    """Read the headers of a stream's files, oldest first; StorageFailed when a file can't be read.

    cost  one visit of each record's first page
    """
    scanner = _Scanner()
    for path in paths:
        scanner.read(path)
    return scanner.finish()


class _Scanner:
    """Walks the files; a tail stays open until a valid record behind it proves that it is damage."""

    def __init__(self) -> None:
        self._scan = Scan([], 0, Timestamp(0), None)
        self._tail: _Tail | None = None
        self._last: _Last | None = None

    def read(self, path: Path) -> None:
        file = LogFile(path, first=int(path.stem))
        with naming(path, "read"):
            data = map_file(path)
        self._scan.next = max(self._scan.next, file.first)
        offset = 0
        while offset < len(data):
            offset = self._step(file, data, offset)
        file.size = len(data)
        self._scan.files.append(file)

    def finish(self) -> Scan:
        """Cut what is torn."""
        if self._tail is not None:
            self._cut(self._tail.file, self._tail.offset)
        elif self._last is not None and self._last.file is self._scan.files[-1]:
            self._check_last(self._last)
        return self._scan

    def _step(self, file: LogFile, data: memoryview, offset: int) -> int:
        """Take what is at ``offset`` and return where to go on."""
        header = decode_header(data[offset : offset + HEADER_BYTES])
        if header is not None and offset + header.size <= len(data):
            self._see(header)
            file.add(offset, header)
            self._last = _Last(file, offset, header)
            return offset + header.size
        if header is None:
            changed = _changed_header(data, offset)
            if changed is not None:
                self._see(changed)
                file.damage.append(Damage(file.path, offset, changed.shard, changed.at))
                return offset + changed.size
            behind = _next_header(data, offset + ALIGNMENT, self._scan.next)
            if behind is not None:
                place, found = behind
                file.damage.append(Damage(file.path, offset, None, found.high))
                return place
        self._tail = _Tail(file, offset, header)
        return len(data)

    def _see(self, header: Header) -> None:
        """Take note of a record; an open tail before it is damage."""
        if self._tail is not None:
            tail, lost = self._tail, self._tail.header
            shard, high = (None, header.high) if lost is None else (lost.shard, lost.at)
            tail.file.damage.append(Damage(tail.file.path, tail.offset, shard, high))
            self._tail = None
        self._scan.next = max(self._scan.next, header.sequence + 1)
        self._scan.high = max(self._scan.high, header.high)

    def _check_last(self, last: _Last) -> None:
        """Cut the last record when its end never reached the disk."""
        with naming(last.file.path, "read"):
            data = map_file(last.file.path)
        if last.offset + last.header.size == len(data) and _is_unwritten(data, last.offset, last.header):
            last.file.forget_last(last.header.shard)
            self._cut(last.file, last.offset)

    def _cut(self, file: LogFile, size: int) -> None:
        file.size = size
        self._scan.cut = file


def _changed_header(data: memoryview, offset: int) -> Header | None:
    """Return the header of a record that is complete but for one changed byte in its header."""
    header = correct_header(data[offset : offset + HEADER_BYTES])
    return header if header is not None and offset + header.size <= len(data) else None


def _next_header(data: memoryview, start: int, sequence: int) -> tuple[int, Header] | None:
    """Return the first valid header of a later record at or behind ``start``, and its place."""
    for offset in range(start, len(data) - HEADER_BYTES + 1, ALIGNMENT):
        header = decode_header(data[offset : offset + HEADER_BYTES])
        if header is not None and header.sequence > sequence:
            return offset, header
    return None


def _is_unwritten(data: memoryview, offset: int, header: Header) -> bool:
    """Whether a record's last sector never reached the disk: its size did, but its bytes are zeros."""
    end = offset + header.size
    start = max(offset + HEADER_BYTES, (end - 1) // SECTOR_BYTES * SECTOR_BYTES)
    return not any(data[start:end]) and not is_intact(data, offset, header)
