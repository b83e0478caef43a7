"""Dense vectors, stored once: an ordinary Parquet column whose values are also mapped as a matrix.

Each row group is one uncompressed PLAIN page, so the values of a row group lie together at the end of its column
chunk. The manifest records where. See docs/formats/segment.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.checksum import crc32c
from elanus.model.columns import VECTOR_DTYPES, arrow_type, vector_array
from elanus.model.errors import StorageFailed
from elanus.model.manifest import VectorFile, VectorRun
from elanus.storage.files import map_file, naming
from elanus.storage.store import ObjectStore, open_object

if TYPE_CHECKING:
    from pathlib import Path

    from elanus.model.schema import Field

ONE_PAGE = 1 << 30
ROW_GROUP_BYTES = 128 * 2**20


class VectorView:
    """The vectors of a file where they lie: one matrix for each run.

    runs        matrices [rows of the run, width], possibly unaligned
    first_rows  int64 [runs], the row that each begins with
    """

    def __init__(self, runs: Sequence[NDArray[Any]], dtype: np.dtype[Any], width: int) -> None:
        self.runs = runs
        self.dtype = dtype
        self.width = width
        lengths = [0, *(len(run) for run in runs)]
        self.num_rows = sum(lengths)
        self.first_rows = np.cumsum(lengths, dtype=np.int64)[:-1]

    def __len__(self) -> int:
        return self.num_rows

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the given rows as [len(rows), width], aligned; IndexError outside 0 to num_rows - 1."""
        out = np.empty((len(rows), self.width * self.dtype.itemsize), dtype=np.uint8)
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self.num_rows:
            raise IndexError(f"rows must lie in 0 to {self.num_rows - 1}")
        home = np.searchsorted(self.first_rows, rows, side="right") - 1
        for number in np.unique(home):
            here = np.flatnonzero(home == number)
            # Rows are gathered as bytes: numpy copies unaligned numbers one by one, bytes row by row.
            raw = self.runs[number].view(np.uint8)
            out[here] = raw[rows[here] - self.first_rows[number]]
        return out.view(self.dtype)

    def whole(self) -> NDArray[Any]:
        """Return all rows as one matrix: mapped when there is one run, copied together when there are several."""
        if len(self.runs) == 1:
            return self.runs[0]
        return np.concatenate([np.empty((0, self.width), dtype=self.dtype), *self.runs])


def write_vectors(
    store: ObjectStore, key: str, field: Field, matrix: NDArray[Any], *, row_group_bytes: int = ROW_GROUP_BYTES
) -> VectorFile:
    """Write a dense vector column as a file of its own and return where its values lie.

    matrix           [rows, width] of the field's vector dtype, zeros where a vector is null
    row_group_bytes  about how many bytes of vectors lie together
    raises           StorageFailed when the mapped bytes are not those of the matrix
    cost             one write and two checksums of the matrix
    """
    rows_each = max(1, min(row_group_bytes, ONE_PAGE) // field.row_bytes)
    with store.new_file(key) as draft:
        with naming(draft.path, "write"):
            runs = _write_runs(draft.path, field, np.ascontiguousarray(matrix), rows_each)
        _compare(draft.path, key, field, matrix, runs)
        return VectorFile(field.id, draft.commit(), runs)


def map_vectors(store: ObjectStore, vectors: VectorFile, field: Field) -> VectorView:
    """Return the vectors of a file, mapped when the store has local files. Nothing is read before it is used."""
    return _view(open_object(store, vectors.file.key), field, vectors.runs)


def _write_runs(path: Path, field: Field, matrix: NDArray[Any], rows_each: int) -> tuple[VectorRun, ...]:
    import pyarrow.parquet as pq

    kind = _stored_type(field)
    schema = pa.schema([parquet_field(field.name, kind, field.id, nullable=False)])
    leaf = f"{field.name}.list.element" if pa.types.is_fixed_size_list(kind) else field.name
    with pq.ParquetWriter(
        path,
        schema,
        compression="NONE",
        use_dictionary=False,
        column_encoding={leaf: "PLAIN"},
        write_statistics=False,
        data_page_version="2.0",
        data_page_size=ONE_PAGE,
        max_rows_per_page=ONE_PAGE,
    ) as writer:
        for start in range(0, len(matrix), rows_each):
            values = vector_array(field, matrix[start : start + rows_each]).view(kind)
            writer.write_batch(pa.record_batch([values], schema=schema), row_group_size=ONE_PAGE)
    return tuple(_runs_of(pq.read_metadata(path), field))


def _runs_of(metadata: Any, field: Field) -> list[VectorRun]:
    """Return where the values lie: at the end of each row group's only page."""
    runs = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunk = group.column(0)
        end = chunk.data_page_offset + chunk.total_compressed_size
        runs.append(VectorRun(end - group.num_rows * field.row_bytes, group.num_rows))
    return runs


def _compare(path: Path, key: str, field: Field, matrix: NDArray[Any], runs: tuple[VectorRun, ...]) -> None:
    """Check that what would be mapped is what was written."""
    with naming(path, "read"):
        view = _view(map_file(path), field, runs)
    same = view.num_rows == len(matrix) and all(
        crc32c(run.data) == crc32c(np.ascontiguousarray(matrix[first : first + len(run)]).data)
        for run, first in zip(view.runs, view.first_rows, strict=True)
    )
    if not same:
        raise StorageFailed(f"the vectors in {key} do not lie where they should: they were not written")


def _view(data: memoryview, field: Field, runs: tuple[VectorRun, ...]) -> VectorView:
    dtype = VECTOR_DTYPES[field.type]
    width = field.row_bytes // dtype.itemsize
    found = [np.frombuffer(data, dtype, run.rows * width, run.offset).reshape(run.rows, width) for run in runs]
    return VectorView(found, dtype, width)


def _stored_type(field: Field) -> pa.DataType:
    """Return the Arrow type that is written: a list's elements are never null."""
    kind = arrow_type(field)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", kind.value_type, nullable=False), kind.list_size)
    return kind


def parquet_field(name: str, kind: pa.DataType, field_id: int, *, nullable: bool) -> pa.Field:
    """Return an Arrow field that Parquet stores under a field id."""
    return pa.field(name, kind, nullable=nullable, metadata={b"PARQUET:field_id": b"%d" % field_id})
