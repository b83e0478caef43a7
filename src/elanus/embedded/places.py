"""Where an embedded database keeps what is not data: its socket, its log, the lock under which it starts and stops."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET_PATH_BYTES = 107
"""Longest path that the kernel takes for a Unix socket."""

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|unix:|[\w.-]+:\d+(?:/|$))", re.IGNORECASE)


class EmbeddedError(Exception):
    """An embedded database that can't be opened; the message says why."""


def local_folder(uri: object) -> Path | None:
    """Return the data folder that a client's ``uri`` means, absolute; None when it is the address of a server.

    An address has a scheme (``http://host:19530``, ``unix:/path``) or a port (``host:19530``); the rest are paths.
    """
    if isinstance(uri, str) and (not uri or _ADDRESS.match(uri)):
        return None
    if not isinstance(uri, str | os.PathLike):
        return None
    return Path(uri).expanduser().resolve()


def prepare(folder: Path) -> None:
    """Make the data folder; EmbeddedError when that can't be."""
    if folder.exists() and not folder.is_dir():
        raise EmbeddedError(f"{folder} is a file; an Elanus database is a folder. Name another path")
    if not folder.parent.is_dir():
        raise EmbeddedError(f"{folder} can't be made: there is no folder {folder.parent}")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{folder} can't be made: {error.strerror}") from error


def log_file(folder: Path) -> Path:
    """Return where the process of a folder writes its log."""
    return folder / "embedded.log"


def socket_path(folder: Path) -> Path:
    """Return the path of a folder's socket: short, the same for every process of this user."""
    name = hashlib.blake2b(os.fsencode(folder), digest_size=10).hexdigest() + ".sock"
    for base in (tempfile.gettempdir(), "/tmp"):
        path = Path(base) / f"elanus-{os.getuid()}" / name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
    raise EmbeddedError(f"no path short enough for the socket of {folder}")


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter; EmbeddedError when another user made it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} must be a folder of this user that nobody else can enter; remove it")


@contextmanager
def attaching(folder: Path) -> Iterator[None]:
    """Hold the lock under which clients attach, owners start and owners stop; others wait.

    Released in every process that inherited it by a fork, too.
    """
    fd = os.open(folder / "ATTACH", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)
