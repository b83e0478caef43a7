"""The schema of a collection, as the write path needs it: no names are looked up in SQL once the collection is open."""

from __future__ import annotations

from dataclasses import dataclass

from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.model.errors import SchemaMismatch
from elanus.model.schema import Schema


@dataclass(frozen=True, slots=True)
class GetSchema(Command[Schema]):
    """Return the schema of a collection or alias.

    stamp  the schema stamp that the client believes in, 0 for none; a stale one is refused with SchemaMismatch,
           before columns of a schema that is gone are held against the new one
    """

    collection: CollectionName
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class GetTimezone(Command[str]):
    """Return the time zone of a collection: where instants are that name no offset."""

    collection: CollectionName


@handles(GetTimezone)
def get_timezone(instance: Instance, command: GetTimezone) -> str:
    """Return the zone that the collection has now."""
    return instance.collection(command.collection).manifest.timezone


@handles(GetSchema)
def get_schema(instance: Instance, command: GetSchema) -> Schema:
    """Return the schema that the collection has now."""
    manifest = instance.collection(command.collection).manifest
    if command.stamp and command.stamp != manifest.updated_at:
        raise SchemaMismatch(collection=command.collection.name)
    return manifest.schema
