"""Where a filter's columns come from, and the indexes over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from elanus._native.rtree import Boxes, boxes
from elanus.expr.bound import JsonPath, Operand, OperandLeaf
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.truth import Truth
from elanus.model.columns import Column, ColumnBatch


class Answer(NamedTuple):
    """How an index answers a leaf, as a few look-ups tell; the rows are read when ``truth`` is called.

    exact  whether ``truth`` is the answer; otherwise its ``value`` may hold rows that are not TRUE, and the evaluator
           looks at each of them
    work   what ``truth`` takes, in rows whose bit is set from a list
    truth  returns the leaf's answer without its negation; of a leaf about one item (``ItemRef``) the rows with an item
           for which it, negation included, is TRUE
    """

    exact: bool
    work: int
    truth: Callable[[], Truth]


class LeafIndex(Protocol):
    """What evaluation asks of an index over one operand of a segment. Immutable, safe from any thread."""

    @property
    def title(self) -> str:
        """Its name and kind for ``explain``, such as ``"by_price (STL_SORT)"``."""

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Return how it answers a leaf over its operand, None when it does not."""


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

    def boxes(self, field_id: int) -> Boxes:
        """Return the bounding boxes of a GEOMETRY field; a source that keeps them answers the next filter at once."""
        return boxes(*self.column(field_id).bytes_and_offsets())

    def indexes(self, _operand: Operand) -> Sequence[LeafIndex]:
        """Return the indexes over exactly that operand."""
        return ()


class RawJson(Source):
    """A source whose JSON is read from the rows' texts even where typed values are at hand."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def num_rows(self) -> int:
        """How many rows the source has."""
        return self._source.num_rows

    def column(self, field_id: int) -> Column:
        """Return the source's column."""
        return self._source.column(field_id)

    def indexes(self, operand: Operand) -> Sequence[LeafIndex]:
        """Return the source's indexes."""
        return self._source.indexes(operand)


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
