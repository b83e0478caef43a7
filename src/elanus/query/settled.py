"""Settled searches: what was asked before, over rows that have not changed since, goes from bytes to bytes.

A search is settled when it is asked a second time: its plan, its segments, the rows that pass its filter and the width
of each walk are put down, and only vectors are missing. Any write, flush or merge makes all of them void. So does time,
every ``REFRESHED`` searches: then a search takes the long way, where recall is probed and widths are adjusted.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from elanus._native.direct import ASKED_WITH, Answer, DirectSearch, Part
from elanus._native.kernels import Vectors
from elanus.index.base import GroupedIndex
from elanus.model.bitset import Bitset, intersect
from elanus.model.time import Timestamp
from elanus.query.candidates import Candidates
from elanus.query.merge import gather_keys
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.snapshot import Snapshot
from elanus.segment.base import SegmentReader
from elanus.segment.view import View

REFRESHED: Final = 64
MOST_SEARCHES: Final = 256
MOST_BYTES: Final = 64 * 2**20
"""Of the bitmaps of rows that pass filters."""

Epoch = tuple[View, tuple[Timestamp, ...]]
"""What must stay the same: the view, and for each shard up to where its writes are seen."""


@dataclass(slots=True, eq=False)
class Settled:
    """A search for any vectors, over rows that stay as they are.

    segments  in the order of the answer's parts
    left      so often it may be used before it is settled anew
    """

    plan: SearchPlan
    segments: Sequence[SegmentReader]
    native: DirectSearch
    at: Timestamp
    nbytes: int
    left: int = REFRESHED

    def run(self, body: bytes, start: int, end: int, nq: int) -> Answer | None:
        """Search for the nq vectors at ``body[start:end]``; None where that takes the long way."""
        return self.native.run(body, start, end, nq)

    def find(self, queries: Queries) -> Candidates | None:
        """Return the hits of queries that fit the field; None where that takes the long way."""
        if queries.matrix is None or queries.absent is not None:
            return None
        found = self.native.find(Vectors.of(queries.matrix, queries.type))
        if found is None:
            return None
        keys = gather_keys(self.segments, found.parts, found.rows, self.plan.primary.id)
        descending = self.plan.metric.larger_is_nearer
        return Candidates(self.segments, found.counts, found.parts, found.rows, keys, found.distances, descending)


@dataclass(slots=True, eq=False)
class SettledSearches:
    """The settled searches of one collection. Safe from any thread; what two settle at once is settled twice."""

    _epoch: Epoch | None = None
    _asked: set[Hashable] = field(default_factory=set)
    _searches: dict[Hashable, Settled] = field(default_factory=dict)

    def get(self, key: Hashable, epoch: Epoch) -> Settled | None:
        """Return the search settled under ``key``, None where there is none or something has changed."""
        known = self._epoch
        if known is None or known[0] is not epoch[0] or known[1] != epoch[1]:
            return None
        found = self._searches.get(key)
        if found is None:
            return None
        found.left -= 1
        if found.left >= 0:
            return found
        self._searches.pop(key, None)
        return None

    def offer(self, key: Hashable, epoch: Epoch, plan: SearchPlan, seen: Snapshot) -> None:
        """Take note of a search that was answered the long way; the second time it is settled.

        cost  a microsecond; where it is settled, that of its filter
        """
        known = self._epoch
        if known is None or known[0] is not epoch[0] or known[1] != epoch[1]:
            self._epoch, self._asked, self._searches = epoch, {key}, {}
        elif key not in self._asked:
            if len(self._asked) >= MOST_SEARCHES:
                self._asked.clear()
            self._asked.add(key)
        elif key not in self._searches:
            self._settle(key, plan, seen)

    def _settle(self, key: Hashable, plan: SearchPlan, seen: Snapshot) -> None:
        settled = settle(plan, seen)
        if settled is None:
            return
        held = settled.nbytes + sum(one.nbytes for one in list(self._searches.values()))
        if held > MOST_BYTES or len(self._searches) >= MOST_SEARCHES:
            self._searches = {}
        if settled.nbytes <= MOST_BYTES:
            self._searches[key] = settled


def settle(plan: SearchPlan, seen: Snapshot) -> Settled | None:
    """Return a search with all decided but its vectors; None where it is not by graphs alone, or time matters."""
    if not plan.is_plain or not seen.lasts or plan.field.type not in ASKED_WITH:
        return None
    segments, parts, nbytes = [], [], 0
    for segment, rows in seen.readers(plan.where):
        kept = intersect(rows, segment.valid(plan.field))
        if kept is not None and not kept.count():
            continue
        part = _part(plan, segment, kept)
        if part is None:
            return None
        segments.append(segment)
        parts.append(part)
        nbytes += 0 if part.keep is None else part.keep.bits.nbytes
    if not parts:
        return None
    descending = plan.metric.larger_is_nearer
    native = DirectSearch(parts, plan.field.type, plan.offset, plan.limit, descending=descending)
    return Settled(plan, segments, native, seen.time, nbytes)


def _part(plan: SearchPlan, segment: SegmentReader, kept: Bitset | None) -> Part | None:
    """Return a segment's rows as they are searched, None where they aren't by a graph."""
    index = segment.index(plan.index) if segment.sorted_by_key else None
    if not isinstance(index, GroupedIndex):
        return None
    walk = index.walk(min(plan.fetch_k, segment.num_rows), plan.params, kept, plan.terms)
    if walk is None:
        return None
    keep = None if kept is None or kept.count() == segment.num_rows else kept
    return Part(walk, segment.base(plan.field), segment.column(plan.primary.id).data, keep)
