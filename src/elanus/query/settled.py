"""Settled searches: what was asked before, over rows that have not changed since, goes from bytes to bytes.

A search is settled when it is asked a second time: its plan, its segments, the rows that pass its filter and the width
of each walk are put down, and only vectors are missing. Any write, flush or merge makes all of them void. So does time,
every ``REFRESHED`` searches: then a search takes the long way, where recall is probed and widths are adjusted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from elanus._native.direct import ASKED_WITH, Answer, DirectSearch, Part
from elanus._native.kernels import Vectors
from elanus.index.base import GroupedIndex
from elanus.model.bitset import Bitset, intersect
from elanus.model.time import Timestamp
from elanus.query.candidates import Candidates
from elanus.query.merge import candidates_at
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.snapshot import Epoch, Snapshot
from elanus.segment.base import SegmentReader
from elanus.segment.view import View

REFRESHED: Final = 64
MOST_SEARCHES: Final = 256
MOST_BYTES: Final = 64 * 2**20
"""Of the bitmaps of rows that pass filters."""


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
        descending = self.plan.metric.larger_is_nearer
        return candidates_at(found, self.segments, self.plan.primary, descending=descending)


@dataclass(slots=True, eq=False)
class _Known:
    """What is known of the searches over the same rows; never of others, whoever looks at it when.

    view  not held: what a collection has let go of is free
    """

    view: weakref.ref[View]
    at: tuple[Timestamp, ...]
    asked: set[Hashable] = field(default_factory=set)
    searches: dict[Hashable, Settled] = field(default_factory=dict)

    def is_of(self, epoch: Epoch) -> bool:
        view, at = epoch
        return self.view() is view and self.at == at


@dataclass(slots=True, eq=False)
class SettledSearches:
    """The settled searches of one collection. Safe from any thread; what two settle at once is settled twice."""

    _known: _Known | None = None

    def get(self, key: Hashable, epoch: Epoch) -> Settled | None:
        """Return the search settled under ``key``, None where there is none or something has changed."""
        known = self._known
        if known is None or not known.is_of(epoch):
            return None
        found = known.searches.get(key)
        if found is None:
            return None
        found.left -= 1
        if found.left >= 0:
            return found
        known.searches.pop(key, None)
        return None

    def offer(self, key: Hashable, epoch: Epoch, settled: Callable[[], Settled | None]) -> None:
        """Take note of a search that was answered the long way; the second time it is settled.

        settled  settles it, see ``settle``
        cost     a microsecond; where it is settled, that of its filter
        """
        known = self._known
        if known is None or not known.is_of(epoch):
            view, at = epoch
            self._known = _Known(weakref.ref(view), at, {key})
        elif key not in known.asked:
            if len(known.asked) >= MOST_SEARCHES:
                known.asked.clear()
            known.asked.add(key)
        elif key not in known.searches:
            _add(known.searches, key, settled())

    def clear(self) -> None:
        """Let go of all of them, and of what they hold: the view is another one."""
        self._known = None


def _add(searches: dict[Hashable, Settled], key: Hashable, settled: Settled | None) -> None:
    if settled is None or settled.nbytes > MOST_BYTES:
        return
    held = settled.nbytes + sum(one.nbytes for one in list(searches.values()))
    if held > MOST_BYTES or len(searches) >= MOST_SEARCHES:
        searches.clear()
    searches[key] = settled


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
    native = DirectSearch(
        parts, plan.field.type, plan.offset, plan.limit, tolerance=plan.tolerance, descending=descending
    )
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
