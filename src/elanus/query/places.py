"""Numbers whose equal ones stand together: places within a run, pages of runs, orders turned round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def places_in(counts: Ints) -> Ints:
    """Return the place of each item within its run, int64 [sum(counts)], from 0 on; runs follow one another.

    counts  int64 [runs], items of each
    """
    if len(counts) == 1:
        return np.arange(int(counts[0]))
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def places_among(ascending: Ints) -> Ints:
    """Return the place of each number among those equal to it, int64 [n], from 0 on."""
    return np.arange(len(ascending)) - np.searchsorted(ascending, ascending)


def on_page(places: Ints, offset: int, limit: int) -> NDArray[np.bool_]:
    """Return which places are those of a page: ``offset`` up to ``offset + limit``."""
    page: NDArray[np.bool_] = (places >= offset) & (places < offset + limit)
    return page


def inverse(order: Ints) -> Ints:
    """Return where each item stands in an order: ``inverse(order)[order[i]] == i``."""
    stands = np.empty(len(order), dtype=np.int64)
    stands[order] = np.arange(len(order))
    return stands
