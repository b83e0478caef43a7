"""Boosts: the hits of a segment get more or less score where a filter selects their rows, before segments are merged.

Only the rows of the hits are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.keys import hash_values
from elanus.expr import BoundExpr, RawJson, select
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.segment.base import SegmentReader

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


class BoostMode(StrEnum):
    """How numbers are combined."""

    MULTIPLY = "multiply"
    SUM = "sum"


_COMBINE: Final[Mapping[BoostMode, Callable[[Any, Any], Any]]] = {
    BoostMode.MULTIPLY: np.multiply,
    BoostMode.SUM: np.add,
}
_NEUTRAL: Final = {BoostMode.MULTIPLY: 1.0, BoostMode.SUM: 0.0}


@dataclass(frozen=True, slots=True)
class RandomScore:
    """A number in 0 .. 1 for each row, the same whenever the field's value and the seed are.

    field  INT64, or the primary key
    """

    field: Field
    seed: int

    def values(self, segment: SegmentReader, rows: Rows) -> Values:
        """Return the numbers of some rows, float64 [rows], 1 excluded; a null counts as zero."""
        column = segment.fetch(rows, [self.field.id])[self.field.id]
        data = pa.array(column.numbers()) if pa.types.is_integer(column.data.type) else column.data
        return uniform(hash_values(data), self.seed)


@dataclass(frozen=True, slots=True)
class Boost:
    """One boost: what the rows get that its filter selects.

    where     None for all rows
    raw_json  the filter reads JSON from the rows' texts, not from typed columns
    """

    weight: float
    where: BoundExpr | None = None
    raw_json: bool = False
    random: RandomScore | None = None

    def selects(self, segment: SegmentReader, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows (ascending, each once) the filter selects, bool [rows]."""
        if self.where is None:
            return np.ones(len(rows), dtype=np.bool_)
        source = RawJson(segment) if self.raw_json else segment
        chosen = select(self.where, source, Bitset.from_rows(rows, segment.num_rows, ascending=True))
        return np.isin(rows, chosen.rows(), assume_unique=True)

    def values(self, segment: SegmentReader, rows: Rows) -> Values:
        """Return what rows get, float64 [rows]."""
        return self.weight * (np.ones(len(rows)) if self.random is None else self.random.values(segment, rows))


@dataclass(frozen=True, slots=True)
class Boosts:
    """Boosts of one search.

    within      how several boosts of a row combine
    with_score  how that meets the row's score
    descending  whether users see negated distances: boosts apply to the score as users see it
    """

    boosts: tuple[Boost, ...]
    within: BoostMode
    with_score: BoostMode
    descending: bool

    def apply(self, segment: SegmentReader, hits: Hits) -> Hits:
        """Return a segment's hits under their new scores, best first."""
        real = hits.rows >= 0
        rows, place = np.unique(hits.rows[real], return_inverse=True)
        if not len(rows):
            return hits
        values, touched = self._of_rows(segment, rows)
        scores = hits.distances[real].astype(np.float64) * (-1.0 if self.descending else 1.0)
        boosted = np.where(touched[place], _COMBINE[self.with_score](scores, values[place]), scores)
        distances = np.full(hits.distances.shape, np.inf, dtype=np.float32)
        distances[real] = -boosted if self.descending else boosted
        return replace(hits, distances=distances).ordered()

    def _of_rows(self, segment: SegmentReader, rows: Rows) -> tuple[Values, NDArray[np.bool_]]:
        """Return what rows get of all boosts, and which get anything."""
        values = np.full(len(rows), _NEUTRAL[self.within])
        touched = np.zeros(len(rows), dtype=np.bool_)
        for boost in self.boosts:
            chosen = boost.selects(segment, rows)
            values[chosen] = _COMBINE[self.within](values[chosen], boost.values(segment, rows[chosen]))
            touched |= chosen
        return values, touched


def uniform(hashes: NDArray[np.uint64], seed: int) -> Values:
    """Return evenly spread numbers in 0 .. 1, 1 excluded, float64 [n], told by hash and seed alone."""
    mixed = _finalize(hashes ^ _finalize(np.array([seed & 0xFFFF_FFFF_FFFF_FFFF], dtype=np.uint64)))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _finalize(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return values with every bit spread over all others: the last step of MurmurHash3 of 64 bits."""
    shift = np.uint64(33)
    values = (values ^ (values >> shift)) * np.uint64(0xFF51_AFD7_ED55_8CCD)
    values = (values ^ (values >> shift)) * np.uint64(0xC4CE_B9FE_1A85_EC53)
    return values ^ (values >> shift)
