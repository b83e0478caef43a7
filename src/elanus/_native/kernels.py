"""Exact search over vector columns held in any buffer, re-ranking, and row bitmaps.

Inside, a distance is float32 and smaller is nearer: squared Euclidean (L2), negative dot product (IP), negative cosine
(COSINE, zero for a zero vector), differing bits (HAMMING), one minus common over either bits (JACCARD, zero where both
are empty). A pair's distance depends on the instruction set alone, never on the way it was searched. Overflow gives
+inf, and NaN counts as +inf. The interpreter is released during every scan; a scan ends with Expired or Cancelled soon
after the call at hand is over (``model.deadline``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

if TYPE_CHECKING:
    from elanus._native.core import Buffer

ElementName: TypeAlias = Literal["f32", "f16", "bf16", "i8", "bit"]

ELEMENTS: dict[DataType, ElementName] = {
    DataType.FLOAT_VECTOR: "f32",
    DataType.FLOAT16_VECTOR: "f16",
    DataType.BFLOAT16_VECTOR: "bf16",
    DataType.INT8_VECTOR: "i8",
    DataType.BINARY_VECTOR: "bit",
}

_ELEMENT_BITS = {
    DataType.FLOAT_VECTOR: 32,
    DataType.FLOAT16_VECTOR: 16,
    DataType.BFLOAT16_VECTOR: 16,
    DataType.INT8_VECTOR: 8,
    DataType.BINARY_VECTOR: 1,
}

_HALVES = (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Dense vectors in a buffer, one after another from its first byte, which may lie at any address.

    data  a C-contiguous buffer of at least ``rows`` vectors: array, bytes, memory map, Arrow buffer
    rows  how many of them count
    dim   elements of a vector; bits for BINARY_VECTOR
    type  one of ``DENSE_VECTORS``; says how an element is stored, little-endian
    """

    data: Buffer = field(repr=False)
    rows: int
    dim: int
    type: DataType = DataType.FLOAT_VECTOR

    @classmethod
    def of(cls, array: NDArray[np.generic], vector_type: DataType = DataType.FLOAT_VECTOR) -> Vectors:
        """Return the rows of ``array`` as vectors of a type.

        array   [rows, dim] of the type's own element (uint16 for BFLOAT16_VECTOR), or [rows, bytes] of bytes
        raises  ValueError for elements of another size
        """
        bits = _ELEMENT_BITS[vector_type]
        if array.ndim != 2 or array.itemsize not in (1, bits // 8):
            raise ValueError(f"no {vector_type.label} in an array of {array.dtype} {array.shape}")
        dim = array.shape[1] * array.itemsize * 8 // bits
        return cls(np.ascontiguousarray(array).view(np.uint8), len(array), dim, vector_type)

    @property
    def element(self) -> ElementName:
        """How an element is stored, as the native side calls it."""
        return ELEMENTS[self.type]

    @property
    def row_bytes(self) -> int:
        """Bytes of a vector."""
        return self.dim * _ELEMENT_BITS[self.type] // 8

    def head(self, rows: int) -> Vectors:
        """Return the first ``rows`` of these vectors, in the same buffer."""
        return Vectors(self.data, rows, self.dim, self.type)

    def tail(self, first: int) -> Vectors:
        """Return these vectors from row ``first`` on, in the same buffer."""
        bytes_from = np.frombuffer(self.data, dtype=np.uint8)[first * self.row_bytes :]
        return Vectors(bytes_from, self.rows - first, self.dim, self.type)

    def as_queries(self) -> Vectors:
        """Return these vectors as the kernels are asked: halves become floats of 32 bits, others stay."""
        if self.type not in _HALVES:
            return self
        halves = np.frombuffer(self.data, dtype=np.uint16, count=self.rows * self.dim).reshape(self.rows, self.dim)
        if self.type is DataType.FLOAT16_VECTOR:
            return Vectors.of(halves.view(np.float16).astype(np.float32))
        return Vectors.of((halves.astype(np.uint32) << 16).view(np.float32))

    def _native(self) -> tuple[Buffer, int, int, ElementName]:
        return self.data, self.rows, self.dim, self.element


@dataclass(frozen=True, slots=True, eq=False)
class SparseVectors:
    """Sparse vectors in buffers: row ``r`` is ``data[offsets[r]:offsets[r + 1]]``.

    offsets  int64 [rows + 1], in bytes
    data     entries of a uint32 index and a float32 value, little-endian; a row ascends by index without repeats
    """

    offsets: NDArray[np.int64]
    data: Buffer = field(repr=False)

    def _native(self) -> tuple[NDArray[np.int64], Buffer]:
        return self.offsets, self.data


@dataclass(frozen=True, slots=True, eq=False)
class RangeHits:
    """The rows of each query within a window of distances, nearest first.

    offsets    int64 [nq + 1]; query q has the hits from offsets[q] to offsets[q + 1]
    rows       int64 [hits]
    distances  float32 [hits]
    """

    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def scan(
    queries: Vectors,
    base: Vectors,
    metric: Metric,
    k: int,
    *,
    keep: Bitset | None = None,
    lengths: NDArray[np.float32] | None = None,
    first_row: int = 0,
    threads: int = 1,
) -> Hits:
    """Return the k nearest kept rows of each query, exactly; ties in row order.

    queries    vectors of the base's type and dim, or FLOAT_VECTOR for halves
    keep       rows of the base that may be returned, None for all
    lengths    float32 [base.rows] from ``norms``, spares COSINE over floats a sum a row; other metrics don't read it
    first_row  added to the rows returned; ``keep`` and ``lengths`` count from the base's own first row
    returns    ascending by distance, then row; padded with -1 and +inf
    raises     ValueError for shapes, types or metrics that don't go together, TypeError for a buffer with gaps
    cost       one pass over the kept rows at about the speed of memory; several queries share it
    """
    bits = None if keep is None else keep.bits
    native = (queries.as_queries()._native(), base._native())
    return Hits(*core.scan(*native, metric, k, lengths, (bits, first_row, threads, deadline.current())))


def range_scan(
    queries: Vectors,
    base: Vectors,
    metric: Metric,
    *,
    nearer_than: float | None = None,
    not_nearer_than: float | None = None,
    limit: int | None = None,
    keep: Bitset | None = None,
    lengths: NDArray[np.float32] | None = None,
    first_row: int = 0,
    threads: int = 1,
) -> RangeHits:
    """Return the kept rows with ``not_nearer_than <= distance < nearer_than``, nearest first, at most ``limit``.

    nearer_than, not_nearer_than  inner distances (negated for IP and COSINE), rounded to float32; None for no bound
    others                        as for ``scan``
    """
    bits = None if keep is None else keep.bits
    native = (queries.as_queries()._native(), base._native())
    window = (not_nearer_than, nearer_than, limit)
    return RangeHits(*core.range_scan(*native, metric, window, lengths, (bits, first_row, threads, deadline.current())))


def scan_sparse(
    queries: SparseVectors,
    base: SparseVectors,
    k: int,
    *,
    keep: Bitset | None = None,
    first_row: int = 0,
    threads: int = 1,
) -> Hits:
    """Return the k kept rows of greatest dot product of each query, among those that share an index with it.

    returns  distances are negative dot products; ascending by distance, then row; padded with -1 and +inf
    raises   ValueError for offsets that don't ascend, don't fit, or split an entry
    cost     1 to 2 ns an entry of a kept row and query
    """
    bits = None if keep is None else keep.bits
    return Hits(*core.scan_sparse(queries._native(), base._native(), k, (bits, first_row, threads, deadline.current())))


def range_scan_sparse(
    queries: SparseVectors,
    base: SparseVectors,
    *,
    nearer_than: float | None = None,
    not_nearer_than: float | None = None,
    limit: int | None = None,
    keep: Bitset | None = None,
    first_row: int = 0,
    threads: int = 1,
) -> RangeHits:
    """Return the kept rows within a window, as ``range_scan`` does, among those that share an index with the query."""
    bits = None if keep is None else keep.bits
    native = (queries._native(), base._native())
    window = (not_nearer_than, nearer_than, limit)
    return RangeHits(*core.range_scan_sparse(*native, window, (bits, first_row, threads, deadline.current())))


def distances_of(queries: Vectors, base: Vectors, rows: NDArray[np.int64], metric: Metric) -> NDArray[np.float32]:
    """Return the exact distance of each query to its own rows: float32 [nq, m] for int64 ``rows`` [nq, m].

    rows    any order, repeats too; a negative row gives +inf
    raises  ValueError where a row is not below ``base.rows``
    cost    a cache miss or so a row, hidden in part by asking ahead
    """
    return core.distances_of(queries.as_queries()._native(), base._native(), np.ascontiguousarray(rows), metric)


def norms(base: Vectors) -> NDArray[np.float32]:
    """Return the Euclidean length of each row, float32 [rows]; not defined for BINARY_VECTOR (ValueError)."""
    return core.norms(base._native())


def popcount(bits: Buffer, rows: int) -> int:
    """Return how many of the first ``rows`` rows of a bitmap are set; bits past them don't count."""
    return core.popcount(bits, rows)


def set_rows(bits: Buffer, rows: int) -> NDArray[np.int64]:
    """Return the set rows of the first ``rows`` of a bitmap, ascending, as int64."""
    return core.set_rows(bits, rows)


def simd_level() -> str:
    """Return the instruction set in use: ``scalar``, ``avx2`` or ``avx512``; ELANUS_SIMD chooses it at import."""
    return core.simd_level()


def simd_levels() -> list[str]:
    """Return the instruction sets of this machine, narrowest first."""
    return core.simd_levels()


def set_simd_level(name: str) -> None:
    """Use the instruction set of that name from the next call on; ValueError where the machine lacks it."""
    core.set_simd_level(name)
