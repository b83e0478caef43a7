"""The file of an index: named arrays in one Arrow IPC file, mapped, readable by whoever reads Arrow.

The file has one row. Each column is a section: a ``large_list`` whose only value is the array, of numbers or of texts.
Nothing is compressed, so arrays are used where they lie. See docs/formats/index.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from elanus.model.bitset import Bitset
from elanus.model.columns import fixed_values
from elanus.model.errors import DataCorrupted, StorageFailed

SECTIONS_FILE: Final = "index.arrow"
KNOWN: Final = "known"
"""The section that every index over scalars has: the rows with a value."""

Section: TypeAlias = NDArray[Any] | pa.Array
"""Numbers as a numpy array of one dimension; texts as ``large_string``, bytes as ``large_binary``."""


class Sections:
    """The sections of one opened file. Whatever isn't as asked for raises DataCorrupted that names file and section."""

    def __init__(self, path: Path, arrays: Mapping[str, pa.Array]) -> None:
        self.path = path
        self._arrays = arrays

    def numbers(self, name: str, dtype: DTypeLike, length: int | None = None) -> NDArray[Any]:
        """Return a section of numbers as it lies in the file.

        dtype   what it must hold
        length  how many there must be, None for any number
        """
        array = self._section(name, pa.from_numpy_dtype(dtype), length)
        values = fixed_values(array)
        if not values.flags.aligned:
            raise self.damaged(name, "it is not aligned")
        return values

    def all_numbers(self) -> dict[str, NDArray[Any]]:
        """Return every section, as numbers of the type that the file says; whoever takes them checks them."""
        return {name: self.numbers(name, array.type.to_pandas_dtype()) for name, array in self._arrays.items()}

    def texts(self, name: str, length: int | None = None) -> pa.Array:
        """Return a section of texts: ``large_string``, valid UTF-8."""
        return self._section(name, pa.large_string(), length)

    def damaged(self, name: str, why: str) -> DataCorrupted:
        """Return the error of a section that can't be used."""
        return DataCorrupted(f"{self.path}, section {name}: {why}")

    def _section(self, name: str, kind: pa.DataType, length: int | None) -> pa.Array:
        array = self._arrays.get(name)
        if array is None:
            raise self.damaged(name, "it is missing")
        if array.type != kind or array.null_count:
            raise self.damaged(name, f"it holds {array.type} with {array.null_count} nulls instead of {kind}")
        if length is not None and len(array) != length:
            raise self.damaged(name, f"it has {len(array)} values instead of {length}")
        return array


def write_sections(folder: Path, sections: Mapping[str, Section]) -> None:
    """Write the sections' file into ``folder``; StorageFailed when the disk refuses."""
    arrays = {name: array if isinstance(array, pa.Array) else pa.array(array) for name, array in sections.items()}
    columns = [pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array) for array in arrays.values()]
    batch = pa.record_batch(columns, names=list(arrays))
    try:
        with pa.ipc.new_file(str(folder / SECTIONS_FILE), batch.schema) as writer:
            writer.write_batch(batch)
    except OSError as error:
        raise StorageFailed(f"cannot write {folder / SECTIONS_FILE}: {error}") from error


def read_sections(folder: Path) -> Sections:
    """Return the sections of the file in ``folder``, mapped.

    raises  DataCorrupted that names the file when it isn't such a file: a hostile one too
    cost    one pass over the texts, whose encoding is checked, and over their offsets; numbers are not read
    """
    path = folder / SECTIONS_FILE
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
            if reader.num_record_batches != 1:
                raise DataCorrupted(f"{path} has {reader.num_record_batches} batches instead of one")
            batch = reader.get_batch(0)
        batch.validate(full=True)
        if batch.num_rows != 1:
            raise DataCorrupted(f"{path} has {batch.num_rows} rows instead of one")
        return Sections(path, {name: _values(path, name, batch.column(name)) for name in batch.schema.names})
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataCorrupted(f"{path} can't be read: {error}") from error


def _values(path: Path, name: str, column: pa.Array) -> pa.Array:
    if not pa.types.is_large_list(column.type) or column.null_count:
        raise DataCorrupted(f"{path}, section {name}: it is {column.type} instead of one large list")
    return column.flatten()


def known_section(known: Bitset | None) -> Section:
    """Return the rows with a value as they are saved: nothing where all have one."""
    return np.zeros(0, dtype=np.uint8) if known is None else known.bits


def read_known(sections: Sections, num_rows: int) -> Bitset | None:
    """Return the rows with a value, None when all have one; DataCorrupted for no bitmap of so many rows."""
    bits = sections.numbers(KNOWN, np.uint8)
    if not len(bits):
        return None
    if len(bits) != (num_rows + 7) // 8 or (num_rows % 8 and bits[-1] >> num_rows % 8):
        raise sections.damaged(KNOWN, f"it is not a bitmap of {num_rows} rows")
    return Bitset(bits, num_rows)
