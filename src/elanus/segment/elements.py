"""The vectors of a struct array's sub-field, those of all rows end to end: what elements are searched in."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus.model.bitset import SCATTERED, Bitset
from elanus.model.columns import Column, varlen_buffers


class Elements:
    """Vectors and the rows that own them. Immutable.

    vectors  all of them, an element each
    offsets  int64 [rows + 1]: row r owns the elements from offsets[r], 0 for the first row, up to offsets[r + 1]; a
             null row and an empty list own none
    """

    def __init__(self, vectors: Vectors, offsets: NDArray[np.int64]) -> None:
        self.vectors = vectors
        self.offsets = offsets

    @classmethod
    def of(cls, column: Column) -> Self:
        """Return the vectors of an ARRAY_OF_VECTOR column, over its own memory."""
        field, (offsets, _) = column.field.element, varlen_buffers(column.data)
        first = int(offsets[0])
        values = column.data.values.slice(first, int(offsets[-1]) - first)
        vectors = Vectors.of(Column(field, values).matrix(), field.type)
        return cls(vectors, offsets - first if first else offsets)

    def __len__(self) -> int:
        return self.vectors.rows

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.offsets) - 1

    @cached_property
    def owning(self) -> Bitset | None:
        """The rows that have elements, None when all have."""
        has_any = self.offsets[1:] > self.offsets[:-1]
        return None if has_any.all() else Bitset.from_mask(has_any)

    def owners(self, elements: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each element, int64."""
        rows: NDArray[np.int64] = np.searchsorted(self.offsets, elements, side="right") - 1
        return rows

    def of_rows(self, rows: Bitset | None) -> Bitset | None:
        """Return the elements of some rows, None for those of all.

        cost  about 1 ns an element; in proportion to the rows where they are few
        """
        if rows is None:
            return None
        if rows.count() * SCATTERED < self.num_rows:
            few = rows.rows()
            starts, lengths = self.offsets[few], self.offsets[few + 1] - self.offsets[few]
            places = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            return Bitset.from_rows(np.repeat(starts, lengths) + places, len(self), ascending=True)
        return Bitset.from_mask(np.repeat(rows.mask(), np.diff(self.offsets)))
