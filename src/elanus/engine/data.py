"""Writes: insert, upsert, delete, flush."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from elanus.collection.collection import Collection, Flushed
from elanus.collection.writes import Change
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.loaded import check_loaded
from elanus.engine.reads import expired, snapshot
from elanus.expr import always_true
from elanus.ingest.array_ops import FieldOp
from elanus.ingest.partial import by_stored_partition
from elanus.ingest.prepare import check_distinct, keys_are_fresh, prepare_insert, prepare_update, prepare_upsert
from elanus.ingest.route import KEYED
from elanus.ingest.stored import Living, Stored
from elanus.ingest.versions import Versions, check_versions, take_versions
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter, PartitionNotFound, SchemaMismatch
from elanus.model.ids import PartitionId
from elanus.model.manifest import DEFAULT_PARTITION, TTL_FIELD, Manifest
from elanus.model.schema import VERSION
from elanus.model.time import Timestamp, physical_ms
from elanus.query.merge import gather_keys
from elanus.query.plan import Where, bind_filter
from elanus.query.select import select_rows


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    keys    the primary keys of the rows, int64 or large_string, in request order; empty for a delete
    count   rows inserted, upserted or deleted
    at      the write's timestamp
    """

    keys: pa.Array
    count: int
    at: Timestamp


@dataclass(frozen=True, slots=True)
class Insert(Command[Written]):
    """Add rows; a row whose key exists replaces the old one.

    columns           what came, one a field, by name; each ``Column.field`` is the schema's own, or ``VERSION`` for
                      the versions that stored rows must have
    schema_timestamp  the schema stamp that the client believes in, 0 for none
    """

    collection: CollectionName
    columns: Sequence[Column]
    num_rows: int
    partition: str = ""
    schema_timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Upsert(Insert):
    """Insert or replace rows by primary key.

    partial  fields that did not come keep what is stored
    ops      by field name, how what came for it meets what is stored; any that doesn't replace makes it partial
    """

    partial: bool = False
    ops: Mapping[str, FieldOp] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete(Command[Written]):
    """Delete the rows that a filter selects."""

    collection: CollectionName
    filter: str
    partition: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flush(Command[Mapping[str, Flushed]]):
    """Seal and write what is in memory of the named collections; answers when it is in files. Keyed as asked."""

    database: str
    collections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlushAll(Command[Timestamp]):
    """Flush every collection of a database (of all databases when it is empty)."""

    database: str


# --- handlers ---


@handles(Insert)
def insert(instance: Instance, command: Insert) -> Written:
    """Check, complete, route, log, apply, acknowledge."""
    collection, partition = _target(instance, command)
    columns, expected = take_versions(command.columns, command.num_rows)
    batch = prepare_insert(collection.manifest, columns, command.num_rows, instance.services.clock)
    keys = batch[collection.manifest.schema.primary.id]
    if expected is None:
        return Written(keys.data, batch.num_rows, collection.writes.insert(partition, batch))
    if keys_are_fresh(collection.manifest):
        raise InvalidParameter(f"{VERSION.name} can't be expected of rows whose primary keys are made automatically")
    check_distinct(keys, command.num_rows)
    make = functools.partial(_unless_conflict, expected, lambda _stored: [(partition, batch)])
    return Written(keys.data, batch.num_rows, collection.writes.change(keys.data, _living(instance, collection), make))


@handles(Upsert)
def upsert(instance: Instance, command: Upsert) -> Written:
    """Insert the rows; the old rows of their keys die in the same step."""
    columns, expected = take_versions(command.columns, command.num_rows)
    if command.partial or any(command.ops.values()):
        return _update(instance, command, columns, expected)
    collection, partition = _target(instance, command)
    manifest = collection.manifest
    batch, replaced = prepare_upsert(manifest, columns, command.num_rows, instance.services.clock)
    keys = batch[manifest.schema.primary.id]
    renamed = replaced is not keys
    if expected is None:
        at = collection.writes.insert(partition, batch, replaced.data if renamed else None)
    else:
        make = functools.partial(_unless_conflict, expected, lambda _stored: [(partition, batch)])
        at = collection.writes.change(replaced.data, _living(instance, collection), make, replaced=renamed)
    return Written(keys.data, batch.num_rows, at)


def _update(instance: Instance, command: Upsert, columns: Sequence[Column], expected: Versions | None) -> Written:
    """Complete the rows from what is stored, and write them whole."""
    collection, partition = _target(instance, command)
    manifest = collection.manifest
    clock = instance.services.clock
    draft, replaced = prepare_update(manifest, columns, command.num_rows, clock, command.ops)
    keys = draft.given[manifest.schema.primary.id]
    # Without a partition key and a named partition a row stays where it is.
    target = partition if command.partition or partition == KEYED else None

    def complete(stored: Stored) -> Change:
        return by_stored_partition(target, partition, stored, draft.complete(stored))

    make = complete if expected is None else functools.partial(_unless_conflict, expected, complete)
    renamed = replaced is not keys
    living = _living(instance, collection)
    at = collection.writes.change(replaced.data, living, make, replaced=renamed, reads=draft.needed)
    return Written(keys.data, command.num_rows, at)


def _unless_conflict(expected: Versions, make: Callable[[Stored], Change], stored: Stored) -> Change:
    check_versions(stored, expected)
    return make(stored)


@handles(Delete)
def delete(instance: Instance, command: Delete) -> Written:
    """Delete the keys that the filter lists, or those of the rows that it selects."""
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    where = bind_filter(manifest, command.filter, command.values, plan="delete")
    if where.sample is None and (where.expression is None or always_true(where.expression)):
        raise InvalidParameter(f"delete plan can't be empty or always true : {command.filter}")
    partition = _named_partition(manifest, command.partition)
    if where.keys is not None and where.lists_keys and partition is None:
        done = collection.writes.delete(where.keys.unique())
    else:
        if not where.lists_keys:
            check_loaded(manifest, command.collection.name, (command.partition,) if partition else ())
        # What others write between the look and the delete is not what the filter selected.
        keys, seen = _matching_keys(instance, collection, partition, where)
        done = collection.writes.delete(keys, seen)
    count = len(where.keys.unique()) if where.keys is not None and where.lists_keys else done.count
    return Written(pa.array([], type=arrow_type(manifest.schema.primary)), count, done.at)


@handles(Flush)
def flush(instance: Instance, command: Flush) -> Mapping[str, Flushed]:
    """Write what is in memory of each collection to files."""
    if not command.collections:
        raise InvalidParameter("flush needs at least one collection name")
    opened = {name: instance.collection(CollectionName(command.database, name)) for name in command.collections}
    return {name: collection.flush() for name, collection in opened.items()}


@handles(FlushAll)
def flush_all(instance: Instance, command: FlushAll) -> Timestamp:
    """Write what is in memory of every collection to files."""
    at = instance.services.clock.now()
    for collection in instance.open_collections(command.database):
        collection.flush()
    return at


# --- what is there, and where rows go ---


def _living(instance: Instance, collection: Collection) -> Living:
    """Return which of the stored rows have not expired."""
    manifest = collection.manifest
    name = manifest.property_map.get(TTL_FIELD)
    ends = None if name is None else manifest.schema[name]
    return Living(expired(instance, collection), ends, physical_ms(instance.services.clock.now()) * 1000)


def _target(instance: Instance, command: Insert) -> tuple[Collection, PartitionId]:
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    if command.schema_timestamp and command.schema_timestamp != manifest.updated_at:
        raise SchemaMismatch(collection=command.collection.name)
    named = _named_partition(manifest, command.partition)
    if named is not None:
        return collection, named
    if manifest.schema.partition_key is not None:
        return collection, KEYED
    return collection, manifest.partitions_by_name[DEFAULT_PARTITION].id


def _named_partition(manifest: Manifest, name: str) -> PartitionId | None:
    """Return the partition that a write names, None when it names none."""
    if not name:
        return None
    if manifest.schema.partition_key is not None:
        raise InvalidParameter("not support manually specifying the partition names if partition key mode is used")
    if name not in manifest.partitions_by_name:
        raise PartitionNotFound(partition=name)
    return manifest.partitions_by_name[name].id


def _matching_keys(
    instance: Instance, collection: Collection, partition: PartitionId | None, where: Where
) -> tuple[pa.Array, Sequence[Timestamp]]:
    """Return the primary keys of the visible rows that a filter selects, and for each shard when that was so."""
    partitions = collection.manifest.loaded if partition is None else frozenset((partition,))
    seen = snapshot(instance, collection, partitions=partitions)
    primary = collection.manifest.schema.primary
    selected = select_rows(seen.readers(where), primary.id, 0, None)
    if not selected.segments:
        return pa.array([], type=arrow_type(primary)), seen.at
    return gather_keys(selected.segments, selected.parts, selected.rows, primary.id), seen.at
