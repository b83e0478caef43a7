"""Vectors of every shape, and what brute force in double precision says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

Floats: TypeAlias = NDArray[np.float32]
Distances: TypeAlias = NDArray[np.float64]

FLOAT_METRICS: Final = (Metric.L2, Metric.IP, Metric.COSINE)
BINARY_METRICS: Final = (Metric.HAMMING, Metric.JACCARD)
ROUNDING: Final = 1e-5
"""What a distance in float32 may differ by, as a share of the numbers that it is summed from."""
TIE: Final = 10
"""Rows whose distances differ by a tenth of that are equally near."""
TINY: Final = 1e-30


@dataclass(frozen=True, eq=False)
class Column:
    """Vectors as the engine takes them, and as numbers.

    vectors  of the type
    numbers  float64 [rows, dim]; bits of BINARY_VECTOR as 0 and 1
    """

    vectors: Vectors
    numbers: NDArray[np.float64]

    @property
    def rows(self) -> int:
        return self.vectors.rows

    def head(self, rows: int) -> Column:
        """Return the first rows."""
        return Column(self.vectors.head(rows), self.numbers[:rows])


def column(floats: Floats, data_type: DataType = DataType.FLOAT_VECTOR) -> Column:
    """Return floats [rows, dim] as a column of a type: rounded, scaled to int8, or their signs as bits."""
    if data_type is DataType.FLOAT16_VECTOR:
        halves = floats.astype(np.float16)
        return Column(Vectors.of(halves, data_type), halves.astype(np.float64))
    if data_type is DataType.BFLOAT16_VECTOR:
        upper = (np.ascontiguousarray(floats, np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return Column(Vectors.of(upper, data_type), (upper.astype(np.uint32) << 16).view(np.float32).astype(np.float64))
    if data_type is DataType.INT8_VECTOR:
        small = np.clip(np.rint(floats * 30), -128, 127).astype(np.int8)
        return Column(Vectors.of(small, data_type), small.astype(np.float64))
    if data_type is DataType.BINARY_VECTOR:
        bits = (floats > 0).astype(np.uint8)
        return Column(Vectors.of(np.packbits(bits, axis=1, bitorder="little"), data_type), bits.astype(np.float64))
    single = np.ascontiguousarray(floats, np.float32)
    return Column(Vectors.of(single), single.astype(np.float64))


# --- shapes ---


def gaussian(rows: int, dim: int, seed: int = 1) -> Floats:
    """Return vectors without any structure: the hardest for their dimension."""
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def clustered(rows: int, dim: int, seed: int = 1, centres: int = 50) -> Floats:
    """Return vectors around a few centres, which are the same for every seed."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(dim).normal(size=(centres, dim))
    drawn = middles[random.integers(0, centres, rows)] + 0.35 * random.normal(size=(rows, dim))
    return drawn.astype(np.float32)


def of_wide_norms(rows: int, dim: int, seed: int = 1) -> Floats:
    """Return clustered vectors whose lengths differ by a factor of fifty or so."""
    lengths = np.exp(np.random.default_rng(seed + 100).normal(size=(rows, 1)))
    return (clustered(rows, dim, seed) * lengths).astype(np.float32)


def duplicated(rows: int, dim: int, seed: int = 1) -> Floats:
    """Return clustered vectors, each ten times, shuffled."""
    once = clustered(rows // 10, dim, seed)
    return np.random.default_rng(seed).permutation(np.repeat(once, 10, axis=0))


def all_equal(rows: int, dim: int, seed: int = 1) -> Floats:
    """Return one vector many times."""
    return np.repeat(gaussian(1, dim, 1), rows, axis=0)


def far_from_zero(rows: int, dim: int, seed: int = 1) -> Floats:
    """Return clustered vectors whose mean is ten times their spread."""
    return clustered(rows, dim, seed) + np.float32(10)


SHAPES: Final[dict[str, Callable[[int, int, int], Floats]]] = {
    "gaussian": gaussian,
    "clustered": clustered,
    "wide_norms": of_wide_norms,
    "duplicated": duplicated,
    "all_equal": all_equal,
    "far_from_zero": far_from_zero,
}

# --- truth ---


def distances(queries: Column, base: Column, metric: Metric) -> Distances:
    """Return the distance of every query to every row, smaller is nearer: float64 [nq, rows]."""
    asked, rows = queries.numbers, base.numbers
    if metric is Metric.L2:
        return _squared(asked, rows)
    dots = asked @ rows.T
    if metric is Metric.IP:
        return -dots
    ones, others = (asked**2).sum(axis=1)[:, None], (rows**2).sum(axis=1)[None, :]
    if metric is Metric.COSINE:
        lengths = np.sqrt(ones * others)
        return -np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    if metric is Metric.JACCARD:
        either = ones + others - dots
        return 1 - np.divide(dots, either, out=np.ones_like(dots), where=either > 0)
    return ones + others - 2 * dots


def _squared(asked: NDArray[np.float64], rows: NDArray[np.float64]) -> Distances:
    """Return squared Euclidean distances; near zero too they are right to the last digits."""
    if not rows.size:
        return np.zeros((len(asked), len(rows)))
    return np.stack([((rows - one) ** 2).sum(axis=1) for one in asked])


def _slack(queries: Column, base: Column, metric: Metric, exact: Distances) -> Distances:
    """Return what float32 may make of each distance: a share of the numbers that it is summed from."""
    if metric is Metric.L2:
        return ROUNDING * exact
    if metric is Metric.IP:
        lengths, others = (np.sqrt((one.numbers**2).sum(axis=1)) for one in (queries, base))
        longest: Distances = ROUNDING * lengths[:, None] * others[None, :]
        return longest
    return np.full_like(exact, ROUNDING)


@dataclass(frozen=True, eq=False)
class Truth:
    """Exact distances of some queries to a column under a metric, and how far float32 may be from each."""

    distances: Distances
    slack: Distances

    def check(self, hits: Hits, k: int, keep: NDArray[np.bool_] | None = None) -> float:
        """Return the recall of hits; a row as near as the k-th counts as found.

        Raises AssertionError unless they are sorted, unique, kept, as many as there are up to k, and at their distance.

        keep  bool [rows], or [nq, rows] where each query has its own; None for all
        """
        kept = np.ones(self.distances.shape[1], np.bool_) if keep is None else keep
        count = min(k, int(kept.sum()))
        assert hits.rows.shape == hits.distances.shape == (len(self.distances), k)
        assert (hits.rows[:, count:] == -1).all()
        assert np.isposinf(hits.distances[:, count:]).all()
        if not count:
            return 1.0
        rows, measured = hits.rows[:, :count], hits.distances[:, :count]
        assert (rows >= 0).all(), "fewer rows than there are"
        assert kept[rows].all(), "rows that are not kept"
        assert all(len(set(found)) == count for found in rows.tolist()), "a row twice"
        assert (np.diff(measured, axis=1) >= 0).all(), "not in the order of distance"
        same = measured[:, 1:] == measured[:, :-1]
        assert (np.diff(rows, axis=1)[same] > 0).all(), "equal distances not in the order of rows"
        true, slack = (np.take_along_axis(all_of, rows, axis=1) for all_of in (self.distances, self.slack))
        assert (np.abs(measured - true) <= slack + TINY).all(), "not at its distance"
        last = np.partition(np.where(kept, self.distances, np.inf), count - 1, axis=1)[:, count - 1 : count]
        return float((true <= last + slack / TIE + TINY).mean())


def truth(queries: Column, base: Column, metric: Metric) -> Truth:
    """Return the exact distances of queries to a column."""
    exact = distances(queries, base, metric)
    return Truth(exact, _slack(queries, base, metric, exact))


def keep_of(mask: NDArray[np.bool_] | None) -> Bitset | None:
    """Return a mask as searches take it."""
    return None if mask is None else Bitset.from_mask(mask)


def share_of(rows: int, share: float, seed: int = 1) -> NDArray[np.bool_]:
    """Return a mask of exactly that share of the rows, at random."""
    mask = np.zeros(rows, np.bool_)
    mask[np.random.default_rng(seed).permutation(rows)[: round(share * rows)]] = True
    return mask


def params_of(kind: Any, **values: object) -> Any:
    """Return search parameters of an index kind, as users write them."""
    return kind.search_params.parse(values)
