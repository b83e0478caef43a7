"""Vector types with their metrics: how vectors are drawn and sent, and what brute force in float64 says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

DIM = 16
Matrix = NDArray[Any]
Scores = NDArray[np.float64]


def l2(query: Matrix, rows: Matrix) -> Scores:
    return ((rows.astype(np.float64) - query.astype(np.float64)) ** 2).sum(axis=1)


def ip(query: Matrix, rows: Matrix) -> Scores:
    return rows.astype(np.float64) @ query.astype(np.float64)


def cosine(query: Matrix, rows: Matrix) -> Scores:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1) * np.linalg.norm(query.astype(np.float64))
    return ip(query, rows) / lengths


def hamming(query: Matrix, rows: Matrix) -> Scores:
    return (rows != query).sum(axis=1).astype(np.float64)


def jaccard(query: Matrix, rows: Matrix) -> Scores:
    both, either = (rows & query).sum(axis=1), (rows | query).sum(axis=1)
    return (1 - both / either).astype(np.float32).astype(np.float64)


METRICS: dict[str, Callable[[Matrix, Matrix], Scores]] = {
    "L2": l2,
    "IP": ip,
    "COSINE": cosine,
    "HAMMING": hamming,
    "JACCARD": jaccard,
}
LARGER_IS_NEARER = {"IP", "COSINE"}


@dataclass(frozen=True)
class Kind:
    """One vector type.

    draw    random vectors [n, DIM], as numbers (bits of a binary vector)
    send    one of them as pymilvus takes it in a row
    ask     one of them as pymilvus takes it in a search
    """

    type: DataType
    index: str
    draw: Callable[[np.random.Generator, int], Matrix]
    send: Callable[[Matrix], Any]
    ask: Callable[[Matrix], Any]

    def add_to(self, schema: Any, name: str, **options: Any) -> None:
        """Add a field of this type."""
        dim = {} if self.type is DataType.SPARSE_FLOAT_VECTOR else {"dim": DIM}
        schema.add_field(name, self.type, **dim, **options)


def _bfloat16(values: Matrix) -> bytes:
    return bytes((values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes())


def _draw_bfloat16(random: np.random.Generator, count: int) -> Matrix:
    drawn = random.normal(size=(count, DIM)).astype(np.float32)
    return (drawn.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _draw_bits(random: np.random.Generator, count: int) -> Matrix:
    bits = random.integers(0, 2, (count, DIM)).astype(np.uint8)
    bits[:, 0] = 1
    return bits


def _draw_sparse(random: np.random.Generator, count: int) -> Matrix:
    values = random.random((count, DIM)).astype(np.float32)
    values[random.random((count, DIM)) < 0.6] = 0
    values[:, 0] = 0.5
    return values


def _packed(bits: Matrix) -> bytes:
    return bytes(np.packbits(bits, bitorder="little").tobytes())


def _pairs(values: Matrix) -> dict[int, float]:
    return {int(place) * 1000: float(values[place]) for place in np.flatnonzero(values)}


KINDS: dict[str, Kind] = {
    "float": Kind(
        DataType.FLOAT_VECTOR,
        "FLAT",
        lambda random, count: random.normal(size=(count, DIM)).astype(np.float32),
        lambda values: values,
        lambda values: values,
    ),
    "float16": Kind(
        DataType.FLOAT16_VECTOR,
        "FLAT",
        lambda random, count: random.normal(size=(count, DIM)).astype(np.float16),
        lambda values: values,
        lambda values: values,
    ),
    "bfloat16": Kind(DataType.BFLOAT16_VECTOR, "FLAT", _draw_bfloat16, _bfloat16, lambda values: values),
    "int8": Kind(
        DataType.INT8_VECTOR,
        "HNSW",
        lambda random, count: random.integers(-128, 128, (count, DIM)).astype(np.int8),
        lambda values: values,
        lambda values: values,
    ),
    "binary": Kind(DataType.BINARY_VECTOR, "BIN_FLAT", _draw_bits, _packed, _packed),
    "sparse": Kind(DataType.SPARSE_FLOAT_VECTOR, "SPARSE_INVERTED_INDEX", _draw_sparse, _pairs, _pairs),
}
"""INT8 under HNSW is answered by the exact scan so far; there is no flat index of that type."""

COMBINATIONS = [
    *((name, metric) for name in ("float", "float16", "bfloat16", "int8") for metric in ("L2", "IP", "COSINE")),
    ("binary", "HAMMING"),
    ("binary", "JACCARD"),
    ("sparse", "IP"),
]


Index = tuple[str, str, str, dict[str, Any]]
"""Field, type, metric, build parameters."""


def make(client: MilvusClient, name: str, schema: Any, indexes: Sequence[Index], **options: Any) -> None:
    """Create and load a collection with indexes; doesn't wait for builds."""
    client.create_collection(name, schema=schema, consistency_level="Strong", **options)
    for field, kind, metric, params in indexes:
        made = client.prepare_index_params()
        made.add_index(field, index_type=kind, metric_type=metric, params=params)
        client.create_index(name, made, sync=False)
    client.load_collection(name)


def nearest(
    query: Matrix, rows: Matrix, keys: Sequence[Any], metric: str, limit: int, *, offset: int = 0
) -> list[tuple[Any, float]]:
    """Return what a search should: ``(key, score)``, nearest first, equal scores by key."""
    scores = METRICS[metric](query, rows)
    if metric in LARGER_IS_NEARER:
        scores = -scores
    order = sorted(range(len(keys)), key=lambda row: (scores[row], keys[row]))[offset : offset + limit]
    sign = -1 if metric in LARGER_IS_NEARER else 1
    return [(keys[row], sign * float(scores[row])) for row in order]


def assert_hits(found: Any, expected: list[tuple[Any, float]], scale: float) -> None:
    """Compare hits in order; scores may differ by 1e-6 of ``scale``."""
    assert [hit["id"] for hit in found] == [key for key, _ in expected]
    for hit, (_, score) in zip(found, expected, strict=True):
        assert abs(hit["distance"] - score) <= 1e-6 * scale


def scale_of(query: Matrix, rows: Matrix, metric: str) -> float:
    """Return the size of the numbers that a score is summed from."""
    if metric in ("COSINE", "HAMMING", "JACCARD"):
        return 1.0
    longest = float(np.linalg.norm(rows.astype(np.float64), axis=1).max())
    length = float(np.linalg.norm(query.astype(np.float64)))
    return (longest + length) ** 2 if metric == "L2" else longest * length
