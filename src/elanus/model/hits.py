"""Top-k results as arrays, and what it took to find them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest rows of each query, ascending by distance.

    rows       int64 [nq, k], -1 where there are fewer than k
    distances  float32 [nq, k], +inf beside a row of -1; smaller is nearer
    elements   int64 [nq, k], which element of its row a hit is, -1 beside a row of -1; None where hits are rows
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]
    elements: NDArray[np.int64] | None = None

    @classmethod
    def none(cls, nq: int, k: int) -> Hits:
        """Return no hit for any of ``nq`` queries."""
        return cls(np.full((nq, k), -1, dtype=np.int64), np.full((nq, k), np.inf, dtype=np.float32))

    def ordered(self) -> Hits:
        """Return each query's hits by distance, equal ones by row and element, what is no hit at the end."""
        elements = np.zeros_like(self.rows) if self.elements is None else self.elements
        order = np.lexsort((elements, self.rows, self.distances, self.rows < 0), axis=-1)
        return Hits(
            np.take_along_axis(self.rows, order, axis=1),
            np.take_along_axis(self.distances, order, axis=1),
            None if self.elements is None else np.take_along_axis(elements, order, axis=1),
        )

    @property
    def nq(self) -> int:
        """How many queries were asked."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Work:
    """What a search of one segment took, of all its queries together; for ``explain`` and tests.

    strategy  how rows were found: ``scan``, ``exact``, ``lists``, ``codes``, ``elements`` (rows by their
              elements), or the graph's strategy that ran at last
    hops      nodes of a graph whose links were followed
    scored    rows that were measured by their codes along the way
    scanned   rows that were measured because a scan was cheaper, or was left to do
    switched  whether another strategy took over on the way
    """

    strategy: str
    hops: int = 0
    scored: int = 0
    scanned: int = 0
    switched: bool = False
