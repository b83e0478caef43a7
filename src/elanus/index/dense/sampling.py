"""Queries like those that a segment's rows could be the answers to, made from the rows themselves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.dense.vectors import normalised
from elanus.model.bitset import Bitset
from elanus.model.types import DataType, Metric

NEIGHBOURS: Final = 30
SPREAD: Final = 1.75


def made_queries(
    base: Vectors, metric: Metric, keep: Bitset | None, count: int, *, seed: int, threads: int = 1
) -> Vectors:
    """Return ``count`` queries (fewer where fewer rows are kept), as the kernels are asked.

    Rows themselves are far too easy: a graph leads to each of its rows. So a query is drawn at random from around a
    row and its 30 nearest ones: their mean, and 1.75 times a random mixture of their deviations from it. Such queries
    lie about as far from the data as new data does, and ask for about as wide walks (docs/decisions/0009).

    cost  one scan of the segment that all queries share
    """
    rng = np.random.default_rng(seed)
    candidates = np.arange(base.rows) if keep is None else keep.rows()
    chosen = np.sort(rng.choice(candidates, size=min(count, len(candidates)), replace=False))
    # The row of the largest product may lie anywhere; what is near a row is what Euclid calls so.
    nearness = Metric.L2 if metric is Metric.IP else metric
    most = min(NEIGHBOURS + 1, len(candidates))
    near = kernels.scan(take(base, chosen).as_queries(), base, nearness, most, keep=keep, threads=threads).rows
    return _around(take(base, near.ravel()).as_queries(), len(chosen), metric, rng)


def take(base: Vectors, rows: NDArray[np.int64]) -> Vectors:
    """Return a copy of some rows."""
    return Vectors(np.ascontiguousarray(raw_rows(base)[rows]), len(rows), base.dim, base.type)


def joined(first: Vectors, second: Vectors) -> Vectors:
    """Return two sets of queries as one; ValueError where types or dims differ."""
    if (first.type, first.dim) != (second.type, second.dim):
        raise ValueError(f"{second.type.label} of dim {second.dim} beside {first.type.label} of dim {first.dim}")
    both = np.concatenate((raw_rows(first), raw_rows(second)))
    return Vectors(both, first.rows + second.rows, first.dim, first.type)


def raw_rows(vectors: Vectors) -> NDArray[np.uint8]:
    """Return vectors as their bytes, uint8 [rows, bytes of a vector], without a copy."""
    width = vectors.row_bytes
    return np.frombuffer(vectors.data, dtype=np.uint8, count=vectors.rows * width).reshape(vectors.rows, width)


def _around(near: Vectors, count: int, metric: Metric, rng: np.random.Generator) -> Vectors:
    """Return one query for each of ``count`` groups of near rows, which lie one group after another."""
    if near.type is DataType.BINARY_VECTOR:
        bits = np.unpackbits(raw_rows(near), axis=1).reshape(count, -1, near.dim)
        return Vectors.of(np.packbits(rng.random((count, near.dim)) < bits.mean(axis=1), axis=1), near.type)
    whole = near.type is DataType.INT8_VECTOR
    floats = raw_rows(near).view(np.int8 if whole else np.float32).astype(np.float32)
    if metric is Metric.COSINE:
        floats = normalised(floats)
    groups = floats.reshape(count, -1, near.dim)
    centres = groups.mean(axis=1)
    weights = rng.standard_normal(groups.shape[:2], dtype=np.float32) * SPREAD / np.sqrt(groups.shape[1] - 1)
    drawn: NDArray[Any] = centres + np.einsum("ij,ijd->id", weights, groups - centres[:, None])
    if not whole:
        return Vectors.of(drawn.astype(np.float32))
    if metric is Metric.COSINE:  # there are no whole numbers between unit vectors
        drawn *= 127.0 / np.maximum(np.abs(drawn).max(axis=1, keepdims=True), 1e-30)
    return Vectors.of(np.clip(np.rint(drawn), -128, 127).astype(np.int8), near.type)
