"""Primary keys of a segment: a native hash map while it grows, binary search in sorted keys once it is sealed."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.keys import IntKeyMap, StrKeyMap, find_sorted_ints, find_sorted_strings
from elanus.model.columns import fixed_values, varlen_buffers
from elanus.model.types import DataType


class KeyMap(Protocol):
    """Keys -> rows of a growing segment. Many readers beside one writer."""

    def put(self, keys: pa.Array, first_row: int) -> NDArray[np.int64]:
        """Map the keys to consecutive rows; return the rows they had before, int64, -1 for new keys."""

    def find(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each key, int64, -1 where there is none."""


class IntKeys:
    """INT64 keys of a growing segment."""

    def __init__(self) -> None:
        self._map = IntKeyMap()

    def put(self, keys: pa.Array, first_row: int) -> NDArray[np.int64]:
        """Map the keys to consecutive rows; return the rows they had before, int64, -1 for new keys."""
        return self._map.put(fixed_values(keys), first_row)

    def find(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each key, int64, -1 where there is none."""
        return self._map.find(fixed_values(keys))


class TextKeys:
    """VARCHAR keys of a growing segment."""

    def __init__(self) -> None:
        self._map = StrKeyMap()

    def put(self, keys: pa.Array, first_row: int) -> NDArray[np.int64]:
        """Map the keys to consecutive rows; return the rows they had before, int64, -1 for new keys."""
        return self._map.put(*varlen_buffers(keys), first_row)

    def find(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the newest row of each key, int64, -1 where there is none."""
        return self._map.find(*varlen_buffers(keys))


KEY_MAPS: dict[DataType, type[IntKeys] | type[TextKeys]] = {DataType.INT64: IntKeys, DataType.VARCHAR: TextKeys}


def find_sorted(sorted_keys: pa.Array, keys: pa.Array) -> NDArray[np.int64]:
    """Return the last row of each key among ascending keys, int64, -1 where there is none."""
    if pa.types.is_integer(sorted_keys.type):
        return find_sorted_ints(fixed_values(sorted_keys), fixed_values(keys))
    return find_sorted_strings(*varlen_buffers(sorted_keys), *varlen_buffers(keys))
