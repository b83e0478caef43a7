"""Universal Binary JSON, as XGBoost writes it: typed arrays become numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH: Final = 64
_DTYPES: Final[Mapping[bytes, np.dtype[Any]]] = {
    b"i": np.dtype("i1"),
    b"U": np.dtype("u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_CONSTANTS: Final = {b"Z": None, b"T": True, b"F": False}


class UbjsonError(Exception):
    """Bytes that are no UBJSON; the message says why."""


def decode(data: bytes) -> Any:
    """Return what UBJSON bytes hold: dicts, lists, numpy arrays (of typed arrays), texts and numbers.

    raises  UbjsonError
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise UbjsonError("bytes follow the value")
    return value


class _Reader:
    """A place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise UbjsonError("the bytes end too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def value(self, marker: bytes, depth: int) -> Any:
        """Return the value whose marker was read."""
        if depth > MAX_DEPTH:
            raise UbjsonError("nested too deeply")
        if marker in _DTYPES:
            return self.numbers(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self.text()
        if marker == b"[":
            return self.array(depth + 1)
        if marker == b"{":
            return self.object(depth + 1)
        raise UbjsonError(f"unknown marker {marker!r}")

    def numbers(self, marker: bytes, count: int) -> NDArray[Any]:
        """Return numbers of one type, in the machine's byte order."""
        dtype = _DTYPES[marker]
        raw = self.take(count * dtype.itemsize)
        values: NDArray[Any] = np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("="))
        return values

    def size(self) -> int:
        """Return a length, which is written as a number of any integer type."""
        marker = self.take(1)
        if marker not in (b"i", b"U", b"I", b"l", b"L"):
            raise UbjsonError("a length is no integer")
        return int(self.numbers(marker, 1)[0])

    def text(self) -> str:
        """Return a text: length, then UTF-8."""
        raw = self.take(self.size())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise UbjsonError("a text is no UTF-8") from None

    def head(self) -> tuple[bytes, int]:
        """Return type and length of a container where they stand before it: ``b""`` and -1 where they don't."""
        kind, count = b"", -1
        if self.data[self.at : self.at + 1] == b"$":
            self.take(1)
            kind = self.take(1)
        if self.data[self.at : self.at + 1] == b"#":
            self.take(1)
            count = self.size()
        elif kind:
            raise UbjsonError("a typed container has no length")
        if count > len(self.data):
            raise UbjsonError("a container is longer than the bytes")
        return kind, count

    def array(self, depth: int) -> Any:
        """Return an array: of numpy where all elements have one numeric type, else a list."""
        kind, count = self.head()
        if kind in _DTYPES:
            return self.numbers(kind, count)
        if count >= 0:
            return [self.value(kind or self.take(1), depth) for _ in range(count)]
        found = []
        while (marker := self.take(1)) != b"]":
            found.append(self.value(marker, depth))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        """Return an object."""
        kind, count = self.head()
        found: dict[str, Any] = {}
        while count != 0:
            if count < 0 and self.data[self.at : self.at + 1] == b"}":
                self.take(1)
                break
            name = self.text()
            found[name] = self.value(kind or self.take(1), depth)
            count -= 1
        return found
