"""Background work: a few threads, one job a key at a time, nothing lost on an error but the attempt."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable

log = logging.getLogger("elanus.jobs")


class Jobs:
    """Runs jobs on daemon threads: ``builders`` for long ones, and one more that only short ones get.

    So a flush never waits for an index build. A job is named by a key. Submitting a key that waits is a no-op;
    submitting one that runs makes it run once more afterwards. So "look again" can be said at any time, from anywhere,
    at no cost.
    """

    def __init__(self, builders: int) -> None:
        self._wake = threading.Condition()
        self._builders = builders
        self._long: set[Hashable] = set()
        self._waiting: deque[Hashable] = deque()
        self._jobs: dict[Hashable, Callable[[], object]] = {}
        self._running: set[Hashable] = set()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"elanus-job-{number}", daemon=True)
            for number in range(builders + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, key: Hashable, job: Callable[[], object], *, long: bool = False) -> None:
        """Run ``job`` soon, unless one of the same key waits already.

        long  it may take minutes, as index builds do; all jobs of a key are long or none is
        """
        with self._wake:
            if self._closed:
                return
            if long:
                self._long.add(key)
            if key not in self._jobs:
                self._waiting.append(key)
            self._jobs[key] = job
            self._wake.notify()

    def wait(self, key: Hashable) -> None:
        """Wait until no job of that key waits or runs."""
        with self._wake:
            self._wake.wait_for(lambda: key not in self._jobs and key not in self._running)

    def wait_idle(self) -> None:
        """Wait until no job waits or runs."""
        with self._wake:
            self._wake.wait_for(lambda: not self._jobs and not self._running)

    def forget(self, key: Hashable) -> None:
        """Drop a job that waits, and wait for one that runs."""
        with self._wake:
            if self._jobs.pop(key, None) is not None:
                self._waiting.remove(key)
            self._wake.wait_for(lambda: key not in self._running)
            self._long.discard(key)

    def close(self) -> None:
        """Drop what waits, finish what runs, and end the threads."""
        with self._wake:
            self._closed = True
            self._waiting.clear()
            self._jobs.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def _next(self) -> tuple[Hashable, Callable[[], object]] | None:
        with self._wake:
            while True:
                if self._closed:
                    return None
                # A copy: a finalizer may submit a job from within this very loop.
                for key in tuple(self._waiting):
                    if self._may_run(key):
                        self._waiting.remove(key)
                        self._running.add(key)
                        return key, self._jobs.pop(key)
                self._wake.wait()

    def _may_run(self, key: Hashable) -> bool:
        if key in self._running:
            return False
        return key not in self._long or len(self._running & self._long) < self._builders

    def _work(self) -> None:
        while (item := self._next()) is not None:
            key, job = item
            try:
                job()
            except Exception:
                log.exception("background job failed: %s", key)
            finally:
                del item, job  # a thread that waits keeps nothing of what it did last
                with self._wake:
                    self._running.discard(key)
                    self._wake.notify_all()
