"""Which rows of a segment a read may return: visible, not expired, and passing the filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from elanus.expr import BoundExpr, select
from elanus.model.bitset import Bitset, intersect
from elanus.model.time import NEVER, Timestamp
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True)
class Scope:
    """What a read sees.

    at       rows written later, or deleted at this time or before, are not seen
    expired  rows written at this time or before have expired; 0 when rows don't
    where    the filter, None for none
    keys     set when the filter is exactly a list of primary keys: int64 or large_string
    """

    at: Timestamp
    expired: Timestamp = NEVER
    where: BoundExpr | None = None
    keys: pa.Array | None = None


def keep(segment: SegmentReader, scope: Scope) -> Bitset | None:
    """Return the rows in scope, None when all rows are."""
    visible = _visible(segment, scope)
    if scope.keys is not None:
        found = _by_keys(segment, scope.keys, visible)
        if found is not None:
            return found
    if scope.where is None:
        return visible
    return select(scope.where, segment, visible)


def _visible(segment: SegmentReader, scope: Scope) -> Bitset | None:
    alive = segment.alive(scope.at)
    if not scope.expired:
        return alive
    fresh = segment.timestamps() > np.uint64(scope.expired)
    return alive if fresh.all() else intersect(alive, Bitset.from_mask(fresh))


def _by_keys(segment: SegmentReader, keys: pa.Array, visible: Bitset | None) -> Bitset | None:
    """Return the visible rows of some keys; None when a newer version hides one that an older read may see."""
    rows = segment.rows_of(keys)
    rows = rows[rows >= 0]
    found = Bitset.from_rows(rows, segment.num_rows)
    if visible is None:
        return found
    seen = found & visible
    return seen if seen.count() == found.count() else None
