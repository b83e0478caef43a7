"""Queries one at a time, by the CPU time of this process: on a busy machine the clock measures the neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Search = Callable[[int], Any]
WARM_UP = 20
MAX_PASSES = 5


@dataclass(frozen=True)
class Pass:
    """The fastest of some passes over the queries: seconds of CPU and of the clock a query, and what was found."""

    cpu_s: float
    wall_s: float
    found: list[NDArray[np.int64]]

    @property
    def qps(self) -> float:
        """Queries a second of CPU time."""
        return 1 / self.cpu_s


def best_pass(search: Search, queries: int, budget_s: float) -> Pass:
    """Return the pass with the least CPU time; a pass ends early when it alone spends the budget."""
    for query in range(min(WARM_UP, queries)):
        search(query)
    best: Pass | None = None
    spent = 0.0
    for _ in range(MAX_PASSES):
        one = _pass(search, queries, budget_s)
        if best is None or one.cpu_s < best.cpu_s:
            best = one
        spent += one.wall_s * len(one.found)
        if spent >= budget_s:
            break
    assert best is not None
    return best


def _pass(search: Search, queries: int, budget_s: float) -> Pass:
    found = []
    begun, cpu = time.perf_counter(), time.process_time()
    until = begun + budget_s
    for query in range(queries):
        found.append(search(query))
        if time.perf_counter() > until:
            break
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - begun
    return Pass(max(cpu_s, 1e-9) / len(found), wall_s / len(found), found)


@dataclass(frozen=True)
class Spent:
    """Seconds that a call took."""

    cpu_s: float
    wall_s: float


def spent_by(call: Callable[[], object]) -> Spent:
    begun, cpu = time.perf_counter(), time.process_time()
    call()
    return Spent(time.process_time() - cpu, time.perf_counter() - begun)
