"""A server in a process of its own on a core of its own: start, CPU time, memory, end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_CPU, CLIENT_CPU = 0, 1
REST_S, REST_CPU_S = 1.0, 0.05
REST_LIMIT_S = 300.0

Command = Callable[[int, Path], list[str]]
"""Port and data folder to a command line."""


class Server:
    """A server process pinned to its core."""

    def __init__(self, command: Command, data: Path) -> None:
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        self.uri = f"http://{self.target}"
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *command(self.port, data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def cpu_s(self) -> float:
        """Return the CPU seconds, user and system, of the process and its children so far."""
        return sum(_cpu_s(pid) for pid in _family(self.process.pid))

    def anonymous_mb(self) -> float:
        """Return the anonymous resident memory of the process and its children."""
        return sum(_status_kb(pid, "RssAnon") for pid in _family(self.process.pid)) / 1024

    def rest(self) -> None:
        """Wait until the server has nothing left to do in the background; raises TimeoutError after five minutes."""
        deadline = time.perf_counter() + REST_LIMIT_S
        used = self.cpu_s()
        while time.perf_counter() < deadline:
            time.sleep(REST_S)
            before, used = used, self.cpu_s()
            if used - before < REST_CPU_S:
                return
        raise TimeoutError("the server does not come to rest")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process."""
        self.process.send_signal(how)
        self.process.wait(timeout=120)


@contextmanager
def running(command: Command, data: Path) -> Iterator[Server]:
    """Return a server that is killed at the end, unless it has been stopped."""
    server = Server(command, data)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def elanus_command(port: int, data: Path) -> list[str]:
    """Return the command of our server."""
    return [sys.executable, "-m", "elanus", "serve", "--data", str(data), "--port", str(port)]


def milvus_lite_command(python: Path) -> Command:
    """Return the command of the peer, run by the interpreter that has it."""
    server = str(python.with_name("milvus-lite"))
    options = ["server", "--host", "127.0.0.1"]
    return lambda port, data: [server, *options, "--data-dir", str(data), "--port", str(port)]


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, limit_s: float = 60) -> None:
    """Wait until something listens; raises TimeoutError."""
    deadline = time.perf_counter() + limit_s
    while time.perf_counter() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise TimeoutError(f"nothing listens on port {port}")


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _status_kb(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
