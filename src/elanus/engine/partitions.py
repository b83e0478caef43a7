"""Partitions, and what of them is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from elanus.collection.collection import Collection
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.loading import check_load
from elanus.model import limits
from elanus.model.errors import (
    CollectionNotFound,
    CollectionNotLoaded,
    InvalidParameter,
    PartitionNotFound,
    PartitionNotLoaded,
)
from elanus.model.ids import PartitionId
from elanus.model.manifest import DEFAULT_PARTITION, Manifest, PartitionInfo
from elanus.model.names import check_partition_name
from elanus.model.types import LoadState


@dataclass(frozen=True, slots=True)
class CreatePartition(Command[None]):
    """Create a partition; an existing one is fine."""

    collection: CollectionName
    partition: str


@dataclass(frozen=True, slots=True)
class DropPartition(Command[None]):
    """Drop a released partition with its rows; a missing one is fine."""

    collection: CollectionName
    partition: str


@dataclass(frozen=True, slots=True)
class HasPartition(Command[bool]):
    """Say whether a partition exists."""

    collection: CollectionName
    partition: str


@dataclass(frozen=True, slots=True)
class ListPartitions(Command[tuple[PartitionInfo, ...]]):
    """List the partitions, the default one first; only the named ones when named."""

    collection: CollectionName
    names: tuple[str, ...] = ()
    loaded_only: bool = False


@dataclass(frozen=True, slots=True)
class PartitionStatistics(Command[int]):
    """Count the stored rows of one partition."""

    collection: CollectionName
    partition: str


@dataclass(frozen=True, slots=True)
class Load(Command[None]):
    """Make a collection, or some of its partitions, readable; answers when it is.

    partitions   None for the whole collection
    load_fields  None for all
    """

    collection: CollectionName
    partitions: tuple[str, ...] | None = None
    replicas: int = 1
    load_fields: tuple[str, ...] = ()
    resource_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release(Command[None]):
    """Make a collection, or some of its partitions, unreadable until it is loaded again."""

    collection: CollectionName
    partitions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GetLoadState(Command[LoadState]):
    """Say whether a collection, or all of the named partitions, is loaded."""

    collection: CollectionName
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadingProgress(Command[int]):
    """Return how much is loaded, in percent; raises when nothing is loaded or loading."""

    collection: CollectionName
    partitions: tuple[str, ...] = ()


# --- handlers: partitions ---


@handles(CreatePartition)
def create_partition(instance: Instance, command: CreatePartition) -> None:
    """Add a partition; it is loaded at once when all others are."""
    name = command.partition
    check_partition_name(name)
    with instance.changing(command.collection) as collection:
        _refuse_keyed(collection.manifest, "create partition")
        if name in collection.manifest.partitions_by_name:
            return
        count = len(collection.manifest.partitions) + 1
        if count > limits.PARTITIONS:
            raise InvalidParameter(
                f"partition number ({count}) exceeds max configuration ({limits.PARTITIONS}), "
                f"collection: {command.collection.name}"
            )
        clock = instance.services.clock
        new = PartitionInfo(id=PartitionId(clock.now()), name=name, created_at=clock.now())
        instance.catalog.resize_collection(collection.id, count)
        collection.commit(lambda manifest: _with_partition(manifest, new))


def _with_partition(manifest: Manifest, new: PartitionInfo) -> Manifest:
    loaded = all(partition.loaded for partition in manifest.partitions)
    return replace(manifest, partitions=(*manifest.partitions, replace(new, loaded=loaded)))


@handles(DropPartition)
def drop_partition(instance: Instance, command: DropPartition) -> None:
    """Remove a released partition with its rows."""
    name = command.partition
    check_partition_name(name)
    with instance.changing(command.collection) as collection:
        _refuse_keyed(collection.manifest, "drop partition")
        if name == DEFAULT_PARTITION:
            raise InvalidParameter("default partition cannot be deleted")
        if name not in collection.manifest.partitions_by_name:
            return
        manifest = collection.commit(lambda manifest: _without_partition(manifest, name))
        instance.catalog.resize_collection(collection.id, len(manifest.partitions))


def _without_partition(manifest: Manifest, name: str) -> Manifest:
    if manifest.partitions_by_name[name].loaded:
        raise InvalidParameter("partition cannot be dropped, partition is loaded, please release it first")
    return manifest.with_partitions(lambda partition: None if partition.name == name else partition)


@handles(HasPartition)
def has_partition(instance: Instance, command: HasPartition) -> bool:
    """Say whether the collection has the partition."""
    check_partition_name(command.partition)
    return command.partition in instance.collection(command.collection).manifest.partitions_by_name


@handles(ListPartitions)
def list_partitions(instance: Instance, command: ListPartitions) -> tuple[PartitionInfo, ...]:
    """Return partitions by age; PartitionNotLoaded when a named one isn't but was asked to be."""
    manifest = instance.collection(command.collection).manifest
    wanted = _named(manifest, command.names)
    found = [partition for partition in manifest.partitions if not command.names or partition in wanted]
    if not command.loaded_only:
        return tuple(found)
    if command.names:
        _check_loaded(wanted)
    return tuple(partition for partition in found if partition.loaded)


@handles(PartitionStatistics)
def partition_statistics(instance: Instance, command: PartitionStatistics) -> int:
    """Return the number of stored rows."""
    check_partition_name(command.partition)
    collection = instance.collection(command.collection)
    (partition,) = _named(collection.manifest, (command.partition,))
    return collection.stored_rows(partition.id)


# --- handlers: what is loaded ---


@handles(Load)
def load(instance: Instance, command: Load) -> None:
    """Make partitions readable; those that are stay so."""
    with instance.changing(command.collection) as collection:
        partitions = _chosen(collection, command.partitions, "load partitions")
        check_load(
            collection.manifest,
            command.collection.name,
            replicas=command.replicas,
            fields=command.load_fields,
            groups=command.resource_groups,
        )
        collection.load(partition.id for partition in partitions)


@handles(Release)
def release(instance: Instance, command: Release) -> None:
    """Make partitions unreadable."""
    with instance.changing(command.collection) as collection:
        partitions = _chosen(collection, command.partitions, "release partitions")
        collection.release(partition.id for partition in partitions)
        instance.iterators.drop(collection.id)


@handles(GetLoadState)
def get_load_state(instance: Instance, command: GetLoadState) -> LoadState:
    """Return the state; a missing collection is a state, not an error."""
    try:
        manifest = instance.collection(command.collection).manifest
    except CollectionNotFound:
        return LoadState.NOT_EXIST
    if command.partitions:
        loaded = all(partition.loaded for partition in _named(manifest, command.partitions))
    else:
        loaded = manifest.is_loaded
    return LoadState.LOADED if loaded else LoadState.NOT_LOADED


@handles(LoadingProgress)
def loading_progress(instance: Instance, command: LoadingProgress) -> int:
    """Return 100: a load answers when it is done, so what is loaded is loaded wholly."""
    manifest = instance.collection(command.collection).manifest
    if command.partitions:
        _check_loaded(_named(manifest, command.partitions))
    elif not manifest.is_loaded:
        raise CollectionNotLoaded(collection=command.collection.name)
    return 100


def _chosen(collection: Collection, names: tuple[str, ...] | None, what: str) -> Sequence[PartitionInfo]:
    """Return the partitions that a load or release is about, all of them for None."""
    if names is None:
        return collection.manifest.partitions
    _refuse_keyed(collection.manifest, what)
    if not names:
        raise InvalidParameter("due to no partition specified")
    return _named(collection.manifest, names)


def _named(manifest: Manifest, names: Sequence[str]) -> Sequence[PartitionInfo]:
    """Return the partitions of those names; PartitionNotFound."""
    for name in names:
        if name not in manifest.partitions_by_name:
            raise PartitionNotFound(partition=name)
    return [manifest.partitions_by_name[name] for name in names]


def _check_loaded(partitions: Sequence[PartitionInfo]) -> None:
    for partition in partitions:
        if not partition.loaded:
            raise PartitionNotLoaded(partition=partition.name)


def _refuse_keyed(manifest: Manifest, what: str) -> None:
    if manifest.schema.partition_key is not None:
        raise InvalidParameter(f"disable {what} if partition key mode is used")
