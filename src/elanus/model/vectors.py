"""What the numbers of vectors may be, those that are stored and those that are searched for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model import limits
from elanus.model.columns import varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.types import DataType

SPARSE_PAIR: Final = np.dtype([("index", "<u4"), ("value", "<f4")])
FEW_VALUES: Final = 4_096
BFLOAT16_SPECIAL: Final = 0x7F80
"""The bits of the exponent, all set in what is infinite or no number."""


def check_dense(vector_type: DataType, matrix: NDArray[Any]) -> None:
    """Raise InvalidParameter for a value that is infinite or no number.

    matrix  [n, width] in the type's dtype
    """
    if vector_type is DataType.BFLOAT16_VECTOR:
        special = (matrix & BFLOAT16_SPECIAL) == BFLOAT16_SPECIAL
        if special.any():
            check_finite((matrix[special].astype(np.uint32) << 16).view(np.float32))
    elif matrix.dtype.kind == "f":
        if matrix.size <= FEW_VALUES:
            check_finite(matrix)
            return
        # A sum is finite unless a value isn't (or the sum overflows): one cheap pass for the usual case.
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(matrix.sum(dtype=np.float64)):
                check_finite(matrix)


def check_finite(values: NDArray[Any]) -> None:
    """Raise InvalidParameter for a value that is infinite or no number; float of any width."""
    finite = np.isfinite(values)
    if finite.all():
        return
    bad = values[~finite].reshape(-1)[0]
    name = "NaN" if np.isnan(bad) else "+Inf" if bad > 0 else "-Inf"
    raise InvalidParameter(f"value '{name}' is not a number or infinity")


def check_sparse(vectors: pa.Array) -> None:
    """Raise InvalidParameter for what is no sparse vector.

    vectors  large_binary [n] of (uint32 index, float32 value) pairs
    """
    offsets, data = varlen_buffers(vectors)
    lengths = np.diff(offsets)
    row = _first(lengths % SPARSE_PAIR.itemsize != 0)
    if row >= 0:
        raise InvalidParameter(f"invalid data length in sparse float vector: {lengths[row]} bytes, row: {row}")
    pairs = np.frombuffer(data[offsets[0] : offsets[-1]], dtype=SPARSE_PAIR)
    starts = (offsets - offsets[0]) // SPARSE_PAIR.itemsize
    _check_pairs(pairs, starts)


def _check_pairs(pairs: NDArray[Any], starts: NDArray[np.int64]) -> None:
    values, indices = pairs["value"], pairs["index"]
    check_finite(values)
    at = _first(values < 0)
    if at >= 0:
        raise InvalidParameter(f"negative value in sparse float vector: {values[at]} at index {indices[at]}")
    at = _first(indices > limits.SPARSE_INDEX_MAX)
    if at >= 0:
        raise InvalidParameter(f"invalid index in sparse float vector: {indices[at]} must be less than 2^32-1")
    ascending = indices[1:] > indices[:-1]
    row_starts = starts[(starts > 0) & (starts < len(pairs))]
    ascending[row_starts - 1] = True
    if not ascending.all():
        raise InvalidParameter("unsorted or same indices in sparse float vector")


def _first(mask: NDArray[np.bool_]) -> int:
    return int(mask.argmax()) if mask.any() else -1
