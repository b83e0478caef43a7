"""Scores of different metrics made comparable: similarities, larger is better, most of them between 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus.model.types import Metric

Scores = NDArray[np.float64]
Norm = Callable[[Scores], Scores]
"""Scores as users see them, float64 [n] -> similarities, float64 [n]."""


def unchanged(scores: Scores) -> Scores:
    """Return scores as they are."""
    return scores


def closeness(distances: Scores) -> Scores:
    """Return similarities in 0 .. 1 of distances from 0 on."""
    return 1.0 - 2.0 * np.arctan(distances) / pi


def _of_cosines(scores: Scores) -> Scores:
    return (1.0 + scores) / 2.0


def _of_similarities(scores: Scores) -> Scores:
    return 0.5 + np.arctan(scores) / pi


def _of_relevances(scores: Scores) -> Scores:
    """Return similarities of scores that are never below zero."""
    return 2.0 * np.arctan(scores) / pi


_NORMS: Final[Mapping[str, Norm]] = {"COSINE": _of_cosines, "BM25": _of_relevances}


def similarities(metrics: Sequence[Metric], *, normalize: bool) -> tuple[Norm, ...]:
    """Return for each metric what makes similarities of its scores.

    normalize  whether they must lie between 0 and 1; without, scores that are similarities stay as they are
    """
    if not normalize:
        return tuple(unchanged if metric.larger_is_nearer else closeness for metric in metrics)
    return tuple(
        _NORMS.get(metric.value, _of_similarities) if metric.larger_is_nearer else closeness for metric in metrics
    )
