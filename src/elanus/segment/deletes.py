"""Tombstones: for each row of a segment the timestamp at which it was deleted or replaced.

One writer marks, under its shard's lock. Readers look on without a lock: a mark made after a reader's timestamp
doesn't change what that reader sees, and an aligned eight-byte store is never seen half done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus.model.bitset import Bitset
from elanus.model.time import Timestamp


class Tombstones:
    """When each row of one segment died; 0 for the living."""

    def __init__(self) -> None:
        self._times: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._cached: tuple[int, int, Bitset] | None = None
        self.count = 0
        self.last = Timestamp(0)

    @classmethod
    def of(cls, rows: NDArray[np.int64], at: NDArray[np.uint64]) -> Tombstones:
        """Return tombstones for ``rows`` (int64, distinct) at the given timestamps (uint64)."""
        tombstones = cls()
        if len(rows):
            tombstones._reserve(int(rows.max()) + 1)
            tombstones._times[rows] = at
            tombstones.count = len(rows)
            tombstones.last = Timestamp(int(at.max()))
        return tombstones

    def mark(self, rows: NDArray[np.int64], at: Timestamp) -> int:
        """Mark living rows dead at ``at``; return how many lived."""
        if not len(rows):
            return 0
        self._reserve(int(rows.max()) + 1)
        living = np.unique(rows[self._times[rows] == 0])
        if len(living):
            # `last` moves first: a reader that still counts the old tombstones sees it and caches nothing.
            self.last = max(self.last, at)
            self._times[living] = at
            self.count += len(living)
        return len(living)

    def _reserve(self, num_rows: int) -> None:
        if num_rows > len(self._times):
            grown = np.zeros(max(num_rows, 2 * len(self._times)), dtype=np.uint64)
            grown[: len(self._times)] = self._times
            self._times = grown

    def dead_rows(self, through: Timestamp) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the rows dead at ``through`` or before (int64, ascending) and when they died (uint64)."""
        times = self._times
        rows = np.flatnonzero((times != 0) & (times <= np.uint64(through)))
        return rows.astype(np.int64, copy=False), times[rows]

    def living(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some rows live, bool [rows]; cost by them, not by the segment."""
        times = self._times
        known = rows < len(times)
        living = np.ones(len(rows), dtype=np.bool_)
        living[known] = times[rows[known]] == 0
        return living

    def times(self, num_rows: int) -> NDArray[np.uint64]:
        """Return when each of the first rows died, uint64 [num_rows], 0 for the living; a copy."""
        times = np.zeros(num_rows, dtype=np.uint64)
        known = self._times[:num_rows]
        times[: len(known)] = known
        return times

    def alive(self, at: Timestamp, num_rows: int) -> Bitset | None:
        """Return the rows of the first ``num_rows`` that live at ``at``; None when all do."""
        count = self.count
        if count == 0:
            return None
        cached = self._cached
        if cached is not None and cached[0] == count and cached[1] == num_rows and at >= self.last:
            return cached[2]
        settled = at >= self.last
        times = self.times(num_rows)
        alive = Bitset.from_mask((times == 0) | (times > np.uint64(at)))
        if settled and count == self.count:
            self._cached = (count, num_rows, alive)
        return alive
