"""The rows behind each key of an index: listed one after another, or as a bitmap a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from elanus._native import postings
from elanus.index.scalar.keys import Spans
from elanus.index.sections import Section, Sections
from elanus.model.bitset import Bitset

Starts = NDArray[np.int64]
"""int64 [keys + 1]: key ``k`` has the postings from ``starts[k]`` up to ``starts[k + 1]``."""

ROWS: Final = "rows"
BITMAPS: Final = "bitmaps"

_BITMAP_BYTES_A_ROW = 16
"""Bytes of bitmaps that are read in the time in which one listed row's bit is set."""


class Body(Protocol):
    """The rows behind the keys."""

    @property
    def layout(self) -> str:
        """Its name in headers."""

    @property
    def sections(self) -> Mapping[str, Section]:
        """What is saved of it."""

    @property
    def whole(self) -> int:
        """What ``union`` of all keys takes, in listed rows."""

    def work(self, spans: Spans) -> int:
        """Return what ``union`` takes, in listed rows."""

    def union(self, spans: Spans) -> Bitset:
        """Return the rows behind the keys of any span."""


class RowLists:
    """Row numbers, grouped by key and ascending within one.

    rows  uint32 [postings]
    """

    layout: Final = "rows"

    def __init__(self, starts: Starts, rows: NDArray[np.uint32], num_rows: int) -> None:
        self.starts = starts
        self.rows = rows
        self.num_rows = num_rows

    @property
    def sections(self) -> Mapping[str, Section]:
        """The row numbers."""
        return {ROWS: self.rows}

    @property
    def whole(self) -> int:
        """How many rows are listed."""
        return len(self.rows)

    def work(self, spans: Spans) -> int:
        """Return how many rows are listed."""
        first, end = self.starts[spans].sum(axis=0).tolist()
        return int(end - first)

    def union(self, spans: Spans) -> Bitset:
        """Set the bit of each row that is listed; about 1 ns a row."""
        return postings.union(self.rows, self.starts[spans], self.num_rows)


class Bitmaps:
    """One bitmap a key.

    bits  uint8 [keys, ceil(num_rows / 8)], as in ``Bitset``
    """

    layout: Final = "bitmaps"

    def __init__(self, bits: NDArray[np.uint8], num_rows: int) -> None:
        self.bits = bits
        self.num_rows = num_rows

    @classmethod
    def of(cls, lists: RowLists) -> Bitmaps:
        """Return what listed rows are as bitmaps."""
        spans = np.stack([lists.starts[:-1], lists.starts[1:]], axis=1)
        bits = [postings.union(lists.rows, one, lists.num_rows).bits for one in spans]  # of keys, which are few
        width = (lists.num_rows + 7) // 8
        return cls(np.array(bits, dtype=np.uint8).reshape(len(bits), width), lists.num_rows)

    @property
    def sections(self) -> Mapping[str, Section]:
        """The bitmaps end to end."""
        return {BITMAPS: self.bits.reshape(-1)}

    @property
    def whole(self) -> int:
        """The time of reading all bitmaps, in listed rows."""
        return self.bits.size // _BITMAP_BYTES_A_ROW

    def work(self, spans: Spans) -> int:
        """Return the time of reading the bitmaps, in listed rows."""
        first, end = spans.sum(axis=0).tolist()
        return int(end - first) * int(self.bits.shape[1]) // _BITMAP_BYTES_A_ROW

    def union(self, spans: Spans) -> Bitset:
        """Join the bitmaps of the spans."""
        bits = np.zeros(self.bits.shape[1], dtype=np.uint8)
        for first, end in spans:  # a loop over keys
            bits |= np.bitwise_or.reduce(self.bits[first:end], axis=0)
        return Bitset(bits, self.num_rows)


def read_rows(sections: Sections, starts: Starts, num_rows: int) -> RowLists:
    """Return listed rows from a file; DataCorrupted for one that the segment doesn't have."""
    rows = sections.numbers(ROWS, np.uint32, int(starts[-1]))
    if len(rows) and int(rows.max()) >= num_rows:
        raise sections.damaged(ROWS, f"there is no row {rows.max()} among {num_rows}")
    return RowLists(starts, rows, num_rows)


def read_bitmaps(sections: Sections, starts: Starts, num_rows: int) -> Bitmaps:
    """Return bitmaps from a file; DataCorrupted where a bit is set past the last row."""
    keys, width = len(starts) - 1, (num_rows + 7) // 8
    bits = sections.numbers(BITMAPS, np.uint8, keys * width).reshape(keys, width)
    if num_rows % 8 and (bits[:, -1] >> num_rows % 8).any():
        raise sections.damaged(BITMAPS, f"there are rows past the last of {num_rows}")
    return Bitmaps(bits, num_rows)


BODY_READERS: Mapping[str, Callable[[Sections, Starts, int], Body]] = {
    RowLists.layout: read_rows,
    Bitmaps.layout: read_bitmaps,
}
