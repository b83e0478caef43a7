"""ScopedStore: the part of an object store below a prefix, such as one collection's folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from elanus.model.manifest import FileInfo
from elanus.storage.store import Draft, ObjectInfo, ObjectStore, Span

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class ScopedStore:
    """Sees ``prefix/key`` of the inner store as ``key``; files it describes have the short key."""

    inner: ObjectStore
    prefix: str

    def get(self, key: str, span: Span | None = None) -> Buffer:
        """Return an object's bytes, or a range of them."""
        return self.inner.get(self._whole(key), span)

    def put(self, key: str, data: Buffer, *, if_absent: bool = False) -> None:
        """Store bytes durably."""
        self.inner.put(self._whole(key), data, if_absent=if_absent)

    def put_file(self, key: str, path: Path) -> FileInfo:
        """Move a finished local file under a key."""
        return replace(self.inner.put_file(self._whole(key), path), key=key)

    @contextmanager
    def new_file(self, key: str) -> Iterator[ScopedDraft]:
        """Hand out a temporary file that becomes the object when it is committed."""
        with self.inner.new_file(self._whole(key)) as draft:
            yield ScopedDraft(draft, key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with ``prefix``, ascending by key."""
        for info in self.inner.list(self._whole(prefix)):
            yield ObjectInfo(info.key[len(self.prefix) + 1 :], info.size)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders that the last slash of ``prefix`` leads to, ascending."""
        return self.inner.folders(self._whole(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        self.inner.delete([self._whole(key) for key in keys])

    def local_path(self, key: str) -> Path | None:
        """Return the local file of an object, None when the store has no local files."""
        return self.inner.local_path(self._whole(key))

    def _whole(self, key: str) -> str:
        return f"{self.prefix}/{key}"


@dataclass(frozen=True, slots=True)
class ScopedDraft:
    """A draft that describes its file by the short key."""

    inner: Draft
    key: str

    @property
    def path(self) -> Path:
        """A local file that does not exist yet."""
        return self.inner.path

    def commit(self) -> FileInfo:
        """Put the file under its key, durably."""
        return replace(self.inner.commit(), key=self.key)
