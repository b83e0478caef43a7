"""Arrays of structs between wire and engine: one message holds a column a sub-field, each with all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elanus._native.codec import RawColumn, decode_field_data, encode_field_data
from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field, Schema, StructField
from elanus.model.types import DataType
from elanus.server.grpc.codecs import decode_column, encode_column


@dataclass(frozen=True, slots=True)
class SentField:
    """What a request holds for one field; of a struct array ``parts`` are the sub-columns."""

    column: RawColumn
    parts: Sequence[RawColumn]


def sent_field(body: bytes, start: int, end: int) -> SentField:
    """Return the ``FieldData`` message at ``body[start:end]``; ValueError when the bytes are no such message."""
    column = decode_field_data(body, start, end)
    return SentField(column, [decode_field_data(body, *part) for part in column.parts])


def decode_struct(schema: Schema, struct: StructField, sent: SentField) -> list[Column]:
    """Return the sub-columns that were sent for a struct array, in the schema's order.

    raises  InvalidParameter unless each sub-field came once, in a column that suits it
    """
    if sent.column.kind != "struct":
        raise InvalidParameter(f"field convert FieldData_StructArrays fail in fieldData, fieldName: {struct.name}")
    sub_fields = schema.sub_fields(struct)
    if len(sent.parts) != len(sub_fields):
        raise InvalidParameter(
            "length of fields of struct field mismatch length of the fields in schema, "
            f"fieldName: {struct.name}, fieldData fields length:{len(sent.parts)}, "
            f"schema fields length:{len(sub_fields)}"
        )
    parts = {part.name: part for part in sent.parts}
    columns = [decode_column(field, _part(struct, field, parts)) for field in sub_fields]
    _check_lengths(struct, columns)
    return columns


def encode_struct(struct: StructField, columns: Sequence[Column]) -> bytes:
    """Return sub-columns of a struct array as one serialized ``FieldData``."""
    return encode_field_data(
        name=struct.name,
        type=int(DataType.ARRAY_OF_STRUCT),
        field_id=struct.id,
        kind="struct",
        parts=[encode_column(column) for column in columns],
    )


def _part(struct: StructField, field: Field, parts: Mapping[str, RawColumn]) -> RawColumn:
    """Return what came for a sub-field, under its own name or its full one."""
    part = parts.get(field.sub_name, parts.get(field.name))
    if part is None:
        came = ", ".join(sorted(parts))
        raise InvalidParameter(
            f"sub-field '{field.sub_name}' of struct '{struct.name}' is missing, the data has: {came}"
        )
    return part


def _check_lengths(struct: StructField, columns: Sequence[Column]) -> None:
    expected = len(columns[0])
    for column in columns:
        if len(column) != expected:
            raise InvalidParameter(
                f"inconsistent array length in struct field '{struct.name}': expected {expected}, "
                f"got {len(column)} for sub-field '{column.field.sub_name}'"
            )
