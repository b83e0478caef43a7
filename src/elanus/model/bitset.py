"""Which rows count: one bit a row, least significant bit first, as FAISS and Arrow lay them out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SCATTERED: Final = 64
"""Where fewer than one row in so many is set, rows are found word by word and may be kept as a list."""
TINY_BYTES: Final = 256
"""Up to so many bytes the plainest way is the fastest."""


class Bitset:
    """An immutable set of row numbers below ``num_rows``.

    A few rows are kept as a list, and all rows as their number alone: bits are made when they are asked for, and steps
    that do without are not delayed by rows that are not in the set.
    """

    __slots__ = ("_bits", "_count", "_listed", "num_rows")

    def __init__(self, bits: NDArray[np.uint8] | None, num_rows: int) -> None:
        """Take bits as ``bits`` describes them; None for every row."""
        self._bits = bits
        self._listed: NDArray[np.int64] | None = None
        self._count = num_rows if bits is None else -1
        self.num_rows = num_rows

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_]) -> Bitset:
        """Return the rows where ``mask`` (bool [rows]) is true."""
        return cls(np.packbits(mask, bitorder="little"), len(mask))

    @classmethod
    def from_rows(cls, rows: NDArray[np.int64], num_rows: int, *, ascending: bool = False) -> Bitset:
        """Return the given rows (int64) of ``num_rows``.

        ascending  whether they do, each once; the array may be kept then
        """
        if num_rows > 8 * TINY_BYTES and len(rows) * SCATTERED < num_rows:
            return cls._of_few(rows if ascending else np.unique(rows), num_rows)
        mask = np.zeros(num_rows, dtype=np.bool_)
        mask[rows] = True
        return cls.from_mask(mask)

    @classmethod
    def _of_few(cls, rows: NDArray[np.int64], num_rows: int) -> Bitset:
        """Return the given rows (ascending, each once) as a list."""
        few = cls(None, num_rows)
        few._listed = rows.view()
        few._listed.flags.writeable = False
        few._count = len(rows)
        return few

    @classmethod
    def from_bitmap(cls, bitmap: Any, offset: int, num_rows: int) -> Bitset:
        """Return ``num_rows`` bits of a buffer from bit ``offset`` on, as Arrow keeps them; never a view of it."""
        size, shift = (num_rows + 7) // 8, offset % 8
        source = np.frombuffer(bitmap, dtype=np.uint8)[offset // 8 : offset // 8 + size + (shift > 0)]
        if shift:
            # The last byte's upper bits come from the next one, which ends the buffer where no row needs them.
            bits: NDArray[np.uint8] = source[:size] >> np.uint8(shift)
            bits[: len(source) - 1] |= source[1:] << np.uint8(8 - shift)
        else:
            bits = source.copy()
        if num_rows % 8:
            bits[-1] &= (1 << num_rows % 8) - 1
        return cls(bits, num_rows)

    @classmethod
    def all(cls, num_rows: int) -> Bitset:
        """Return every row."""
        return cls(None, num_rows)

    @classmethod
    def none(cls, num_rows: int) -> Bitset:
        """Return no row."""
        return cls._of_few(np.zeros(0, dtype=np.int64), num_rows)

    @classmethod
    def first(cls, count: int, num_rows: int) -> Bitset:
        """Return the rows below ``count``."""
        bits = np.zeros((num_rows + 7) // 8, dtype=np.uint8)
        bits[: count // 8] = 0xFF
        if count % 8:
            bits[count // 8] = (1 << count % 8) - 1
        return cls(bits, num_rows)

    def head(self, num_rows: int) -> Bitset:
        """Return the set's part of the first ``num_rows`` rows, a multiple of 8."""
        return Bitset(self.bits[: num_rows // 8], num_rows)

    def tail(self, first: int) -> Bitset:
        """Return the set's part from row ``first`` on, a multiple of 8, counted from there."""
        return Bitset(self.bits[first // 8 :], self.num_rows - first)

    @property
    def bits(self) -> NDArray[np.uint8]:
        """The set, uint8 [ceil(num_rows / 8)]: row r is bit r % 8 of byte r // 8; bits past the last row are zero."""
        bits = self._bits
        if bits is None:
            bits = self._bits = self._made()
        return bits

    def _made(self) -> NDArray[np.uint8]:
        rows = self._listed
        if rows is None:
            return Bitset.first(self.num_rows, self.num_rows).bits
        bits = np.zeros((self.num_rows + 7) // 8, dtype=np.uint8)
        np.bitwise_or.at(bits, rows >> 3, np.uint8(1) << (rows & 7).astype(np.uint8))
        return bits

    def __len__(self) -> int:
        return self.num_rows

    def __and__(self, other: Bitset) -> Bitset:
        if other._count == other.num_rows:
            return self
        if self._count == self.num_rows:
            return other
        if self._listed is not None:
            return Bitset._of_few(self._listed[other._holds(self._listed)], self.num_rows)
        if other._listed is not None:
            return other & self
        return Bitset(self.bits & other.bits, self.num_rows)

    def __or__(self, other: Bitset) -> Bitset:
        if not other._count:
            return self
        if not self._count:
            return other
        return Bitset(self.bits | other.bits, self.num_rows)

    def __sub__(self, other: Bitset) -> Bitset:
        if not other._count:
            return self
        if self._listed is not None:
            return Bitset._of_few(self._listed[~other._holds(self._listed)], self.num_rows)
        bits = ~other.bits
        bits &= self.bits
        return Bitset(bits, self.num_rows)

    def _holds(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the given rows are set, bool [rows]."""
        held: NDArray[np.bool_] = (self.bits[rows >> 3] >> (rows & 7).astype(np.uint8) & 1).view(np.bool_)
        return held

    def __invert__(self) -> Bitset:
        bits = ~self.bits
        if self.num_rows % 8:
            bits[-1] &= (1 << self.num_rows % 8) - 1
        return Bitset(bits, self.num_rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitset) and self.num_rows == other.num_rows and bool((self.bits == other.bits).all())

    __hash__ = None  # type: ignore[assignment]  # compared by content, never a key

    def any(self) -> bool:
        """Return whether any row is set."""
        return self._count > 0 if self._count >= 0 else bool(self.bits.any())

    def count(self) -> int:
        """Return how many rows are set; computed once."""
        if self._count < 0:
            if len(self.bits) <= TINY_BYTES:
                self._count = int.from_bytes(self.bits.tobytes(), "little").bit_count()
            else:
                words, rest = self._words()
                self._count = int(np.bitwise_count(words).sum() + np.bitwise_count(rest).sum())
        return self._count

    def mask(self) -> NDArray[np.bool_]:
        """Return the set as bool [num_rows]."""
        return np.unpackbits(self.bits, count=self.num_rows, bitorder="little").view(np.bool_)

    def rows(self) -> NDArray[np.int64]:
        """Return the set rows, ascending, as int64; where they are few, only words that hold some are looked into.

        The array may be the set's own and is not to be written to.
        """
        if self._listed is not None:
            return self._listed
        if len(self.bits) <= TINY_BYTES or self.count() * SCATTERED >= self.num_rows:
            return np.flatnonzero(self.mask()).astype(np.int64, copy=False)
        words, rest = self._words()
        held = np.flatnonzero(words != 0)
        inside = np.flatnonzero(_unpacked(words[held].view(np.uint8)))
        rows = held[inside >> 6] * 64 + (inside & 63)
        last = np.flatnonzero(_unpacked(rest)) + 64 * len(words)
        return np.concatenate((rows, last)).astype(np.int64, copy=False)

    def _words(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        """Return the bits as whole words, and the bytes that are left."""
        whole = len(self.bits) // 8 * 8
        return self.bits[:whole].view(np.uint64), self.bits[whole:]


def _unpacked(bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.unpackbits(bits, bitorder="little").view(np.bool_)


def intersect(left: Bitset | None, right: Bitset | None) -> Bitset | None:
    """Return the rows in both, where None stands for every row."""
    if left is None or right is None:
        return right if left is None else left
    return left & right
