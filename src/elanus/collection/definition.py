"""From what a user wants a collection to be to its first manifest: the schema's rules, and the numbers it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from elanus.collection.fields import complete
from elanus.collection.properties import DYNAMIC_FIELD_ENABLED, check_collection_properties, flag
from elanus.collection.structs import check_capacities, check_structs, declared_names, with_struct_nulls
from elanus.model import limits
from elanus.model.errors import IllegalSchema, InvalidParameter, MissingParameter, VectorClusteringKey
from elanus.model.ids import CollectionId, FieldId, PartitionId
from elanus.model.manifest import DEFAULT_PARTITION, TIMEZONE, UTC, Manifest, PartitionInfo
from elanus.model.names import check_collection_name, check_field_name
from elanus.model.schema import DYNAMIC_FIELD, FIRST_FIELD_ID, Field, Pairs, Schema
from elanus.model.time import Clock
from elanus.model.types import DataType, Level

KEY_TYPES: Final = (DataType.INT64, DataType.VARCHAR)
CLUSTERING_TYPES: Final = (
    DataType.INT8,
    DataType.INT16,
    DataType.INT32,
    DataType.INT64,
    DataType.FLOAT,
    DataType.DOUBLE,
    DataType.VARCHAR,
)
SKIP_LOAD: Final = "field.skipLoad"


def define(
    name: str,
    schema: Schema,
    *,
    shards: int = 0,
    consistency: Level = Level.BOUNDED,
    properties: Pairs = (),
    num_partitions: int = 0,
    clock: Clock,
) -> Manifest:
    """Return the manifest of a new collection.

    schema          ids, and sizes that ``Field.params`` gives, are filled in, and whether sub-fields may be null; a
                    JSON field named ``$meta`` that ``is_dynamic`` stands for the dynamic field
    shards          0 for the default
    num_partitions  0 for the default; only with a partition key
    raises          the errors of Milvus, checked in its order: InvalidParameter, MissingParameter, IllegalSchema,
                    FieldNameInvalid, VectorClusteringKey
    """
    fields = schema.user_fields
    _check_counts(_declared(schema), shards)
    check_collection_name(name)
    _check_description(schema.description)
    _check_dynamic(schema)
    for field in fields:
        check_field_name(field.name)
    check_structs(schema)
    _check_primary(fields)
    partitions = _count_partitions(_partition_key(fields), num_partitions)
    merged = tuple(dict(properties).items())
    _check_clustering_key(name, fields)
    _check_duplicates(schema)
    schema = _numbered(_completed(name, schema, dict(merged).get(TIMEZONE, UTC)))
    check_capacities(schema)
    _check_loading(_declared(schema))
    check_collection_properties(dict(merged), schema)
    return Manifest(
        id=CollectionId(clock.now()),
        schema=schema,
        shards=shards or 1,
        consistency=consistency,
        properties=tuple(pair for pair in merged if pair[0] != DYNAMIC_FIELD_ENABLED),
        created_at=(now := clock.now()),
        updated_at=now,
        next_field=FieldId(FIRST_FIELD_ID + len(schema.fields) + len(schema.structs)),
        partitions=_partitions(schema, partitions, clock),
    )


def same_definition(one: Manifest, other: Manifest) -> bool:
    """Whether creating ``other`` again asks for what ``one`` is."""
    if one.schema.partition_key is not None and len(one.partitions) != len(other.partitions):
        return False
    return (
        one.schema.same_definition(other.schema)
        and (one.shards, one.consistency) == (other.shards, other.consistency)
        and one.property_map == other.property_map
    )


def _declared(schema: Schema) -> Sequence[Field]:
    """Return what users declared, the sub-fields of struct arrays included."""
    return [field for field in schema if not field.is_dynamic]


def _check_counts(fields: Sequence[Field], shards: int) -> None:
    if shards > limits.SHARDS:
        raise InvalidParameter(f"maximum shards's number should be limited to {limits.SHARDS}")
    if shards < 0:
        raise InvalidParameter(f"shards number should not be negative, got {shards}")
    if len(fields) > limits.FIELDS:
        raise InvalidParameter(f"maximum field's number should be limited to {limits.FIELDS}")
    vectors = sum(field.type.is_vector for field in fields)
    if vectors > limits.VECTOR_FIELDS:
        raise InvalidParameter(f"maximum vector field's number should be limited to {limits.VECTOR_FIELDS}")
    if vectors == 0:
        raise InvalidParameter("schema does not contain vector field")


def _check_description(description: str) -> None:
    size = len(description.encode())
    if size > limits.DESCRIPTION_BYTES:
        raise InvalidParameter(
            f"the length of a collection description must not exceed {limits.DESCRIPTION_BYTES} bytes, got {size}"
        )


def _check_dynamic(schema: Schema) -> None:
    hidden = [field for field in schema if field.is_dynamic]
    if len(hidden) > 1 or any(field.name != DYNAMIC_FIELD or field.type is not DataType.JSON for field in hidden):
        raise InvalidParameter("cannot explicitly set a field as a dynamic field")


def _check_primary(fields: Sequence[Field]) -> None:
    keys = [field for field in fields if field.is_primary]
    if not keys:
        raise MissingParameter("primary key is not specified")
    if len(keys) > 1:
        raise InvalidParameter(f"there are more than one primary key, field name = {keys[0].name}, {keys[1].name}")
    key = keys[0]
    if key.type not in KEY_TYPES:
        raise InvalidParameter(f"the data type of primary key should be Int64 or VarChar, got {key.type.label}")
    if key.nullable:
        raise InvalidParameter("primary field not support null")
    if key.default is not None:
        raise InvalidParameter("primary field not support default_value")
    generated = [field for field in fields if field.auto_id]
    if len(generated) > 1:
        raise InvalidParameter("only one field can speficy AutoID with true")
    if generated and generated[0] is not key:
        message = "only primary field can speficy AutoID with true, field name = "
        raise InvalidParameter(message + generated[0].name)


def _partition_key(fields: Sequence[Field]) -> Field | None:
    keys = [field for field in fields if field.is_partition_key]
    if not keys:
        return None
    if len(keys) > 1:
        raise InvalidParameter(f"there are more than one partition key, field name = {keys[0].name}, {keys[1].name}")
    key = keys[0]
    if key.is_primary:
        raise InvalidParameter("the partition key field must not be primary field")
    if key.nullable:
        raise InvalidParameter("partition key field not support nullable")
    if key.type not in KEY_TYPES:
        raise InvalidParameter(f"the data type of partition key should be Int64 or VarChar, got {key.type.label}")
    return key


def _count_partitions(key: Field | None, asked: int) -> int:
    """Return how many partitions the collection begins with; 0 asks for the default number."""
    if key is None:
        if asked > 0:
            raise InvalidParameter("num_partitions should only be specified with partition key field enabled")
        return 1
    if asked < 0:
        raise InvalidParameter(f"the specified partitions should be greater than 0 if partition key is used: {asked}")
    if asked > limits.PARTITIONS:
        raise InvalidParameter(f"partition number ({asked}) exceeds max configuration ({limits.PARTITIONS})")
    return asked or limits.PARTITION_KEY_PARTITIONS


def _check_clustering_key(collection: str, fields: Sequence[Field]) -> None:
    keys = [field for field in fields if field.is_clustering_key]
    if len(keys) > 1:
        message = f"there are more than one clustering key, field name = {keys[0].name}, {keys[1].name}"
        raise IllegalSchema(message, collection=collection)
    for key in keys:
        if key.type.is_vector:
            raise VectorClusteringKey(collection=collection)
        if key.type not in CLUSTERING_TYPES:
            message = f"clustering key field {key.name} has unsupported data type {key.type.label}"
            raise IllegalSchema(message, collection=collection)


def _check_duplicates(schema: Schema) -> None:
    seen: set[str] = set()
    for name in declared_names(schema):
        if name in seen:
            raise InvalidParameter(f"duplicated field name {name} found")
        seen.add(name)


def _check_loading(fields: Sequence[Field]) -> None:
    skipped = [field for field in fields if flag(dict(field.params), SKIP_LOAD)]
    for field in skipped:
        if field.is_primary or field.is_partition_key or field.is_clustering_key:
            raise InvalidParameter(f"key field {field.name} must be loaded, {SKIP_LOAD} can't be set on it")
    if all(field in skipped for field in fields if field.type.is_vector):
        raise InvalidParameter(f"at least one vector field must be loaded, {SKIP_LOAD} is set on all")


def _completed(collection: str, schema: Schema, timezone: str) -> Schema:
    """Return the schema with every declared field complete."""
    schema = with_struct_nulls(schema)
    fields = (field if field.is_dynamic else complete(collection, field, timezone) for field in schema)
    return replace(schema, fields=tuple(fields))


def _numbered(schema: Schema) -> Schema:
    """Return the schema with ids: fields as declared, the dynamic one, then each struct before its sub-fields."""
    fields = list(schema.user_fields)
    if schema.dynamic is not None:
        fields.append(Field(id=FieldId(0), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True))
    ids = count(FIRST_FIELD_ID)
    numbered = [replace(field, id=FieldId(next(ids))) for field in fields]
    structs = []
    for struct in schema.structs:
        structs.append(replace(struct, id=FieldId(next(ids))))
        numbered.extend(replace(field, id=FieldId(next(ids))) for field in schema.sub_fields(struct))
    return replace(schema, fields=tuple(numbered), structs=tuple(structs), version=0)


def _partitions(schema: Schema, count: int, clock: Clock) -> tuple[PartitionInfo, ...]:
    if schema.partition_key is None:
        names = [DEFAULT_PARTITION]
    else:
        names = [f"{DEFAULT_PARTITION}_{number}" for number in range(count)]
    now = clock.now()
    first = clock.block(len(names))
    return tuple(
        PartitionInfo(id=PartitionId(first + place), name=name, created_at=now) for place, name in enumerate(names)
    )
