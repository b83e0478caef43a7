"""What a sweep says: speed at a recall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

RECALLS = (0.95, 0.99)
FILTER_RECALL = 0.95


def at_recall(points: Sequence[dict[str, Any]], wanted: float) -> float | None:
    """Return the QPS at a recall, log-linear between the sweep points around it; None where it isn't reached."""
    curve = sorted((point["recall"], point["qps"]) for point in points)
    speeds = [qps for recall, qps in curve if recall >= wanted]
    for (low, fast), (high, slow) in pairwise(curve):
        if low < wanted <= high:
            share = (wanted - low) / (high - low)
            speeds.append(math.exp(math.log(fast) * (1 - share) + math.log(slow) * share))
    return max(speeds, default=None)


def best_point(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the fastest point that reaches the filters' recall, else the one with the best recall."""
    enough = [point for point in points if point["recall"] >= FILTER_RECALL]
    if enough:
        return max(enough, key=lambda point: point["qps"])
    return max(points, key=lambda point: (point["recall"], point["qps"]), default=None)
