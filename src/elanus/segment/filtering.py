"""Which rows of a segment a read may return: visible, not expired, and passing the filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from elanus.expr import BoundExpr, RawJson, Step, select
from elanus.model.bitset import Bitset, intersect
from elanus.model.time import NEVER, Timestamp
from elanus.segment.base import SegmentReader

Pinned = tuple[SegmentReader, Bitset | None]
"""A segment, and the rows of it that a read goes over, None for all."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a read sees.

    at        rows written later, or deleted at this time or before, are not seen
    expired   rows written at this time or before have expired; 0 when rows don't
    where     the filter, None for none
    keys      the primary keys that a row must have when the filter lists some: int64 or large_string
    raw_json  the filter reads JSON from the rows' texts, not from typed columns
    rest      what the filter asks of the rows with its keys, None for nothing more
    """

    at: Timestamp
    expired: Timestamp = NEVER
    where: BoundExpr | None = None
    keys: pa.Array | None = None
    raw_json: bool = False
    rest: BoundExpr | None = None


def keep(segment: SegmentReader, scope: Scope) -> Bitset | None:
    """Return the rows in scope, None when all rows are."""
    return passing(segment, scope, visible(segment, scope))


def passing(segment: SegmentReader, scope: Scope, seen: Bitset | None, trace: Step | None = None) -> Bitset | None:
    """Return those of the visible rows that pass the filter; None stands for all rows.

    trace  filled with what was done, when given
    """
    found = None if scope.keys is None else _by_keys(segment, scope.keys, seen)
    source = RawJson(segment) if scope.raw_json else segment
    if found is not None:
        step = _trace_keys(trace, segment, found, scope.rest)
        return found if scope.rest is None else select(scope.rest, source, found, step)
    return seen if scope.where is None else select(scope.where, source, seen, trace)


def _trace_keys(trace: Step | None, segment: SegmentReader, found: Bitset, rest: BoundExpr | None) -> Step | None:
    """Say that keys were looked up; return the step of what else is asked of their rows."""
    if trace is None:
        return None
    trace.how, trace.rows_in, trace.rows_out = "primary key", segment.num_rows, found.count()
    trace.steps = [] if rest is None else [Step(rest)]
    return trace.steps[0] if trace.steps else None


def visible(segment: SegmentReader, scope: Scope) -> Bitset | None:
    """Return the rows that the read sees, whatever the filter; None when all are."""
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
