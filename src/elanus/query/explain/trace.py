"""What a search does, put down while it does it: where its time went, and what became of each segment.

A trace is made only for a search that is to be explained or checked; every other one carries None in its place.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from elanus.expr import Step
from elanus.model.bitset import Bitset
from elanus.model.hits import Work
from elanus.model.ids import SegmentId
from elanus.query.explain.reasons import Case, reason, widths
from elanus.query.explain.report import UNKNOWN
from elanus.query.plan import SearchPlan
from elanus.query.prune import Choice, Skip
from elanus.segment.base import SegmentReader, VectorRows
from elanus.segment.filtering import Scope, passing, visible

PLAN, SNAPSHOT, PRUNE, FILTER = "plan", "snapshot", "prune", "filter"
SEARCH, MERGE, FETCH = "search", "merge", "fetch"


@dataclass(slots=True)
class PhaseTrace:
    """One phase: its wall time, all its turns together, and the hits that went in and came out, -1 where none do."""

    name: str
    seconds: float = 0.0
    hits_in: int = UNKNOWN
    hits_out: int = UNKNOWN


@dataclass(slots=True)
class SegmentTrace:
    """What became of one segment.

    skip      why it was passed over, None when it was read
    visible   rows that the search sees, -1 where it wasn't read
    kept      those that pass the filter; of a search for elements, elements; -1 where the filter was asked about the
              nearest rows alone
    work      what the last search of it took, None where there was nothing to search
    why       why that search went about it so
    ef        how wide the walk was, 0 where there was none
    refine    how many rows it was to measure exactly, for each query
    searches  how often it was searched: grouping searches may look on
    filter_s, search_s  wall time
    """

    segment: SegmentReader
    skip: Skip | None = None
    visible: int = UNKNOWN
    kept: int = UNKNOWN
    work: Work | None = None
    why: str = ""
    ef: int = 0
    refine: int = 0
    searches: int = 0
    filter_s: float = 0.0
    search_s: float = 0.0


@dataclass(slots=True, eq=False)
class Trace:
    """A stopwatch with laps: each note books the time since the one before it. One thread writes it.

    collection     its name
    checks_recall  whether what is found is to be compared with an exact scan of the same rows
    steps          how the filter was evaluated, once a segment; once a batch where it was asked about the nearest rows
    recalls        float64 [nq], the share of the nearest rows that was found; None unless it was asked for
    """

    collection: str = ""
    checks_recall: bool = False
    phases: list[PhaseTrace] = field(default_factory=list)
    segments: dict[SegmentId, SegmentTrace] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    recalls: NDArray[np.float64] | None = None
    _lap: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """What all phases took together."""
        return sum(phase.seconds for phase in self.phases)

    def lap(self, name: str, hits_in: int = UNKNOWN, hits_out: int = UNKNOWN) -> float:
        """Book the time since the last note on a phase, beside its other turns; returns it, seconds."""
        now = time.perf_counter()
        spent, self._lap = now - self._lap, now
        phase = next((one for one in self.phases if one.name == name), None)
        if phase is None:
            phase = PhaseTrace(name)
            self.phases.append(phase)
        phase.seconds += spent
        if hits_out != UNKNOWN:
            phase.hits_in, phase.hits_out = max(phase.hits_in, 0) + hits_in, max(phase.hits_out, 0) + hits_out
        return spent

    def stage(self, name: str, hits_in: int, hits_out: int) -> None:
        """Book the time since the last note on a stage of its own."""
        now = time.perf_counter()
        self.phases.append(PhaseTrace(name, now - self._lap, hits_in, hits_out))
        self._lap = now

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave out of every phase what is done only to explain."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._lap += time.perf_counter() - begun

    # --- segments ---

    def chose(self, choice: Choice) -> None:
        """Note a segment that was come across, to be read or not."""
        self.lap(PRUNE)
        known = self.segments.setdefault(choice.segment.id, SegmentTrace(choice.segment, choice.skip))
        known.skip = choice.skip

    def visible(self, segment: SegmentReader, scope: Scope) -> Bitset | None:
        """Return the rows that the search sees, as ``filtering.visible`` does, and note them."""
        seen = visible(segment, scope)
        spent = self.lap(FILTER)
        noted = self._of(segment)
        noted.visible = segment.num_rows if seen is None else seen.count()
        noted.filter_s += spent
        return seen

    def passing(self, segment: SegmentReader, scope: Scope, seen: Bitset | None) -> Bitset | None:
        """Return the rows that pass the filter, as ``filtering.passing`` does, and note how it was answered."""
        step = None if scope.where is None else Step(scope.where)
        found = passing(segment, scope, seen, step)
        spent = self.lap(FILTER)
        self.steps += [] if step is None else [step]
        noted = self._of(segment)
        noted.kept = segment.num_rows if found is None else found.count()
        noted.filter_s += spent
        return found

    def batch(self, segment: SegmentReader, scope: Scope, rows: Bitset) -> Bitset | None:
        """Do what ``passing`` does for some of the rows, which a search has just found to be the nearest."""
        self._of(segment).search_s += self.lap(SEARCH)
        return self.passing(segment, scope, rows)

    def keep(self, segment: SegmentReader, scope: Scope) -> Bitset | None:
        """Return the rows in scope, as ``filtering.keep`` does, and note them."""
        return self.passing(segment, scope, self.visible(segment, scope))

    def searched(self, plan: SearchPlan, segment: VectorRows, kept: Bitset | None, count: int, work: Work) -> None:
        """Note what a search of a segment took.

        kept   the rows that it went over, None for all
        count  how many these are, -1 where the filter was asked for the nearest ones alone
        """
        noted = self._of(segment)
        noted.search_s += self.lap(SEARCH)
        with self.aside():
            case = Case(plan, segment, kept, count, work)
            noted.work = work if noted.work is None else _together(noted.work, work)
            noted.searches += 1
            noted.kept = count if noted.searches == 1 else noted.kept
            noted.why = reason(case)
            noted.ef, noted.refine = widths(case)

    def _of(self, segment: VectorRows) -> SegmentTrace:
        known = self.segments.get(segment.id)
        if known is None:
            known = self.segments[segment.id] = SegmentTrace(segment)  # type: ignore[arg-type]  # elements come second
        return known


def title(step: object) -> str:
    """Return the name of a step of a search in words: its class's, with what it is made of where that says more."""
    inner = getattr(step, "fusion", None)
    name = type(step if inner is None else inner).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _together(before: Work, work: Work) -> Work:
    """Return what two searches of a segment took; the strategy is that of the second one."""
    return Work(
        work.strategy,
        before.hops + work.hops,
        before.scored + work.scored,
        before.scanned + work.scanned,
        before.switched or work.switched,
    )
