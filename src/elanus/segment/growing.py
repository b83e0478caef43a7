"""Growing segments: append-only columns with one writer and readers that take no lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus._native.rtree import Boxes, boxes
from elanus.expr import JsonValues, LeafIndex, Operand
from elanus.index import is_built
from elanus.index.base import Stop, VectorIndex
from elanus.index.dense.growing import CODED, GrowingIndex
from elanus.index.dense.growing_codes import LEAST_ROWS
from elanus.index.dense.growing_graph import link_settings
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch, arrow_type, take
from elanus.model.ids import FieldId, IndexId, PartitionId, SegmentId
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import Metric
from elanus.segment.buffers import GrowingArray, growing_column
from elanus.segment.deletes import Tombstones
from elanus.segment.elements import Elements
from elanus.segment.growing_json import GrowingJson
from elanus.segment.keys import KEY_MAPS, KeyMap


class GrowingSegment:
    """Rows in memory, in the order of their timestamps.

    ``append`` and ``tombstones.mark`` belong to the writer, who holds the shard's lock. What a reader at a
    timestamp sees was complete before that timestamp was published.

    frozen  the segment takes no more rows and is being written to files; tombstones still arrive
    """

    def __init__(self, segment_id: SegmentId, partition: PartitionId, schema: Schema) -> None:
        self.id = segment_id
        self.partition = partition
        self.schema = schema
        self.tombstones = Tombstones()
        self.json = GrowingJson()
        self.first_at = Timestamp(0)
        self.frozen = False
        self.num_rows = 0
        self._columns = {field.id: growing_column(arrow_type(field)) for field in schema}
        self._timestamps = GrowingArray(np.uint64)
        self._keys: KeyMap = KEY_MAPS[schema.primary.type]()
        self._reader: GrowingReader | None = None
        self._indexes: dict[IndexId, tuple[Field, GrowingIndex]] = {}

    def append(self, batch: ColumnBatch, at: Timestamp) -> None:
        """Add rows written at ``at``; older rows of the same keys in this segment die in the same step."""
        first = self.num_rows
        for field_id, column in self._columns.items():
            column.append(batch[field_id].data)
        self._timestamps.append(np.full(batch.num_rows, at, dtype=np.uint64))
        replaced = self._keys.put(batch[self.schema.primary.id].data, first)
        self.tombstones.mark(replaced[replaced >= 0], at)
        self.first_at = self.first_at or at
        self.num_rows = first + batch.num_rows

    def find(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each primary key, int64, -1 where there is none."""
        return self._keys.find(keys)

    def index(self, field: Field, index: IndexInfo, metric: Metric) -> GrowingIndex:
        """Return the index by which a vector field is searched; asking for it has rows coded, and perhaps linked."""
        known = self._indexes.get(index.id)
        if known is None:
            known = self._indexes.setdefault(index.id, (field, GrowingIndex(metric, link_settings(index))))
        return known[1]

    @property
    def lacks_codes(self) -> bool:
        """Whether a field that is searched has rows enough without codes."""
        return not self.frozen and any(index.lacks_codes(self.num_rows) for _, index in list(self._indexes.values()))

    def extend_codes(self) -> None:
        """Code the rows that aren't yet; one thread at a time."""
        reader = GrowingReader(self, self.num_rows)
        for field, index in list(self._indexes.values()):
            index.code(reader.base(field), reader.valid(field))

    @property
    def lacks_links(self) -> bool:
        """Whether a field that is searched much has rows enough without links."""
        return not self.frozen and any(index.lacks_links(self.num_rows) for _, index in list(self._indexes.values()))

    def extend_links(self, stop: Stop) -> None:
        """Link rows that aren't yet, for a second a field at most, until ``stop`` or a flush; one thread at a time."""
        reader = GrowingReader(self, self.num_rows)
        for field, index in list(self._indexes.values()):
            if index.lacks_links(reader.num_rows):
                index.link(reader.base(field), reader.valid(field), lambda: self.frozen or stop())

    @property
    def nbytes(self) -> int:
        """Bytes of the rows."""
        return sum(column.nbytes for column in self._columns.values())

    def column_data(self, field_id: int, num_rows: int) -> pa.Array:
        """Return the first rows of a column."""
        return self._columns[FieldId(field_id)].view(num_rows)

    def written_at(self, num_rows: int) -> NDArray[np.uint64]:
        """Return the timestamps of the first rows, ascending."""
        return self._timestamps.view(num_rows)

    @property
    def last_at(self) -> Timestamp:
        """When the newest row was written, 0 without rows."""
        return Timestamp(int(self.written_at(self.num_rows)[-1])) if self.num_rows else Timestamp(0)

    def reader(self, at: Timestamp) -> GrowingReader:
        """Return the rows written at ``at`` or before; the last reader is kept while no row comes."""
        num_rows = self.num_rows
        written = self.written_at(num_rows)
        if num_rows and written[-1] > at:
            num_rows = int(np.searchsorted(written, np.uint64(at), side="right"))
        reader = self._reader
        if reader is None or reader.num_rows != num_rows:
            reader = self._reader = GrowingReader(self, num_rows)
        return reader


class GrowingReader:
    """The first rows of a growing segment, fixed."""

    sorted_by_key = False
    statistics = None

    def __init__(self, segment: GrowingSegment, num_rows: int) -> None:
        self._segment = segment
        self.id = segment.id
        self.partition = segment.partition
        self.num_rows = num_rows
        self._columns: dict[int, Column] = {}
        self._bases: dict[int, Vectors] = {}
        self._elements: dict[int, Elements] = {}
        self._boxes: dict[int, Boxes] = {}

    def column(self, field_id: int) -> Column:
        """Return a field's values, all rows."""
        if field_id not in self._columns:
            field = self._segment.schema.by_id(field_id)
            self._columns[field_id] = Column(field, self._segment.column_data(field_id, self.num_rows))
        return self._columns[field_id]

    def json_values(self, field_id: int, path: tuple[str | int, ...]) -> JsonValues:
        """Return what a JSON field holds under a path, as typed columns."""
        return self._segment.json.values(field_id, path, self.column(field_id))

    def holds_json(self, field_id: int, path: tuple[str | int, ...]) -> bool:
        """Whether ``json_values`` has the path of most rows as typed columns already."""
        return self._segment.json.holds(field_id, path)

    def boxes(self, field_id: int) -> Boxes:
        """Return the bounding boxes of a GEOMETRY field."""
        if field_id not in self._boxes:
            self._boxes[field_id] = boxes(*self.column(field_id).bytes_and_offsets())
        return self._boxes[field_id]

    def indexes(self, _operand: Operand) -> Sequence[LeafIndex]:
        """Return the built scalar indexes over exactly that operand."""
        return ()

    def vectors(self, field: Field) -> NDArray[Any]:
        """Return a dense vector field as [rows, width]."""
        return self.column(field.id).matrix()

    def base(self, field: Field) -> Vectors:
        """Return a dense vector field as the kernels take it."""
        base = self._bases.get(field.id)
        if base is None:
            base = self._bases[field.id] = Vectors.of(self.vectors(field), field.type)
        return base

    def elements(self, field: Field) -> Elements:
        """Return the vectors of a struct array's sub-field, those of all rows end to end."""
        found = self._elements.get(field.id)
        if found is None:
            found = self._elements[field.id] = Elements.of(self.column(field.id))
        return found

    def valid(self, field: Field) -> Bitset | None:
        """Return the rows where the field is not null, None when all are."""
        valid = self.column(field.id).valid
        return None if valid is None else Bitset.from_mask(valid)

    def index(self, index: IndexInfo) -> VectorIndex | None:
        """Return what finds rows faster where the index allows to miss some, None when rows must be scanned."""
        field = self._segment.schema.by_id(index.field)
        if self.num_rows < LEAST_ROWS or field.type not in CODED or index.metric is None or not is_built(field, index):
            return None
        return self._segment.index(field, index, index.metric).reader(self.num_rows)

    def alive(self, at: Timestamp) -> Bitset | None:
        """Return the rows visible at ``at``, None when all are."""
        return self._segment.tombstones.alive(at, self.num_rows)

    def timestamps(self) -> NDArray[np.uint64]:
        """Return when each row was written, uint64 [rows]."""
        return self._segment.written_at(self.num_rows)

    def rows_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each primary key, int64, -1 where there is none."""
        rows = self._segment.find(keys)
        later = rows >= self.num_rows
        if later.any():
            rows[later] = self._earlier(keys.filter(pa.array(later)))
        return rows

    def _earlier(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return what ``rows_of`` does for keys whose newest row was written after this reader's."""
        own = self.column(self._segment.schema.primary.id).data
        rows = np.flatnonzero(pc.is_in(own, value_set=keys)).astype(np.int64, copy=False)
        newest = np.full(len(keys), -1, dtype=np.int64)
        # Rows ascend, and of several values for one place the last one stays.
        newest[pc.index_in(own.take(pa.array(rows)), value_set=keys).to_numpy()] = rows
        return newest

    def by_key(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return rows in the order of their primary keys."""
        keys = take(self.column(self._segment.schema.primary.id).data, rows)
        ordered: NDArray[np.int64] = rows[pc.sort_indices(keys).to_numpy()]
        return ordered

    def fetch(self, rows: NDArray[np.int64], fields: Sequence[FieldId]) -> ColumnBatch:
        """Return some fields of some rows, in that order."""
        return ColumnBatch({field: self.column(field).take(rows) for field in fields}, len(rows))
