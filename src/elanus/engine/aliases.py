"""Aliases: second names of collections."""

from __future__ import annotations

from dataclasses import dataclass

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.model.errors import CollectionNotFound
from elanus.model.names import check_alias_name, check_collection_name


@dataclass(frozen=True, slots=True)
class CreateAlias(Command[None]):
    """Give a collection an alias."""

    alias: CollectionName
    collection: str


@dataclass(frozen=True, slots=True)
class DropAlias(Command[None]):
    """Remove an alias; a missing one is fine."""

    alias: CollectionName


@dataclass(frozen=True, slots=True)
class AlterAlias(Command[None]):
    """Point an existing alias at another collection."""

    alias: CollectionName
    collection: str


@dataclass(frozen=True, slots=True)
class DescribeAlias(Command[str]):
    """Return the collection that an alias names."""

    alias: CollectionName


@dataclass(frozen=True, slots=True)
class ListAliases(Command[tuple[str, ...]]):
    """List the aliases of a collection, or of the whole database when its name is empty."""

    collection: CollectionName


# --- handlers ---


@handles(CreateAlias)
def create_alias(instance: Instance, command: CreateAlias) -> None:
    """Name a collection a second time."""
    check_alias_name(command.alias.name)
    check_collection_name(command.collection)
    with instance.naming(command.alias):
        instance.catalog.create_alias(*command.alias, command.collection)


@handles(DropAlias)
def drop_alias(instance: Instance, command: DropAlias) -> None:
    """Remove an alias."""
    check_alias_name(command.alias.name)
    with instance.naming(command.alias):
        instance.catalog.drop_alias(*command.alias)


@handles(AlterAlias)
def alter_alias(instance: Instance, command: AlterAlias) -> None:
    """Point an alias at another collection; requests that began before still go to the old one."""
    check_alias_name(command.alias.name)
    check_collection_name(command.collection)
    with instance.naming(command.alias):
        instance.catalog.alter_alias(*command.alias, command.collection)


@handles(DescribeAlias)
def describe_alias(instance: Instance, command: DescribeAlias) -> str:
    """Return the collection's name."""
    check_alias_name(command.alias.name)
    return instance.catalog.alias_target(*command.alias).name


@handles(ListAliases)
def list_aliases(instance: Instance, command: ListAliases) -> tuple[str, ...]:
    """Return aliases, sorted; an alias doesn't pass for the collection."""
    database, name = command.collection
    instance.catalog.database(database)
    if not name:
        return instance.catalog.aliases(database)
    check_collection_name(name)
    entry = instance.catalog.find(database, name)
    if entry is None:
        raise CollectionNotFound(database=database, collection=name)
    return instance.catalog.aliases_of(entry.id)
