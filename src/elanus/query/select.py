"""Queries by filter: matching rows in ascending order of their primary keys, cut to a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import fixed_values, take
from elanus.model.schema import Field
from elanus.query.key_range import KeyRange, split_range
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned, Scope, passing, visible

SMALLEST_WINDOW: Final = 4096
"""A filter is asked about at least so many rows at a time: fewer cost about as much."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows of several segments, ascending by primary key.

    parts  int64 [n], position of the row's segment in ``segments``
    rows   int64 [n], row within that segment
    """

    segments: Sequence[SegmentReader]
    parts: Rows
    rows: Rows


def count_rows(pinned: Iterable[Pinned]) -> int:
    """Return how many rows are in scope."""
    return sum(segment.num_rows if rows is None else rows.count() for segment, rows in pinned)


def select_rows(pinned: Iterable[Pinned], primary: int, offset: int, limit: int | None) -> Selected:
    """Return the page ``offset .. offset + limit`` of the rows in scope; all from ``offset`` on without a limit."""
    return _page([(segment, _rows(segment, rows)) for segment, rows in pinned], primary, offset, limit)


def select_first(scopes: Iterable[tuple[SegmentReader, Scope]], primary: Field, offset: int, limit: int) -> Selected:
    """Return what ``select_rows`` does, reading of each segment no more than the page may need.

    scopes  segments and what to read of them; no scope lists keys
    cost    sealed segments are sorted by key: the rows up to the last one that is needed. Growing ones: a look at the
            key of every row, and at what else the filter asks of those in its range
    raises  Expired or Cancelled once nobody waits for the answer
    """
    found = []
    for segment, scope in scopes:
        deadline.check()
        keys, rest = split_range(scope.where, primary)
        first = _first_sorted if segment.sorted_by_key else _first_unsorted
        rows = first(segment, replace(scope, where=rest), keys, primary.id, offset + limit)
        if len(rows):
            found.append((segment, rows))
    return _page(found, primary.id, offset, limit)


def _page(found: Sequence[tuple[SegmentReader, Rows]], primary: int, offset: int, limit: int | None) -> Selected:
    """Return a page of rows that ascend by key in each segment that is sorted by key."""
    segments = [segment for segment, _ in found]
    stop = None if limit is None else offset + limit
    if len(found) == 1 and segments[0].sorted_by_key:
        rows = found[0][1][offset:stop]
        return Selected(segments, np.zeros(len(rows), dtype=np.int64), rows)
    if not segments:
        nothing = np.zeros(0, dtype=np.int64)
        return Selected(segments, nothing, nothing)
    rows = np.concatenate([rows for _, rows in found])
    parts = np.repeat(np.arange(len(found)), [len(rows) for _, rows in found])
    keys = pa.concat_arrays([take(segment.column(primary).data, rows) for segment, rows in found])
    page = _by_key(keys)[offset:stop]
    return Selected(segments, parts[page], rows[page])


def _by_key(keys: pa.Array) -> Rows:
    """Return the positions of keys in ascending order; runs that ascend already are only merged."""
    if pa.types.is_int64(keys.type):
        return np.argsort(fixed_values(keys), kind="stable").astype(np.int64, copy=False)
    order: Rows = pc.sort_indices(keys).to_numpy().astype(np.int64, copy=False)
    return order


def _rows(segment: SegmentReader, rows: Bitset | None) -> Rows:
    return np.arange(segment.num_rows, dtype=np.int64) if rows is None else rows.rows()


# --- the first rows of one segment ---


def _first_sorted(segment: SegmentReader, scope: Scope, wanted: KeyRange, primary: int, count: int) -> Rows:
    """Return the first rows of a range of keys that pass, ascending: windows of them, each twice the one before."""
    start, stop = wanted.span(segment.column(primary).data)
    seen = visible(segment, scope)
    if seen is None and scope.where is None:
        return np.arange(start, min(stop, start + count), dtype=np.int64)
    found, missing, width = [], count, max(count, SMALLEST_WINDOW)
    while start < stop and missing > 0:
        deadline.check()
        window = np.arange(start, min(stop, start + width), dtype=np.int64)
        within = Bitset.from_rows(window, segment.num_rows, ascending=True)
        passed = passing(segment, scope, intersect(seen, within))
        rows = window if passed is None else passed.rows()
        found.append(rows[:missing])
        missing -= len(found[-1])
        start, width = start + width, 2 * width
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _first_unsorted(segment: SegmentReader, scope: Scope, wanted: KeyRange, primary: int, count: int) -> Rows:
    """Return the rows of the smallest keys of a range that pass, in any order."""
    keys = segment.column(primary).data
    inside = intersect(visible(segment, scope), wanted.among(keys))
    rows = _rows(segment, passing(segment, scope, inside))
    return rows if len(rows) <= count else rows[_smallest(take(keys, rows), count)]


def _smallest(keys: pa.Array, count: int) -> Rows:
    """Return the positions of the smallest keys, in any order."""
    if pa.types.is_int64(keys.type):
        return np.argpartition(fixed_values(keys), count - 1)[:count].astype(np.int64, copy=False)
    table = pa.table({"key": keys})
    order: Rows = pc.select_k_unstable(table, k=count, sort_keys=[("key", "ascending")]).to_numpy().astype(np.int64)
    return order
