"""Arrays, a row each: their elements end to end, of ARRAY columns and JSON values alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.truth import Mask, Truth
from elanus.model.bitset import Bitset


class Elements(Protocol):
    """The elements of all arrays of a column."""

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``element op value`` for each element."""

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return which elements are among ``values``."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Array values.

    offsets   int64 [rows + 1]: row r holds the elements from offsets[r] up to offsets[r + 1]
    elements  the elements that the offsets count
    known     the rows that are arrays, None when all are
    """

    offsets: NDArray[np.int64]
    elements: Elements
    known: Bitset | None

    def lengths(self) -> Numbers:
        """Return the number of elements of each row."""
        return Numbers(np.diff(self.offsets), self.known)

    def compare(self, _op: str, values: tuple[Any, ...]) -> Truth:
        """Return where the array equals a list; arrays have no order."""
        return self.equals(values)

    def contains(self, values: tuple[Any, ...], *, every: bool) -> Truth:
        """Return where any of the values, or every one, is an element."""
        if not every:
            return Truth(Bitset.from_mask(self._any(self.elements.is_in(values))), self.known)
        found = np.ones(len(self.offsets) - 1, dtype=np.bool_)
        for value in {repr(value): value for value in values}.values():
            found &= self._any(self.elements.compare("==", value))
        return Truth(Bitset.from_mask(found), self.known)

    def equals(self, values: tuple[Any, ...]) -> Truth:
        """Return where the array has exactly these elements in this order; one comparison of a position at a time."""
        rows = np.flatnonzero(np.diff(self.offsets) == len(values))
        for position, value in enumerate(values):
            if not len(rows):
                break
            equal = self.elements.compare("==", value).true_rows(negated=False).mask()
            rows = rows[equal[self.offsets[rows] + position]]
        found = np.zeros(len(self.offsets) - 1, dtype=np.bool_)
        found[rows] = True
        return Truth(Bitset.from_mask(found), self.known)

    def _any(self, truth: Truth) -> Mask:
        """Return the rows with at least one TRUE element."""
        hits = np.zeros(self.offsets[-1] + 1, dtype=np.int64)
        np.cumsum(truth.true_rows(negated=False).mask()[: self.offsets[-1]], out=hits[1:])
        found: Mask = hits[self.offsets[1:]] > hits[self.offsets[:-1]]
        return found
