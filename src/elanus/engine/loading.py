"""What must hold before a collection is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from elanus.model.errors import IndexNotFound, InvalidParameter, ResourceGroupNotFound, ResourceInsufficient
from elanus.model.manifest import Manifest
from elanus.model.schema import Field, Schema

DEFAULT_RESOURCE_GROUP: Final = "__default_resource_group"


def check_load(
    manifest: Manifest, name: str, *, replicas: int = 1, fields: Sequence[str] = (), groups: Sequence[str] = ()
) -> None:
    """Raise when a collection can't be loaded like that.

    name      the collection's name, for messages
    replicas  more than one needs more than this one node
    fields    the fields to load, none for all; all are readable in any case
    groups    resource groups; there is only the default one
    raises    ResourceGroupNotFound, ResourceInsufficient, FieldNotFound, IndexNotFound, InvalidParameter
    """
    _check_groups(groups, replicas)
    if replicas > 1:
        raise ResourceInsufficient(f"when load {replicas} replica count")
    loaded = _loaded_fields(manifest.schema, fields)
    # Vectors of struct arrays take no index yet, so a collection that has no others needs none.
    if not manifest.indexes and manifest.schema.vectors:
        raise IndexNotFound(collection=name)
    vectors = (field for field in loaded if field.type.is_vector and not field.struct)
    bare = [field.name for field in vectors if manifest.index_on(field) is None]
    if bare:
        message = f"there is no vector index on field: [{' '.join(bare)}], please create index firstly"
        raise InvalidParameter(message)


def _check_groups(groups: Sequence[str], replicas: int) -> None:
    if len(groups) not in (0, 1, max(replicas, 1)):
        raise InvalidParameter("resource group num can only be 0, 1 or same as replica number")
    for group in groups:
        if group != DEFAULT_RESOURCE_GROUP:
            raise ResourceGroupNotFound(rg=group)


def _loaded_fields(schema: Schema, names: Sequence[str]) -> Sequence[Field]:
    if not names:
        return schema.fields
    loaded = [field for name in names for field in schema.fields_named(name) or (schema[name],)]
    given = f"load field list [{' '.join(names)}] does not contain"
    for key, what in _keys(schema):
        if key not in loaded:
            raise InvalidParameter(f"{given} {what} field {key.name}")
    if not any(field.type.is_vector for field in loaded):
        raise InvalidParameter(f"{given} vector field")
    return loaded


def _keys(schema: Schema) -> Sequence[tuple[Field, str]]:
    keys = [(schema.primary, "primary key")]
    for field in schema.fields:
        if field.is_partition_key:
            keys.append((field, "partition key"))
        if field.is_clustering_key:
            keys.append((field, "clustering key"))
    return keys
