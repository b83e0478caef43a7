"""Indexes: create, describe, drop, progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from elanus.collection.collection import Collection
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.index import answered_by, is_built, resolve
from elanus.index.dense.calibration import described
from elanus.model.errors import IndexDuplicates, IndexNotFound, InvalidParameter
from elanus.model.ids import IndexId
from elanus.model.manifest import IndexInfo, Manifest
from elanus.model.schema import Pairs
from elanus.model.types import IndexState


@dataclass(frozen=True, slots=True)
class CreateIndex(Command[None]):
    """Describe an index and start building it; repeating the same one succeeds."""

    collection: CollectionName
    field: str
    name: str
    params: Pairs


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """An index and how far it is built.

    answered_by  what serves its searches now, such as ``HNSW graph`` or ``exact scan``
    measured     what its searches were measured to find, as names and values; of the segments that are in use
    """

    info: IndexInfo
    field: str
    state: IndexState
    total_rows: int
    indexed_rows: int
    fail_reason: str = ""
    answered_by: str = ""
    measured: Pairs = ()


@dataclass(frozen=True, slots=True)
class DescribeIndexes(Command[tuple[IndexDescription, ...]]):
    """Describe the index of a name (or on a field of that name), all indexes when it is empty."""

    collection: CollectionName
    name: str = ""


@dataclass(frozen=True, slots=True)
class DropIndex(Command[None]):
    """Drop an index; a missing one is fine."""

    collection: CollectionName
    field: str
    name: str


# --- handlers ---


@handles(CreateIndex)
def create_index(instance: Instance, command: CreateIndex) -> None:
    """Record an index; segments get it in the background. Asking again has failed builds tried again."""
    with instance.changing(command.collection) as collection:
        manifest = collection.manifest
        wanted = resolve(manifest.schema, command.field, command.name, command.params, manifest.indexes)
        if wanted.existing is not None:
            collection.maintenance.retry()
            return
        clock = instance.services.clock
        index = IndexInfo(
            id=IndexId(clock.now()),
            name=wanted.name,
            field=wanted.field.id,
            kind=wanted.kind,
            metric=wanted.metric,
            params=wanted.params,
            json_path=wanted.json_path,
            created_at=clock.now(),
        )
        collection.commit(lambda manifest: replace(manifest, indexes=(*manifest.indexes, index)))
        if _wants_files(instance, collection, index):
            collection.maintenance.seal_soon()


def _wants_files(instance: Instance, collection: Collection, index: IndexInfo) -> bool:
    """Whether rows in memory are so many that they deserve the index, which only files have."""
    field = collection.manifest.schema.by_id(index.field)
    growing = sum(segment.num_rows for segment in collection.view.all_growing())
    return is_built(field, index) and growing >= instance.services.settings.jobs.index_min_rows


@handles(DescribeIndexes)
def describe_indexes(instance: Instance, command: DescribeIndexes) -> tuple[IndexDescription, ...]:
    """Return at least one description; IndexNotFound when there is none."""
    collection = instance.collection(command.collection)
    manifest = collection.manifest
    found = _named(manifest, command.name) if command.name else manifest.indexes
    if not found and command.name:
        raise IndexNotFound(indexName=command.name)
    if not found:
        raise IndexNotFound(collection=command.collection.name)
    return tuple(_describe(collection, manifest, index) for index in found)


def _describe(collection: Collection, manifest: Manifest, index: IndexInfo) -> IndexDescription:
    field = manifest.schema.by_id(index.field)
    progress = collection.index_progress(index)
    return IndexDescription(
        info=index,
        field=field.name,
        state=progress.state,
        total_rows=progress.total_rows,
        indexed_rows=progress.indexed_rows,
        fail_reason=progress.fail_reason,
        answered_by=answered_by(field, index),
        measured=_measured(collection, index, field.name),
    )


def _measured(collection: Collection, index: IndexInfo, field: str) -> Pairs:
    """Return what the index's graphs promise, and what the probe found of late."""
    opened = (segment.opened_index(index) for segment in collection.view.all_sealed())
    calibrations = [one.calibration for one in opened if one is not None and one.calibration is not None]
    estimate = collection.probe.estimates().get(field)
    return (*described(calibrations), *(() if estimate is None else (("elanus.recall_estimate", f"{estimate:.4f}"),)))


@handles(DropIndex)
def drop_index(instance: Instance, command: DropIndex) -> None:
    """Forget an index and remove its files; one on a vector field only while the collection is released."""
    with instance.changing(command.collection) as collection:
        manifest = collection.manifest
        name = command.name or command.field
        found = _named(manifest, name) if name else manifest.indexes
        if len(found) > 1:
            raise IndexDuplicates("the collection has several indexes, name one", collection=command.collection.name)
        for index in found:
            if manifest.is_loaded and manifest.schema.by_id(index.field).type.is_vector:
                raise InvalidParameter("vector index cannot be dropped on loaded collection")
            collection.commit(partial(_without_index, index))


def _without_index(gone: IndexInfo, manifest: Manifest) -> Manifest:
    segments = (
        replace(segment, indexes=tuple(file for file in segment.indexes if file.index != gone.id))
        for segment in manifest.segments
    )
    indexes = tuple(index for index in manifest.indexes if index.id != gone.id)
    return replace(manifest, indexes=indexes, segments=tuple(segments))


def _named(manifest: Manifest, name: str) -> Sequence[IndexInfo]:
    """Return the index of a name, or else those on the field of that name."""
    named = manifest.index_named(name)
    if named is not None:
        return [named]
    field = manifest.schema.find(name)
    return [] if field is None else [index for index in manifest.indexes if index.field == field.id]
