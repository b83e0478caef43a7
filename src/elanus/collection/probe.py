"""The recall probe: searches as they were answered are asked again exactly, in the background, a few an hour.

What a calibration measured once may stop being true: users ask other things than the rows suggest, and deletes thin the
graph out. The probe keeps a random sample of the searches that walked a segment, with the distances that they
answered. An exact scan of the same rows tells what they missed. The mean is exported; where it falls short of its
promise, the segment's walks are widened.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.dense.adjustment import Promise
from elanus.index.dense.calibration import SLACK
from elanus.index.dense.recall import Bootstrap, recalls
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.ids import IndexId, SegmentId
from elanus.model.schema import Field
from elanus.model.types import DataType, Metric
from elanus.observe.metrics import Gauge, Metrics
from elanus.query.plan import SearchPlan
from elanus.query.request import Queries
from elanus.segment.base import VectorRows

log = logging.getLogger("elanus.collection")

QUERIES_A_ROUND: Final = 32
ROUND_S: Final = 3_600.0
WINDOW: Final = 256
ENOUGH: Final = 32
MOST_K: Final = 1_000


def recall_estimate(metrics: Metrics) -> Gauge:
    """Return the gauge of what probes find."""
    text = "Share of the nearest rows that walks without a width of their own find, by background checks."
    return metrics.gauge("elanus_recall_estimate", text, "collection_id", "field_name")


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredWalk:
    """One query over one segment, as it was answered.

    query      [1, width] of the field's dtype or float32
    kept       the rows that could be found, None for all
    distances  float32 [1, k] that it found
    """

    query: NDArray[Any]
    type: DataType
    kept: Bitset | None
    distances: NDArray[np.float32]
    promise: Promise


class Reservoir:
    """A uniform sample of what passes by; most of it is only counted. Li 1994, Algorithm L."""

    def __init__(self, capacity: int, draw: random.Random) -> None:
        self._capacity = capacity
        self._draw = draw
        self._lock = threading.Lock()
        self._walks: list[AnsweredWalk] = []
        self._seen = self._next = 0
        self._weight = 1.0

    def clear(self) -> list[AnsweredWalk]:
        """Start anew; returns what was kept."""
        with self._lock:
            kept, self._walks = self._walks, []
            self._seen = self._next = 0
            self._weight = 1.0
        return kept

    def passes_over(self) -> bool:
        """Count one more; whether it is not for the sample. Threads may lose a count to each other, at no harm."""
        self._seen += 1
        return self._seen <= self._next

    def take(self, walk: AnsweredWalk) -> None:
        """Put one into the sample, in the place of a random one once it is full."""
        with self._lock:
            if len(self._walks) < self._capacity:
                self._walks.append(walk)
            else:
                self._walks[self._draw.randrange(self._capacity)] = walk
            if len(self._walks) == self._capacity:
                self._weight *= math.exp(math.log(1.0 - self._draw.random()) / self._capacity)
                leap = math.log(1.0 - self._draw.random()) / math.log1p(-self._weight)
                self._next = self._seen + int(min(leap, 2.0**62))

    def __len__(self) -> int:
        return len(self._walks)


class _Watched:
    """One index of one segment: what was asked since the last round, and what the rounds found."""

    def __init__(self, segment: VectorRows, plan: SearchPlan, reservoir: Reservoir, since: float) -> None:
        self.segment = weakref.ref(segment)
        self.field: Field = plan.field
        self.metric: Metric = plan.metric
        self.reservoir = reservoir
        self.since = since
        self.found: deque[tuple[float, float]] = deque(maxlen=WINDOW)


class RecallProbe:
    """Watches the walks of one collection; ``offer`` is called from any thread, ``run`` from one at a time.

    collection  its id, for the metric and the log
    a_round     how many queries of a segment are checked each ``round_s`` seconds
    clock       seconds, monotonic
    """

    def __init__(
        self,
        collection: str,
        estimates: Gauge,
        *,
        a_round: int = QUERIES_A_ROUND,
        round_s: float = ROUND_S,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self._collection = collection
        self._estimates = estimates
        self._a_round = a_round
        self._round_s = round_s
        self._clock = clock
        self._draw = random.Random(seed)
        self._watched: dict[tuple[SegmentId, IndexId], _Watched] = {}

    def offer(
        self,
        plan: SearchPlan,
        queries: Queries,
        segment: VectorRows,
        *,
        kept: Bitset | None,
        hits: Hits,
        promise: Promise,
    ) -> None:
        """Take note of a walk whose width was the index's to choose; ``hits`` is its answer.

        cost  half a microsecond; a copy of one query and its distances for the few that are kept
        """
        watched = self._watched.get((segment.id, plan.index.id))
        if watched is None:
            watched = self._watch(plan, segment)
        if watched.reservoir.passes_over() or plan.fetch_k > MOST_K or queries.matrix is None:
            return
        one = self._draw.randrange(queries.nq)
        query, distances = queries.matrix[one : one + 1].copy(), hits.distances[one : one + 1].copy()
        watched.reservoir.take(AnsweredWalk(query, queries.type, kept, distances, promise))

    def _watch(self, plan: SearchPlan, segment: VectorRows) -> _Watched:
        watched = _Watched(segment, plan, Reservoir(self._a_round, self._draw), self._clock())
        return self._watched.setdefault((segment.id, plan.index.id), watched)

    def due(self) -> bool:
        """Whether a segment has waited long enough for ``run`` to check what was asked of it."""
        now = self._clock()
        return any(now - watched.since >= self._round_s for watched in tuple(self._watched.values()))

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Check the segments that are due and export what is found.

        stop  asked before each scan
        cost  a scan of the segment for each filter among its 32 queries; unfiltered ones share one
        """
        for key, watched in tuple(self._watched.items()):
            segment = watched.segment()
            if segment is None:
                del self._watched[key]
            elif self._clock() - watched.since >= self._round_s:
                watched.since = self._clock()
                self._check(segment, watched, watched.reservoir.clear(), stop)
        self._export()

    def _check(
        self, segment: VectorRows, watched: _Watched, walks: list[AnsweredWalk], stop: Callable[[], bool]
    ) -> None:
        for together in _scanned_together(walks):
            if stop():
                return
            shares = _recalls(segment, watched, together)
            watched.found.extend(zip(shares, (walk.promise.target for walk in together), strict=True))
        if walks:
            self._judge(segment, watched, walks[-1].promise)

    def _judge(self, segment: VectorRows, watched: _Watched, promise: Promise) -> None:
        """Widen the walks where recall is below its target by more than the slack and by more than chance."""
        shares, targets = (np.array(column) for column in zip(*watched.found, strict=True))
        estimate, target = float(shares.mean()), float(targets.mean())
        if len(shares) < ENOUGH or estimate >= target - SLACK or Bootstrap(len(shares), 1).upper(shares) >= target:
            return
        factor = promise.adjustment.raise_step()
        watched.found.clear()  # found with narrower walks
        log.warning(
            "recall below its target: collection=%s segment=%s field=%s estimate=%.3f target=%.3f ef_factor=%.2f%s",
            self._collection, segment.id, watched.field.name, estimate, target, factor,
            ", a new graph would help more" if promise.adjustment.exhausted else "",
        )  # fmt: skip
        self._estimates.set(estimate, self._collection, watched.field.name)

    def _export(self) -> None:
        found: dict[str, list[float]] = {}
        for watched in self._watched.values():
            found.setdefault(watched.field.name, []).extend(share for share, _ in watched.found)
        for field, shares in found.items():
            if shares:
                self._estimates.set(sum(shares) / len(shares), self._collection, field)

    def estimates(self) -> dict[str, float]:
        """Return the recall estimated for each field that was checked, by name, for ``describe_index``."""
        fields = {watched.field.name for watched in tuple(self._watched.values())}
        found = {name: self._estimates.get(self._collection, name) for name in fields}
        return {name: estimate for name, estimate in found.items() if estimate is not None}

    def close(self) -> None:
        """Forget everything and take the collection's series off the metrics."""
        for watched in tuple(self._watched.values()):
            self._estimates.remove(self._collection, watched.field.name)
        self._watched.clear()


def _scanned_together(walks: Sequence[AnsweredWalk]) -> list[list[AnsweredWalk]]:
    """Return the walks in groups of the same rows, number of results and type, which one scan answers."""
    groups: dict[tuple[int, int, DataType], list[AnsweredWalk]] = {}
    for walk in walks:
        groups.setdefault((id(walk.kept), walk.distances.shape[1], walk.type), []).append(walk)
    return list(groups.values())


def _recalls(segment: VectorRows, watched: _Watched, walks: Sequence[AnsweredWalk]) -> list[float]:
    """Return what share of its nearest rows each walk found."""
    first = walks[0]
    queries = Vectors.of(np.concatenate([walk.query for walk in walks]), first.type)
    k = first.distances.shape[1]
    exact = kernels.scan(queries, segment.base(watched.field), watched.metric, k, keep=first.kept)
    found = np.concatenate([walk.distances for walk in walks])
    shares: list[float] = recalls(found, exact.distances, k).tolist()
    return shares
