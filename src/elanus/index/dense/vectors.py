"""Dense vectors as FAISS takes them: float32, C-contiguous, of unit length under COSINE."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus.model.columns import VECTOR_DTYPES
from elanus.model.types import Metric

Matrix: TypeAlias = NDArray[np.generic]
Floats: TypeAlias = NDArray[np.float32]


def matrix_of(vectors: Vectors) -> Matrix:
    """Return floating-point vectors as [rows, dim] of their dtype, over the same memory; bfloat16 as uint16."""
    count = vectors.rows * vectors.dim
    matrix: Matrix = np.frombuffer(vectors.data, dtype=VECTOR_DTYPES[vectors.type], count=count)
    return matrix.reshape(vectors.rows, vectors.dim)


def as_floats(matrix: Matrix, metric: Metric) -> Floats:
    """Return vectors ready to be added or searched.

    matrix   [rows, dim] of float32, float16, or uint16 that holds bfloat16
    returns  float32 [rows, dim], C-contiguous; a zero vector stays zero under COSINE; may share memory otherwise
    """
    floats = _widen(matrix)
    return normalised(floats) if metric is Metric.COSINE else floats


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
