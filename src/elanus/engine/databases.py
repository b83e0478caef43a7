"""Databases: namespaces of collections and aliases."""

from __future__ import annotations

from dataclasses import dataclass

from elanus.catalog.names import DatabaseEntry
from elanus.collection.properties import check_database_properties
from elanus.engine.base import Command, handles
from elanus.engine.instance import Instance
from elanus.model.errors import InvalidParameter
from elanus.model.ids import DatabaseId
from elanus.model.names import check_database_name
from elanus.model.schema import Pairs
from elanus.model.time import Timestamp


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """One database."""

    id: DatabaseId
    name: str
    created_at: Timestamp
    properties: Pairs = ()


@dataclass(frozen=True, slots=True)
class CreateDatabase(Command[None]):
    """Create a database; an existing one is refused."""

    name: str
    properties: Pairs = ()


@dataclass(frozen=True, slots=True)
class DropDatabase(Command[None]):
    """Drop an empty database."""

    name: str


@dataclass(frozen=True, slots=True)
class ListDatabases(Command[tuple[DatabaseInfo, ...]]):
    """List all databases."""


@dataclass(frozen=True, slots=True)
class DescribeDatabase(Command[DatabaseInfo]):
    """Describe one database."""

    name: str


@dataclass(frozen=True, slots=True)
class AlterDatabase(Command[None]):
    """Set or delete properties of a database, one or the other."""

    name: str
    properties: Pairs = ()
    delete_keys: tuple[str, ...] = ()


# --- handlers ---


@handles(CreateDatabase)
def create_database(instance: Instance, command: CreateDatabase) -> None:
    """Add a database."""
    check_database_name(command.name)
    properties = dict(command.properties)
    check_database_properties(properties)
    now = instance.services.clock.now()
    entry = DatabaseEntry(DatabaseId(now), command.name, now, tuple(properties.items()))
    instance.catalog.create_database(entry)


@handles(DropDatabase)
def drop_database(instance: Instance, command: DropDatabase) -> None:
    """Remove an empty database."""
    check_database_name(command.name)
    instance.catalog.drop_database(command.name)


@handles(ListDatabases)
def list_databases(instance: Instance, _command: ListDatabases) -> tuple[DatabaseInfo, ...]:
    """Return all databases, the default one first, then by age."""
    return tuple(map(_info, instance.catalog.databases()))


@handles(DescribeDatabase)
def describe_database(instance: Instance, command: DescribeDatabase) -> DatabaseInfo:
    """Return one database."""
    return _info(instance.catalog.database(command.name))


@handles(AlterDatabase)
def alter_database(instance: Instance, command: AlterDatabase) -> None:
    """Set properties, or delete them."""
    new, gone = dict(command.properties), command.delete_keys
    if new and gone:
        raise InvalidParameter("cannot provide both DeleteKeys and ExtraParams")
    if not new and not gone:
        raise InvalidParameter("alter database with empty properties and delete keys")
    for key in (*new, *gone):
        if key.startswith("cipher."):
            raise InvalidParameter(f"{key} can't be altered")
    check_database_properties(new)

    def change(current: Pairs) -> Pairs:
        return tuple((key, value) for key, value in {**dict(current), **new}.items() if key not in gone)

    instance.catalog.alter_database(command.name, change)


def _info(entry: DatabaseEntry) -> DatabaseInfo:
    return DatabaseInfo(entry.id, entry.name, entry.created_at, entry.properties)
