"""Instants moved by calendar months."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus.expr.bound import Shifted
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.operands import load
from elanus.expr.evaluation.source import Source

DAY: Final = 86_400_000_000


@load.register
def load_shifted(operand: Shifted, source: Source) -> Numbers:
    """Move a column's instants."""
    instants = load(operand.operand, source)
    if not isinstance(instants, Numbers):
        raise TypeError("only instants are moved by months")
    return Numbers(add_months(instants.values, operand.months), instants.known)


def add_months(instants: NDArray[np.int64], months: int) -> NDArray[np.int64]:
    """Return instants (microseconds, int64) moved in the calendar of UTC.

    The day of the month stays as a number: where the new month is shorter, what is left is carried into the next one.
    """
    days, time_of_day = np.divmod(instants, DAY)
    dates = days.view("M8[D]")
    first = dates.astype("M8[M]")
    moved = (first + months).astype("M8[D]") + (dates - first.astype("M8[D]"))
    shifted: NDArray[np.int64] = moved.astype(np.int64) * DAY + time_of_day
    return shifted
