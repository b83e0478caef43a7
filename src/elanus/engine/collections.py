"""Collections: create, drop, describe, list, rename, truncate, statistics."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from elanus.catalog.names import CollectionEntry, DatabaseEntry
from elanus.collection.definition import define, same_definition
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.model.errors import (
    AliasNameConflict,
    CannotFindCollection,
    CollectionNotFound,
    CollectionNotLoaded,
    DataCorrupted,
    InvalidParameter,
    StorageFailed,
)
from elanus.model.ids import CollectionId, DatabaseId
from elanus.model.manifest import TIMEZONE, Manifest
from elanus.model.names import check_collection_name
from elanus.model.schema import Pairs, Schema
from elanus.model.time import Timestamp
from elanus.model.types import Level

log = logging.getLogger("elanus.engine")

NO_ID: Final = CollectionId(0)


@dataclass(frozen=True, slots=True)
class CreateCollection(Command[None]):
    """Create a collection; repeating the same definition succeeds.

    schema          field ids as the front end numbered them are ignored; the engine assigns its own
    shards          0 for the default
    num_partitions  0 for the default; only with a partition key
    """

    collection: CollectionName
    schema: Schema
    shards: int = 0
    consistency: Level = Level.BOUNDED
    properties: Pairs = ()
    num_partitions: int = 0


@dataclass(frozen=True, slots=True)
class DropCollection(Command[None]):
    """Drop a collection; a missing one is fine."""

    collection: CollectionName


@dataclass(frozen=True, slots=True)
class HasCollection(Command[bool]):
    """Say whether a collection (or alias) exists."""

    collection: CollectionName


@dataclass(frozen=True, slots=True)
class Described:
    """A collection with its names."""

    name: str
    database: str
    database_id: DatabaseId
    aliases: tuple[str, ...]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class DescribeCollection(Command[Described]):
    """Describe a collection by name or alias, or by id when the name is empty."""

    collection: CollectionName
    id: CollectionId = NO_ID


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection as a listing shows it."""

    id: CollectionId
    name: str
    created_at: Timestamp
    shards: int


@dataclass(frozen=True, slots=True)
class ListCollections(Command[tuple[Listed, ...]]):
    """List the collections of a database, only loaded ones on request, only the named ones when named."""

    database: str
    loaded_only: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectionStatistics(Command[int]):
    """Count the stored rows."""

    collection: CollectionName


@dataclass(frozen=True, slots=True)
class RenameCollection(Command[None]):
    """Give a collection another name, in another database too."""

    collection: CollectionName
    new: CollectionName


@dataclass(frozen=True, slots=True)
class TruncateCollection(Command[None]):
    """Remove every row; keep schema, indexes, load state, aliases and partitions."""

    collection: CollectionName


# --- handlers ---


@handles(CreateCollection)
def create_collection(instance: Instance, command: CreateCollection) -> None:
    """Check and number the definition, and make the collection unless it is there already."""
    name = command.collection
    database = instance.catalog.database(name.database)
    manifest = define(
        name.name,
        command.schema,
        shards=command.shards,
        consistency=command.consistency,
        properties=_with_timezone(command.properties, database),
        num_partitions=command.num_partitions,
        clock=instance.services.clock,
    )
    with instance.naming(name):
        if instance.catalog.is_alias(*name):
            raise AliasNameConflict(database=name.database, alias=name.name)
        existing = instance.catalog.find(*name)
        if existing is None:
            instance.create(name, manifest)
        elif not same_definition(instance.collection_of(existing).manifest, manifest):
            raise InvalidParameter(f"create duplicate collection with different parameters, collection: {name.name}")


def _with_timezone(properties: Pairs, database: DatabaseEntry) -> Pairs:
    """Return the properties of a new collection: without a time zone of its own it takes over that of its database."""
    given, inherited = dict(properties), dict(database.properties)
    if TIMEZONE in given or TIMEZONE not in inherited:
        return properties
    return (*properties, (TIMEZONE, inherited[TIMEZONE]))


@handles(DropCollection)
def drop_collection(instance: Instance, command: DropCollection) -> None:
    """Drop a collection by its own name."""
    name = command.collection
    check_collection_name(name.name)
    with instance.naming(name):
        if instance.catalog.is_alias(*name):
            raise InvalidParameter(f"cannot drop the collection via alias = {name.name}")
        entry = instance.catalog.find(*name)
        if entry is not None:
            instance.drop(entry)


@handles(HasCollection)
def has_collection(instance: Instance, command: HasCollection) -> bool:
    """Say whether the name or alias is known; DatabaseNotFound when its database isn't."""
    check_collection_name(command.collection.name)
    try:
        instance.catalog.resolve(*command.collection)
    except CollectionNotFound:
        return False
    return True


@handles(DescribeCollection)
def describe_collection(instance: Instance, command: DescribeCollection) -> Described:
    """Describe a collection by name, alias or id."""
    database, name = command.collection
    if name:
        check_collection_name(name)
    instance.catalog.database(database)
    try:
        found = instance.catalog.resolve(database, name) if name else command.id
        entry = instance.catalog.entry(found)
        if entry is not None:
            return _describe(instance, entry)
    except CollectionNotFound:
        pass
    raise CannotFindCollection(database=database, collection=name or command.id)


@handles(ListCollections)
def list_collections(instance: Instance, command: ListCollections) -> tuple[Listed, ...]:
    """List collections by age.

    raises  DatabaseNotFound; CollectionNotFound for a name; with ``loaded_only``, for a named collection:
            CollectionNotLoaded, or what keeps its manifest from being read
    cost    the catalog in memory; with ``loaded_only`` one manifest for each collection that isn't open
    """
    entries = _chosen(instance, command)
    if command.loaded_only:
        is_loaded = _check_loaded if command.names else _is_known_loaded
        entries = [entry for entry in entries if is_loaded(instance, entry)]
    return tuple(Listed(entry.id, entry.name, entry.created_at, entry.shards) for entry in entries)


def _chosen(instance: Instance, command: ListCollections) -> Sequence[CollectionEntry]:
    """Return the collections of a database by age, only the named ones when named."""
    catalog = instance.catalog
    catalog.database(command.database)
    if not command.names:
        return catalog.collections(command.database)
    wanted = {catalog.resolve(command.database, name) for name in command.names}
    return [entry for each in sorted(wanted) if (entry := catalog.entry(each)) is not None]


def _check_loaded(instance: Instance, entry: CollectionEntry) -> bool:
    if not instance.manifest_of(entry).is_loaded:
        raise CollectionNotLoaded(collection=entry.name)
    return True


def _is_known_loaded(instance: Instance, entry: CollectionEntry) -> bool:
    """Say whether a collection is loaded; one that is gone or can't be read isn't."""
    try:
        return instance.manifest_of(entry).is_loaded
    except CollectionNotFound:
        return False
    except (DataCorrupted, StorageFailed) as error:
        log.warning("leaving collection %s out of the loaded ones, its manifest can't be read: %s", entry.name, error)
        return False


@handles(CollectionStatistics)
def collection_statistics(instance: Instance, command: CollectionStatistics) -> int:
    """Return the number of stored rows."""
    return instance.collection(command.collection).stored_rows()


@handles(RenameCollection)
def rename_collection(instance: Instance, command: RenameCollection) -> None:
    """Move a collection to a free name; ids, data, indexes, load state and aliases stay."""
    old, new = command.collection, command.new
    check_collection_name(old.name)
    check_collection_name(new.name)
    if old == new:
        raise InvalidParameter("collection name or database name should be different")
    with instance.naming(old, new):
        instance.catalog.database(old.database)
        if instance.catalog.is_alias(*old):
            raise InvalidParameter(f"unsupported use an alias to rename collection, alias:{old.name}")
        entry = instance.catalog.find(*old)
        if entry is None:
            raise CollectionNotFound(database=old.database, collection=old.name)
        instance.catalog.rename_collection(entry.id, *new)


@handles(TruncateCollection)
def truncate_collection(instance: Instance, command: TruncateCollection) -> None:
    """Remove every row."""
    with instance.changing(command.collection) as collection:
        collection.truncate()


def _describe(instance: Instance, entry: CollectionEntry) -> Described:
    return Described(
        entry.name,
        entry.database,
        instance.catalog.database(entry.database).id,
        instance.catalog.aliases_of(entry.id),
        instance.collection_of(entry).manifest,
    )
