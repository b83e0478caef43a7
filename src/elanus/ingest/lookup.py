"""Where primary keys are: looked for in every segment of a shard that may have them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.keys import hash_values
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment


class Lookup:
    """Primary keys that are looked for in many segments; their bounds and hashes are taken once."""

    def __init__(self, keys: pa.Array) -> None:
        bounds = pc.min_max(keys).as_py()
        self._keys = keys
        self._low, self._high = bounds["min"], bounds["max"]

    def rows_in(self, segment: GrowingSegment | SealedSegment) -> NDArray[np.int64] | None:
        """Return the newest row of each key, int64, -1 where there is none; None when the segment has none of them.

        cost  of a sealed segment, about 20 ns a key that its Bloom filter rules out; its keys are read for the others
        """
        if isinstance(segment, GrowingSegment):
            return segment.find(self._keys)
        return self._rows_in_sealed(segment) if self._meets(segment) else None

    def _meets(self, segment: SealedSegment) -> bool:
        return self._low is not None and self._low <= segment.info.high and self._high >= segment.info.low

    def _rows_in_sealed(self, segment: SealedSegment) -> NDArray[np.int64] | None:
        bloom = segment.statistics.bloom(segment.schema.primary.id)
        if bloom is None:
            return segment.find(self._keys)
        perhaps = bloom.contains(self._hashes)
        if not perhaps.any():
            return None
        rows = np.full(len(self._keys), -1, dtype=np.int64)
        rows[perhaps] = segment.find(self._keys.filter(pa.array(perhaps)))
        return rows

    @cached_property
    def _hashes(self) -> NDArray[np.uint64]:
        return hash_values(self._keys)
