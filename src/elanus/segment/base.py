"""What a reader sees of a segment, growing or sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus._native.rtree import Boxes
from elanus.expr import JsonValues, LeafIndex, Operand
from elanus.index.base import VectorIndex
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch
from elanus.model.ids import FieldId, PartitionId, SegmentId
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field
from elanus.model.time import Timestamp
from elanus.segment.elements import Elements
from elanus.segment.statistics import SegmentStatistics


class VectorRows(Protocol):
    """What searches of one vector field read: the rows of a segment, or its elements in their place."""

    id: SegmentId
    num_rows: int
    sorted_by_key: bool

    def column(self, field_id: int) -> Column:
        """Return a field's values, all rows."""

    def base(self, field: Field) -> Vectors:
        """Return a dense vector field as the kernels take it."""

    def valid(self, field: Field) -> Bitset | None:
        """Return the rows where the field is not null, None when all are."""

    def index(self, index: IndexInfo) -> VectorIndex | None:
        """Return the built index, None when rows must be scanned."""

    def by_key(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return rows in the order of their primary keys."""


class SegmentReader(VectorRows, Protocol):
    """The rows of one segment up to a fixed count, as columns. Also a filter's ``Source``."""

    partition: PartitionId

    @property
    def statistics(self) -> SegmentStatistics | None:
        """What is known of the rows without reading a column, None while they grow."""

    def json_values(self, field_id: int, path: tuple[str | int, ...]) -> JsonValues:
        """Return what a JSON field holds under a path, as typed columns."""

    def holds_json(self, field_id: int, path: tuple[str | int, ...]) -> bool:
        """Whether ``json_values`` has the path as typed columns already."""

    def boxes(self, field_id: int) -> Boxes:
        """Return the bounding boxes of a GEOMETRY field."""

    def indexes(self, operand: Operand) -> Sequence[LeafIndex]:
        """Return the built scalar indexes over exactly that operand."""

    def vectors(self, field: Field) -> NDArray[Any]:
        """Return a dense vector field as [rows, width]."""

    def elements(self, field: Field) -> Elements:
        """Return the vectors of a struct array's sub-field, those of all rows end to end."""

    def alive(self, at: Timestamp) -> Bitset | None:
        """Return the rows visible at ``at``, None when all are."""

    def timestamps(self) -> NDArray[np.uint64]:
        """Return when each row was written, uint64 [rows]."""

    def rows_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each primary key, int64, -1 where there is none."""

    def fetch(self, rows: NDArray[np.int64], fields: Sequence[FieldId]) -> ColumnBatch:
        """Return some fields of some rows, in that order."""
