"""Top-k results as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest rows of each query, ascending by distance.

    rows       int64 [nq, k], -1 where there are fewer than k
    distances  float32 [nq, k], +inf beside a row of -1; smaller is nearer
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]

    @classmethod
    def none(cls, nq: int, k: int) -> Hits:
        """Return no hit for any of ``nq`` queries."""
        return cls(np.full((nq, k), -1, dtype=np.int64), np.full((nq, k), np.inf, dtype=np.float32))

    @property
    def nq(self) -> int:
        """How many queries were asked."""
        return len(self.rows)
