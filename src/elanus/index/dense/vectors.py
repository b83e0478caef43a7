"""Dense vectors as FAISS takes them: float32, C-contiguous, of unit length under COSINE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus.index.base import Matrix
from elanus.model.types import Metric

CHUNK_ROWS: Final = 16_384

Floats = NDArray[np.float32]


def as_floats(matrix: Matrix, metric: Metric) -> Floats:
    """Return vectors ready to be added or searched.

    matrix   [rows, dim] of float32, float16, or uint16 that holds bfloat16
    returns  float32 [rows, dim], C-contiguous; a zero vector stays zero under COSINE; may share memory otherwise
    """
    floats = _widen(matrix)
    return normalised(floats) if metric is Metric.COSINE else floats


def chunks(matrix: Matrix, metric: Metric) -> Iterator[Floats]:
    """Yield the rows of ``matrix`` in order, ready to be added, without a second copy of the whole."""
    for start in range(0, len(matrix), CHUNK_ROWS):
        yield as_floats(matrix[start : start + CHUNK_ROWS], metric)


def normalised(floats: Floats) -> Floats:
    """Return the vectors at unit length, computed in double precision; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", floats, floats, dtype=np.float64))
    lengths[lengths == 0.0] = 1.0
    unit: Floats = np.divide(floats, lengths[:, None]).astype(np.float32)
    return unit


def _widen(matrix: Matrix) -> Floats:
    if matrix.dtype == np.uint16:
        bits = matrix.astype(np.uint32)
        return np.left_shift(bits, 16, out=bits).view(np.float32)
    return np.ascontiguousarray(matrix, dtype=np.float32)
