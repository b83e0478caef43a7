"""Append-only columns: amortised growth, and Arrow arrays over what is there without a copy.

One writer appends; readers take ``view(n)`` of rows published before. An append never moves a byte that a view
shows: it writes behind the published rows, or into a larger copy while old views keep the old one.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import fixed_values, varlen_buffers

FIRST_CAPACITY = 64


class GrowingArray:
    """A numpy array of ``shape [n, *row]`` that grows at its end."""

    __slots__ = ("_values", "size")

    def __init__(self, dtype: np.dtype[Any] | type, row: tuple[int, ...] = ()) -> None:
        self._values: NDArray[Any] = np.zeros((0, *row), dtype=dtype)
        self.size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Add values ([m, *row]) behind the last."""
        end = self.size + len(values)
        self.reserve(end)
        self._values[self.size : end] = values
        self.size = end

    def reserve(self, size: int) -> None:
        """Make room for ``size`` entries; new room is zero."""
        if size > len(self._values):
            grown = np.zeros(
                (max(size, 2 * len(self._values), FIRST_CAPACITY), *self._values.shape[1:]), self._values.dtype
            )
            grown[: self.size] = self._values[: self.size]
            self._values = grown

    def view(self, size: int) -> NDArray[Any]:
        """Return the first ``size`` entries."""
        return self._values[:size]

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return int(self._values[: self.size].nbytes)


class GrowingColumn(Protocol):
    """A column of one Arrow layout."""

    def append(self, data: pa.Array) -> None:
        """Add the rows of an Arrow array."""

    def view(self, num_rows: int) -> pa.Array:
        """Return the first rows as an Arrow array."""

    @property
    def nbytes(self) -> int:
        """Bytes in use."""


class Validity:
    """Which rows are not null; costs nothing until the first null comes."""

    __slots__ = ("_any_null", "_flags", "_num_rows")

    def __init__(self) -> None:
        self._flags = GrowingArray(np.bool_)
        self._num_rows = 0
        self._any_null = False

    def append(self, data: pa.Array) -> None:
        """Note the validity of an array's rows."""
        if data.null_count:
            if not self._any_null:
                self._flags.append(np.ones(self._num_rows, dtype=np.bool_))
                self._any_null = True
            self._flags.append(data.is_valid().to_numpy(zero_copy_only=False))
        elif self._any_null:
            self._flags.append(np.ones(len(data), dtype=np.bool_))
        self._num_rows += len(data)

    def bitmap(self, num_rows: int) -> pa.Buffer | None:
        """Return the first rows as an Arrow bitmap, None when none of the rows so far is null."""
        if not self._any_null:
            return None
        return pa.py_buffer(np.packbits(self._flags.view(num_rows), bitorder="little"))


class FixedColumn:
    """Booleans and numbers."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._values = GrowingArray(kind.to_pandas_dtype())
        self._validity = Validity()

    def append(self, data: pa.Array) -> None:
        """Add the rows of an Arrow array."""
        self._values.append(fixed_values(data))
        self._validity.append(data)

    def view(self, num_rows: int) -> pa.Array:
        """Return the first rows as an Arrow array."""
        values = self._values.view(num_rows)
        if pa.types.is_boolean(self._kind):
            values = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(self._kind, num_rows, [self._validity.bitmap(num_rows), pa.py_buffer(values)])

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._values.nbytes


class WideColumn:
    """Dense vectors: fixed-size lists of numbers, or fixed-size binary."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._is_list = pa.types.is_fixed_size_list(kind)
        dtype = kind.value_type.to_pandas_dtype() if self._is_list else np.uint8
        width = kind.list_size if self._is_list else kind.byte_width
        self._values = GrowingArray(dtype, (width,))
        self._validity = Validity()

    def append(self, data: pa.Array) -> None:
        """Add the rows of an Arrow array."""
        row = self._values.view(0)
        width = row.shape[1] * row.itemsize
        buffer = data.values.buffers()[1] if self._is_list else data.buffers()[1]
        start = data.offset * width + (data.values.offset * row.itemsize if self._is_list else 0)
        flat = np.frombuffer(buffer or b"", dtype=row.dtype, count=len(data) * row.shape[1], offset=start)
        self._values.append(flat.reshape(len(data), row.shape[1]))
        self._validity.append(data)

    def view(self, num_rows: int) -> pa.Array:
        """Return the first rows as an Arrow array."""
        values = self._values.view(num_rows)
        bitmap = self._validity.bitmap(num_rows)
        if not self._is_list:
            return pa.Array.from_buffers(self._kind, num_rows, [bitmap, pa.py_buffer(values)])
        child = pa.Array.from_buffers(self._kind.value_type, values.size, [None, pa.py_buffer(values)])
        return pa.Array.from_buffers(self._kind, num_rows, [bitmap], children=[child])

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._values.nbytes


class TextColumn:
    """Strings and binaries of any length."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._offsets = GrowingArray(np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._bytes = GrowingArray(np.uint8)
        self._validity = Validity()

    def append(self, data: pa.Array) -> None:
        """Add the rows of an Arrow array."""
        offsets, values = varlen_buffers(data)
        end = self._bytes.size
        self._bytes.append(values[offsets[0] : offsets[-1]])
        self._offsets.append(offsets[1:] - (offsets[0] - end))
        self._validity.append(data)

    def view(self, num_rows: int) -> pa.Array:
        """Return the first rows as an Arrow array."""
        offsets = self._offsets.view(num_rows + 1)
        values = self._bytes.view(int(offsets[-1]))
        buffers = [self._validity.bitmap(num_rows), pa.py_buffer(offsets), pa.py_buffer(values)]
        return pa.Array.from_buffers(self._kind, num_rows, buffers)

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._bytes.nbytes + self._offsets.nbytes


class ListColumn:
    """Lists of numbers, booleans or strings."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._offsets = GrowingArray(np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._child = growing_column(kind.value_type)
        self._validity = Validity()

    def append(self, data: pa.Array) -> None:
        """Add the rows of an Arrow array."""
        offsets = np.asarray(data.offsets)
        end = int(self._offsets.view(self._offsets.size)[-1])
        self._child.append(data.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        self._offsets.append(offsets[1:] - (offsets[0] - end))
        self._validity.append(data)

    def view(self, num_rows: int) -> pa.Array:
        """Return the first rows as an Arrow array."""
        offsets = self._offsets.view(num_rows + 1)
        child = self._child.view(int(offsets[-1]))
        buffers = [self._validity.bitmap(num_rows), pa.py_buffer(offsets)]
        return pa.Array.from_buffers(self._kind, num_rows, buffers, children=[child])

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._child.nbytes + self._offsets.nbytes


def growing_column(kind: pa.DataType) -> GrowingColumn:
    """Return an empty column for an Arrow type."""
    if pa.types.is_large_list(kind):
        return ListColumn(kind)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return TextColumn(kind)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_fixed_size_binary(kind):
        return WideColumn(kind)
    return FixedColumn(kind)
