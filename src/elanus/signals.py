"""Stop signals: the first one asks for an orderly end, the second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

FORCED = 130
"""Exit code of a process that was stopped at once."""


class StopSignals:
    """Takes SIGINT and SIGTERM from construction on, which must be in the main thread.

    The interpreter writes a byte into a pipe when a signal comes, whatever its threads do; a thread that reads the
    pipe notices it even while the main thread is in native code.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _noticed)
        threading.Thread(target=self._watch, name="elanus-signals", daemon=True).start()

    def wait(self) -> None:
        """Return when the process is asked to stop."""
        self._asked.wait()

    def then(self, action: Callable[[], object]) -> None:
        """Run an action, in a thread of its own, when the process is asked to stop."""

        def run() -> None:
            self.wait()
            action()

        threading.Thread(target=run, name="elanus-stop", daemon=True).start()

    def _watch(self) -> None:
        os.read(self._reader, 1)
        self._asked.set()
        os.read(self._reader, 1)
        os.write(2, b"\nstopped at once; what was acknowledged is in the log\n")
        os._exit(FORCED)


def _noticed(_number: int, _frame: object) -> None:
    """Do nothing: the byte in the pipe is enough."""
