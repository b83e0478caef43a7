"""Faults for storage tests: file operations that fail or lose power, and a store that fails by schedule."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from elanus.model.errors import StorageFailed
from elanus.model.manifest import FileInfo
from elanus.storage.files import FileOps
from elanus.storage.store import Draft, ObjectInfo, ObjectStore, Span


class FaultyFiles(FileOps):
    """Real file operations, of which some fail; ``lose_power`` takes away all that was not synced.

    schedule  operation -> how many times it works before it fails for good
    short     most bytes that one write takes
    """

    def __init__(self, schedule: Mapping[str, int] | None = None, short: int = 1 << 40) -> None:
        self.schedule = dict(schedule or {})
        self.calls: Counter[str] = Counter()
        self._short = short
        self._paths: dict[int, Path] = {}
        self._synced: dict[int, int] = {}
        self._names: dict[Path, set[str]] = {}

    def _count(self, name: str) -> None:
        self.calls[name] += 1
        if self.calls[name] > self.schedule.get(name, 1 << 60):
            raise OSError(errno.EIO, f"injected failure of {name}")

    def create(self, path: Path) -> int:
        self._count("create")
        fd = super().create(path)
        self._named(path)
        self._paths[fd] = path
        self._synced[os.fstat(fd).st_ino] = 0
        return fd

    def append_to(self, path: Path) -> int:
        self._count("append_to")
        fd = super().append_to(path)
        self._paths[fd] = path
        return fd

    def write(self, fd: int, buffers: Sequence[memoryview]) -> int:
        room, part = self._short, []
        for buffer in buffers:
            part.append(buffer[:room])
            room -= len(part[-1])
        try:
            self._count("write")
        except OSError:
            super().write(fd, [buffer[: len(buffer) // 2] for buffer in part[:1]])
            raise
        return super().write(fd, part)

    def sync(self, fd: int) -> None:
        self._count("sync")
        super().sync(fd)
        status = os.fstat(fd)
        self._synced[status.st_ino] = status.st_size

    def sync_folder(self, folder: Path) -> None:
        self._count("sync_folder")
        super().sync_folder(folder)
        self._names.pop(folder, None)

    def truncate(self, path: Path, size: int) -> None:
        self._count("truncate")
        super().truncate(path, size)

    def link(self, source: Path, target: Path) -> None:
        self._count("link")
        super().link(source, target)
        self._named(target)

    def replace(self, source: Path, target: Path) -> None:
        self._count("replace")
        super().replace(source, target)
        self._named(target)

    def remove(self, path: Path) -> None:
        self._count("remove")
        super().remove(path)

    def lose_power(self) -> None:
        """Cut every file to what was synced and take away names whose folder was not."""
        for folder, names in self._names.items():
            for name in names:
                (folder / name).unlink(missing_ok=True)
        for path in set(self._paths.values()):
            if path.exists():
                os.truncate(path, min(self._synced.get(path.stat().st_ino, 1 << 40), path.stat().st_size))
        self._names.clear()

    def _named(self, path: Path) -> None:
        self._names.setdefault(path.parent, set()).add(path.name)


class FaultyStore:
    """An object store over another one that fails by schedule: operation -> successes before it fails once."""

    def __init__(self, inner: ObjectStore, schedule: Mapping[str, int]) -> None:
        self.inner = inner
        self.schedule = dict(schedule)

    def _count(self, name: str) -> None:
        left = self.schedule.get(name)
        if left == 0:
            del self.schedule[name]
            raise StorageFailed(f"injected failure of {name}")
        if left is not None:
            self.schedule[name] = left - 1

    def get(self, key: str, span: Span | None = None) -> object:
        self._count("get")
        return self.inner.get(key, span)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> None:
        self._count("put")
        self.inner.put(key, data, if_absent=if_absent)

    def put_file(self, key: str, path: Path) -> FileInfo:
        self._count("put_file")
        return self.inner.put_file(key, path)

    def new_file(self, key: str) -> AbstractContextManager[Draft]:
        self._count("new_file")
        return self.inner.new_file(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._count("list")
        return self.inner.list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self._count("folders")
        return self.inner.folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        self._count("delete")
        self.inner.delete(keys)

    def local_path(self, key: str) -> Path | None:
        return self.inner.local_path(key)


def flip(path: Path, offset: int, change: int = 0x41) -> None:
    """Change one byte of a file in place."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ change]))
