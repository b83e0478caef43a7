"""Stop signals: the first one asks for an orderly end, the second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

STOP = {signal.SIGINT, signal.SIGTERM}
FORCED = 130


class StopSignals:
    """Takes SIGINT and SIGTERM from construction on; construct it in the main thread, before any other thread starts.

    The signals are blocked and awaited by a thread of their own, so they are noticed while every other thread is in
    native code.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
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
        signal.sigwait(STOP)
        self._asked.set()
        signal.sigwait(STOP)
        os.write(2, b"\nstopped at once; what was acknowledged is in the log\n")
        os._exit(FORCED)
