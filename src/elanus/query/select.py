"""Queries by filter: matching rows in ascending order of their primary keys, cut to a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model.bitset import Bitset
from elanus.model.columns import take
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows of several segments, ascending by primary key.

    parts  int64 [n], position of the row's segment in ``segments``
    rows   int64 [n], row within that segment
    """

    segments: Sequence[SegmentReader]
    parts: NDArray[np.int64]
    rows: NDArray[np.int64]


def count_rows(pinned: Iterable[tuple[SegmentReader, Bitset | None]]) -> int:
    """Return how many rows are in scope."""
    return sum(segment.num_rows if rows is None else rows.count() for segment, rows in pinned)


def select_rows(
    pinned: Iterable[tuple[SegmentReader, Bitset | None]], primary: int, offset: int, limit: int | None
) -> Selected:
    """Return the page ``offset .. offset + limit`` of the rows in scope; all from ``offset`` on without a limit."""
    taken = [(segment, _rows(segment, rows)) for segment, rows in pinned]
    segments = [segment for segment, _ in taken]
    if not segments:
        nothing = np.zeros(0, dtype=np.int64)
        return Selected(segments, nothing, nothing)
    rows = np.concatenate([rows for _, rows in taken])
    parts = np.repeat(np.arange(len(taken)), [len(rows) for _, rows in taken])
    keys = pa.concat_arrays([take(segment.column(primary).data, rows) for segment, rows in taken])
    order = pc.sort_indices(keys).to_numpy()
    page = order[offset : None if limit is None else offset + limit].astype(np.int64, copy=False)
    return Selected(segments, parts[page], rows[page])


def _rows(segment: SegmentReader, rows: Bitset | None) -> NDArray[np.int64]:
    return np.arange(segment.num_rows, dtype=np.int64) if rows is None else rows.rows()
