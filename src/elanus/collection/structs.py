"""Arrays of structs of a new collection: what their sub-fields may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from elanus.collection.properties import WARMUP, check_mmap, check_warmup_policy
from elanus.model.errors import InvalidParameter
from elanus.model.names import check_field_name
from elanus.model.schema import Field, Schema, StructField
from elanus.model.types import DataType

_LISTS: Final = (DataType.ARRAY, DataType.ARRAY_OF_VECTOR)
_FORBIDDEN: Final = (
    ("is_primary", "primary key"),
    ("auto_id", "AutoID"),
    ("is_partition_key", "partition key"),
    ("is_clustering_key", "clustering key"),
)


def check_structs(schema: Schema) -> None:
    """Raise InvalidParameter or FieldNameInvalid where an array of structs breaks a rule; sizes are left to others."""
    for struct in schema.structs:
        check_field_name(struct.name)
        sub_fields = schema.sub_fields(struct)
        if not sub_fields:
            raise InvalidParameter(f"struct array field {struct.name} has no sub-fields")
        params = dict(struct.params)
        check_mmap(params)
        if WARMUP in params:
            check_warmup_policy(params[WARMUP])
        for field in sub_fields:
            _check_sub_field(struct, field)


def with_struct_nulls(schema: Schema) -> Schema:
    """Return the schema with sub-fields that may be null where their structs may."""
    nullable = {struct.name: struct.nullable for struct in schema.structs}
    fields = (replace(field, nullable=nullable[field.struct]) if field.struct else field for field in schema)
    return replace(schema, fields=tuple(fields))


def check_capacities(schema: Schema) -> None:
    """Raise InvalidParameter unless the sub-fields of each struct hold equally many elements."""
    for struct in schema.structs:
        first, *others = schema.sub_fields(struct)
        for field in others:
            if field.max_capacity != first.max_capacity:
                raise InvalidParameter(
                    "all sub-fields in struct array field must have the same max_capacity: "
                    f"structName={struct.name}, subFieldName={field.sub_name}, "
                    f"max_capacity={field.max_capacity}, expected={first.max_capacity}"
                )


def declared_names(schema: Schema) -> Sequence[str]:
    """Return every name that the schema gives out: fields, structs, sub-fields as ``struct[sub]``."""
    return [*(field.name for field in schema if not field.is_dynamic), *(struct.name for struct in schema.structs)]


def _check_sub_field(struct: StructField, field: Field) -> None:
    check_field_name(field.sub_name)
    for flag, what in _FORBIDDEN:
        if getattr(field, flag):
            raise InvalidParameter(f"{what} is not supported for struct field, field name = {field.sub_name}")
    if field.type not in _LISTS:
        raise InvalidParameter(
            "fields in StructArrayField can only be array or array of vector, "
            f"but field {field.sub_name} is {field.type.label}"
        )
    if field.element_type in (*_LISTS, DataType.ARRAY_OF_STRUCT, DataType.STRUCT):
        raise InvalidParameter(
            f"nested {field.element_type.label} is not supported for field {field.sub_name}: "
            "nested array is not supported in a struct array field"
        )
    if field.nullable and not struct.nullable:
        raise InvalidParameter(
            "sub-field in non-nullable struct cannot be nullable individually, set nullable on the struct instead: "
            f"structName={struct.name}, subFieldName={field.sub_name}"
        )
