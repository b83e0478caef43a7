"""MemoryStore: an object store that lives as long as its process."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elanus.model.manifest import FileInfo
from elanus.storage.files import naming
from elanus.storage.store import AlreadyExists, ObjectInfo, ObjectNotFound, Span, describe_file

if TYPE_CHECKING:
    from typing_extensions import Buffer


class MemoryStore:
    """Objects in a dictionary, with the same promises as a store on disk but the last one."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: str, span: Span | None = None) -> memoryview:
        """Return an object's bytes, or a range of them, without a copy."""
        data = self._objects.get(key)
        if data is None:
            raise ObjectNotFound(key)
        view = memoryview(data)
        return view if span is None else view[span.offset : span.offset + span.length]

    def put(self, key: str, data: Buffer, *, if_absent: bool = False) -> None:
        """Store a copy of the bytes."""
        copy = bytes(data)
        with self._lock:
            if if_absent and key in self._objects:
                raise AlreadyExists(key)
            self._objects[key] = copy

    def put_file(self, key: str, path: Path) -> FileInfo:
        """Take over a finished local file."""
        info = describe_file(key, path)
        with naming(path, "read"):
            self.put(key, path.read_bytes(), if_absent=True)
            path.unlink()
        return info

    @contextmanager
    def new_file(self, key: str) -> Iterator[MemoryDraft]:
        """Hand out a temporary file that becomes the object when it is committed."""
        with tempfile.TemporaryDirectory(prefix="elanus-") as folder:
            yield MemoryDraft(self, key, Path(folder) / "draft")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with ``prefix``, ascending by key."""
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
            infos = [ObjectInfo(key, len(self._objects[key])) for key in found]
        yield from infos

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders that the last slash of ``prefix`` leads to, ascending."""
        place = prefix.rfind("/") + 1
        with self._lock:
            below = [key[place:].partition("/") for key in self._objects if key.startswith(prefix)]
        yield from sorted({name for name, slash, _ in below if slash})

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002
        """Return None: nothing is on disk."""
        return None


@dataclass(frozen=True, slots=True)
class MemoryDraft:
    """A file being written for a MemoryStore."""

    store: MemoryStore
    key: str
    path: Path

    def commit(self) -> FileInfo:
        """Read the file and put it under its key; AlreadyExists when the key is taken."""
        return self.store.put_file(self.key, self.path)
