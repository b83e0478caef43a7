"""Hybrid time: 46 bits of Unix milliseconds over 18 logical bits, as Milvus' timestamp oracle counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NewType

Timestamp = NewType("Timestamp", int)

LOGICAL_BITS = 18
NEVER = Timestamp(0)
"""Before every timestamp."""


def compose(unix_ms: int, logical: int = 0) -> Timestamp:
    """Return the timestamp of a millisecond and a logical count."""
    return Timestamp((unix_ms << LOGICAL_BITS) + logical)


def physical_ms(at: int) -> int:
    """Return the Unix milliseconds of a timestamp."""
    return at >> LOGICAL_BITS


class Clock:
    """Issues timestamps and ids that never repeat nor run backwards, across restarts and clock steps too.

    lease     stores a ceiling durably; nothing at or above the stored ceiling is ever issued
    ceiling   what the last lease stored, 0 on a new data folder
    lease_ms  how far ahead of the issued time a ceiling is stored; one durable write an interval

    One source serves timestamps and ids, so an id is also unique among timestamps.
    """

    def __init__(
        self,
        lease: Callable[[Timestamp], None],
        ceiling: Timestamp = NEVER,
        *,
        lease_ms: int = 30_000,
        unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._lease = lease
        self._unix_ms = unix_ms
        self._lease_ms = lease_ms
        self._ceiling = ceiling
        self._next = ceiling
        self._lock = threading.Lock()

    def now(self) -> Timestamp:
        """Return the next timestamp, larger than every earlier one."""
        return self.block(1)

    def block(self, count: int) -> Timestamp:
        """Reserve ``count`` consecutive values and return the first."""
        with self._lock:
            first = max(self._next, compose(self._unix_ms()))
            self._next = Timestamp(first + count)
            if self._next > self._ceiling:
                ceiling = compose(physical_ms(self._next) + self._lease_ms)
                # Stored first: when that fails, the next call tries again rather than trusting what is not on disk.
                self._lease(ceiling)
                self._ceiling = ceiling
            return Timestamp(first)
