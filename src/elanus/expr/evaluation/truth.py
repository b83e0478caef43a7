"""The answer of one leaf for every row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus.model.bitset import Bitset

Mask = NDArray[np.bool_]


class Truth(NamedTuple):
    """A three-valued answer.

    value  the rows that are TRUE; anything where the row is UNKNOWN
    known  the rows that are not UNKNOWN; None when every row is known
    """

    value: Bitset
    known: Bitset | None

    @classmethod
    def of(cls, value: Mask, known: Mask | None) -> Truth:
        """Return the answer that masks (bool [rows]) give."""
        return cls(Bitset.from_mask(value), None if known is None else Bitset.from_mask(known))

    def true_rows(self, *, negated: bool) -> Bitset:
        """Return the rows that are TRUE, or FALSE when negated."""
        if negated:
            return ~self.value if self.known is None else self.known - self.value
        return self.value if self.known is None else self.value & self.known
