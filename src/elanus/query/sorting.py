"""Values as numbers that sort as they do, so that rows are ordered on columns of integers."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model.columns import fixed_values
from elanus.model.types import DataType

Ints = NDArray[np.int64]

SORTABLE: Final = frozenset(
    {*(kind for kind in DataType if kind.is_numeric), DataType.BOOL, DataType.VARCHAR, DataType.TIMESTAMPTZ}
)
"""The types of fields whose values have an order."""
LARGEST_INT: Final = np.iinfo(np.int64).max


def sort_columns(values: pa.Array, *, descending: bool, nulls_first: bool) -> tuple[Ints, ...]:
    """Return int64 columns [n] that sort as values do, the most significant first; nulls are equal.

    cost  texts are ranked among each other
    """
    numbers = ascending_numbers(values)
    if descending:
        numbers = ~numbers
    if not values.null_count:
        return (numbers,)
    missing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    return np.where(missing, -1 if nulls_first else 1, 0), np.where(missing, 0, numbers)


def ascending_numbers(values: pa.Array) -> Ints:
    """Return numbers that ascend as values do, int64 [n]; any number for null."""
    if pa.types.is_large_string(values.type):
        return np.asarray(pc.rank(values, tiebreaker="dense").to_numpy(), dtype=np.uint64).astype(np.int64)
    plain = fixed_values(values)
    if not pa.types.is_floating(values.type):
        return plain.astype(np.int64)
    # The bits of doubles ascend as they do, once those below zero are turned round. Adding zero makes one of -0 and 0.
    bits = (plain.astype(np.float64) + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(LARGEST_INT), bits)
