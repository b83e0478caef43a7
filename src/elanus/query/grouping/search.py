"""Grouping search: as many of the nearest rows as hold the groups that are wanted.

The nearest rows are looked at to some depth. Where they hold too few groups, what groups there are is counted, and the
search goes on among the rows of groups that still lack hits, twice as deep each time, so that one large group near a
query costs one search more and not a walk through all its rows. A row counts once every segment has been looked at
beyond its distance: what is returned does not depend on how rows are spread over segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus.model.bitset import Bitset, intersect
from elanus.query.candidates import Candidates, concatenated, of_one_query
from elanus.query.execute import Found, SearchRun, search_segments
from elanus.query.grouping.groups import Grouping, Groups
from elanus.query.grouping.key import NO_GROUP
from elanus.query.merge import merge
from elanus.query.order import TOLERANCE
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.query.result_size import check_hits
from elanus.query.snapshot import Snapshot
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned

Ints = NDArray[np.int64]

LEAST_DEPTH: Final = 64
"""Rows that are looked at first; fewer cost about as much."""
SPARE: Final = 2
"""So many times the wanted hits are looked at first: most groups have more than one row nearby."""
DEEPER: Final = 4
ROWS_COUNTED: Final = 256
"""To read the groups of so many rows costs about as much as to look at one row nearby. As long as it costs less, a
search looks ``DEEPER`` times as deep without knowing what groups there are.
"""
GROWTH: Final = 2
MOST_HITS: Final = 2**20
"""Hits that are held at once while many queries are answered."""


def retrieve_groups(run: SearchRun, grouping: Grouping, snapshot: Snapshot) -> Candidates:
    """Return the nearest rows that hold the groups which are asked for, as hits; ``Grouped`` makes groups of them.

    returns  for each query the first ``limit + offset`` groups, all while there are fewer; when ``grouping`` is
             strict, each with ``size`` rows or all it has. Other rows of these and other groups may be among them
    raises   Expired or Cancelled once nobody waits for the answer; InvalidParameter for more hits than it may hold
    """
    queries = run.queries
    search = _Search(run, grouping, tuple(snapshot.readers(run.plan.where, trace=run.trace)))
    at_once = max(1, MOST_HITS // search.depth)
    if at_once >= queries.nq:
        return search.answer(queries)
    every, parts, first = np.arange(queries.nq), [], grouping.stage(0, search.wanted)
    for at in every[::at_once]:
        parts.append(first.apply(search.answer(queries.take(every[at : at + at_once]))))
        check_hits(sum(map(len, parts)))
    return concatenated(parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Census:
    """The groups of all rows that a search may find.

    codes   int64 [rows], the group of each row, segment by segment
    starts  int64 [segments], where the rows of each begin
    totals  int64 [groups], the rows of each group that pass
    """

    codes: Ints
    starts: Ints
    totals: Ints

    def codes_of(self, found: Candidates) -> Ints:
        """Return the group of each hit."""
        codes: Ints = self.codes[self.starts[found.parts] + found.rows]
        return codes


@dataclass(frozen=True, eq=False)
class _Search:
    """A grouping search of the rows that pass its filter.

    pinned  segments and the rows that pass, None for all
    """

    run: SearchRun
    grouping: Grouping
    pinned: tuple[Pinned, ...]

    @property
    def plan(self) -> SearchPlan:
        """What is searched, and how."""
        return self.run.plan

    @property
    def wanted(self) -> int:
        """How many groups are wanted."""
        return self.plan.offset + self.plan.limit

    @property
    def depth(self) -> int:
        """How many of the nearest rows are looked at first."""
        return max(LEAST_DEPTH, SPARE * self.wanted * self.grouping.size)

    @cached_property
    def segments(self) -> tuple[SegmentReader, ...]:
        """Where rows lie."""
        return tuple(segment for segment, _ in self.pinned)

    @cached_property
    def census(self) -> _Census:
        """What groups there are; one pass over the rows, when it is first asked for."""
        codes, count = self.grouping.key.codes(self.segments, [None] * len(self.segments))
        ends = np.cumsum([segment.num_rows for segment in self.segments], dtype=np.int64)
        totals = np.zeros(count, dtype=np.int64)
        for own, (segment, kept) in zip(np.split(codes, ends[:-1]), self.pinned, strict=True):
            rows = intersect(kept, segment.valid(self.plan.field))
            passing = own if rows is None else own[rows.rows()]
            totals += np.bincount(passing[passing != NO_GROUP], minlength=count)
        return _Census(codes, np.append(0, ends[:-1]), totals)

    def answer(self, queries: Queries) -> Candidates:
        """Return what ``retrieve_groups`` does."""
        depth = self.depth
        found, ended = self._nearest(queries, depth, self.pinned)
        lacking = np.flatnonzero(self._lack(found, ended, self._codes_nearby(found), None))
        rows = sum(segment.num_rows for segment in self.segments)
        while len(lacking) and depth * DEEPER * ROWS_COUNTED <= rows:
            depth *= DEEPER
            deeper, ended = self._nearest(queries.take(lacking), depth, self.pinned)
            found = _with(found, lacking, deeper)
            lacking = lacking[self._lack(deeper, ended, self._codes_nearby(deeper), None)]
        if not len(lacking):
            return found
        deepened = [self._deepened(queries.take(one), _only(found, int(one[0])), depth) for one in lacking[:, None]]
        return _with(found, lacking, concatenated(deepened))

    def _nearest(self, queries: Queries, depth: int, pinned: Sequence[Pinned]) -> tuple[Candidates, NDArray[np.bool_]]:
        """Return the rows that are certainly the nearest, and for which queries they are all, bool [nq]."""
        plan = replace(self.plan, fetch_k=depth)
        found = search_segments(replace(self.run, plan=plan, queries=queries), pinned)
        descending = plan.metric.larger_is_nearer
        merged = merge(found, queries.nq, plan.primary, 0, depth * max(len(found), 1), descending=descending)
        ids = [segment.id for segment in self.segments]
        numbers = np.array([ids.index(segment.id) for segment in merged.segments], dtype=np.int64)
        placed = replace(merged, segments=self.segments, parts=numbers[merged.parts])
        frontier = _frontier(found, queries.nq, depth)
        ended = np.isposinf(frontier)
        within = placed.distances < (frontier - TOLERANCE)[placed.query]
        return placed.take(np.flatnonzero(within | ended[placed.query])), ended

    def _codes_nearby(self, found: Candidates) -> Ints:
        return self.grouping.key.codes_of(found.segments, found.parts, found.rows)

    def _lack(
        self, found: Candidates, ended: NDArray[np.bool_], codes: Ints, census: _Census | None
    ) -> NDArray[np.bool_]:
        """Return for which queries more rows must be looked at, bool [nq]."""
        grouped = codes != NO_GROUP
        query, codes = found.query[grouped], codes[grouped]
        groups = Groups.of_hits(query, codes)
        have = np.bincount(groups.query, minlength=found.nq)
        there = self.wanted if census is None else min(self.wanted, int(np.count_nonzero(census.totals)))
        lack = have < there
        if self.grouping.strict:
            short = (groups.counts < self._full(codes[groups.first], census)) & (groups.number < self.wanted)
            lack |= np.bincount(groups.query[short], minlength=found.nq) > 0
        return lack & ~ended

    def _full(self, codes: Ints, census: _Census | None) -> Ints:
        """Return how many hits groups can have."""
        size = np.full(len(codes), self.grouping.size)
        # A row may have several elements among the hits.
        return size if census is None or self.plan.field.struct else np.minimum(size, census.totals[codes])

    def _deepened(self, query: Queries, found: Candidates, depth: int) -> Candidates:
        """Return the rows of one query that hold its groups, given its nearest rows."""
        ended = np.zeros(1, dtype=np.bool_)
        while self._lack(found, ended, codes := self.census.codes_of(found), self.census)[0]:
            depth *= GROWTH
            wanting = np.append(self._wanting(codes[codes != NO_GROUP]), False)  # the last place is that of NO_GROUP
            fresh, ended = self._nearest(query, depth, self._rows_of(wanting))
            found = of_one_query([found.take(np.flatnonzero(~wanting[codes])), fresh]).ordered()
        return found

    def _wanting(self, codes: Ints) -> NDArray[np.bool_]:
        """Return the groups whose rows are still looked for, bool [groups]; ``codes`` are those of what was found."""
        found = np.bincount(codes, minlength=len(self.census.totals))
        wanting: NDArray[np.bool_] = found < self._full(np.arange(len(found)), self.census)
        groups = Groups.of_hits(np.zeros(len(codes), dtype=np.int64), codes)
        if len(groups.first) < self.wanted:
            return wanting
        # The groups are known by now: only their other rows are missing.
        first = np.zeros(len(found), dtype=np.bool_)
        first[codes[groups.first[: self.wanted]]] = True
        return wanting & first

    def _rows_of(self, groups: NDArray[np.bool_]) -> list[Pinned]:
        """Return the rows that are in some groups."""
        inside = np.split(groups[self.census.codes], self.census.starts[1:])
        return [
            (segment, intersect(kept, Bitset.from_mask(own)))
            for own, (segment, kept) in zip(inside, self.pinned, strict=True)
        ]


def _frontier(found: Found, nq: int, depth: int) -> NDArray[np.float32]:
    """Return for each query the distance below which every row is among the hits, +inf when all rows are."""
    frontier = np.full(nq, np.inf, dtype=np.float32)
    for _, hits in found:
        if hits.rows.shape[1] >= depth:
            np.minimum(frontier, np.where(hits.rows[:, -1] < 0, np.inf, hits.distances[:, -1]), out=frontier)
    return frontier


def _only(found: Candidates, query: int) -> Candidates:
    """Return the hits of one query."""
    start = int(found.counts[:query].sum())
    hits = found.take(np.arange(start, start + int(found.counts[query])))
    return replace(hits, counts=hits.counts[query : query + 1])


def _with(found: Candidates, replaced: Ints, hits: Candidates) -> Candidates:
    """Return the hits with others in place of those of some queries."""
    rest = found.take(np.flatnonzero(~np.isin(found.query, replaced)))
    query = np.concatenate([rest.query, replaced[hits.query]])
    every = concatenated([rest, hits])
    ordered = replace(every, counts=np.array([len(every)])).take(np.argsort(query, kind="stable"))
    return replace(ordered, counts=np.bincount(query, minlength=found.nq).astype(np.int64, copy=False))
