"""LocalStore: objects as files below a folder, each put synced to disk before it returns."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from elanus.model.manifest import FileInfo
from elanus.storage.files import REAL_FILES, FileOps, naming, write_all
from elanus.storage.store import AlreadyExists, ObjectInfo, ObjectNotFound, Span, describe_file

if TYPE_CHECKING:
    from typing_extensions import Buffer

DRAFTS = ".drafts"


class LocalStore:
    """An object store in a folder. One process at a time: opening removes what a crash left half written.

    Files are written in ``.drafts`` of the same folder and get their name by link or rename when they are on disk.
    """

    def __init__(self, root: Path, files: FileOps = REAL_FILES) -> None:
        self._root = root.absolute()
        self._files = files
        self._drafts = self._root / DRAFTS
        self._names = itertools.count()
        self._folders = threading.Lock()
        self._durable: set[Path] = set()
        with naming(self._drafts, "create"):
            shutil.rmtree(self._drafts, ignore_errors=True)
            self._ensure(self._drafts)

    def get(self, key: str, span: Span | None = None) -> bytes:
        """Return an object's bytes, or a range of them."""
        path = self.local_path(key)
        try:
            with naming(path, "read"), path.open("rb") as file:
                if span is None:
                    return file.read()
                return os.pread(file.fileno(), span.length, span.offset)
        except Exception as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise ObjectNotFound(key) from error
            raise

    def put(self, key: str, data: Buffer, *, if_absent: bool = False) -> None:
        """Store bytes durably."""
        with self.new_file(key) as draft:
            with naming(draft.path, "write"):
                fd = self._files.create(draft.path)
                try:
                    write_all(self._files, fd, [data])
                finally:
                    self._files.close(fd)
            self._adopt(draft.path, key, if_absent=if_absent)

    def put_file(self, key: str, path: Path) -> FileInfo:
        """Move a finished file of the same file system under a key, without copying it."""
        info = describe_file(key, path)
        self._adopt(path, key, if_absent=True)
        with naming(path, "remove"):
            path.unlink()
        return info

    @contextmanager
    def new_file(self, key: str) -> Iterator[LocalDraft]:
        """Hand out a temporary file that becomes the object when it is committed."""
        draft = LocalDraft(self, key, self._drafts / f"{os.getpid()}-{next(self._names)}")
        try:
            yield draft
        finally:
            with suppress(FileNotFoundError):
                draft.path.unlink()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with ``prefix``, ascending by key."""
        folder = prefix.rpartition("/")[0]
        with naming(self._root / folder, "list"):
            found = [item for item in _walk(self._root / folder, folder) if item.key.startswith(prefix)]
        yield from sorted(found)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders that the last slash of ``prefix`` leads to, ascending."""
        above, _, start = prefix.rpartition("/")
        with naming(self._root / above, "list"):
            found = [name for name in _folders_in(self._root / above) if name.startswith(start)]
        yield from sorted(name for name in found if above or name != DRAFTS)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects and the folders that they leave empty."""
        touched = set()
        for key in keys:
            path = self.local_path(key)
            with naming(path, "remove"), suppress(FileNotFoundError):
                self._files.remove(path)
                touched.add(path.parent)
        for folder in touched:
            # A folder that is gone by now was emptied by another delete, which syncs the folder above it.
            with naming(folder, "remove"), suppress(FileNotFoundError):
                self._files.sync_folder(self._prune(folder))

    def local_path(self, key: str) -> Path:
        """Return the file of a key; ValueError for a key that leaves the folder."""
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or parts[0] == DRAFTS:
            raise ValueError(f"{key!r} is not a key")
        return self._root.joinpath(*parts)

    def _adopt(self, draft: Path, key: str, *, if_absent: bool) -> None:
        """Sync a finished file and give it its name."""
        target = self.local_path(key)
        with naming(target, "write"):
            fd = self._files.append_to(draft)
            try:
                self._files.sync(fd)
            finally:
                self._files.close(fd)
            with self._folders:
                self._ensure(target.parent)
                try:
                    (self._files.link if if_absent else self._files.replace)(draft, target)
                except FileExistsError:
                    raise AlreadyExists(key) from None
            self._files.sync_folder(target.parent)

    def _ensure(self, folder: Path) -> None:
        """Make sure that a folder exists and will after a crash; called with ``_folders`` held."""
        if folder in self._durable:
            return
        if folder != self._root.parent:
            self._ensure(folder.parent)
            folder.mkdir(exist_ok=True)
            self._files.sync_folder(folder.parent)
        else:
            folder.mkdir(parents=True, exist_ok=True)
        self._durable.add(folder)

    def _prune(self, folder: Path) -> Path:
        """Remove a folder and its parents as far as they are empty; return the first that stays."""
        with self._folders:
            while folder != self._root:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                self._durable.discard(folder)
                folder = folder.parent
        return folder


class LocalDraft:
    """A file being written for a LocalStore."""

    def __init__(self, store: LocalStore, key: str, path: Path) -> None:
        self._store = store
        self._key = key
        self.path = path

    def commit(self) -> FileInfo:
        """Put the file under its key, durably; AlreadyExists when the key is taken."""
        info = describe_file(self._key, self.path)
        self._store._adopt(self.path, self._key, if_absent=True)
        return info


def _folders_in(folder: Path) -> Iterator[str]:
    """Yield the names of the folders in a folder, none when it is not there."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name


def _walk(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the files below a folder; entries that vanish meanwhile are passed over."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            key = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_dir(follow_symlinks=False):
                if key != DRAFTS:
                    yield from _walk(folder / entry.name, key)
            else:
                with suppress(FileNotFoundError):
                    yield ObjectInfo(key, entry.stat().st_size)
