"""The names of databases, collections and aliases: written to SQL, read from memory.

Within a database collections and aliases share one namespace. Every change is one SQL transaction; memory follows
once it is committed, so what a reader sees is durable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from elanus.catalog import tables
from elanus.model import limits
from elanus.model.errors import (
    AliasAlreadyExists,
    AliasNameConflict,
    AliasNotFound,
    CapacityExceeded,
    CollectionNotFound,
    DatabaseNotFound,
    InvalidParameter,
    StorageFailed,
    TooManyCollections,
    TooManyDatabases,
)
from elanus.model.ids import CollectionId, DatabaseId
from elanus.model.names import DEFAULT_DATABASE
from elanus.model.schema import Pairs
from elanus.model.time import Timestamp

DEFAULT_DATABASE_ID: Final = DatabaseId(1)


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """One database."""

    id: DatabaseId
    name: str
    created_at: Timestamp
    properties: Pairs = ()


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """One collection's place in the catalog, and what a listing says about it.

    database            the name of its database
    shards, partitions  how many it has; their product counts towards the server's capacity
    """

    id: CollectionId
    database: str
    name: str
    created_at: Timestamp
    shards: int = 1
    partitions: int = 1


class Catalog:
    """All names of one server. Safe from any thread; looking a name up is one dict access, without SQL or lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._databases: dict[str, DatabaseEntry] = {}
        self._collections: dict[CollectionId, CollectionEntry] = {}
        self._ids: dict[tuple[str, str], CollectionId] = {}
        self._aliases: dict[tuple[str, str], CollectionId] = {}

    @classmethod
    def open(cls, where: Path | str, *, now: Callable[[], Timestamp]) -> Self:
        """Open the catalog at a path or SQLAlchemy URL; ``now`` stamps the default database of a new one."""
        try:
            catalog = cls(tables.open_engine(where))
            catalog._read()
        except SQLAlchemyError as error:
            raise StorageFailed(f"catalog {where} can't be opened: {error}") from error
        if DEFAULT_DATABASE not in catalog._databases:
            catalog.create_database(DatabaseEntry(DEFAULT_DATABASE_ID, DEFAULT_DATABASE, now()))
        return catalog

    def _read(self) -> None:
        with self._engine.connect() as connection:
            names = {}
            for row in connection.execute(select(tables.databases)):
                names[row.id] = row.name
                pairs = tuple((key, value) for key, value in row.properties)
                self._databases[row.name] = DatabaseEntry(row.id, row.name, row.created_at, pairs)
            for row in connection.execute(select(tables.collections)):
                database = names[row.database_id]
                sizes = (row.shards, row.partitions)
                self._remember(CollectionEntry(row.id, database, row.name, row.created_at, *sizes))
            for row in connection.execute(select(tables.aliases)):
                key = (names[row.database_id], row.name)
                self._ids[key] = self._aliases[key] = row.collection_id

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    # --- looking up ---

    def resolve(self, database: str, name: str) -> CollectionId:
        """Return the id of a collection or alias; DatabaseNotFound or CollectionNotFound."""
        found = self._ids.get((database, name))
        if found is None:
            self.database(database)
            raise CollectionNotFound(database=database, collection=name)
        return found

    def database(self, name: str) -> DatabaseEntry:
        """Return a database; DatabaseNotFound when there is none of that name."""
        try:
            return self._databases[name]
        except KeyError:
            raise DatabaseNotFound(database=name) from None

    def databases(self) -> tuple[DatabaseEntry, ...]:
        """Return every database, the default one first, then by age."""
        with self._lock:
            return tuple(sorted(self._databases.values(), key=lambda entry: entry.id))

    def entry(self, collection: CollectionId) -> CollectionEntry | None:
        """Return the collection of that id, None when there is none."""
        return self._collections.get(collection)

    def find(self, database: str, name: str) -> CollectionEntry | None:
        """Return the collection of that very name, not looking at aliases; None when there is none."""
        found = self._ids.get((database, name))
        entry = None if found is None else self._collections.get(found)
        return entry if entry is not None and (entry.database, entry.name) == (database, name) else None

    def is_alias(self, database: str, name: str) -> bool:
        """Whether an alias has that name."""
        return (database, name) in self._aliases

    def alias_target(self, database: str, alias: str) -> CollectionEntry:
        """Return the collection that an alias names; AliasNotFound."""
        self.database(database)
        target = self._aliases.get((database, alias))
        entry = None if target is None else self._collections.get(target)
        if entry is None:
            raise AliasNotFound(database=database, alias=alias)
        return entry

    def collections(self, database: str | None = None) -> tuple[CollectionEntry, ...]:
        """Return the collections of a database, or all, by age."""
        with self._lock:
            entries = [entry for entry in self._collections.values() if database in (None, entry.database)]
        return tuple(sorted(entries, key=lambda entry: entry.id))

    def aliases(self, database: str) -> tuple[str, ...]:
        """Return the aliases of a database, sorted."""
        with self._lock:
            return tuple(sorted(name for place, name in self._aliases if place == database))

    def aliases_of(self, collection: CollectionId) -> tuple[str, ...]:
        """Return the aliases of a collection, sorted."""
        with self._lock:
            return self._aliases_of(collection)

    def _aliases_of(self, collection: CollectionId) -> tuple[str, ...]:
        return tuple(sorted(key[1] for key, target in self._aliases.items() if target == collection))

    # --- databases ---

    def create_database(self, entry: DatabaseEntry) -> None:
        """Add a database; InvalidParameter when the name is taken, TooManyDatabases."""
        with self._lock:
            if entry.name in self._databases:
                raise InvalidParameter(f"database already exist: {entry.name}")
            if len(self._databases) >= limits.DATABASES:
                raise TooManyDatabases(limit=limits.DATABASES)
            values = {
                "id": entry.id,
                "name": entry.name,
                "created_at": entry.created_at,
                "properties": _json(entry.properties),
            }
            self._write(lambda connection: connection.execute(insert(tables.databases).values(values)))
            self._databases[entry.name] = entry

    def drop_database(self, name: str) -> None:
        """Remove an empty database; DatabaseNotFound, InvalidParameter when it is the default one or not empty."""
        with self._lock:
            if name == DEFAULT_DATABASE:
                raise InvalidParameter("can not drop default database")
            entry = self.database(name)
            if any(collection.database == name for collection in self._collections.values()):
                raise InvalidParameter(f"database:{name} not empty, must drop all collections before drop database")
            table = tables.databases
            self._write(lambda connection: connection.execute(delete(table).where(table.c.id == entry.id)))
            del self._databases[name]

    def alter_database(self, name: str, change: Callable[[Pairs], Pairs]) -> None:
        """Change the properties of a database; DatabaseNotFound."""
        with self._lock:
            entry = self.database(name)
            changed = replace(entry, properties=change(entry.properties))
            table = tables.databases
            statement = update(table).where(table.c.id == entry.id).values(properties=_json(changed.properties))
            self._write(lambda connection: connection.execute(statement))
            self._databases[name] = changed

    # --- collections ---

    def create_collection(self, entry: CollectionEntry) -> None:
        """Add a collection under a free name.

        raises  DatabaseNotFound; AliasNameConflict; InvalidParameter when a collection has the name;
                TooManyCollections; CapacityExceeded
        """
        with self._lock:
            database = self.database(entry.database)
            self._check_free(entry.database, entry.name, f"collection already exist: {entry.name}")
            self._check_room(database)
            self._check_capacity(entry.shards * entry.partitions)
            values = {
                "id": entry.id,
                "database_id": database.id,
                "name": entry.name,
                "created_at": entry.created_at,
                "shards": entry.shards,
                "partitions": entry.partitions,
            }
            self._write(lambda connection: connection.execute(insert(tables.collections).values(values)))
            self._remember(entry)

    def drop_collection(self, collection: CollectionId) -> None:
        """Forget a collection; InvalidParameter while it has aliases. One that is not there is passed over."""
        with self._lock:
            entry = self._collections.get(collection)
            if entry is None:
                return
            named = self._aliases_of(collection)
            if named:
                raise InvalidParameter(
                    f"unable to drop the collection [{entry.name}] because it has associated aliases "
                    f"[{', '.join(named)}], please remove all aliases before dropping the collection"
                )
            table = tables.collections
            self._write(lambda connection: connection.execute(delete(table).where(table.c.id == collection)))
            del self._collections[collection]
            del self._ids[entry.database, entry.name]

    def rename_collection(self, collection: CollectionId, database: str, name: str) -> None:
        """Move a collection to a free name, its aliases with it within a database; refused across databases."""
        with self._lock:
            entry = self._collections.get(collection)
            if entry is None:
                raise CollectionNotFound(collection=collection)
            target = self.database(database)
            taken = f"duplicated new collection name {database}:{name} with other collection name or alias"
            self._check_free(database, name, taken)
            if database != entry.database:
                if self._aliases_of(collection):
                    raise InvalidParameter("must drop all aliases of this collection before rename it across databases")
                self._check_room(target)
            table = tables.collections
            statement = update(table).where(table.c.id == collection).values(database_id=target.id, name=name)
            self._write(lambda connection: connection.execute(statement))
            # The new name appears before the old one goes, so that a reader always finds one of them.
            self._remember(replace(entry, database=database, name=name))
            del self._ids[entry.database, entry.name]

    def resize_collection(self, collection: CollectionId, partitions: int) -> None:
        """Set how many partitions a collection has; CollectionNotFound, CapacityExceeded."""
        with self._lock:
            entry = self._collections.get(collection)
            if entry is None:
                raise CollectionNotFound(collection=collection)
            self._check_capacity((partitions - entry.partitions) * entry.shards)
            table = tables.collections
            statement = update(table).where(table.c.id == collection).values(partitions=partitions)
            self._write(lambda connection: connection.execute(statement))
            self._collections[collection] = replace(entry, partitions=partitions)

    def _check_free(self, database: str, name: str, taken: str) -> None:
        if (database, name) in self._aliases:
            raise AliasNameConflict(taken, database=database, alias=name)
        if (database, name) in self._ids:
            raise InvalidParameter(taken)

    def _check_room(self, database: DatabaseEntry) -> None:
        allowed = int(dict(database.properties).get(limits.MAX_COLLECTIONS_KEY, limits.COLLECTIONS))
        taken = sum(entry.database == database.name for entry in self._collections.values())
        if taken >= allowed:
            raise TooManyCollections(dbName=database.name, limit=allowed)
        if len(self._collections) >= limits.COLLECTIONS:
            raise TooManyCollections(limit=limits.COLLECTIONS)

    def _check_capacity(self, more: int) -> None:
        taken = sum(entry.shards * entry.partitions for entry in self._collections.values())
        if more > 0 and taken + more > limits.GENERAL_CAPACITY:
            message = f"partitions times shards of all collections would be {taken + more}"
            raise CapacityExceeded(message, limit=limits.GENERAL_CAPACITY)

    def _remember(self, entry: CollectionEntry) -> None:
        self._collections[entry.id] = entry
        self._ids[entry.database, entry.name] = entry.id

    # --- aliases ---

    def create_alias(self, database: str, alias: str, collection: str) -> None:
        """Name a collection a second time; the same again is fine.

        raises  DatabaseNotFound; CollectionNotFound when no collection has that very name;
                AliasNameConflict when a collection is called so; AliasAlreadyExists when it names another one
        """
        with self._lock:
            target = self._alias_target_named(database, alias, collection)
            current = self._aliases.get((database, alias))
            if current == target.id:
                return
            if current is not None:
                message = f"{alias} is alias to another collection: {self._collections[current].name}"
                raise AliasAlreadyExists(message, database=database, alias=alias)
            values = {"database_id": self._databases[database].id, "name": alias, "collection_id": target.id}
            self._write(lambda connection: connection.execute(insert(tables.aliases).values(values)))
            self._ids[database, alias] = self._aliases[database, alias] = target.id

    def alter_alias(self, database: str, alias: str, collection: str) -> None:
        """Point an alias at another collection at once; AliasNotFound besides the errors of ``create_alias``."""
        with self._lock:
            target = self._alias_target_named(database, alias, collection)
            if (database, alias) not in self._aliases:
                raise AliasNotFound(database=database, alias=alias)
            table = tables.aliases
            own = (table.c.database_id == self._databases[database].id) & (table.c.name == alias)
            statement = update(table).where(own).values(collection_id=target.id)
            self._write(lambda connection: connection.execute(statement))
            self._ids[database, alias] = self._aliases[database, alias] = target.id

    def drop_alias(self, database: str, alias: str) -> None:
        """Remove an alias; one that is not there is passed over. DatabaseNotFound."""
        with self._lock:
            place = self.database(database)
            if (database, alias) not in self._aliases:
                return
            table = tables.aliases
            own = (table.c.database_id == place.id) & (table.c.name == alias)
            self._write(lambda connection: connection.execute(delete(table).where(own)))
            del self._ids[database, alias], self._aliases[database, alias]

    def _alias_target_named(self, database: str, alias: str, collection: str) -> CollectionEntry:
        self.database(database)
        if self.find(database, alias) is not None:
            raise AliasNameConflict(database=database, alias=alias)
        target = self.find(database, collection)
        if target is None:
            raise CollectionNotFound(database=database, collection=collection)
        return target

    def _write(self, change: Callable[[Connection], object]) -> None:
        try:
            with self._engine.begin() as connection:
                change(connection)
        except SQLAlchemyError as error:
            raise StorageFailed(f"the catalog can't be written: {error}") from error


def _json(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[key, value] for key, value in pairs]
