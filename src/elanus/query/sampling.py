"""``random_sample``: a uniform part of the rows that a read goes over, over all segments together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from elanus.model.bitset import Bitset
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned


def sample(pinned: Iterable[Pinned], fraction: float, random: np.random.Generator) -> Iterator[Pinned]:
    """Yield a random choice of the rows, every set of that size being equally likely.

    pinned    segments, and their rows (None for all of them)
    fraction  of n rows max(1, floor(fraction * n)) are chosen, of none none
    cost      each segment's rows are counted first; then about 10 ns a row of those that rows are chosen from
    """
    segments = list(pinned)
    counts = np.array([_count(segment, rows) for segment, rows in segments], dtype=np.int64)
    total = int(counts.sum())
    if not total:
        return
    wanted = max(1, math.floor(fraction * total))
    for (segment, rows), count, chosen in zip(segments, counts, _shares(counts, wanted, random), strict=True):
        if chosen:
            yield segment, rows if chosen == count else _choice(segment, rows, chosen, random)


def _count(segment: SegmentReader, rows: Bitset | None) -> int:
    return segment.num_rows if rows is None else rows.count()


def _shares(counts: np.ndarray[tuple[int], np.dtype[np.int64]], wanted: int, random: np.random.Generator) -> list[int]:
    """Return how many rows each segment gives: hypergeometric, a segment after the other."""
    shares, left = [], int(counts.sum())
    for count in counts.tolist():
        share = int(random.hypergeometric(count, left - count, wanted)) if count else 0
        shares.append(share)
        wanted, left = wanted - share, left - count
    return shares


def _choice(segment: SegmentReader, rows: Bitset | None, count: int, random: np.random.Generator) -> Bitset:
    among = segment.num_rows if rows is None else rows.rows()
    return Bitset.from_rows(random.choice(among, count, replace=False, shuffle=False), segment.num_rows)
