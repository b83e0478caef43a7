"""Graphs that grow with a column while they are searched, on codes of their own.

Whoever calls hands over the column, wherever its rows lie by then: the first ones are always the same. The interpreter
is released during every call.
"""

from __future__ import annotations

from collections.abc import Callable

from elanus._native import core
from elanus._native.kernels import Vectors
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.types import Metric

STRATEGY = "plain"
"""How such graphs are walked: over all rows, whether they pass or not."""


class GrowingGraph:
    """Codes of a column's first rows, and links of the first ones of these.

    Safe from any thread: one adds rows at a time, any number search, nobody waits for another.
    """

    def __init__(
        self,
        base: Vectors,
        metric: Metric,
        *,
        m: int,
        ef_construction: int,
        most_rows: int,
        keep: Bitset | None = None,
        seed: int = 1,
    ) -> None:
        """Make room for rows below ``most_rows`` of columns like ``base``; none is added yet.

        base             rows whose mean is subtracted from all that come, for finer codes
        m                links of a row on each layer above the base, where it has twice as many
        ef_construction  the beam that looks for them
        keep             rows of the base that are vectors, None for all
        raises           ValueError for BINARY_VECTOR, for other metrics, and where there is no such room
        cost             one pass over the base; memory is taken as rows come
        """
        bits = None if keep is None else keep.bits
        self._native = core.GrowingGraph(base._native(), metric, (m, ef_construction, seed), most_rows, bits)
        self.most_rows = most_rows

    @property
    def coded(self) -> int:
        """How many rows have codes: a search sees no more."""
        return self._native.coded()

    @property
    def linked(self) -> int:
        """How many rows have links: the others of a search are measured one by one, by their codes."""
        return self._native.linked()

    @property
    def memory_bytes(self) -> int:
        """Bytes of codes and links, of rows that may still come too: links are given room 16,384 rows at a time."""
        return self._native.memory_bytes()

    def encode(self, base: Vectors, upto: int, *, keep: Bitset | None = None) -> None:
        """Encode the rows below ``upto`` that are not yet, as far as there is room.

        keep    rows of the base that are vectors, None for all; others are never found
        raises  ValueError for vectors of another type or dimension
        cost    1 us a row of 384 dimensions
        """
        self._native.encode(base._native(), upto, None if keep is None else keep.bits)

    def link(
        self, upto: int, seconds: float, *, keep: Bitset | None = None, stop: Callable[[], bool] | None = None
    ) -> None:
        """Link the rows below ``upto`` that have codes and no links yet, on a thread of low priority.

        seconds  when to end at the latest
        keep     which of these rows are vectors, None for all
        stop     asked every hundredth of a second; once it says true, linking ends
        cost     80 us a row at m 16, ef_construction 100 and 384 dimensions, in proportion to the latter two
        """
        self._native.link(upto, None if keep is None else keep.bits, seconds, stop)

    def search(
        self,
        queries: Vectors,
        base: Vectors,
        k: int,
        *,
        ef: int,
        refine: int = 0,
        keep: Bitset | None = None,
    ) -> tuple[Hits, Work, bool]:
        """Return about the k nearest kept rows of the base, what was done, and whether the walks found enough.

        queries  vectors of the base's type and dim, or FLOAT_VECTOR for halves
        base     the column's first rows, at most ``coded``
        ef       width of the walk, widened by the share of rows that pass; at least k is used
        refine   how many of the best are measured exactly; at least k are
        keep     rows that may be returned, None for all. Most should pass: where hardly any row near the query does,
                 the walk finds too few, and says so
        returns  exact distances, ascending, equal ones by row; padded with -1 and +inf
        raises   ValueError for vectors that don't go with the graph; Expired or Cancelled once the call is over
        cost     that of a graph of the linked rows, and 10 ns for each row without links at 384 dimensions
        """
        request = (k, ef, refine, deadline.current())
        bits = None if keep is None else keep.bits
        found, did = self._native.search(queries.as_queries()._native(), base._native(), request, bits)
        hops, scored, scanned, enough = did
        return Hits(*found), Work(STRATEGY, hops=hops, scored=scored, scanned=scanned), enough
