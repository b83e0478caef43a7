"""Which shard and which partition a row lies in. Placement is at rest: these rules never change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.keys import hash_values


def shards_of(keys: pa.Array, num_shards: int) -> NDArray[np.int64]:
    """Return the shard of each primary key, int64."""
    return _slots(keys, num_shards)


def slots_of(partition_keys: pa.Array, num_partitions: int) -> NDArray[np.int64]:
    """Return the place of each partition key's partition among those of the manifest, int64."""
    return _slots(partition_keys, num_partitions)


def _slots(values: pa.Array, count: int) -> NDArray[np.int64]:
    if count == 1:
        return np.zeros(len(values), dtype=np.int64)
    return (hash_values(values) % np.uint64(count)).astype(np.int64)
