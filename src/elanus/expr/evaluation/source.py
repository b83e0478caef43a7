"""Where a filter's columns come from, and the indexes over them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from elanus.expr.bound import JsonPath, Operand, OperandLeaf
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.truth import Truth
from elanus.model.columns import Column, ColumnBatch


class Fit(IntEnum):
    """How well an index answers a leaf."""

    NO = 0
    SUPERSET = 1
    EXACT = 2


class LeafIndex(Protocol):
    """What evaluation asks of an index over one operand of a segment. Immutable, safe from any thread."""

    @property
    def title(self) -> str:
        """Its name and kind for ``explain``, such as ``"by_price (STL_SORT)"``."""

    def fit(self, leaf: OperandLeaf) -> Fit:
        """Return how well it answers a leaf over its operand; ``leaf.negated`` plays no part. Cheap."""

    def estimate(self, leaf: OperandLeaf) -> int:
        """Return about how many rows ``select`` goes through for a leaf that it fits; at most the segment's rows."""

    def select(self, leaf: OperandLeaf) -> Truth:
        """Return the leaf's answer without its negation.

        SUPERSET  ``value`` may hold rows that are not TRUE; the evaluator looks at each of them
        """


class Source(Protocol):
    """Rows with every field of the schema. A segment is one; a subclass inherits the plain answers."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def column(self, field_id: int) -> Column:
        """Return a field's values, ``num_rows`` of them."""

    def json_values(self, field_id: int, path: JsonPath) -> JsonValues:
        """Return the values at a path of a JSON field; a source that keeps them answers the next filter at once."""
        return extract_json(self.column(field_id), path)

    def holds_json(self, _field_id: int, _path: JsonPath) -> bool:
        """Whether ``json_values`` reads a column of typed values rather than the rows' texts."""
        return False

    def indexes(self, _operand: Operand) -> Sequence[LeafIndex]:
        """Return the indexes over exactly that operand."""
        return ()


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

    def holds_json(self, field_id: int, path: JsonPath) -> bool:
        """Whether the path was asked for before."""
        return (field_id, path) in self._json
