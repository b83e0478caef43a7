"""What the recall probe learned of a segment since its graph was calibrated."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

STEP: Final = 1.25
MOST: Final = 8.0


class Adjustment:
    """By what factor walks are widened beyond the calibration; any thread reads it without a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._factor = 1.0

    @property
    def factor(self) -> float:
        """1 until a probe finds too little, at most MOST."""
        return self._factor

    @property
    def exhausted(self) -> bool:
        """Whether it can't be raised further, so that only a new graph helps."""
        return self._factor >= MOST

    def widened(self, ef: int, num_rows: int) -> int:
        """Return the width to walk with instead of ``ef``, never more than the rows unless ``ef`` is."""
        factor = self._factor
        return ef if factor == 1.0 else max(ef, min(math.ceil(ef * factor), num_rows))

    def raise_step(self) -> float:
        """Widen by a quarter; returns the new factor."""
        with self._lock:
            self._factor = min(self._factor * STEP, MOST)
            return self._factor


@dataclass(frozen=True, slots=True)
class Promise:
    """What a walk owes whose width was left to the index: a recall, and where to ask for more width."""

    target: float
    adjustment: Adjustment
