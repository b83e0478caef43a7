"""Collection schemas between wire and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import DecodeError

from elanus._native.time import UTC, zone
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, DefaultValue, Field, Schema, StructField, sub_field_name
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb
from elanus.server.grpc.pairs import pairs_from, pairs_to, unavailable

# The arm of a default value that each type takes, and the type that messages name for an arm.
DEFAULT_ARMS = {
    DataType.BOOL: "bool_data",
    DataType.INT8: "int_data",
    DataType.INT16: "int_data",
    DataType.INT32: "int_data",
    DataType.INT64: "long_data",
    DataType.FLOAT: "float_data",
    DataType.DOUBLE: "double_data",
    DataType.VARCHAR: "string_data",
    DataType.GEOMETRY: "string_data",
}
# The arms of types that take their default in more than one way; it is sent in the first.
INSTANT_ARMS = ("string_data", "timestamptz_data")
ARM_TYPES = {
    "bool_data": "Bool",
    "int_data": "Int",
    "long_data": "Int64",
    "float_data": "Float",
    "double_data": "Double",
    "string_data": "VarChar",
    "timestamptz_data": "Timestamptz",
}


def parse_schema(serialized: bytes) -> tuple[Any, Schema]:
    """Return a serialized ``CollectionSchema`` as the message and as a schema.

    Sizes stay in the fields' parameters and rules are not checked: both are the engine's.
    raises  InvalidParameter for bytes that are no schema, unknown types and what is not available
    """
    try:
        message = pb.CollectionSchema.FromString(serialized)
    except DecodeError as error:
        raise InvalidParameter(f"the schema can't be read: {error}") from None
    _refuse_unavailable(message)
    fields = [_field_from(field) for field in message.fields]
    if message.enable_dynamic_field:
        fields.append(Field(id=FieldId(0), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True))
    structs = tuple(_struct_from(struct) for struct in message.struct_array_fields)
    fields.extend(field for struct in message.struct_array_fields for field in _sub_fields_from(struct))
    return message, Schema(tuple(fields), description=message.description, structs=structs)


def _refuse_unavailable(message: Any) -> None:
    for name in ("functions", "external_source", "external_spec", "enable_namespace"):
        if getattr(message, name):
            raise unavailable(f"a schema with {name}")


def _field_from(message: Any) -> Field:
    if message.is_dynamic:
        raise InvalidParameter(f"is_dynamic can't be set by users, field: {message.name}")
    if message.is_function_output or message.external_field:
        raise unavailable(f"function output or external field {message.name}")
    kind = _data_type(message.name, message.data_type)
    return Field(
        id=FieldId(message.fieldID),
        name=message.name,
        type=kind,
        description=message.description,
        element_type=_data_type(message.name, message.element_type),
        nullable=message.nullable,
        default=_default_from(message, kind),
        is_primary=message.is_primary_key,
        auto_id=message.autoID,
        is_partition_key=message.is_partition_key,
        is_clustering_key=message.is_clustering_key,
        params=pairs_from(message.type_params),
    )


def _struct_from(message: Any) -> StructField:
    return StructField(
        id=FieldId(message.fieldID),
        name=message.name,
        description=message.description,
        nullable=message.nullable,
        params=pairs_from(message.type_params),
    )


def _sub_fields_from(struct: Any) -> list[Field]:
    return [
        replace(_field_from(field), name=sub_field_name(struct.name, field.name), struct=struct.name)
        for field in struct.fields
    ]


def _data_type(name: str, number: int) -> DataType:
    try:
        return DataType(number)
    except ValueError:
        raise InvalidParameter(f"data type {number} of field {name} is not supported") from None


def _default_from(message: Any, kind: DataType) -> DefaultValue | None:
    arm = message.default_value.WhichOneof("data")
    if arm is None:
        return None
    # Widths that the model doesn't tell apart are compared here; whether the type may have a default, by its rules.
    allowed = INSTANT_ARMS if kind is DataType.TIMESTAMPTZ else (DEFAULT_ARMS.get(kind, arm),)
    if arm not in allowed:
        came = ARM_TYPES.get(arm, arm)
        raise InvalidParameter(
            f"type ({kind.label}) of field ({message.name}) is not equal to the type(DataType_{came}) of default_value"
        )
    value: DefaultValue = getattr(message.default_value, arm)
    return value


def schema_to(name: str, schema: Schema, timezone: str = UTC) -> Any:
    """Return a schema as a ``CollectionSchema`` message under a collection's name, without its hidden field.

    timezone  in which defaults of TIMESTAMPTZ fields are shown
    """
    return pb.CollectionSchema(
        name=name,
        description=schema.description,
        enable_dynamic_field=schema.dynamic is not None,
        fields=[_field_to(field, timezone) for field in schema.user_fields],
        struct_array_fields=[_struct_to(struct, schema.sub_fields(struct)) for struct in schema.structs],
        version=schema.version,
    )


def _struct_to(struct: StructField, sub_fields: Sequence[Field]) -> Any:
    return pb.StructArrayFieldSchema(
        fieldID=struct.id,
        name=struct.name,
        description=struct.description,
        fields=[_field_to(field) for field in sub_fields],
        type_params=pairs_to(struct.params),
        nullable=struct.nullable,
    )


def _field_to(field: Field, timezone: str = UTC) -> Any:
    message = pb.FieldSchema(
        fieldID=field.id,
        name=field.sub_name,
        description=field.description,
        data_type=int(field.type),
        element_type=int(field.element_type),
        is_primary_key=field.is_primary,
        autoID=field.auto_id,
        is_partition_key=field.is_partition_key,
        is_clustering_key=field.is_clustering_key,
        nullable=field.nullable,
        type_params=pairs_to(field.params),
    )
    if field.type is DataType.TIMESTAMPTZ and field.default is not None:
        message.default_value.string_data = zone(timezone).format_text(int(field.default))
    elif field.default is not None:
        setattr(message.default_value, DEFAULT_ARMS[field.type], field.default)
    return message
