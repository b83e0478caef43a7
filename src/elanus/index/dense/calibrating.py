"""Measure a built graph: what width finds how much, on queries made from its own rows.

One search at a width answers for every smaller k, so widths are tried once, on a ladder: in large steps up until every
target is met, then between the last step that missed a target and the first that met it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

import numpy as np

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.dense.calibration import (
    DEFAULT_TARGET,
    KS,
    SHARES,
    TARGETS,
    Band,
    Calibration,
    Code,
    Setting,
)
from elanus.index.dense.recall import Bootstrap, Shares, recalls
from elanus.index.dense.sampling import joined, made_queries, take
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

MIN_ROWS: Final = 1_000
"""Fewer rows are scanned; a walk would not be quicker."""

MOST_QUERIES: Final = 256
FEWEST_QUERIES: Final = 100
ROWS_A_QUERY: Final = 200
NARROWEST: Final = 4
RUNG: Final = 1.19
STRIDE: Final = 4
WIDEST: Final = 8_192
ALWAYS_TRIED: Final = 400
WORK_SHARE: Final = 0.04
STALLED: Final = 0.005
COARSE_LOSS: Final = 0.01
FACTORS: Final = (2, 4, 8)
REFINED_ALIKE: Final = (0.96, 0.99, 0.999)
"""Targets up to each of these measure as many candidates again; trying it for every target would double the cost."""

LEAST_REFINED: Final = 8
WIDENINGS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
FILTERED_K: Final = 10

FINER: Final[Mapping[str, Code]] = {"sq4": "bf16", "sq8": "bf16", "f16": "column", "bf16": "column"}
HALVES: Final = (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)


class Searcher(Protocol):
    """A built graph, as it is measured."""

    def __call__(self, queries: Vectors, k: int, ef: int, refine: int, keep: Bitset | None) -> Hits:
        """Return the k nearest kept rows as a walk of width ``ef`` finds them, with exact distances.

        refine  how many candidates are measured again exactly, k to ef
        """


def calibrate(
    searcher: Searcher,
    base: Vectors,
    metric: Metric,
    keep: Bitset | None = None,
    *,
    code: str = "column",
    seed: int = 1,
    logged_queries: Vectors | None = None,
    ef_construction: int = 200,
    threads: int = 1,
) -> Calibration | None:
    """Return what the graph was measured to find; None below 1,000 rows in it, which are scanned.

    searcher         a walk over the graph; it picks its own strategy under a filter
    base             the segment's own vectors, what the graph was built over
    keep             the rows in the graph, None for all
    code             what the walk orders by: ``sq8``, ``sq4``, ``f16``, ``bf16``, or ``column`` for the vectors
    logged_queries   queries that users asked; at most 256 of them join the 256 made from rows
    ef_construction  the graph was built with; the walks cost about a tenth of that build, and a sample of a small
                     segment is smaller. What they leave unmeasured keeps the widest ef tried and its recall
    raises           ValueError for logged queries of another type or dim
    """
    rows = base.rows if keep is None else keep.count()
    if rows < MIN_ROWS:
        return None
    count = min(MOST_QUERIES, max(FEWEST_QUERIES, rows // ROWS_A_QUERY))
    logged = _first(logged_queries, MOST_QUERIES)
    asked = made_queries(base, metric, keep, count, seed=seed, threads=threads)
    if logged is not None:
        asked = joined(asked, logged.as_queries())
    measured = _Measured(searcher, base, metric, keep, asked, seed=seed, threads=threads)
    climbed = _climb(measured, _ladder(min(rows, WIDEST)), WORK_SHARE * rows * ef_construction)
    table = tuple(setting for k in KS for setting in measured.settings(k, climbed))
    finer = FINER.get(code, "")
    return Calibration(
        table=table,
        bands=tuple(measured.band(share, table[_place(FILTERED_K, DEFAULT_TARGET)]) for share in SHARES),
        rows=base.rows,
        sample=asked.rows,
        seed=seed,
        logged=0 if logged is None else logged.rows,
        needs_code=("column" if base.type in HALVES else finer) if finer and measured.coarse(table, climbed) else "",
    )


def _first(queries: Vectors | None, most: int) -> Vectors | None:
    if queries is None or queries.rows == 0:
        return None
    return queries.head(min(queries.rows, most))


def _place(k: int, target: float) -> int:
    return KS.index(k) * len(TARGETS) + TARGETS.index(target)


def _ladder(widest: int) -> list[int]:
    """Return the widths that are tried: each about a fifth wider than the last, and every one of KS."""
    steps = int(math.log(widest / NARROWEST) / math.log(RUNG)) + 1
    rungs = {round(NARROWEST * RUNG**step) for step in range(steps)} | {*KS, widest}
    return sorted(rung for rung in rungs if rung <= widest)


@dataclass(frozen=True, slots=True)
class _Climb:
    """How far the ladder was climbed: the rungs in between, and those that were tried on the way up."""

    rungs: list[int]
    tried: list[int]


def _climb(measured: _Measured, ladder: list[int], budget: float) -> _Climb:
    """Try wider and wider walks until every target is met or the budget, in queries times ef, is spent."""
    tried: list[int] = []
    spent = 0
    for rung in [*ladder[:-1:STRIDE], ladder[-1]]:
        spent += rung * measured.num_queries
        if tried and spent > budget and rung > ALWAYS_TRIED:
            break
        tried.append(rung)
        if all(measured.meets(k, TARGETS[-1], rung) for k in KS):
            break
    return _Climb([rung for rung in ladder if rung <= tried[-1]], tried)


class _Measured:
    """What walks of the graph found, each width walked once."""

    def __init__(
        self,
        searcher: Searcher,
        base: Vectors,
        metric: Metric,
        keep: Bitset | None,
        asked: Vectors,
        *,
        seed: int,
        threads: int,
    ) -> None:
        self._searcher, self._base, self._metric, self._keep = searcher, base, metric, keep
        self._asked, self._seed, self._threads = asked, seed, threads
        self._truth = kernels.scan(asked, base, metric, KS[-1], keep=keep, threads=threads).distances
        self._bootstrap = Bootstrap(asked.rows, seed)
        self._found: dict[int, dict[int, Shares]] = {}
        self._bounds: dict[tuple[int, int], float] = {}
        self._losses: dict[tuple[int, int, int], float] = {}
        self._part = np.linspace(0, asked.rows - 1, min(asked.rows, FEWEST_QUERIES)).astype(np.int64)

    @property
    def num_queries(self) -> int:
        return self._asked.rows

    # --- unfiltered ---

    def at(self, k: int, ef: int) -> Shares:
        """Return the recall of each query among its k nearest at a width of at least k, every candidate re-measured."""
        if ef not in self._found:
            most = min(ef, KS[-1])
            found = self._searcher(self._asked, most, ef, ef, self._keep)
            self._found[ef] = {each: recalls(found.distances, self._truth, each) for each in KS if each <= most}
        return self._found[ef][k]

    def bound(self, k: int, ef: int) -> float:
        """Return what the recall of all queries is at least, with 95 % confidence."""
        if (k, ef) not in self._bounds:
            self._bounds[k, ef] = self._bootstrap.lower(self.at(k, ef), k)
        return self._bounds[k, ef]

    def meets(self, k: int, target: float, ef: int) -> bool:
        """Whether a width is enough for a target, with room for what a shorter refinement loses.

        A sample that missed nothing at all is enough for any: more of it than there is would be needed to show more.
        """
        if ef < k:
            return False
        return self.bound(k, ef) >= target + _allowed_loss(target) or bool((self.at(k, ef) == 1.0).all())

    def settings(self, k: int, climbed: _Climb) -> list[Setting]:
        """Return the table's rows of one k; widths never shrink as the target grows."""
        efs = list(accumulate((self._least(k, target, climbed) for target in TARGETS), max))
        width = dict(zip(TARGETS, efs, strict=True))
        refined = {alike: self._refine(k, alike, width[alike]) for alike in REFINED_ALIKE}
        chosen: list[Setting] = []
        for target, ef in width.items():
            refine, loss = refined[next(alike for alike in REFINED_ALIKE if target <= alike)]
            recall, bound = float(self.at(k, ef).mean()) - loss, self.bound(k, ef) - loss
            chosen.append(Setting(k, target, ef, min(refine, ef), max(0.0, recall), max(0.0, bound)))
        return chosen

    def _least(self, k: int, target: float, climbed: _Climb) -> int:
        """Return the least rung that meets a target, the highest one climbed to when none does."""
        met = next((rung for rung in climbed.tried if self.meets(k, target, rung)), None)
        if met is None:
            return climbed.rungs[-1]
        missed = max((rung for rung in climbed.tried if rung < met), default=0)
        open_rungs = [rung for rung in climbed.rungs if missed < rung < met]
        low, high = 0, len(open_rungs)
        while low < high:
            middle = (low + high) // 2
            if self.meets(k, target, open_rungs[middle]):
                high = middle
            else:
                low = middle + 1
        return open_rungs[low] if low < len(open_rungs) else met

    # --- refinement ---

    def _refine(self, k: int, target: float, ef: int) -> tuple[int, float]:
        """Return how many candidates are measured again, and what recall that costs."""
        for factor in FACTORS:
            refine = max(factor * k, LEAST_REFINED)
            if refine >= ef:
                break
            loss = self._loss(k, ef, refine)
            if loss <= _allowed_loss(target):
                return refine, loss
        return ef, 0.0

    def _loss(self, k: int, ef: int, refine: int) -> float:
        """Return what recall it costs not to measure every candidate again; of a part of the queries, as it is even."""
        if (k, ef, refine) not in self._losses:
            part = self._part
            hits = self._searcher(take(self._asked, part), k, ef, refine, self._keep)
            lost = self.at(k, ef)[part] - recalls(hits.distances, self._truth[part], k)
            self._losses[k, ef, refine] = max(0.0, float(lost.mean()))
        return self._losses[k, ef, refine]

    def coarse(self, table: tuple[Setting, ...], climbed: _Climb) -> bool:
        """Whether the walk's code does not tell near rows apart.

        Either the ten nearest are not among the eighty that seem nearest, or wider walks no longer find more.
        """
        default = table[_place(FILTERED_K, DEFAULT_TARGET)]
        most = FACTORS[-1] * FILTERED_K
        if default.ef > most and self._loss(FILTERED_K, default.ef, most) > COARSE_LOSS:
            return True
        if default.bound >= DEFAULT_TARGET or len(climbed.tried) < 2:
            return False
        before, last = (float(self.at(FILTERED_K, max(rung, FILTERED_K)).mean()) for rung in climbed.tried[-2:])
        return last - before < STALLED and last < DEFAULT_TARGET

    # --- filtered ---

    def band(self, share: float, default: Setting) -> Band:
        """Return what a random filter asks for beyond the default's width; the widest tried when none is enough."""
        kept = self._filter(share)
        truth = kernels.scan(self._asked, self._base, self._metric, FILTERED_K, keep=kept, threads=self._threads)
        for widening in WIDENINGS:
            ef = min(math.ceil(default.ef * widening), self._base.rows)
            hits = self._searcher(self._asked, FILTERED_K, ef, default.refine, kept)
            found = recalls(hits.distances, truth.distances, FILTERED_K)
            bound = self._bootstrap.lower(found, FILTERED_K)
            if bound >= DEFAULT_TARGET:
                break
        return Band(share, widening, float(found.mean()), bound)

    def _filter(self, share: float) -> Bitset:
        rng = np.random.default_rng((self._seed, round(1_000 * share)))
        kept = Bitset.from_mask(rng.random(self._base.rows) < share)
        return kept if self._keep is None else kept & self._keep


def _allowed_loss(target: float) -> float:
    """Return how much recall a shorter refinement may cost: a fifth of the misses allowed, 0.002 at most."""
    return min(0.002, (1.0 - target) / 5.0)
