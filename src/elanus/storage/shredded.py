"""JSON columns taken apart: one Parquet file a field, with typed columns for each path that many rows have.

The file is described in docs/formats/segment.md. What it holds is in the raw column too: one that can't be read costs
time, not data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native import json
from elanus._native.json import Extracted, Found, Kind, Limits, Paths, Step
from elanus.model.columns import Column, fixed_values, varlen_buffers
from elanus.model.errors import DataCorrupted
from elanus.model.manifest import FileInfo
from elanus.storage import parquet
from elanus.storage.files import naming
from elanus.storage.store import ObjectStore

LIMITS: Final = Limits(paths=4_096, depth=8, key_bytes=256)
"""How much is tracked of JSON with very many keys."""
SHARE: Final = 64
"""A path has columns when one row in so many has a value there."""
MAX_PATHS: Final = 256
"""Paths with columns, the most frequent ones."""
GROUP_VALUES: Final = 2**22
"""Values held at once while a file is written: row groups are smaller where paths are many."""

DIRECTORY_KEY: Final = b"elanus.json"
KIND: Final = "kind"
_COLUMNS: Final[Mapping[Kind, tuple[str, pa.DataType]]] = {
    Kind.BOOL: ("bool", pa.bool_()),
    Kind.INT: ("int64", pa.int64()),
    Kind.DOUBLE: ("double", pa.float64()),
    Kind.STRING: ("string", pa.large_string()),
    Kind.ARRAY: ("array", pa.large_string()),
}
"""What is stored of each kind of value beside its kind; nulls and objects have nothing more."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Entry(msgspec.Struct, frozen=True):
    """A path with columns.

    name   what the names of its columns begin with
    kinds  numbers of the kinds of value that rows have there; those of ``_COLUMNS`` have a column each
    """

    keys: tuple[str, ...]
    name: str
    kinds: tuple[Kind, ...]

    def column_names(self) -> dict[Kind, str]:
        """Return the names of the columns with values, by kind."""
        return {kind: f"{self.name}:{_COLUMNS[kind][0]}" for kind in self.kinds if kind in _COLUMNS}

    @property
    def kind_name(self) -> str:
        """The name of the column of kinds."""
        return f"{self.name}:{KIND}"


class Directory(msgspec.Struct, frozen=True):
    """What a file has columns for.

    paths     with columns
    others    paths that some row has, without columns
    complete  whether no row has a path that is in neither
    """

    paths: tuple[Entry, ...]
    others: tuple[tuple[str, ...], ...]
    complete: bool


# --- writing ---


def write_shredded(store: ObjectStore, key: str, column: Column) -> FileInfo | None:
    """Write the paths that many rows of a JSON column have; None when there is none.

    cost  two walks over the rows' texts and one write of the values; memory for one row group; durable when it returns
    """
    data = column.data.fill_null(b"") if column.data.null_count else column.data
    offsets, texts = varlen_buffers(data)
    paths = Paths(offsets, texts, LIMITS, least=-(-len(data) // SHARE), most=MAX_PATHS)
    entries = tuple(_entry(found) for found in paths.kept())
    if not entries:
        return None
    others = tuple(found.keys for found in paths.left_out())
    schema = _schema(entries, Directory(entries, others, paths.complete))
    with store.new_file(key) as draft:
        with naming(draft.path, "write"):
            _write_groups(str(draft.path), schema, entries, _groups(paths, offsets, texts))
        return draft.commit()


def _entry(found: Found) -> Entry:
    return Entry(found.keys, path_name(found.keys), tuple(sorted(found.kinds)))


def path_name(keys: Sequence[str]) -> str:
    """Return a path as people write it, ``$.price.net`` or ``$["unit price"]``; no two have one name."""
    return "$" + "".join(f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{_quoted(key)}]" for key in keys)


def _quoted(key: str) -> str:
    return orjson.dumps(key).decode()


def _schema(entries: Sequence[Entry], directory: Directory) -> pa.Schema:
    metadata = {parquet.FORMAT_KEY: b"%d" % parquet.FORMAT_VERSION, DIRECTORY_KEY: msgspec.json.encode(directory)}
    return pa.schema([field for entry in entries for field in _fields(entry)], metadata=metadata)


def _fields(entry: Entry) -> Iterator[pa.Field]:
    yield pa.field(entry.kind_name, pa.uint8(), nullable=False)
    for kind, name in entry.column_names().items():
        yield pa.field(name, _COLUMNS[kind][1])


def _groups(paths: Paths, offsets: NDArray[np.int64], texts: NDArray[np.uint8]) -> Iterator[list[Extracted]]:
    """Yield the values of every path, some rows at a time."""
    num_rows = len(offsets) - 1
    rows_each = min(parquet.GROUP_ROWS, max(1, GROUP_VALUES // len(paths.kept())))
    for start, stop in pairwise([*range(0, num_rows, rows_each), num_rows]):
        yield paths.read(offsets[start : stop + 1], texts)


def _write_groups(
    path: str, schema: pa.Schema, entries: Sequence[Entry], groups: Iterator[Sequence[Extracted]]
) -> None:
    import pyarrow.parquet as pq

    # Numbers rarely repeat enough for a dictionary to pay.
    texts = [field.name for field in schema if pa.types.is_large_string(field.type) or field.type == pa.uint8()]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts, write_page_index=True) as writer:
        for group in groups:
            arrays = [array for entry, values in zip(entries, group, strict=True) for array in _arrays(entry, values)]
            writer.write_batch(pa.record_batch(arrays, schema=schema), row_group_size=parquet.GROUP_ROWS)


def _arrays(entry: Entry, values: Extracted) -> Iterator[pa.Array]:
    """Yield the columns of a path: one buffer of numbers and one of texts, each seen through the rows of its kind."""
    yield pa.array(values.kinds)
    plain = values.kinds & ~np.uint8(json.HOLLOW)
    for kind in entry.column_names():
        yield _array(kind, values, plain == kind)


def _array(kind: Kind, values: Extracted, rows: NDArray[np.bool_]) -> pa.Array:
    stored = _COLUMNS[kind][1]
    bitmap = pa.py_buffer(np.packbits(rows, bitorder="little"))
    if pa.types.is_large_string(stored):
        buffers = [bitmap, pa.py_buffer(values.offsets), pa.py_buffer(values.text)]
    elif pa.types.is_boolean(stored):
        buffers = [bitmap, pa.py_buffer(np.packbits(values.numbers == 1, bitorder="little"))]
    else:
        buffers = [bitmap, pa.py_buffer(values.numbers)]
    return pa.Array.from_buffers(stored, len(rows), buffers)


# --- reading ---


class ShreddedColumn:
    """The typed columns of one JSON field in one segment. Immutable, safe from any thread.

    raises  DataCorrupted naming the file where it is not what was written
    cost    opening reads the directory; a path's columns are read when they are asked for, and not kept
    """

    def __init__(self, store: ObjectStore, file: FileInfo) -> None:
        self._store = store
        self._file = file
        with parquet.opened(store, file) as source:
            self._metadata = source.metadata
            self.num_rows = int(source.metadata.num_rows)
        directory = self._directory()
        self._entries = {entry.keys: entry for entry in directory.paths}
        self._others = frozenset(directory.others)
        self._complete = directory.complete

    def _directory(self) -> Directory:
        try:
            return msgspec.json.decode((self._metadata.metadata or {})[DIRECTORY_KEY], type=Directory)
        except (KeyError, msgspec.DecodeError) as error:
            raise DataCorrupted(f"{self._file.key} has no directory of its paths: {error}") from error

    def holds(self, path: Sequence[Step]) -> bool:
        """Whether ``read`` has the values without reading JSON: columns, or the knowledge that no row has the path."""
        keys = self._as_keys(path)
        return keys is not None and (keys in self._entries or self._is_absent(keys))

    def read(self, path: Sequence[Step]) -> Extracted | None:
        """Return the value at ``path`` of every row; None when only the rows' texts can tell.

        cost  reads and decompresses the path's columns; a step into an array reads the texts of these arrays
        """
        keys = self._as_keys(path)
        if keys is None:
            return self._read_element(path)
        entry = self._entries.get(keys)
        if entry is not None:
            return self._read_entry(entry)
        return _missing(self.num_rows) if self._is_absent(keys) else None

    def _as_keys(self, path: Sequence[Step]) -> tuple[str, ...] | None:
        """Return the keys that a path means in every row; None when a number in it may step into an array."""
        return _keys(path) if self._first_index(path) == len(path) else None

    def _first_index(self, path: Sequence[Step]) -> int:
        """Return the place of the first number that may step into an array, the path's length without one."""
        keys = _keys(path)
        numbers = (place for place, step in enumerate(path) if isinstance(step, int))
        return next((place for place in numbers if self._may_be_array(keys[:place])), len(path))

    def _may_be_array(self, keys: tuple[str, ...]) -> bool:
        entry = self._entries.get(keys)
        return not self._is_absent(keys) if entry is None else Kind.ARRAY in entry.kinds

    def _is_absent(self, keys: tuple[str, ...]) -> bool:
        return self._complete and keys not in self._entries and keys not in self._others

    def _read_element(self, path: Sequence[Step]) -> Extracted | None:
        """Read what lies in the arrays of a shorter path; None when rows may have it as a member of an object."""
        place = self._first_index(path)
        keys = _keys(path)
        entry = self._entries.get(keys[:place])
        if entry is None or not (self._is_absent(keys[: place + 1]) or Kind.OBJECT not in entry.kinds):
            return None
        arrays = self._columns([entry.column_names()[Kind.ARRAY]])[0]
        return json.extract_path(*_texts(arrays), path[place:])

    def _read_entry(self, entry: Entry) -> Extracted:
        names = entry.column_names()
        kinds, *columns = self._columns([entry.kind_name, *names.values()])
        values = dict(zip(names, columns, strict=True))
        return Extracted(fixed_values(kinds), _numbers(values, len(kinds)), *_all_texts(values, len(kinds)))

    def _columns(self, names: Sequence[str]) -> list[pa.Array]:
        with parquet.opened(self._store, self._file, self._metadata) as source:
            table = source.read(columns=list(names))
            return [parquet.whole(table.column(name)) for name in names]


def _keys(path: Sequence[Step]) -> tuple[str, ...]:
    return tuple([str(step) for step in path])


def _missing(num_rows: int) -> Extracted:
    offsets = np.zeros(num_rows + 1, dtype=np.int64)
    return Extracted(np.zeros(num_rows, np.uint8), offsets[:-1], offsets, np.zeros(0, np.uint8))


def _numbers(values: Mapping[Kind, pa.Array], num_rows: int) -> NDArray[np.int64]:
    """Return integers, booleans and the bits of doubles as one column: each is zero where another is not."""
    parts = [_bits(values[kind]) for kind in (Kind.INT, Kind.DOUBLE, Kind.BOOL) if kind in values]
    if not parts:
        return np.zeros(num_rows, dtype=np.int64)
    whole: NDArray[np.int64] = parts[0] if len(parts) == 1 else np.bitwise_or.reduce(parts)
    return whole


def _bits(column: pa.Array) -> NDArray[np.int64]:
    values: NDArray[Any] = fixed_values(column.fill_null(False if pa.types.is_boolean(column.type) else 0))
    return values.view(np.int64) if values.dtype == np.float64 else values.astype(np.int64, copy=False)


def _all_texts(values: Mapping[Kind, pa.Array], num_rows: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    parts = [values[kind] for kind in (Kind.STRING, Kind.ARRAY) if kind in values]
    if not parts:
        return np.zeros(num_rows + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    return _texts(parts[0] if len(parts) == 1 else pc.coalesce(*parts))


def _texts(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return texts as offsets from zero and no byte more than they need; nulls are empty."""
    offsets, text = varlen_buffers(column.fill_null(""))
    return offsets - offsets[0], text[offsets[0] : offsets[-1]]
