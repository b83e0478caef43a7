"""The one order of hits: nearest first, equal ones by primary key, then by element."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

TOLERANCE: Final = np.float32(1.19e-8)
"""Distances less than this apart are equal. Floats of 32 bits are so near each other only below an eighth."""


def order_hits(
    query: NDArray[np.int64],
    distances: NDArray[np.float32],
    keys: pa.Array,
    elements: NDArray[np.int64] | None = None,
    *,
    tolerance: float | np.float32 = TOLERANCE,
) -> NDArray[np.int64]:
    """Return the positions of hits by query, then distance, then primary key, then element.

    query      int64 [n], which query the hit belongs to
    distances  float32 [n], smaller is nearer
    keys       int64 or large_string [n]; strings compare bytewise
    elements   int64 [n], for hits that are elements of a row
    tolerance  distances less than this apart are equal
    """
    if tolerance == 0:
        exact = (ranks_of(keys), distances, query)
        return np.lexsort(exact if elements is None else (elements, *exact))
    order: NDArray[np.int64] = np.lexsort((distances, query))
    sorted_distances, sorted_queries = distances[order], query[order]
    with np.errstate(invalid="ignore"):  # infinities
        near = (sorted_distances[1:] - sorted_distances[:-1]) < np.float32(tolerance)
    near |= sorted_distances[1:] == sorted_distances[:-1]
    near &= sorted_queries[1:] == sorted_queries[:-1]
    if not near.any():
        return order
    runs = np.concatenate(([0], np.cumsum(~_within_reach(near, sorted_distances, np.float32(tolerance)))))
    ranks = ranks_of(keys)[order]
    last = (ranks, runs) if elements is None else (elements[order], ranks, runs)
    tied: NDArray[np.int64] = order[np.lexsort(last)]
    return tied


def ranks_of(keys: pa.Array) -> NDArray[np.int64]:
    """Return the place of each key among all, int64; equal keys have the same."""
    if pa.types.is_int64(keys.type):
        return np.asarray(keys.to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.asarray(pc.rank(keys, tiebreaker="dense").to_numpy(), dtype=np.int64)


def _within_reach(near: NDArray[np.bool_], distances: NDArray[np.float32], tolerance: np.float32) -> NDArray[np.bool_]:
    """Return which hits are equal to the first of their run, rather than only to their neighbour; bool [n - 1]."""
    apart = np.flatnonzero(near & (distances[1:] != distances[:-1]))
    if not len(apart):
        return near
    same = near.copy()
    begins = np.maximum.accumulate(np.where(near, 0, np.arange(1, len(distances))))
    begun = 0
    for place in apart.tolist():
        begun = max(begun, int(begins[place]))
        if distances[place + 1] - distances[begun] >= tolerance:
            same[place], begun = False, place + 1
    return same
