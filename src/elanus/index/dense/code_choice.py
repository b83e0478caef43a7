"""Which code a graph's walk orders rows by: the smallest that tells near rows apart, found by measuring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from elanus.index.dense.calibration import DEFAULT_TARGET, Calibration

log = logging.getLogger("elanus.index")

G = TypeVar("G")
MUCH_NARROWER: Final = 0.5


def choose_code(
    build: Callable[[str], G], calibrate: Callable[[G, str], Calibration | None], first: str = "sq8"
) -> tuple[G, Calibration | None, str]:
    """Return the graph to keep, its calibration and its code: built with ``first``, anew with finer codes if need be.

    build      makes the graph with a code
    calibrate  measures it; None where there is too little to measure
    cost       one build where the first code will do, as it nearly always does; at most three
    """
    graph = build(first)
    best = (graph, calibrate(graph, first), first)
    measured, tried = best[1], {first}
    while measured is not None and measured.needs_code and measured.needs_code not in tried:
        finer = measured.needs_code
        tried.add(finer)
        log.info("graph built anew: code=%s is too coarse for this data, trying %s", best[2], finer)
        graph = build(finer)
        measured = calibrate(graph, finer)
        if measured is not None and (best[1] is None or _is_better(measured, best[1])):
            best = (graph, measured, finer)
    return best


def _is_better(finer: Calibration, coarser: Calibration) -> bool:
    """Whether a finer code earns its memory: it proves the default recall alone, or at half the width."""
    one, other = finer.setting(10), coarser.setting(10)
    if (one.bound >= DEFAULT_TARGET) != (other.bound >= DEFAULT_TARGET):
        return one.bound > other.bound
    return one.ef <= MUCH_NARROWER * other.ef or one.recall > other.recall + (1.0 - DEFAULT_TARGET) / 2
