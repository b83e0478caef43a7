"""The clock's ceiling on disk, so that timestamps and ids never run backwards across restarts."""

from __future__ import annotations

import struct
from pathlib import Path

from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted
from elanus.model.time import Timestamp
from elanus.storage.files import REAL_FILES, FileOps, make_folder, naming, write_durably

MAGIC = b"ECL1"
LAYOUT = struct.Struct("<4sQ")
SUM = struct.Struct("<I")


class ClockFile:
    """A file of 16 bytes: magic, ceiling, CRC32C of both.

    ``Clock(lease=file.store, ceiling=file.load())`` issues nothing that was issued before a restart.
    """

    def __init__(self, path: Path, files: FileOps = REAL_FILES) -> None:
        self._path = path
        self._files = files

    def load(self) -> Timestamp:
        """Return the ceiling stored last, 0 without a file; DataCorrupted naming the file when it was changed."""
        with naming(self._path, "read"):
            raw = self._path.read_bytes() if self._path.exists() else None
        if raw is None:
            return Timestamp(0)
        body = raw[: LAYOUT.size]
        if len(raw) != LAYOUT.size + SUM.size or raw[LAYOUT.size :] != SUM.pack(crc32c(body)):
            raise DataCorrupted(f"{self._path} has another checksum than when it was written")
        magic, ceiling = LAYOUT.unpack(body)
        if magic != MAGIC:
            raise DataCorrupted(f"{self._path} is not a clock file that this release reads")
        return Timestamp(ceiling)

    def store(self, ceiling: Timestamp) -> None:
        """Store a ceiling durably; StorageFailed naming the file when that failed."""
        body = LAYOUT.pack(MAGIC, ceiling)
        with naming(self._path, "write"):
            make_folder(self._files, self._path.parent)
            write_durably(self._files, self._path, body + SUM.pack(crc32c(body)))
