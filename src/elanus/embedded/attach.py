"""Finding the process that owns a data folder, or starting one."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import elanus
from elanus.embedded.places import EmbeddedError, attaching, log_file, make_private, prepare, socket_path
from elanus.storage.folder_lock import current_holder, read_holder

START_LIMIT_S = 60.0
"""Longest wait for an owner to open its folder."""
HELD_LIMIT_S = 20.0
"""Longest wait for a process that holds the folder to say where it can be reached."""
RETRY_S = 0.02
CONNECT_LIMIT_S = 5.0
LOG_BYTES = 8 * 2**20
"""Size at which a starting owner begins its log anew."""


@contextmanager
def attached(folder: Path) -> Iterator[str]:
    """Give the address of the folder's owner, as a pymilvus ``uri``, started when there is none.

    The owner does not stop inside the block: connect there.

    raises  EmbeddedError with the reason
    cost    a connect when there is an owner; about a second when one is to be started
    """
    prepare(folder)
    with attaching(folder):
        yield _owner_of(folder)


def _owner_of(folder: Path) -> str:
    deadline = time.monotonic() + HELD_LIMIT_S
    while True:
        address = _running(folder) or _start(folder)
        if address is not None:
            return address
        if time.monotonic() > deadline:
            holder = read_holder(folder)
            who = "another process" if holder is None else f"process {holder.pid} on {holder.host}"
            raise EmbeddedError(f"{folder} is held by {who}, which can't be reached")
        time.sleep(RETRY_S)


def _running(folder: Path) -> str | None:
    """Return the address of the process that holds the folder, None when there is none or it can't be reached."""
    holder = current_holder(folder)
    if holder is None or not holder.address:
        return None
    if holder.address.startswith("unix:"):
        return holder.address if _answers(socket.AF_UNIX, holder.address.removeprefix("unix:")) else None
    host, _, port = holder.address.rpartition(":")
    if holder.host != socket.gethostname():
        return None
    host = host.strip("[]")
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    family = socket.AF_INET6 if ":" in reachable else socket.AF_INET
    shown = f"[{reachable}]" if ":" in reachable else reachable
    return f"http://{shown}:{port}" if _answers(family, (reachable, int(port))) else None


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_LIMIT_S)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


def _start(folder: Path) -> str | None:
    """Start an owner and return its address; None when another process holds the folder, maybe about to say where."""
    path = socket_path(folder)
    make_private(path.parent)
    answer = _launch(folder, path)
    if "address" in answer:
        return str(answer["address"])
    if answer.get("locked"):
        return None
    reason = answer.get("error", "the process ended before it was ready")
    raise EmbeddedError(f"{folder} can't be opened: {reason}; see {log_file(folder)}")


def _launch(folder: Path, path: Path) -> dict[str, object]:
    """Run the owner as a process of its own, and return what it says once it is ready or has failed."""
    if not sys.executable:
        raise EmbeddedError("this Python doesn't know its own executable, so it can't start the database's process")
    reader, writer = os.pipe()
    try:
        with _open_log(folder) as log:
            process = subprocess.Popen(
                # -P: files in the current folder must not pass for modules of the owner.
                [sys.executable, "-P", "-m", "elanus.embedded", str(folder), str(path), str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                pass_fds=(writer,),
                start_new_session=True,
            )
    finally:
        os.close(writer)
    try:
        return _read_answer(reader)
    finally:
        os.close(reader)
        process.wait()  # it forks at once and leaves the work to its child


def _open_log(folder: Path) -> BinaryIO:
    path = log_file(folder)
    full = path.exists() and path.stat().st_size > LOG_BYTES
    return path.open("wb" if full else "ab")


def _read_answer(reader: int) -> dict[str, object]:
    deadline = time.monotonic() + START_LIMIT_S
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return {"error": f"not ready after {START_LIMIT_S:.0f} s"}
        part = os.read(reader, 65536)
        if not part:
            break
        text += part
    answer: dict[str, object] = json.loads(text) if text else {}
    return answer


def _environment() -> dict[str, str]:
    """Return the environment for the owner: this one, and the way to this package when it isn't installed."""
    environment = dict(os.environ)
    home = str(Path(elanus.__file__).parents[1])
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    if home not in paths and not any(name in Path(home).parts for name in ("site-packages", "dist-packages")):
        environment["PYTHONPATH"] = os.pathsep.join([*paths, home])
    return environment
