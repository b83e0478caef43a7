"""Late interaction: exact distances between a list of vectors and the lists that rows own.

A distance is the sum, over the vectors asked for, of the distance to the nearest vector of the row's list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.kernels import Vectors
from elanus.model.types import Metric


def max_sim(
    queries: Vectors, base: Vectors, metric: Metric, offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return how far the queries, taken as one list, are from the list of each row: float32 [len(rows)].

    queries  vectors of the base's type and dim, or FLOAT_VECTOR for halves
    metric   of two vectors; inner distances, as of ``kernels.scan``, are summed in double precision
    offsets  int64; row r owns ``base[offsets[r]:offsets[r + 1]]``; a row without elements is at +inf
    rows     int64, any order, repeats too
    raises   ValueError for a row without offsets, or offsets that don't lie in ``base``
    cost     as a scan of the rows' elements by all queries
    """
    native = (queries.as_queries()._native(), base._native())
    return core.max_sim(*native, metric, np.ascontiguousarray(offsets), np.ascontiguousarray(rows))
