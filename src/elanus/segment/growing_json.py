"""JSON of growing segments: the values at a path are read from each row once, as rows come."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from elanus._native.json import Extracted
from elanus.expr import JsonValues, extract_json
from elanus.model.columns import Column
from elanus.segment.buffers import GrowingArray

MAX_PATHS: Final = 32
"""Paths whose values are kept in one segment, the last ones that were new."""
MAX_BYTES: Final = 512 * 2**20
"""Bytes that they may take together; the last new path is kept however large it is.

As many as a segment's rows usually have; paths that lead into one another, ``a`` and ``a[0]``, hold the same texts.
"""

JsonPath = tuple[str | int, ...]


class GrowingValues:
    """The values at one path, extended by whoever reads first; a view of earlier rows stays what it is.

    num_rows  rows that were read
    """

    def __init__(self, path: JsonPath) -> None:
        self.num_rows = 0
        self._path = path
        self._kinds = GrowingArray(np.uint8)
        self._numbers = GrowingArray(np.int64)
        self._offsets = GrowingArray(np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._text = GrowingArray(np.uint8)
        self._extending = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return sum(part.nbytes for part in (self._kinds, self._numbers, self._offsets, self._text))

    def extend(self, column: Column) -> None:
        """Read the column's rows that were not read before."""
        with self._extending:
            if self.num_rows < len(column):
                self._append(extract_json(column.slice(self.num_rows, len(column)), self._path).extracted)

    def _append(self, values: Extracted) -> None:
        parts = (
            (self._kinds, values.kinds),
            (self._numbers, values.numbers),
            (self._offsets, values.offsets[1:] + self._text.size),
            (self._text, values.text),
        )
        # Memory first: a part that can't grow must not leave the others longer than it.
        for kept, new in parts:
            kept.reserve(kept.size + len(new))
        for kept, new in parts:
            kept.append(new)
        # Last: whoever sees the rows counted finds all of them.
        self.num_rows += len(values.kinds)

    def view(self, num_rows: int) -> JsonValues:
        """Return the values of the first rows."""
        offsets = self._offsets.view(num_rows + 1)
        text = self._text.view(int(offsets[-1]))
        return JsonValues(Extracted(self._kinds.view(num_rows), self._numbers.view(num_rows), offsets, text))


class GrowingJson:
    """The JSON fields of one growing segment; readers take no lock for rows that were read before."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, JsonPath], GrowingValues] = {}
        self._changing = threading.Lock()

    def values(self, field_id: int, path: JsonPath, column: Column) -> JsonValues:
        """Return what a field's rows hold under a path."""
        known = self._paths.get((field_id, path)) or self._add((field_id, path))
        if known.num_rows < len(column):
            known.extend(column)
            self._make_room()
        return known.view(len(column))

    def holds(self, field_id: int, path: JsonPath) -> bool:
        """Whether the path was asked for before: then only rows that came since are read."""
        return (field_id, path) in self._paths

    def _add(self, key: tuple[int, JsonPath]) -> GrowingValues:
        with self._changing:
            return self._paths.setdefault(key, GrowingValues(key[1]))

    def _make_room(self) -> None:
        with self._changing:
            while len(self._paths) > 1 and self._are_too_many():
                del self._paths[next(iter(self._paths))]

    def _are_too_many(self) -> bool:
        return len(self._paths) > MAX_PATHS or sum(kept.nbytes for kept in self._paths.values()) > MAX_BYTES
