"""Look-ups of scalar indexes: keys among sorted ones, and the rows of spans of postings as a bitmap.

Texts come as Arrow lays large strings out (offsets int64 [n + 1] into uint8 data). Arrays must be C-contiguous and
aligned and may be mapped. Calls release the interpreter; what doesn't fit together raises ``ValueError``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus.model.bitset import Bitset

Offsets = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def lower_bound(offsets: Offsets, data: Bytes, probe: bytes) -> int:
    """Return how many of the keys, which ascend bytewise, are smaller than a probe."""
    return core.postings_lower_bound(offsets, data, probe)


def lower_bounds(offsets: Offsets, data: Bytes, probe_offsets: Offsets, probe_data: Bytes) -> NDArray[np.int64]:
    """Return for each probe how many of the keys, which ascend bytewise, are smaller: int64 [probes]."""
    return core.postings_lower_bounds(offsets, data, probe_offsets, probe_data)


def ascends(offsets: Offsets, data: Bytes) -> bool:
    """Whether texts ascend bytewise without repeats."""
    return core.postings_ascends(offsets, data)


def union(rows: NDArray[np.uint32], spans: NDArray[np.int64], num_rows: int) -> Bitset:
    """Return the rows that the postings of any span name.

    rows   uint32 [postings]
    spans  int64 [n, 2]: the postings from the first place up to the second
    cost   about 1 ns a posting of the spans, and of all rows where more than one in 256 is named
    """
    few, bits = core.postings_union(rows, np.ascontiguousarray(spans).reshape(-1), num_rows)
    return Bitset(bits, num_rows) if few is None else Bitset.from_rows(few, num_rows, ascending=True)
