"""Column files of sealed segments: Parquet that anybody can read, columns found by field id.

The files are described in docs/formats/segment.md. Readers take files as they are: ``verify`` one before its first use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, ColumnBatch, arrow_type, fixed_values, null_column
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.manifest import FileInfo
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.storage.files import naming
from elanus.storage.store import ObjectStore, open_object, verify
from elanus.storage.vectors import VectorView, map_vectors, parquet_field, write_vectors

__all__ = [
    "VectorView",
    "map_vectors",
    "read_deletes",
    "read_scalar_column",
    "read_timestamps",
    "read_validity",
    "verify",
    "write_deletes",
    "write_scalars",
    "write_vectors",
]

FORMAT_VERSION = 1
FORMAT_KEY = b"elanus.format"
GROUP_ROWS = 65_536
TIMESTAMP_ID = 1
ROW_ID = 2
VALIDITY_ID = 2**30
TIMESTAMP = "_ts"


def write_scalars(
    store: ObjectStore, key: str, fields: Sequence[Field], batch: ColumnBatch, timestamps: NDArray[np.uint64]
) -> FileInfo:
    """Write every column that is not a dense vector, the validity of nullable dense ones, and row timestamps.

    timestamps  uint64 [rows]
    cost        compresses every column; durable when it returns
    """
    stored = [part for field in fields for part in _stored_columns(batch[field.id])]
    name = TIMESTAMP
    while any(field.name == name for field in fields):
        name += "_"
    stored.append(_int_column(name, TIMESTAMP_ID, timestamps))
    return _write(store, key, stored, _geo(fields))


def read_scalar_column(store: ObjectStore, file: FileInfo, field: Field) -> Column:
    """Return one column; a field that the file does not have yet is all default or null."""
    data = _read(store, file, field.id)
    if data is None:
        return null_column(field, _num_rows(store, file))
    kind = arrow_type(field)
    return Column(field, data if data.type == kind else data.cast(kind))


def read_timestamps(store: ObjectStore, file: FileInfo) -> NDArray[np.uint64]:
    """Return when each row was written, uint64 [rows]."""
    return _read_ints(store, file, TIMESTAMP_ID).view(np.uint64)


def read_validity(store: ObjectStore, file: FileInfo, field: Field) -> NDArray[np.bool_] | None:
    """Return where a dense vector is not null, bool [rows]; None when the field was not nullable."""
    data = _read(store, file, VALIDITY_ID + field.id)
    return None if data is None else fixed_values(data).astype(np.bool_, copy=False)


def write_deletes(store: ObjectStore, key: str, rows: NDArray[np.int64], timestamps: NDArray[np.uint64]) -> FileInfo:
    """Write tombstones: int64 positions in the segment and the uint64 timestamp of each."""
    return _write(store, key, [_int_column("row", ROW_ID, rows), _int_column(TIMESTAMP, TIMESTAMP_ID, timestamps)])


def read_deletes(store: ObjectStore, file: FileInfo) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return tombstones as they were written: rows int64 [n] and timestamps uint64 [n]."""
    return _read_ints(store, file, ROW_ID), read_timestamps(store, file)


# --- writing ---

Stored = tuple[pa.Field, pa.Array]
_NOTHING: Mapping[bytes, bytes] = {}

# Types that other readers know, over the same bytes.
_STORED_TYPES = {DataType.JSON: pa.large_string(), DataType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC")}


def _stored_columns(column: Column) -> Iterator[Stored]:
    """Yield what the scalars file holds of a column: nothing of a dense vector that can't be null."""
    field, data = column.field, column.data
    if field.type.is_dense_vector:
        if field.nullable:
            valid = parquet_field(f"{field.name}.valid", pa.bool_(), VALIDITY_ID + field.id, nullable=False)
            yield valid, data.is_valid()
        return
    if field.type in _STORED_TYPES:
        data = data.view(_STORED_TYPES[field.type])
    yield parquet_field(field.name, data.type, field.id, nullable=field.nullable), data


def _int_column(name: str, field_id: int, values: NDArray[Any]) -> Stored:
    """Return a column of int64, which every reader knows; timestamps stay below 2^63."""
    return parquet_field(name, pa.int64(), field_id, nullable=False), pa.array(np.ascontiguousarray(values, np.int64))


def _geo(fields: Sequence[Field]) -> Mapping[bytes, bytes]:
    """Return what GeoParquet says of a file: which columns are geometries, in longitude and latitude."""
    names = [field.name for field in fields if field.type is DataType.GEOMETRY]
    if not names:
        return {}
    columns = {name: {"encoding": "WKB", "geometry_types": []} for name in names}
    return {b"geo": orjson.dumps({"version": "1.1.0", "primary_column": names[0], "columns": columns})}


def _write(store: ObjectStore, key: str, stored: Sequence[Stored], geo: Mapping[bytes, bytes] = _NOTHING) -> FileInfo:
    import pyarrow.parquet as pq

    metadata = {FORMAT_KEY: b"%d" % FORMAT_VERSION, **geo}
    schema = pa.schema([field for field, _ in stored], metadata=metadata)
    table = pa.table([data for _, data in stored], schema=schema)
    with store.new_file(key) as draft:
        with naming(draft.path, "write"):
            pq.write_table(table, draft.path, compression="zstd", row_group_size=GROUP_ROWS, write_page_index=True)
        return draft.commit()


# --- reading ---


def _read(store: ObjectStore, file: FileInfo, field_id: int) -> pa.Array | None:
    """Return the column of a field id, None when the file has none."""
    with opened(store, file) as source:
        name = _name_of(source.schema_arrow, field_id)
        if name is None:
            return None
        return whole(source.read(columns=[name]).column(0))


def _read_ints(store: ObjectStore, file: FileInfo, field_id: int) -> NDArray[np.int64]:
    data = _read(store, file, field_id)
    if data is None:
        raise DataCorrupted(f"{file.key} has no column of field id {field_id}")
    return np.asarray(fixed_values(data), dtype=np.int64)


def _num_rows(store: ObjectStore, file: FileInfo) -> int:
    with opened(store, file) as source:
        return int(source.metadata.num_rows)


@contextmanager
def opened(store: ObjectStore, file: FileInfo, metadata: Any = None) -> Iterator[Any]:
    """Open a Parquet file; what Arrow can't read is reported as damage of that file.

    metadata  of the file when it was opened before, so that it isn't read again
    """
    import pyarrow.parquet as pq

    data = pa.BufferReader(pa.py_buffer(open_object(store, file.key)))
    try:
        source = pq.ParquetFile(data, metadata=metadata)
        version = int((source.schema_arrow.metadata or {}).get(FORMAT_KEY, FORMAT_VERSION))
        if version > FORMAT_VERSION:
            raise StorageFailed(f"{file.key} has format {version}, this release reads up to {FORMAT_VERSION}")
        yield source
    except (pa.ArrowException, OSError) as error:
        raise DataCorrupted(f"{store.local_path(file.key) or file.key} can't be read: {error}") from error


def _name_of(schema: pa.Schema, field_id: int) -> str | None:
    wanted = b"%d" % field_id
    return next((field.name for field in schema if (field.metadata or {}).get(b"PARQUET:field_id") == wanted), None)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; copied together when it has several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.array([], column.type), *column.chunks])
