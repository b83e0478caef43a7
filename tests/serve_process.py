"""``elanus serve`` as a process of its own, as users run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT_S = 60


class ServeProcess:
    """A server on a free port (or the one given), ready when constructed; ``uri`` is where."""

    def __init__(self, data: Path, *options: str, port: int = 0, env: dict[str, str] | None = None) -> None:
        self.data = data
        self._log = (data.parent / f"{data.name}.log").open("a+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "elanus", "serve", "--data", str(data), "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        self.banner = self.process.stdout.readline()
        found = re.search(r"listening (\S+)", self.banner)
        if found is None:
            self.process.wait(LIMIT_S)
            raise RuntimeError(f"the server did not start: {self.errors()}")
        self.uri = found[1]

    @property
    def port(self) -> int:
        return int(self.uri.rpartition(":")[2])

    def errors(self) -> str:
        """Return what the server logged."""
        self._log.seek(0)
        return self._log.read()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
