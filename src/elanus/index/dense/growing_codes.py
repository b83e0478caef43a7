"""Growing rows behind codes of four bits: scanned at once, long before a graph is worth building."""

from __future__ import annotations

from typing import Final

import numpy as np

from elanus._native import kernels
from elanus._native.fastscan import FastScan
from elanus._native.kernels import Vectors
from elanus.index.dense.recall import recalls
from elanus.index.dense.sampling import take
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.types import Metric

STRATEGY: Final = "codes"
LEAST_ROWS: Final = 4_096
"""Fewer rows are scanned exactly: that takes as long, and there is little to learn codes from."""
MEASURED: Final = 24
"""For each result so many of the scan's best are measured exactly, and ``MORE_MEASURED`` besides."""
MORE_MEASURED: Final = 120
CHECKED: Final = 64
"""Rows that are asked, each time the column has doubled, whether the codes tell their neighbours apart."""
CHECKED_K: Final = 10
LEAST_RECALL: Final = 0.97
STEP_ROWS: Final = 1_024
"""Rows that come together before they are coded; the last ones are scanned exactly until then."""


class GrowingCodes:
    """Codes of the first rows of a column that grows. One thread extends them, any may search."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._codes: FastScan | None = None
        self._next_check = LEAST_ROWS
        self._tells_apart = True

    @property
    def num_rows(self) -> int:
        """How many rows have codes, a multiple of ``STEP_ROWS``."""
        return 0 if self._codes is None else self._codes.num_rows

    @property
    def memory_bytes(self) -> int:
        """Bytes held."""
        return 0 if self._codes is None else self._codes.memory_bytes

    def due(self, num_rows: int) -> bool:
        """Whether a column of so many rows has enough without codes."""
        return num_rows >= LEAST_ROWS and num_rows - self.num_rows >= STEP_ROWS

    def extend(self, base: Vectors, keep: Bitset | None) -> None:
        """Code the rows of ``base`` that aren't yet.

        keep  rows that have a vector, None when all have
        cost  about 5 us a row of 384 dimensions, and once the centroids' training, about 0.1 s
        """
        upto = base.rows // STEP_ROWS * STEP_ROWS
        if upto <= self.num_rows:
            return
        if self._codes is None:
            present = None if keep is None else keep.head(upto)
            self._codes = FastScan.train(base.head(upto), self._metric, keep=present)
        else:
            self._codes.append(base, upto, keep=keep)
        if upto >= self._next_check:
            self._next_check = 2 * upto
            self._tells_apart = self._check(base.head(upto), None if keep is None else keep.head(upto))

    def _check(self, base: Vectors, keep: Bitset | None) -> bool:
        """Whether the codes find what an exact scan finds, of rows spread over the column."""
        assert self._codes is not None
        rows = np.arange(base.rows) if keep is None else keep.rows()
        asked = take(base, rows[:: max(1, len(rows) // CHECKED)][:CHECKED])
        k = min(CHECKED_K, len(rows))
        if not k:
            return True
        found = self._codes.search(asked, base, k, refine=k * MEASURED + MORE_MEASURED, keep=keep)
        exact = kernels.scan(asked, base, self._metric, k, keep=keep)
        return float(recalls(found.distances, exact.distances, k).mean()) >= LEAST_RECALL

    @property
    def too_coarse(self) -> bool:
        """Whether the codes were found to miss too many rows."""
        return not self._tells_apart

    def reader(self, num_rows: int) -> CodedRows | None:
        """Return the index of a column's first rows, None while few of them have codes or the codes are too coarse."""
        codes = self._codes
        if codes is None or self.too_coarse or num_rows < LEAST_ROWS:
            return None
        return CodedRows(codes, self._metric, num_rows)


class CodedRows:
    """The first rows of a growing column: those with codes, and exactly the few after them."""

    def __init__(self, codes: FastScan, metric: Metric, num_rows: int) -> None:
        self._codes = codes
        self._metric = metric
        self.num_rows = num_rows

    def search(self, queries: Vectors, base: Vectors, k: int, keep: Bitset | None) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query, at exact distances; as many as are kept, up to k."""
        coded = min(self._codes.num_rows, self.num_rows) // STEP_ROWS * STEP_ROWS
        kept, refine = None if keep is None else keep.head(coded), k * MEASURED + MORE_MEASURED
        near = self._codes.search(queries, base.head(coded), k, refine=refine, keep=kept)
        work = Work(STRATEGY, scanned=queries.rows * self.num_rows)
        return with_tail(near, queries, base, k, coded=coded, metric=self._metric, keep=keep), work


def with_tail(
    near: Hits, queries: Vectors, base: Vectors, k: int, *, coded: int, metric: Metric, keep: Bitset | None
) -> Hits:
    """Return the k nearest rows: of those found among the first ``coded``, and of the rest, which are scanned."""
    if coded == base.rows:
        return near
    rest = None if keep is None else keep.tail(coded)
    late = kernels.scan(queries, base.tail(coded), metric, k, keep=rest, first_row=coded)
    return _merged(near, late, k)


def _merged(near: Hits, late: Hits, k: int) -> Hits:
    """Return the k nearest of two results, which have no row in common."""
    rows = np.concatenate([near.rows, late.rows], axis=1)
    distances = np.concatenate([near.distances, late.distances], axis=1)
    order = np.lexsort((np.where(rows < 0, np.iinfo(np.int64).max, rows), distances), axis=1)[:, :k]
    return Hits(np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1))
