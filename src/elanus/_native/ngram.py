"""N-gram postings over texts, and the candidates of LIKE patterns and regular expressions among them.

Texts come as ``Column.bytes_and_offsets`` gives them: offsets int64 [rows + 1] into uint8 data. Work on whole columns
and postings releases the interpreter; arrays that don't go together raise ``ValueError``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.core import NgramQuery

__all__ = ["NgramQuery", "Postings", "build", "candidates", "check", "estimate"]


class Postings(NamedTuple):
    """The rows of every gram (docs/formats/index.md).

    hashes  uint64 [grams], ascending: XXH3-64 of a gram's UTF-8 bytes
    counts  uint32 [grams], how many rows have it
    ends    uint64 [grams], where its rows end in ``rows``
    rows    uint8, the rows of each gram as gaps, or as bits where that is shorter
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.uint32]
    ends: NDArray[np.uint64]
    rows: NDArray[np.uint8]


def build(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    known: NDArray[np.uint8] | None,
    lengths: tuple[int, int],
    *,
    working_bytes: int = 256 * 2**20,
) -> Postings:
    """Return the postings of all runs of code points of some lengths.

    known          one bit a row: those that count; None for all
    lengths        the shortest and the longest, from 1 on
    working_bytes  what is held beside the result; when that is too little the texts are read again
    cost           about 25 ns a gram of a row
    """
    return Postings(*core.ngram_build(offsets, data, known, *lengths, working_bytes))


def candidates(postings: Postings, query: NgramQuery, num_rows: int) -> NDArray[np.uint8]:
    """Return the rows that may match as bits, uint8 [ceil(num_rows / 8)]: no row that matches is left out."""
    return core.ngram_candidates(postings, query, num_rows)


def estimate(postings: Postings, query: NgramQuery, num_rows: int) -> int:
    """Return at most how many rows ``candidates`` returns; a few look-ups."""
    return core.ngram_estimate(postings, query, num_rows)


def check(postings: Postings, num_rows: int) -> None:
    """Look at every gram and row, so that no query fails later; ValueError where one can't be used.

    cost  about 1 ns a posting
    """
    core.ngram_check(postings, num_rows)
