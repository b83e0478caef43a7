"""File operations by which bytes become durable: one small object, so that tests can fail any of them."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from elanus.model.errors import StorageFailed

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_BUFFERS = 512


class FileOps:
    """The operating system's file calls; each raises OSError as it comes."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist and return its descriptor, for writing at the end."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def append_to(self, path: Path) -> int:
        """Open a file for writing at its end."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def write(self, fd: int, buffers: Sequence[memoryview]) -> int:
        """Write buffers in order and return how many bytes were taken, which may be fewer."""
        return os.writev(fd, buffers)

    def sync(self, fd: int) -> None:
        """Wait until the file's bytes and size are on disk."""
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the folder's entries are on disk."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file."""
        os.truncate(path, size)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name; FileExistsError when that name is taken."""
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file, over another one if need be."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        os.unlink(path)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)


REAL_FILES = FileOps()


@contextmanager
def naming(path: Path, action: str) -> Iterator[None]:
    """Turn an OSError inside into StorageFailed with the action and the file's name."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"cannot {action} {path}: {error.strerror or error}") from error


def write_all(files: FileOps, fd: int, buffers: Sequence[Buffer]) -> None:
    """Write every byte of every buffer."""
    waiting = [view for view in map(as_bytes, buffers) if view.nbytes]
    first = 0
    while first < len(waiting):
        taken = files.write(fd, waiting[first : first + MAX_BUFFERS])
        while first < len(waiting) and taken >= waiting[first].nbytes:
            taken -= waiting[first].nbytes
            first += 1
        if taken:
            waiting[first] = waiting[first][taken:]


def as_bytes(data: Buffer) -> memoryview:
    """Return any contiguous buffer as a view of bytes."""
    view = memoryview(data)
    return view.cast("B") if view.nbytes else memoryview(b"")


def map_file(path: Path) -> memoryview:
    """Map a whole file for reading; the mapping lives as long as the view or anything made over it."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def make_folder(files: FileOps, folder: Path) -> None:
    """Create a folder and its missing parents, durably."""
    if not folder.is_dir():
        make_folder(files, folder.parent)
        folder.mkdir(exist_ok=True)
        files.sync_folder(folder.parent)


def write_durably(files: FileOps, path: Path, data: Buffer) -> None:
    """Create or replace a small file so that either the old or the new bytes are there after a crash."""
    draft = path.with_name(path.name + ".tmp")
    draft.unlink(missing_ok=True)
    fd = files.create(draft)
    try:
        write_all(files, fd, [data])
        files.sync(fd)
    finally:
        files.close(fd)
    files.replace(draft, path)
    files.sync_folder(path.parent)
