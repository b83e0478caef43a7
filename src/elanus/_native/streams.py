"""Rows of a column without an index from the nearest on, by exact distances, batch by batch.

Every kept row is measured once, when a stream is made; the column isn't read again. All batches together are what one
scan finds, in its order. The interpreter is released meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elanus._native import core
from elanus.model import deadline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from elanus._native.kernels import SparseVectors, Vectors
    from elanus.model.bitset import Bitset
    from elanus.model.types import Metric


class _ExactStream:
    """Measured rows of which some have gone out; one thread at a time."""

    def __init__(self, native: core.FlatStream) -> None:
        self._native = native

    @property
    def num_rows(self) -> int:
        """How many rows come in all."""
        return self._native.num_rows()

    def next(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the next ``count`` rows and their distances; fewer at the end only.

        returns  ascending by distance, then row, over all batches
        cost     as a rule a copy; some ten times in a stream's life a pass over the distances, 1 ms a million rows
        """
        return self._native.next(count)


class FlatStream(_ExactStream):
    """The kept rows of a dense column from the nearest on: what ``kernels.scan`` finds, in pieces."""

    def __init__(self, query: Vectors, base: Vectors, metric: Metric, keep: Bitset | None = None) -> None:
        """Measure the kept rows.

        query   one vector of the base's type and dim, or of FLOAT_VECTOR for halves
        keep    rows of the base that come, None for all
        raises  ValueError for shapes, types or metrics that don't go together; Expired or Cancelled once the call at
                hand is over
        cost    one pass over the kept rows, and 4 bytes of memory for each row, 8 for each kept one under a filter
        """
        bits = None if keep is None else keep.bits
        native = (query.as_queries()._native(), base._native())
        super().__init__(core.FlatStream.dense(*native, metric, bits, deadline.current()))


class SparseStream(_ExactStream):
    """The kept rows of a sparse column that share an index with the query: ``kernels.scan_sparse`` in pieces."""

    def __init__(self, query: SparseVectors, base: SparseVectors, keep: Bitset | None = None) -> None:
        """Measure the kept rows.

        query   one row
        others  as for ``FlatStream``
        cost    1 to 2 ns an entry of a kept row, and 8 bytes of memory for each row that comes
        """
        bits = None if keep is None else keep.bits
        super().__init__(core.FlatStream.sparse(query._native(), base._native(), bits, deadline.current()))
