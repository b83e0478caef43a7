"""Array operators of a partial update: the stored arrays of all rows and what came for them make the new arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter


class FieldOp(IntEnum):
    """How what came for a field meets what is stored."""

    REPLACE = 0
    ARRAY_APPEND = 1
    ARRAY_REMOVE = 2


def combined(op: FieldOp, stored: Column, given: Column) -> Column:
    """Return the arrays that an operator makes; a null on either side counts as an empty array.

    stored, given  ARRAY columns of one field, equally long
    raises         InvalidParameter when an array becomes longer than the field allows
    cost           a few passes over the elements of both sides
    """
    return Column(stored.field, OPERATORS[op](stored, given))


def _append(stored: Column, given: Column) -> pa.Array:
    """Return each stored array with the given elements behind its own, duplicates kept."""
    (starts, lengths), (more_starts, more_lengths) = _spans(stored), _spans(given)
    totals = lengths + more_lengths
    capacity = stored.field.max_capacity
    if (totals > capacity).any():
        row = int((totals > capacity).argmax())
        raise InvalidParameter(
            f"array length {totals[row]} exceeds max_capacity {capacity}, field: {stored.field.name}, row: {row}"
        )
    elements = pa.concat_arrays([stored.data.values, given.data.values])
    both = np.stack([starts, more_starts + len(stored.data.values)], axis=1).reshape(-1)
    chosen = _positions(both, np.stack([lengths, more_lengths], axis=1).reshape(-1))
    return _lists(totals, elements.take(pa.array(chosen)))


def _remove(stored: Column, given: Column) -> pa.Array:
    """Return each stored array without the elements that equal one of the given."""
    (starts, lengths), (more_starts, more_lengths) = _spans(stored), _spans(given)
    own = stored.data.values.take(pa.array(_positions(starts, lengths)))
    unwanted = given.data.values.take(pa.array(_positions(more_starts, more_lengths)))
    values, numbers = _numbered(own, unwanted)
    rows, more_rows = np.repeat(np.arange(len(lengths)), lengths), np.repeat(np.arange(len(lengths)), more_lengths)
    # An element of a row as one number: equal numbers are equal elements of the same row.
    kept = ~np.isin(rows * values + numbers[: len(own)], more_rows * values + numbers[len(own) :])
    return _lists(np.bincount(rows[kept], minlength=len(lengths)), own.filter(pa.array(kept)))


OPERATORS: Mapping[FieldOp, Callable[[Column, Column], pa.Array]] = {
    FieldOp.ARRAY_APPEND: _append,
    FieldOp.ARRAY_REMOVE: _remove,
}


def _spans(column: Column) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each array's elements start in ``values`` and how many they are; none for a null."""
    offsets = np.asarray(column.data.offsets)
    lengths = np.diff(offsets)
    valid = column.valid
    return offsets[:-1], lengths if valid is None else np.where(valid, lengths, 0)


def _positions(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers from each start on, as many as its length says."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: NDArray[np.int64] = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def _lists(lengths: NDArray[np.int64], elements: pa.Array) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return pa.LargeListArray.from_arrays(pa.array(offsets), elements)


def _numbered(own: pa.Array, unwanted: pa.Array) -> tuple[int, NDArray[np.int64]]:
    """Return how many distinct elements there are, and the number of each element of both sides."""
    elements = pa.concat_arrays([own, unwanted])
    if pa.types.is_floating(elements.type):
        # 0.0 and -0.0 are equal; adding zero makes them one.
        elements = pa.array(elements.to_numpy(zero_copy_only=False) + elements.type.to_pandas_dtype()(0))
    encoded = pc.dictionary_encode(elements)
    return max(len(encoded.dictionary), 1), encoded.indices.to_numpy().astype(np.int64)
