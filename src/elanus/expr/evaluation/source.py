"""Where a filter's columns come from."""

from __future__ import annotations

from typing import Protocol

from elanus.expr.bound import JsonPath
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.model.columns import Column, ColumnBatch


class Source(Protocol):
    """Rows with every field of the schema. A segment is one; a subclass inherits ``json_values``."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def column(self, field_id: int) -> Column:
        """Return a field's values, ``num_rows`` of them."""

    def json_values(self, field_id: int, path: JsonPath) -> JsonValues:
        """Return the values at a path of a JSON field; a source that keeps them answers the next filter at once."""
        return extract_json(self.column(field_id), path)


class BatchSource(Source):
    """The rows of one batch; the values of a JSON path are read once."""

    def __init__(self, batch: ColumnBatch) -> None:
        self.batch = batch
        self._json: dict[tuple[int, JsonPath], JsonValues] = {}

    @property
    def num_rows(self) -> int:
        """How many rows the batch has."""
        return self.batch.num_rows

    def column(self, field_id: int) -> Column:
        """Return the batch's column."""
        return self.batch[field_id]

    def json_values(self, field_id: int, path: JsonPath) -> JsonValues:
        """Return the values at a path, kept for the batch's life."""
        key = (field_id, path)
        if key not in self._json:
            self._json[key] = extract_json(self.column(field_id), path)
        return self._json[key]
