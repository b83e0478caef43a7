"""The table that a chain works on: a row for each hit, columns by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model.columns import fixed_values
from elanus.query.places import places_in

ID: Final = "$id"
SCORE: Final = "$score"
GROUP_SCORE: Final = "$group_score"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The hits of all queries; those of a query stand together, queries ascending.

    counts   int64 [nq], hits of each query
    hits     int64 [n], which of the hits that the chain began with each row is
    columns  Arrow arrays [n] by name, all that the chain reads
    """

    counts: NDArray[np.int64]
    hits: NDArray[np.int64]
    columns: Mapping[str, pa.Array]

    @classmethod
    def of(cls, counts: NDArray[np.int64], columns: Mapping[str, pa.Array]) -> Frame:
        """Return the table of all hits, as they come."""
        return cls(counts, np.arange(int(counts.sum())), columns)

    def __len__(self) -> int:
        return len(self.hits)

    @property
    def query(self) -> NDArray[np.int64]:
        """Which query each row belongs to, int64 [n], ascending."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def places(self) -> NDArray[np.int64]:
        """The place of each row within its query, int64 [n], from 0 on."""
        return places_in(self.counts)

    def with_column(self, name: str, values: pa.Array) -> Frame:
        """Return the table with a column more, or another one under that name."""
        return replace(self, columns={**self.columns, name: values})

    def take(self, chosen: NDArray[np.int64]) -> Frame:
        """Return some rows, in that order; those of a query must stand together, queries ascending."""
        counts = np.bincount(self.query[chosen], minlength=len(self.counts)).astype(np.int64, copy=False)
        picked = pa.array(chosen)
        columns = {name: values.take(picked) for name, values in self.columns.items()}
        return Frame(counts, self.hits[chosen], columns)


def numbers(values: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Return a numeric column as float64 [n], and which rows have a value: bool [n], None when all do."""
    plain: NDArray[Any] = fixed_values(values)
    valid = None if values.null_count == 0 else np.asarray(values.is_valid().to_numpy(zero_copy_only=False))
    return plain.astype(np.float64), valid


def column_of(values: NDArray[np.floating], valid: NDArray[np.bool_] | None) -> pa.Array:
    """Return numbers as a column; NULL where ``valid`` is false and where there is no number."""
    missing = np.isnan(values)
    if valid is not None:
        missing |= ~valid
    return pa.array(values, mask=missing if missing.any() else None)


def order_keys(values: pa.Array, *, descending: bool) -> NDArray[np.int64]:
    """Return numbers that sort a column, int64 [n]: equal values have the same, NULL and what is no number the last."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    order = "descending" if descending else "ascending"
    return np.asarray(pc.rank(values, sort_keys=order, tiebreaker="dense"), dtype=np.int64)


def lowest_for_null(scores: pa.Array) -> NDArray[np.float32]:
    """Return scores as float32 [n], minus infinity for NULL."""
    values, valid = numbers(scores)
    return np.where(np.isnan(values) if valid is None else ~valid | np.isnan(values), -np.inf, values).astype(
        np.float32
    )
