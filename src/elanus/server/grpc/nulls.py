"""Null rows of what is sent: a payload holds the valid rows only, a column all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field

Mask = NDArray[np.bool_]


def bitmap(valid: Mask | None) -> pa.Buffer | None:
    """Return which rows are not null as Arrow keeps it, None when all are."""
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def spread(field: Field, values: NDArray[Any], valid: Mask | None) -> NDArray[Any]:
    """Return values of the valid rows ([valid rows, ...]) at their places among all rows, zeros elsewhere.

    valid   bool [rows], None when all are
    raises  InvalidParameter unless there are as many values as valid rows
    """
    if valid is None:
        return values
    _check_valid(field, valid, len(values))
    full = np.zeros((len(valid), *values.shape[1:]), dtype=values.dtype)
    full[valid] = values
    return full


def spread_offsets(field: Field, offsets: NDArray[np.int64], valid: Mask | None) -> NDArray[np.int64]:
    """Return the offsets of the valid rows as those of all rows, null rows empty."""
    if valid is None:
        return offsets
    full = np.zeros(len(valid) + 1, dtype=np.int64)
    np.cumsum(spread(field, np.diff(offsets), valid), out=full[1:])
    return full


def full_row(valid: Mask | None, row: int) -> int:
    """Return the number of the ``row``-th valid row among all rows."""
    return row if valid is None else int(np.flatnonzero(valid)[row])


def _check_valid(field: Field, valid: Mask, count: int) -> None:
    wanted = int(valid.sum())
    if count != wanted:
        raise InvalidParameter.expected(
            f"the length of field is wrong, field: {field.name}", expected=wanted, actual=count
        )
