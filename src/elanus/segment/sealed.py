"""Sealed segments: immutable files, opened and verified on first use, with indexes attached as they are built."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.kernels import Vectors
from elanus._native.rtree import Boxes, boxes
from elanus.expr import JsonValues, LeafIndex, Operand
from elanus.index import INDEX_KINDS, indexed_operand, is_current
from elanus.index.base import TitledIndex, VectorIndex
from elanus.model.bitset import Bitset
from elanus.model.columns import VECTOR_DTYPES, Column, ColumnBatch, vector_array
from elanus.model.errors import DataCorrupted
from elanus.model.ids import FieldId, IndexId, PartitionId, SegmentId
from elanus.model.manifest import IndexFile, IndexInfo, SegmentInfo
from elanus.model.schema import Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment.deletes import Tombstones
from elanus.segment.elements import Elements
from elanus.segment.files import SegmentFiles
from elanus.segment.json_columns import JsonCache, SealedJson
from elanus.segment.keys import find_sorted
from elanus.segment.statistics import SegmentStatistics

log = logging.getLogger("elanus.segment")


class SealedSegment:
    """Rows sorted by primary key, then by timestamp. Columns, vectors and indexes are read when first asked for.

    report_damage  called with an index file that could not be opened, so that it is built anew
    json_cache     where typed JSON values are kept, beside those of other segments
    """

    sorted_by_key = True

    def __init__(
        self,
        info: SegmentInfo,
        schema: Schema,
        files: SegmentFiles,
        tombstones: Tombstones | None = None,
        report_damage: Callable[[SegmentId, IndexFile], None] = lambda _segment, _file: None,
        *,
        json_cache: JsonCache | None = None,
    ) -> None:
        self.info = info
        self.id: SegmentId = info.id
        self.partition: PartitionId = info.partition
        self.num_rows = info.num_rows
        self.schema = schema
        self._files = files
        self._report_damage = report_damage
        self._tombstones = tombstones
        self._columns: dict[int, Column] = {}
        self._valid: dict[int, Bitset | None] = {}
        self._json = SealedJson(files, info, json_cache or JsonCache())
        self._boxes: dict[int, Boxes] = {}
        self._matrices: dict[int, NDArray[Any]] = {}
        self._bases: dict[int, Vectors] = {}
        self._elements: dict[int, Elements] = {}
        self._indexes: dict[IndexId, VectorIndex | None] = {}
        self._scalar_files: Mapping[Operand, Sequence[IndexFile]] | None = None
        self._scalar_indexes: dict[IndexFile, TitledIndex | None] = {}
        self._indexes_over: dict[Operand, Sequence[LeafIndex]] = {}
        self._timestamps: NDArray[np.uint64] | None = None
        self._statistics: SegmentStatistics | None = None
        self._opening = threading.RLock()

    # --- what the writer does ---

    @property
    def tombstones(self) -> Tombstones:
        """The segment's dead rows; those flushed before are read from their file first."""
        if self._tombstones is None:
            with self._opening:
                if self._tombstones is None:
                    self._tombstones = self._files.read_deletes(self.info)
        return self._tombstones

    def update(self, info: SegmentInfo) -> None:
        """Take over a newer description of the same rows: more indexes, a newer deletes file."""
        kept = {file.index for file in info.indexes}
        with self._opening:
            self._indexes = {key: index for key, index in self._indexes.items() if key in kept and index is not None}
            opened = self._scalar_indexes.items()
            self._scalar_indexes = {file: index for file, index in opened if file in info.indexes and index is not None}
            self._scalar_files, self._indexes_over = None, {}
            self.info = info

    def find(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each primary key, int64, -1 where there is none."""
        return find_sorted(self.column(self.schema.primary.id).data, keys)

    @property
    def last_at(self) -> Timestamp:
        """When the newest row was written."""
        return self.info.last

    def written_at(self, num_rows: int) -> NDArray[np.uint64]:
        """Return when each of the first rows was written, uint64 [num_rows]."""
        return self.timestamps()[:num_rows]

    # --- what readers do ---

    @property
    def statistics(self) -> SegmentStatistics:
        """What is known of the rows without reading a column; Bloom filters are opened when first asked for."""
        known = self._statistics
        if known is None:
            files, info = self._files, self.info
            known = self._statistics = SegmentStatistics(info, self.schema, lambda: files.read_blooms(info))
        return known

    def column(self, field_id: int) -> Column:
        """Return a field's values, all rows."""
        column = self._columns.get(field_id)
        if column is None:
            with self._opening:
                column = self._columns.get(field_id) or self._read_column(self.schema.by_id(field_id))
                self._columns[field_id] = column
        return column

    def _read_column(self, field: Field) -> Column:
        if not field.type.is_dense_vector:
            return self._files.read_scalar(self.info, field)
        valid = self.valid(field)
        return Column(field, vector_array(field, self.vectors(field), None if valid is None else valid.mask()))

    def json_values(self, field_id: int, path: tuple[str | int, ...]) -> JsonValues:
        """Return what a JSON field holds under a path, as typed columns; kept for the next filter."""
        return self._json.values(field_id, path, lambda: self.column(field_id))

    def holds_json(self, field_id: int, path: tuple[str | int, ...]) -> bool:
        """Whether ``json_values`` has the path as typed columns, in memory or in a file."""
        return self._json.holds(field_id, path)

    def boxes(self, field_id: int) -> Boxes:
        """Return the bounding boxes of a GEOMETRY field, 33 bytes a row; kept for the next filter."""
        found = self._boxes.get(field_id)
        if found is None:
            found = self._boxes[field_id] = boxes(*self.column(field_id).bytes_and_offsets())
        return found

    def indexes(self, operand: Operand) -> Sequence[LeafIndex]:
        """Return the built scalar indexes over exactly that operand, opened when first asked for."""
        known = self._indexes_over  # taken first: `update` and `cool` put another one in its place
        files = self._files_over().get(operand)
        if files is None:
            return ()
        if operand not in known:
            found = (self._scalar_index(file, operand) for file in files)
            known[operand] = [index for index in found if index is not None]
        return known[operand]

    def _files_over(self) -> Mapping[Operand, Sequence[IndexFile]]:
        """Return the files of scalar indexes, by what they cover."""
        known = self._scalar_files
        if known is None:
            with self._opening:
                found: dict[Operand, list[IndexFile]] = {}
                for file in self.info.indexes:
                    if is_current(file) and INDEX_KINDS[file.kind].family == "scalar":
                        found.setdefault(indexed_operand(self.schema, file.field, file.json_path), []).append(file)
                known = self._scalar_files = found
        return known

    def _scalar_index(self, file: IndexFile, operand: Operand) -> TitledIndex | None:
        """Return an opened index, None when its file is damaged: then the rows are looked at."""
        known = self._scalar_indexes
        if file not in known:
            with self._opening:
                known = self._scalar_indexes
                if file not in known:
                    known[file] = self._open_scalar_index(file, operand)
        return known[file]

    def _open_scalar_index(self, file: IndexFile, operand: Operand) -> TitledIndex | None:
        try:
            return TitledIndex(f"{file.name} ({file.kind})", self._files.open_scalar_index(file, operand))
        except DataCorrupted as error:
            self._report(file, error)
            return None

    def _report(self, file: IndexFile, error: DataCorrupted) -> None:
        if file in self.info.indexes:  # otherwise it was dropped while a reader was about to open it
            log.error("index file is damaged, its segment is scanned until it is built anew: %s", error)
            self._report_damage(self.id, file)

    def vectors(self, field: Field) -> NDArray[Any]:
        """Return a dense vector field as [rows, width], mapped from its file."""
        matrix = self._matrices.get(field.id)
        if matrix is None:
            with self._opening:
                matrix = self._files.map_vectors(self.info, field)
                if matrix is None:
                    width = field.row_bytes // VECTOR_DTYPES[field.type].itemsize
                    matrix = np.zeros((self.num_rows, width), dtype=VECTOR_DTYPES[field.type])
                self._matrices[field.id] = matrix
        return matrix

    def base(self, field: Field) -> Vectors:
        """Return a dense vector field as the kernels take it."""
        base = self._bases.get(field.id)
        if base is None:
            base = self._bases[field.id] = Vectors.of(self.vectors(field), field.type)
        return base

    def elements(self, field: Field) -> Elements:
        """Return the vectors of a struct array's sub-field, those of all rows end to end; kept for the next search."""
        found = self._elements.get(field.id)
        if found is None:
            found = self._elements[field.id] = Elements.of(self.column(field.id))
        return found

    def valid(self, field: Field) -> Bitset | None:
        """Return the rows where the field is not null, None when all are."""
        if not field.nullable:
            return None
        # ``cool`` empties the caches while others read: what is looked for and what is returned is one object.
        known = self._valid
        if field.id not in known:
            with self._opening:
                known[field.id] = self._read_valid(field)
        return known[field.id]

    def _read_valid(self, field: Field) -> Bitset | None:
        if field.type.is_dense_vector:
            mask = self._files.read_vector_validity(self.info, field)
        else:
            mask = self.column(field.id).valid
        return None if mask is None or mask.all() else Bitset.from_mask(mask)

    def opened_index(self, index: IndexInfo) -> VectorIndex | None:
        """Return the built index if a search has opened it."""
        return self._indexes.get(index.id)

    def index(self, index: IndexInfo) -> VectorIndex | None:
        """Return the built index, None when rows must be scanned: not built yet, or its file is damaged or outdated."""
        known = self._indexes
        if index.id in known:
            return known[index.id]
        file = next((file for file in self.info.indexes if file.index == index.id), None)
        if file is None or not is_current(file):
            return None
        with self._opening:
            known = self._indexes
            if index.id not in known:
                known[index.id] = self._open_index(index, file)
            return known[index.id]

    def _open_index(self, index: IndexInfo, file: IndexFile) -> VectorIndex | None:
        try:
            return self._files.open_index(index, file, self.schema.by_id(file.field))
        except DataCorrupted as error:
            self._report(file, error)
            return None

    def alive(self, at: Timestamp) -> Bitset | None:
        """Return the rows visible at ``at``, None when all are."""
        living = self.tombstones.alive(at, self.num_rows)
        if self.info.last <= at:
            return living
        written = Bitset.from_mask(self.timestamps() <= np.uint64(at))
        return written if living is None else written & living

    def timestamps(self) -> NDArray[np.uint64]:
        """Return when each row was written, uint64 [rows]; kept for the next read."""
        times = self._timestamps
        if times is None:
            times = self._timestamps = self._files.read_timestamps(self.info)
        return times

    def rows_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each primary key, int64, -1 where there is none."""
        return self.find(keys)

    def by_key(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return rows in the order of their primary keys."""
        return np.sort(rows)

    def fetch(self, rows: NDArray[np.int64], fields: Sequence[FieldId]) -> ColumnBatch:
        """Return some fields of some rows, in that order."""
        return ColumnBatch({field: self._fetch_column(field, rows) for field in fields}, len(rows))

    def _fetch_column(self, field_id: int, rows: NDArray[np.int64]) -> Column:
        field = self.schema.by_id(field_id)
        if not field.type.is_dense_vector:
            return self.column(field_id).take(rows)
        valid = self.valid(field)
        mask = None if valid is None else valid.mask()[rows]
        return Column(field, vector_array(field, self.vectors(field)[rows], mask))

    # --- load and release ---

    def warm(self, indexes: Sequence[IndexInfo]) -> None:
        """Open and verify what searches and filters need: keys, tombstones, vectors, indexes."""
        self.column(self.schema.primary.id)
        _ = self.tombstones
        for field in self.schema.vectors:
            if field.type.is_dense_vector:
                self.vectors(field)
        for index in indexes:
            if index.metric is not None:
                self.index(index)
                field = self.schema.by_id(index.field)
                if field.type is DataType.ARRAY_OF_VECTOR:
                    self.elements(field)
        for operand in self._files_over():
            self.indexes(operand)

    def cool(self) -> None:
        """Let go of everything that can be read again; readers in flight keep what they hold."""
        with self._opening:
            self._boxes, self._elements = {}, {}
            self._columns, self._matrices, self._bases, self._valid, self._indexes = {}, {}, {}, {}, {}
            self._scalar_indexes, self._indexes_over = {}, {}
            self._json.cool()
            self._timestamps = self._statistics = None
            self._files.close()
