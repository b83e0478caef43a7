"""What a built graph was measured to find: for each number of results and target recall the width that reaches it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from elanus.model.params import INT32_MAX

KS: Final = (1, 10, 50, 100)
TARGETS: Final = (0.90, 0.95, 0.96, 0.98, 0.99, 0.999)
DEFAULT_TARGET: Final = 0.96
SHARES: Final = (0.5, 0.1, 0.02)
HIGHEST_TARGET: Final = 0.9999
"""No sample tells recall beyond it from 1; a target of 1 is an exact scan's to keep."""

LEVELS: Final[Mapping[int, float]] = MappingProxyType(
    {1: 0.90, 2: 0.93, 3: 0.95, 4: 0.96, 5: 0.97, 6: 0.98, 7: 0.985, 8: 0.99, 9: 0.995, 10: 0.999}
)
"""The target recall of each ``level``; a search without one has DEFAULT_TARGET, which is level 4."""

SLACK: Final = 0.02
"""Recall may be so much below its target before something is done about it."""

MAX_JSON_BYTES: Final = 64 * 1024
_REMEMBERED: Final = 256

Width = Annotated[int, Meta(ge=1, le=INT32_MAX)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Code = Literal["", "bf16", "column"]


def target_recall(target: float, level: int) -> float:
    """Return the recall that a search asks for: its own target, else its level's, else the default.

    target, level  0 where the search names none
    """
    return target or LEVELS.get(level, DEFAULT_TARGET)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    ef      least measured width whose ``bound`` reaches the target; the widest that was tried where none does
    refine  how many of the candidates are measured again exactly, k to ef
    recall  mean over the sample, at this ef and refine
    bound   what the recall of all queries is at least, with 95 % confidence
    """

    k: Width
    target: Share
    ef: Width
    refine: Width
    recall: Share
    bound: Share

    def __post_init__(self) -> None:
        if not self.k <= self.refine <= self.ef:
            raise ValueError(f"k {self.k}, refine {self.refine} and ef {self.ef} don't ascend")


@dataclass(frozen=True, slots=True)
class Band:
    """What a filter that keeps a ``share`` of the rows at random needs: ``widening`` times the unfiltered ef."""

    share: Share
    widening: Annotated[float, Meta(ge=1.0, le=64.0)]
    recall: Share
    bound: Share


@dataclass(frozen=True)
class Calibration:
    """A graph's table: 24 settings by (k, target), and a band for each share of kept rows.

    rows        rows of the segment
    sample      queries asked; of them ``logged`` were asked by users before, the others made from rows
    needs_code  the finer code to build with, where this one does not tell near rows apart; empty where it does
    """

    table: tuple[Setting, ...]
    bands: tuple[Band, ...]
    rows: Width
    sample: Width
    seed: Annotated[int, Meta(ge=0, le=INT32_MAX)]
    logged: Annotated[int, Meta(ge=0, le=INT32_MAX)] = 0
    needs_code: Code = ""

    def __post_init__(self) -> None:
        grid = [(k, target) for k in KS for target in TARGETS]
        if [(one.k, one.target) for one in self.table] != grid:
            raise ValueError(f"a table has the {len(grid)} settings of k in {KS} and target in {TARGETS}, in order")
        if tuple(band.share for band in self.bands) != SHARES:
            raise ValueError(f"a table has the bands {SHARES}, in order")
        if any(one.ef > max(self.rows, one.k) for one in self.table):
            raise ValueError(f"ef goes beyond the {self.rows} rows")

    # --- choosing ---

    def setting(self, k: int, target: float = DEFAULT_TARGET) -> Setting:
        """Return the row of the table for one of KS and one of TARGETS."""
        return self.table[KS.index(k) * len(TARGETS) + TARGETS.index(target)]

    def ef_for(self, k: int, target: float = DEFAULT_TARGET, share: float = 1.0) -> tuple[int, int]:
        """Return the width of a walk for ``k`` results, and how many candidates to measure again.

        k        1 to 16,384; between rows of the table what one result takes is interpolated, above them what is
                 wanted beyond k grows as k^0.75
        target   0 to 1; between rows the logarithms of width and misses are interpolated
        share    of the rows that a filter keeps, 0 to 1
        returns  k <= refine <= ef; ef is at most the larger of the rows and k
        cost     about 1 microsecond
        """
        ef, refine = self._unfiltered(k, target)
        if share < 1.0:
            ef = min(math.ceil(ef * self.widening(share)), max(self.rows, k))
        return ef, refine

    def falls_short(self, k: int, target: float = DEFAULT_TARGET) -> bool:
        """Whether no walk that was tried comes near the target, so that only an exact scan keeps the promise."""
        reached = self._reached[min(bisect_left(KS, k), len(KS) - 1)]
        return target >= 1.0 or reached < target - SLACK

    @cached_property
    def _reached(self) -> tuple[float, ...]:
        """The best bound of each of KS."""
        return tuple(max(one.bound for one in self.table if one.k == k) for k in KS)

    def widening(self, share: float) -> float:
        """Return by what factor a filter that keeps ``share`` of the rows widens a walk, at least 1."""
        points = [(1.0, 1.0), *((band.share, band.widening) for band in self.bands)]
        for (wide, before), (narrow, after) in pairwise(points):
            if share >= narrow:
                part = (math.log(wide) - math.log(share)) / (math.log(wide) - math.log(narrow))
                return before + max(0.0, part) * (after - before)
        return points[-1][1]

    @cached_property
    def _chosen(self) -> dict[tuple[int, float], tuple[int, int]]:
        return {}

    def _unfiltered(self, k: int, target: float) -> tuple[int, int]:
        known = self._chosen.get((k, target))
        if known is None:
            known = self._interpolated(k, target)
            if len(self._chosen) < _REMEMBERED:
                self._chosen[k, target] = known
        return known

    def _interpolated(self, k: int, target: float) -> tuple[int, int]:
        place = bisect_left(KS, k)
        if place == len(KS):
            ef, refine = self._of_row(KS[-1], target)
            growth = (k / KS[-1]) ** 0.75
            wide, measured = k + (ef - KS[-1]) * growth, k + (refine - KS[-1]) * growth
        elif KS[place] == k:
            wide, measured = self._of_row(k, target)
        else:
            low, high = KS[place - 1], KS[place]
            ends = zip(self._of_row(low, target), self._of_row(high, target), strict=True)
            wide, measured = (_arched(k, (low, one), (high, other)) for one, other in ends)
        ef = max(k, min(_up(wide), self.rows))
        return ef, max(k, min(_up(measured), ef))

    def _of_row(self, k: int, target: float) -> tuple[float, float]:
        """Return width and refinement at one of KS for any target."""
        first = KS.index(k) * len(TARGETS)
        row = self.table[first : first + len(TARGETS)]
        target = min(max(target, TARGETS[0]), HIGHEST_TARGET)
        place = min(max(bisect_left(TARGETS, target), 1), len(TARGETS) - 1)
        below, above = row[place - 1], row[place]
        part = (_nines(target) - _nines(below.target)) / (_nines(above.target) - _nines(below.target))
        one, other = (math.log(below.ef), math.log(below.refine)), (math.log(above.ef), math.log(above.refine))
        ef, refine = _between(one, other, part)
        return math.exp(ef), math.exp(refine)

    # --- in a header ---

    def to_json(self) -> str:
        """Return the text that a header keeps, about 2.5 KB."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Return what ``to_json`` wrote; ValueError for anything else."""
        if len(text) > MAX_JSON_BYTES:
            raise ValueError(f"a calibration of {len(text)} characters; at most {MAX_JSON_BYTES} are read")
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"no calibration: {error}") from error


def described(calibrations: Sequence[Calibration]) -> tuple[tuple[str, str], ...]:
    """Return what ``describe_index`` says of the segments' tables: target, recall and width without parameters.

    returns  nothing where no segment is calibrated; the least recall, the range of widths
    """
    if not calibrations:
        return ()
    defaults = [one.setting(10) for one in calibrations]
    worst = min(defaults, key=lambda one: one.bound)
    efs = sorted({one.ef for one in defaults})
    return (
        ("elanus.target_recall", f"{DEFAULT_TARGET}"),
        ("elanus.recall", f"{worst.recall:.4f}"),
        ("elanus.recall_bound", f"{worst.bound:.4f}"),
        ("elanus.ef", f"{efs[0]}" if len(efs) == 1 else f"{efs[0]}-{efs[-1]}"),
        ("elanus.refine", f"{max(one.refine for one in defaults)}"),
        ("elanus.calibrated_queries", f"{sum(one.sample for one in calibrations)}"),
    )


def _between(one: tuple[float, float], other: tuple[float, float], part: float) -> tuple[float, float]:
    return one[0] + part * (other[0] - one[0]), one[1] + part * (other[1] - one[1])


def _arched(k: int, low: tuple[int, float], high: tuple[int, float]) -> float:
    """Return the value at k between two points, rather too large than too small.

    Value over k is interpolated along the logarithm of k, which lies above the straight line where small k need more
    for each result than large ones, as they do; where not, the line is taken.
    """
    (first, one), (last, other) = low, high
    line = one + (k - first) / (last - first) * (other - one)
    ratio = one / first + math.log(k / first) / math.log(last / first) * (other / last - one / first)
    return max(line, min(k * ratio, max(one, other)))


def _nines(target: float) -> float:
    """Return the misses on a scale where each tenth of them is one step: 0.9 is 1, 0.99 is 2."""
    return -math.log10(1.0 - target)


def _up(value: float) -> int:
    """Return the next whole number, forgiving what a logarithm and its exponential lose."""
    return math.ceil(value - 1e-6)
