"""The object store: immutable bytes under keys, durable once put. ``LocalStore`` keeps them in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.manifest import FileInfo
from elanus.storage.files import map_file, naming

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Span(NamedTuple):
    """A range of an object's bytes."""

    offset: int
    length: int


class ObjectInfo(NamedTuple):
    """A key and how many bytes are under it."""

    key: str
    size: int


class AlreadyExists(Exception):  # noqa: N818 - an outcome that callers handle, not an error for users
    """A put that had to create its key found it taken."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} already exists")
        self.key = key


class ObjectNotFound(StorageFailed):
    """No object is under the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is not there")
        self.key = key


class Draft(Protocol):
    """A file being written: fill ``path``, then commit. One that is not committed leaves no trace."""

    @property
    def path(self) -> Path:
        """A local file that does not exist yet."""

    def commit(self) -> FileInfo:
        """Put the file under its key, durably; AlreadyExists when the key is taken."""


class ObjectStore(Protocol):
    """Bytes under keys. Keys are relative paths with forward slashes."""

    def get(self, key: str, span: Span | None = None) -> Buffer:
        """Return an object's bytes, or a range of them; ObjectNotFound when there is none."""

    def put(self, key: str, data: Buffer, *, if_absent: bool = False) -> None:
        """Store bytes durably; with ``if_absent``, raise AlreadyExists when the key is taken."""

    def put_file(self, key: str, path: Path) -> FileInfo:
        """Move a finished local file under a key, durably; AlreadyExists when the key is taken."""

    def new_file(self, key: str) -> AbstractContextManager[Draft]:
        """Hand out a temporary file that becomes the object when it is committed."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with ``prefix``, ascending by key."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders that the last slash of ``prefix`` leads to, ascending.

        prefix  what their keys begin with, as in ``list``; "a/" for all folders in "a"
        cost    one listing of that place, not of what the folders hold; a folder that a crash left empty may be
                among them
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; keys that are not there are passed over."""

    def local_path(self, key: str) -> Path | None:
        """Return the local file of an object, None when the store has no local files."""


def describe_file(key: str, path: Path) -> FileInfo:
    """Return size and checksum of a local file, to be named in a manifest under ``key``."""
    with naming(path, "read"):
        data = map_file(path)
    return FileInfo(key, data.nbytes, crc32c(data))


def open_object(store: ObjectStore, key: str) -> memoryview:
    """Return an object's bytes: mapped from its local file, or fetched where there is none."""
    path = store.local_path(key)
    if path is None:
        return memoryview(store.get(key))
    try:
        with naming(path, "read"):
            return map_file(path)
    except StorageFailed as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ObjectNotFound(key) from error
        raise


def verify(store: ObjectStore, info: FileInfo) -> memoryview:
    """Check that a file has the size and checksum that the manifest says, and return its bytes.

    raises  DataCorrupted naming the file when it is missing or differs
    cost    one read of the whole file
    """
    name = store.local_path(info.key) or info.key
    try:
        data = open_object(store, info.key)
    except ObjectNotFound as error:
        raise DataCorrupted(f"{name} is missing") from error
    if data.nbytes != info.size:
        raise DataCorrupted(f"{name} has {data.nbytes} bytes instead of {info.size}")
    if crc32c(data) != info.crc32c:
        raise DataCorrupted(f"{name} has another checksum than when it was written")
    return data
