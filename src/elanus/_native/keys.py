"""Primary keys: hash maps for growing segments, search in sorted columns, and the hash that places rows.

String keys are given as Arrow's large strings are: ``offsets`` int64 [n + 1] and ``data`` uint8, row i being
``data[offsets[i]:offsets[i + 1]]``; offsets need not start at 0. Arrays must be C-contiguous and aligned, may be
read-only or memory-mapped, and must not change during a call. Calls release the interpreter. Offsets that do not
ascend within the data raise ``ValueError`` and change nothing.
"""

from __future__ import annotations

from typing import overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.core import IntKeyMap, StrKeyMap, argsort_strings, find_sorted_ints, find_sorted_strings
from elanus.model.columns import fixed_values, varlen_buffers

__all__ = [
    "IntKeyMap",
    "KeyMap",
    "StrKeyMap",
    "argsort_strings",
    "find_sorted_ints",
    "find_sorted_strings",
    "hash_rows",
    "hash_values",
]

KeyMap = IntKeyMap | StrKeyMap


@overload
def hash_rows(keys: NDArray[np.int64], /) -> NDArray[np.uint64]: ...
@overload
def hash_rows(offsets: NDArray[np.int64], data: NDArray[np.uint8], /) -> NDArray[np.uint64]: ...
def hash_rows(keys: NDArray[np.int64], data: NDArray[np.uint8] | None = None, /) -> NDArray[np.uint64]:
    """Return the hash of each key: XXH3-64 with seed 0.

    keys     int64 [n], each hashed as its 8 little endian bytes (two's complement), or with ``data`` the offsets
    data     uint8, the UTF-8 bytes of string keys, each hashed as they are
    returns  uint64 [n]; it decides shard and partition of rows at rest, so it is the same on every machine, for ever
    """
    return core.hash_ints(keys) if data is None else core.hash_strings(keys, data)


def hash_values(values: pa.Array) -> NDArray[np.uint64]:
    """Return ``hash_rows`` of an Arrow array without nulls: integers, each as an int64, or ``large_string``."""
    if pa.types.is_integer(values.type):
        return hash_rows(np.ascontiguousarray(fixed_values(values), dtype=np.int64))
    return hash_rows(*varlen_buffers(values))
