"""Rankers as their definitions say, a row at a time; and random routes to rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from elanus.model.types import Metric
from elanus.query.candidates import Candidates

Route = list[tuple[int, float]]
"""Keys and scores of one query, best first."""


@dataclass(frozen=True)
class FakeSegment:
    """A segment as far as rankers look at it; a row's key is ``1000 * id + row``."""

    id: int
    num_rows: int


def normalized(metric: Metric, score: float) -> float:
    if metric is Metric.COSINE:
        return (1 + score) / 2
    return 0.5 + math.atan(score) / math.pi if metric.larger_is_nearer else near(score)


def near(distance: float) -> float:
    return 1 - 2 * math.atan(distance) / math.pi


def turned(metric: Metric, score: float) -> float:
    return score if metric.larger_is_nearer else near(score)


def rrf(routes: Sequence[Route], k: float) -> dict[int, float]:
    scores: dict[int, float] = {}
    for route in routes:
        for rank, (key, _) in enumerate(route, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (k + rank)
    return scores


def weighted(
    routes: Sequence[Route], metrics: Sequence[Metric], weights: Sequence[float], *, norm: bool
) -> tuple[dict[int, float], bool]:
    """Return the scores, and whether larger ones are better."""
    larger = {metric.larger_is_nearer for metric in metrics}
    scores: dict[int, float] = {}
    for route, metric, weight in zip(routes, metrics, weights, strict=True):
        for key, score in route:
            raw = turned(metric, score) if len(larger) == 2 else score
            scores[key] = scores.get(key, 0.0) + weight * (normalized(metric, score) if norm else raw)
    return scores, norm or larger != {False}


def merged(routes: Sequence[Route], metrics: Sequence[Metric], mode: str, *, norm: bool) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for route, metric in zip(routes, metrics, strict=True):
        for key, score in route:
            found.setdefault(key, []).append(normalized(metric, score) if norm else turned(metric, score))
    of_all: dict[str, Callable[[list[float]], float]] = {
        "max": max,
        "sum": sum,
        "avg": lambda values: sum(values) / len(values),
    }
    return {key: of_all[mode](values) for key, values in found.items()}


def in_order(scores: dict[int, float], *, descending: bool = True) -> Route:
    sign = -1 if descending else 1
    return sorted(scores.items(), key=lambda hit: (sign * np.float32(hit[1]), hit[0]))


def drawn_routes(random: np.random.Generator, metrics: Sequence[Metric], nq: int) -> list[list[Route]]:
    """Return for each route the hits of each query: keys of a small pool, scores with ties, some lists empty."""
    return [[_route(random, metric) for _ in range(nq)] for metric in metrics]


def _route(random: np.random.Generator, metric: Metric) -> Route:
    count = int(random.integers(0, 12))
    keys = random.permutation([1000 * segment + row for segment in range(3) for row in range(6)])[:count]
    steps = np.sort(random.integers(0, 6, count))
    scores = 0.75 - steps / 4 if metric.larger_is_nearer else steps / 2
    hits = [(int(key), float(score)) for key, score in zip(keys, scores, strict=True)]
    return sorted(hits, key=lambda hit: (-hit[1] if metric.larger_is_nearer else hit[1], hit[0]))


def candidates_of(queries: Sequence[Route], metric: Metric, random: np.random.Generator) -> Candidates:
    """Return a route's hits as columns; its segments are in an order of their own, those without hits left out."""
    hits = [hit for query in queries for hit in query]
    keys = np.array([key for key, _ in hits], dtype=np.int64)
    scores = np.array([score for _, score in hits], dtype=np.float32)
    present = random.permutation(np.unique(keys // 1000))
    parts = np.array([int(np.flatnonzero(present == key // 1000)[0]) for key in keys], dtype=np.int64)
    return Candidates(
        [FakeSegment(int(number), 6) for number in present],
        np.array([len(query) for query in queries], dtype=np.int64),
        parts,
        keys % 1000,
        pa.array(keys),
        -scores if metric.larger_is_nearer else scores,
        metric.larger_is_nearer,
    )


def hits_of(candidates: Candidates) -> list[Route]:
    ends = np.cumsum(candidates.counts)
    pairs = list(zip(candidates.keys.to_pylist(), candidates.scores.tolist(), strict=True))
    return [pairs[end - count : end] for end, count in zip(ends, candidates.counts, strict=True)]
