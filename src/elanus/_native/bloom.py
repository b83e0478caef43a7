"""Bloom filters: a set of values that may answer "perhaps" for a value that is not in it, never "no" for one that is.

Split-block filters as Parquet lays them out, over the hashes of ``keys.hash_values``. Calls release the interpreter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.core import BLOOM_BLOCK_BYTES as BLOCK_BYTES
from elanus._native.core import distinct_hashes

__all__ = ["BLOCK_BYTES", "BloomFilter", "distinct_hashes"]


class BloomFilter:
    """A filter over uint64 hashes. Immutable, safe from any thread.

    blocks  uint8 [a positive multiple of BLOCK_BYTES], mapped or in memory, not necessarily aligned
    """

    def __init__(self, blocks: NDArray[np.uint8]) -> None:
        self.blocks = blocks

    @classmethod
    def build(cls, hashes: NDArray[np.uint64], num_bytes: int) -> BloomFilter:
        """Return a filter that holds the hashes; ValueError unless ``num_bytes`` is a positive number of blocks.

        cost  about 5 ns a hash when they ascend
        """
        return cls(core.bloom_build(hashes, num_bytes))

    def contains(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return for each hash whether the filter may hold it, bool [n]; False is sure. A cache line a hash."""
        return core.bloom_contains(self.blocks, hashes)

    def contains_any(self, hashes: NDArray[np.uint64]) -> bool:
        """Return whether the filter may hold any of the hashes; False is sure. Stops at the first that it may."""
        return core.bloom_contains_any(self.blocks, hashes)
