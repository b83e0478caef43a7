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
ATTEMPTS, PAUSE_S = 5, 0.01
"""How a taken lock is tried again: somebody who only looks whether it is taken holds it for an instant."""


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
        with naming(self.path, "lock"):
            for _ in range(ATTEMPTS):
                if _taken(self._fd, fcntl.LOCK_EX):
                    return
                time.sleep(PAUSE_S)
        holder = read_holder(self.path.parent)
        who = "another process" if holder is None else _describe(holder)
        address = "" if holder is None else holder.address
        raise DataFolderLocked(f"{self.path.parent} is held by {who}", address=address)


def read_holder(folder: Path) -> Holder | None:
    """Return who last held a folder, None when that isn't written there; it may be gone by now."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Holder)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def current_holder(folder: Path) -> Holder | None:
    """Return who holds a folder now; None when nobody does, or when the holder hasn't said who it is."""
    try:
        fd = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _taken(fd, fcntl.LOCK_SH) else read_holder(folder)
    finally:
        os.close(fd)


def _taken(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
