"""Hits of several parts of the rows in one order: nearest first, equal ones by primary key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import core
from elanus.model.columns import fixed_values, varlen_buffers
from elanus.model.hits import Hits

if TYPE_CHECKING:
    from elanus._native.core import KeyBuffers


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where hits lie, query after query.

    counts     int64 [nq]
    parts      int64 [n], the position of each hit's part
    rows       int64 [n], its row there
    distances  float32 [n], smaller is nearer
    """

    counts: NDArray[np.int64]
    parts: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def merge_hits(found: Sequence[tuple[Hits, pa.Array]], offset: int, limit: int, tolerance: float) -> Located | None:
    """Return the places ``offset .. offset + limit`` of each query's hits.

    found      the hits of each part, and the primary keys of all its rows, int64 or large_string
    tolerance  hits whose distances are less than this apart are equal, and their keys decide
    returns    None where it comes to that for hits that don't lie at the same distance
    """
    parts = [(hits.rows, hits.distances, key_buffers(keys)) for hits, keys in found]
    merged = core.merge_hits(parts, offset, limit, tolerance)
    return None if merged is None else Located(*merged)


def key_buffers(keys: pa.Array) -> KeyBuffers:
    """Return primary keys as the native side reads them: numbers, or offsets and text."""
    return (fixed_values(keys), None) if pa.types.is_int64(keys.type) else varlen_buffers(keys)
