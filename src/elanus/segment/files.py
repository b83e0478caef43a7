"""The files of one sealed segment: each verified whole before it is first used."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from elanus._native.bloom import BloomFilter
from elanus.expr import Operand
from elanus.index import INDEX_KINDS, is_mapped
from elanus.index.base import IndexKind, ScalarIndex, VectorIndex
from elanus.model.columns import Column
from elanus.model.errors import DataCorrupted
from elanus.model.manifest import FileInfo, IndexFile, IndexInfo, SegmentInfo
from elanus.model.schema import Field
from elanus.segment.deletes import Tombstones
from elanus.storage import parquet
from elanus.storage.blooms import read_blooms
from elanus.storage.shredded import ShreddedColumn
from elanus.storage.store import ObjectStore, verify
from elanus.storage.vectors import map_vectors

Index = TypeVar("Index", VectorIndex, ScalarIndex)


class SegmentFiles:
    """Reads what a manifest says of one segment. A file that isn't what was written raises DataCorrupted."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._verified: set[FileInfo] = set()
        self._lock = threading.Lock()

    def _verify(self, file: FileInfo) -> FileInfo:
        with self._lock:
            if file not in self._verified:
                verify(self._store, file)
                self._verified.add(file)
        return file

    def read_scalar(self, info: SegmentInfo, field: Field) -> Column:
        """Return a column that isn't a dense vector; one added after the rows were written is null or default."""
        return parquet.read_scalar_column(self._store, self._verify(info.scalars), field)

    def read_timestamps(self, info: SegmentInfo) -> NDArray[np.uint64]:
        """Return when each row was written, uint64 [rows]."""
        return parquet.read_timestamps(self._store, self._verify(info.scalars))

    def read_vector_validity(self, info: SegmentInfo, field: Field) -> NDArray[np.bool_] | None:
        """Return where a nullable dense vector is set, bool [rows]; None when everywhere."""
        if all(vector.field != field.id for vector in info.vectors):
            return np.zeros(info.num_rows, dtype=np.bool_)
        return parquet.read_validity(self._store, self._verify(info.scalars), field)

    def map_vectors(self, info: SegmentInfo, field: Field) -> NDArray[Any] | None:
        """Return a dense vector column as [rows, width] over its mapped file; None when it was added later."""
        vector = next((vector for vector in info.vectors if vector.field == field.id), None)
        if vector is None:
            return None
        self._verify(vector.file)
        return map_vectors(self._store, vector, field).whole()

    def read_deletes(self, info: SegmentInfo) -> Tombstones:
        """Return the tombstones flushed so far."""
        if info.deletes is None:
            return Tombstones()
        return Tombstones.of(*parquet.read_deletes(self._store, self._verify(info.deletes)))

    def read_blooms(self, info: SegmentInfo) -> Mapping[int, BloomFilter]:
        """Return the Bloom filters by field, mapped."""
        return {} if info.blooms is None else read_blooms(self._store, self._verify(info.blooms))

    def open_shredded(self, info: SegmentInfo, field_id: int) -> ShreddedColumn | None:
        """Return the typed columns of a JSON field, None when the segment has none."""
        typed = next((typed for typed in info.json if typed.field == field_id), None)
        return None if typed is None else ShreddedColumn(self._store, self._verify(typed.file))

    def open_index(self, index: IndexInfo, file: IndexFile, field: Field) -> VectorIndex:
        """Return a built index, loaded by the kind that built it."""
        kind, folder = self._verify_index(file)
        if kind.load is None or index.metric is None:
            raise DataCorrupted(f"{folder} is no index over vectors")
        metric = index.metric.of_vectors
        return _covering(kind.load(folder, field.vector_type, metric, mapped=is_mapped(index)), folder, file)

    def open_scalar_index(self, file: IndexFile, operand: Operand) -> ScalarIndex:
        """Return a built index over an operand, loaded by the kind that built it."""
        kind, folder = self._verify_index(file)
        if kind.load_scalar is None:
            raise DataCorrupted(f"{folder} is no index over scalars")
        return _covering(kind.load_scalar(folder, operand), folder, file)

    def _verify_index(self, file: IndexFile) -> tuple[IndexKind, Path]:
        """Return the kind of an index and the local folder of its files, once all of them are what was written."""
        kind = INDEX_KINDS.find(file.kind)
        if kind is None or file.version != kind.version:
            known = "none" if kind is None else str(kind.version)
            raise DataCorrupted(
                f"{file.files[0].key} has version {file.version} of {file.kind}, this server reads {known}"
            )
        for part in file.files:
            self._verify(part)
        path = self._store.local_path(file.files[0].key)
        if path is None:
            raise DataCorrupted(f"{file.files[0].key} is not on a local disk")
        return kind, path.parent

    def close(self) -> None:
        """Forget what was verified: the next use checks again."""
        with self._lock:
            self._verified.clear()


def _covering(index: Index, folder: Path, file: IndexFile) -> Index:
    """Return an opened index; DataCorrupted unless it covers as many rows as the manifest says."""
    if index.num_rows != file.rows:
        raise DataCorrupted(f"{folder} covers {index.num_rows} rows instead of {file.rows}")
    return index
