"""Some rows of a source as a source: what dear predicates look at once cheap ones have spoken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus.expr.bound import JsonPath
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.source import Source
from elanus.model.columns import Column


class Subset(Source):
    """The given rows (int64, ascending) of a source, gathered column by column as they are asked for."""

    def __init__(self, source: Source, rows: NDArray[np.int64]) -> None:
        self._source = source
        self._rows = rows
        self._columns: dict[int, Column] = {}

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def column(self, field_id: int) -> Column:
        """Return a field's values in these rows; gathered once."""
        if field_id not in self._columns:
            self._columns[field_id] = self._source.column(field_id).take(self._rows)
        return self._columns[field_id]

    def json_values(self, field_id: int, path: JsonPath) -> JsonValues:
        """Return the values at a path: gathered where the source has them, otherwise read from these rows only."""
        if self._source.holds_json(field_id, path):
            return self._source.json_values(field_id, path).take(self._rows)
        return extract_json(self.column(field_id), path)

    def holds_json(self, field_id: int, path: JsonPath) -> bool:
        """Whether the source has the path's values as a column."""
        return self._source.holds_json(field_id, path)
