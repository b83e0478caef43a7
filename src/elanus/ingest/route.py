"""Batches on their way to shards and partitions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import ColumnBatch
from elanus.model.ids import PartitionId
from elanus.model.manifest import Manifest
from elanus.segment.placement import shards_of, slots_of

KEYED = PartitionId(0)
"""In a log record: each row's partition follows from its partition key."""


def by_shard(keys: pa.Array, num_shards: int) -> Iterator[tuple[int, NDArray[np.int64] | None]]:
    """Yield each shard that keys go to, with the rows of those keys; None stands for all rows."""
    if num_shards == 1:
        yield 0, None
        return
    shards = shards_of(keys, num_shards)
    for shard in np.unique(shards):
        yield int(shard), np.flatnonzero(shards == shard).astype(np.int64, copy=False)


def by_partition(
    manifest: Manifest, partition: PartitionId, batch: ColumnBatch
) -> Iterator[tuple[PartitionId, ColumnBatch]]:
    """Yield each partition with its rows: the one named, or by the hash of the partition key."""
    key = manifest.schema.partition_key
    if partition != KEYED or key is None:
        yield partition, batch
        return
    slots = slots_of(batch[key.id].data, len(manifest.partitions))
    for slot in np.unique(slots):
        rows = np.flatnonzero(slots == slot).astype(np.int64, copy=False)
        yield manifest.partitions[int(slot)].id, batch if len(rows) == batch.num_rows else batch.take(rows)
