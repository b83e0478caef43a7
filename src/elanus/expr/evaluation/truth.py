"""The answer of one leaf for every row, and the operators that all kinds of values share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Truth(NamedTuple):
    """A three-valued answer.

    value  bool [rows]: TRUE or FALSE; anything where the row is UNKNOWN
    known  bool [rows]: False where UNKNOWN; None when every row is known
    """

    value: Mask
    known: Mask | None

    def true_rows(self, *, negated: bool) -> Mask:
        """Return the rows that are TRUE, or FALSE when negated."""
        value = ~self.value if negated else self.value
        return value if self.known is None else value & self.known


def both_known(left: Mask | None, right: Mask | None) -> Mask | None:
    """Return the rows known on both sides."""
    if left is None or right is None:
        return right if left is None else left
    return left & right


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
