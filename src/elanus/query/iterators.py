"""Searches that go on page by page: the rows of every segment from the nearest on, merged by the one order of hits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import SparseVectors, Vectors
from elanus._native.streams import FlatStream, SparseStream
from elanus.index.base import Stream
from elanus.model import deadline
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import take, varlen_buffers
from elanus.model.hits import Hits
from elanus.model.types import DataType
from elanus.query.candidates import Candidates, of_one_query
from elanus.query.execute import SCAN
from elanus.query.plan import SearchPlan, Window
from elanus.query.request import Queries
from elanus.query.snapshot import Snapshot
from elanus.query.structs.elements import ElementRows
from elanus.segment.base import SegmentReader, VectorRows

SMALLEST_BATCH: Final = 64
"""Rows taken from a segment at a time, at least: batches of a walk overlap a little."""
WALKED_SHARE: Final = 8
"""An index is walked where at least one row in so many is kept; others are found sooner by measuring what is kept."""
EXACT_ROWS: Final = 16_384
"""Up to so many kept rows are measured, a millisecond or two: a walk for one page costs about as much."""
EXACT_BYTES: Final = 8
"""Memory of a measured row: its distance, and its number where a filter leaves rows out."""
WALK_BYTES: Final = 1
"""Memory of a row of an index that is walked, about: whether it was seen, and what waits to be looked at."""


class SearchWalk:
    """A search of one query, continued as far as anybody asks; one thread at a time.

    Every row that passes comes once, equally near ones too. What comes is in the order of hits, except that the walk
    over an index finds a few rows late: those come with the next page. Distances count exactly here, so that the score
    of a page's last hit says where the next one begins.
    """

    def __init__(self, plan: SearchPlan, queries: Queries, snapshot: Snapshot, beyond: float | None = None) -> None:
        """Take what is searched; nothing is measured yet.

        queries  a single one
        beyond   rows come whose distance, in the inner form, is greater; None for all
        """
        self._plan = plan
        self._window = plan.window
        self._beyond = None if beyond is None else np.float32(beyond)
        self._sources = list(_sources(plan, queries, snapshot))
        self._segments = [source.segment for source in self._sources]
        self._pending = Candidates.none(1, plan.primary, descending=plan.metric.larger_is_nearer)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held, about."""
        return sum(source.num_bytes for source in self._sources) + 64 * len(self._pending)

    def next(self, count: int) -> Candidates:
        """Return the next ``count`` hits, fewer only at the end.

        raises  Expired or Cancelled once nobody waits for the answer; the walk can't be continued then
        """
        size = max(count, SMALLEST_BATCH)
        while (settled := self._settled()) < count and self._pull(size):
            size *= 2
        taken = min(count, settled)
        page = self._pending.take(np.arange(taken))
        self._pending = self._pending.take(np.arange(taken, len(self._pending)))
        return page

    def _settled(self) -> int:
        """Return how many of the waiting hits no segment can push back any more."""
        open_ends = [source.reach for source in self._sources if not source.ended]
        if not open_ends:
            return len(self._pending)
        # A row at the same distance may follow, whose key is smaller.
        unsure = np.flatnonzero(self._pending.distances >= np.float32(min(open_ends)))
        return int(unsure[0]) if len(unsure) else len(self._pending)

    def _pull(self, count: int) -> bool:
        """Take rows from the segments that hold the others up; return whether there was any."""
        waiting = [source for source in self._sources if not source.ended]
        if not waiting:
            return False
        deadline.check()
        nearest = min(source.reach for source in waiting)
        pulled = [self._taken(part, count) for part, source in enumerate(self._sources) if source.due(nearest)]
        self._pending = of_one_query([self._pending, *pulled]).ordered(tolerance=0)
        return True

    def _taken(self, part: int, count: int) -> Candidates:
        """Return the next rows of one segment that are as far away as they have to be."""
        source = self._sources[part]
        hits = source.pull(count, self._window)
        rows, distances = hits.rows[0], hits.distances[0]
        fits = self._wanted(distances)
        rows = rows[fits]
        elements = None if hits.elements is None else hits.elements[0][fits]
        keys = take(source.segment.column(self._plan.primary.id).data, rows)
        parts = np.full(len(rows), part, dtype=np.int64)
        counts = np.array([len(rows)])
        descending = self._plan.metric.larger_is_nearer
        return Candidates(self._segments, counts, parts, rows, keys, distances[fits], descending, elements)

    def _wanted(self, distances: NDArray[np.float32]) -> NDArray[np.bool_]:
        wanted = np.ones(len(distances), dtype=np.bool_)
        if self._beyond is not None:
            wanted &= distances > self._beyond
        if self._window is not None:
            wanted &= distances < np.float32(self._window.nearer_than)
            if self._window.not_nearer_than is not None:
                wanted &= distances >= np.float32(self._window.not_nearer_than)
        return wanted


@dataclass(slots=True)
class _Source:
    """The rows of one segment from the nearest on.

    elements  the elements that are searched in place of rows, None where rows are
    reach     the largest distance that came; later ones are hardly smaller
    ended     whether nothing that can be wanted is left
    """

    segment: SegmentReader
    elements: ElementRows | None
    stream: Stream
    num_bytes: int
    reach: float = -math.inf
    ended: bool = False

    def due(self, nearest: float) -> bool:
        """Whether its rows hold up those of the others, whose least reach is given."""
        return not self.ended and self.reach <= nearest

    def pull(self, count: int, window: Window | None) -> Hits:
        """Return about the next ``count`` rows; nothing is wanted after rows that all lie beyond the window."""
        rows, distances = self.stream.next(count)
        if len(distances):
            self.reach = max(self.reach, float(distances[-1]))
        beyond = window is not None and bool((distances[:1] >= np.float32(window.nearer_than)).any())
        self.ended = len(rows) < count or beyond
        hits = Hits(rows[None, :], distances[None, :])
        return hits if self.elements is None else self.elements.hits(hits)


def _sources(plan: SearchPlan, queries: Queries, snapshot: Snapshot) -> Iterator[_Source]:
    for segment, passing in snapshot.readers(plan.where):
        deadline.check()
        rows: VectorRows = segment
        kept, elements = passing, None
        if plan.field.type is DataType.ARRAY_OF_VECTOR:
            rows = elements = ElementRows(segment, plan.field)
            kept = elements.kept(passing, plan.element_filter)
        kept = intersect(kept, rows.valid(plan.field))
        count = rows.num_rows if kept is None else kept.count()
        if count:
            stream, num_bytes = _stream(plan, queries, rows, kept, count)
            yield _Source(segment, elements, stream, num_bytes)


def _stream(
    plan: SearchPlan, queries: Queries, rows: VectorRows, kept: Bitset | None, count: int
) -> tuple[Stream, int]:
    """Return some rows from the nearest on, and about how many bytes that holds."""
    if queries.matrix is None:
        sparse = SparseVectors(*varlen_buffers(queries.sparse))
        base = SparseVectors(*rows.column(plan.field.id).bytes_and_offsets())
        return SparseStream(sparse, base, kept), EXACT_BYTES * count
    asked, dense = Vectors.of(queries.matrix, queries.type), rows.base(plan.field)
    index = None if plan.params.hints == SCAN else rows.index(plan.index)
    if index is not None and count > EXACT_ROWS and count * WALKED_SHARE >= rows.num_rows:
        walked = index.stream(asked, dense, min(plan.fetch_k, rows.num_rows), plan.params, kept)
        if walked is not None:
            return walked, WALK_BYTES * rows.num_rows
    return FlatStream(asked, dense, plan.metric, kept), EXACT_BYTES * count
