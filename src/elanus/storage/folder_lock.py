"""One owner for a data folder: a lock on ``LOCK`` that the kernel drops when the owner dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
import weakref
from pathlib import Path

import msgspec

from elanus.model.errors import DataFolderLocked
from elanus.storage.files import REAL_FILES, make_folder, naming

NAME = "LOCK"


class Holder(msgspec.Struct, frozen=True):
    """Who has a folder open.

    address  where it can be reached, empty until it says so
    started  Unix seconds
    """

    pid: int
    host: str
    address: str
    started: float


class FolderLock:
    """Held from construction until ``close`` or the end of the process.

    raises  DataFolderLocked naming the holder when another process has the folder
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        self.path = folder / NAME
        with naming(self.path, "open"):
            make_folder(REAL_FILES, folder)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            self.announce(address)
        except BaseException:
            self.close()
            raise
        _HELD.add(self)

    def announce(self, address: str) -> None:
        """Write down who holds the folder and where it can be reached."""
        holder = Holder(os.getpid(), socket.gethostname(), address, time.time())
        text = msgspec.json.encode(holder) + b"\n"
        with naming(self.path, "write"):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text, 0)

    def close(self) -> None:
        """Give the folder up."""
        _HELD.discard(self)
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _lock(self) -> None:
        try:
            with naming(self.path, "lock"):
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except Exception as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            holder = read_holder(self.path.parent)
            who = "another process" if holder is None else _describe(holder)
            address = "" if holder is None else holder.address
            raise DataFolderLocked(f"{self.path.parent} is held by {who}", address=address) from error


def read_holder(folder: Path) -> Holder | None:
    """Return who last held a folder, None when that isn't written there; it may be gone by now."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Holder)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _describe(holder: Holder) -> str:
    at = f", at {holder.address}" if holder.address else ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.started))
    return f"process {holder.pid} on {holder.host}{at}, since {since}"


_HELD: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Close a forked child's copies: it shares the lock, and would keep the folder when its parent is gone."""
    for lock in list(_HELD):
        lock.close()


os.register_at_fork(after_in_child=_leave_to_parent)
