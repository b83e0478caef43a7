"""Arrays, a row each: their elements end to end, of ARRAY columns and JSON values alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elanus._native import filter
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.truth import Truth
from elanus.expr.members import Members
from elanus.model.bitset import Bitset


class Elements(Protocol):
    """The elements of all arrays of a column."""

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``element op value`` for each element."""

    def is_in(self, members: Members) -> Truth:
        """Return which elements are among ``members``."""


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

    def contains(self, members: Members, *, every: bool) -> Truth:
        """Return where any of the members, or every one, is an element."""
        if not every:
            return Truth(self._any(self.elements.is_in(members)), self.known)
        found = Bitset.all(len(self.offsets) - 1)
        for value in {repr(value): value for value in members.values}.values():
            found &= self._any(self.elements.compare("==", value))
            if not found.any():
                break
        return Truth(found, self.known)

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

    def _any(self, truth: Truth) -> Bitset:
        """Return the rows with at least one TRUE element."""
        return filter.any_in_runs(self.offsets, truth.true_rows(negated=False))
