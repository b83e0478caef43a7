"""Which rows count: one bit a row, least significant bit first, as FAISS and Arrow lay them out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Bitset:
    """An immutable set of row numbers below ``num_rows``.

    bits  uint8 [ceil(num_rows / 8)]; row r is bit r % 8 of byte r // 8; bits past the last row are zero
    """

    __slots__ = ("_count", "bits", "num_rows")

    def __init__(self, bits: NDArray[np.uint8], num_rows: int) -> None:
        self.bits = bits
        self.num_rows = num_rows
        self._count = -1

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_]) -> Bitset:
        """Return the rows where ``mask`` (bool [rows]) is true."""
        return cls(np.packbits(mask, bitorder="little"), len(mask))

    @classmethod
    def from_rows(cls, rows: NDArray[np.int64], num_rows: int) -> Bitset:
        """Return the given rows (int64, any order) of ``num_rows``."""
        mask = np.zeros(num_rows, dtype=np.bool_)
        mask[rows] = True
        return cls.from_mask(mask)

    @classmethod
    def all(cls, num_rows: int) -> Bitset:
        """Return every row."""
        bits = np.full((num_rows + 7) // 8, 0xFF, dtype=np.uint8)
        if num_rows % 8:
            bits[-1] = (1 << num_rows % 8) - 1
        return cls(bits, num_rows)

    @classmethod
    def none(cls, num_rows: int) -> Bitset:
        """Return no row."""
        return cls(np.zeros((num_rows + 7) // 8, dtype=np.uint8), num_rows)

    @classmethod
    def first(cls, count: int, num_rows: int) -> Bitset:
        """Return the rows below ``count``."""
        mask = np.zeros(num_rows, dtype=np.bool_)
        mask[:count] = True
        return cls.from_mask(mask)

    def __len__(self) -> int:
        return self.num_rows

    def __and__(self, other: Bitset) -> Bitset:
        return Bitset(self.bits & other.bits, self.num_rows)

    def __or__(self, other: Bitset) -> Bitset:
        return Bitset(self.bits | other.bits, self.num_rows)

    def __sub__(self, other: Bitset) -> Bitset:
        return Bitset(self.bits & ~other.bits, self.num_rows)

    def __invert__(self) -> Bitset:
        return Bitset.all(self.num_rows) - self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitset) and self.num_rows == other.num_rows and bool((self.bits == other.bits).all())

    __hash__ = None  # type: ignore[assignment]  # compared by content, never a key

    def count(self) -> int:
        """Return how many rows are set; computed once."""
        if self._count < 0:
            self._count = int(np.bitwise_count(self.bits).sum(dtype=np.int64))
        return self._count

    def mask(self) -> NDArray[np.bool_]:
        """Return the set as bool [num_rows]."""
        return np.unpackbits(self.bits, count=self.num_rows, bitorder="little").view(np.bool_)

    def rows(self) -> NDArray[np.int64]:
        """Return the set rows, ascending, as int64."""
        return np.flatnonzero(self.mask()).astype(np.int64, copy=False)


def intersect(left: Bitset | None, right: Bitset | None) -> Bitset | None:
    """Return the rows in both, where None stands for every row."""
    if left is None or right is None:
        return right if left is None else left
    return left & right
