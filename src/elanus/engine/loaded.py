"""Reads need loaded partitions: which ones a read covers, and the errors when they aren't."""

from __future__ import annotations

from collections.abc import Sequence

from elanus.model.errors import CollectionNotLoaded, PartitionNotLoaded
from elanus.model.ids import PartitionId
from elanus.model.manifest import Manifest


def check_loaded(manifest: Manifest, name: str, partitions: Sequence[str] = ()) -> frozenset[PartitionId] | None:
    """Return the partitions that a read goes over, None for all of them.

    partitions  the names asked for, known ones; none for every loaded partition
    raises      CollectionNotLoaded, PartitionNotLoaded
    """
    if not manifest.is_loaded:
        raise CollectionNotLoaded(collection=name)
    if not partitions:
        return None if len(manifest.loaded) == len(manifest.partitions) else manifest.loaded
    asked = [manifest.partitions_by_name[name] for name in partitions if name in manifest.partitions_by_name]
    for partition in asked:
        if not partition.loaded:
            raise PartitionNotLoaded(partition=partition.name)
    return frozenset(partition.id for partition in asked)
