"""Writes: insert, upsert, delete. Columns are decoded straight from the request's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus._native.codec import encode_longs, split_message
from elanus.engine import data
from elanus.engine.schemas import GetSchema, GetTimezone
from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.schema import DYNAMIC_FIELD, VERSION, Field, Schema
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb
from elanus.server.grpc.codecs import decode_column
from elanus.server.grpc.field_ops import parse_ops
from elanus.server.grpc.instants import parse_instants
from elanus.server.grpc.outputs import encode_keys
from elanus.server.grpc.pairs import unavailable
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.structs import SentField, decode_struct, sent_field
from elanus.server.grpc.templates import template_values

FIELDS_DATA = 5
# A failed write fails as a whole; past this many rows only its status says so, whatever number was claimed.
NAMED_FAILURES = 65_536
RESULT_IDS = 2
RESULT_SUCC_INDEX = 3


@dataclass(frozen=True, slots=True)
class SentRows:
    """An insert or upsert: the request without its columns, and what was sent as those."""

    request: Any
    sent: Sequence[SentField]


def _parse_insert(body: bytes) -> SentRows:
    return _parse(pb.InsertRequest, body)


def _parse_upsert(body: bytes) -> SentRows:
    return _parse(pb.UpsertRequest, body)


def _parse(message: pb.Message, body: bytes) -> SentRows:
    rest, spans = split_message(body, FIELDS_DATA)
    return SentRows(message.FromString(rest), [sent_field(body, start, end) for start, end in spans])


def _mark_failed(rows: SentRows, reply: Any) -> None:
    reply.err_index.extend(range(min(rows.request.num_rows, NAMED_FAILURES)))


@rpc("Insert", pb.InsertRequest, pb.MutationResult, parse=_parse_insert, failed=_mark_failed)
def insert(rows: SentRows, call: Call) -> bytes:
    """Add rows."""
    written = call.run(data.Insert(**_arguments(rows, call)))
    return _written(written, insert_cnt=written.count)


@rpc("Upsert", pb.UpsertRequest, pb.MutationResult, parse=_parse_upsert, failed=_mark_failed)
def upsert(rows: SentRows, call: Call) -> bytes:
    """Insert or replace rows by primary key, or change some of their fields; on condition if asked to."""
    ops, versions = parse_ops(rows.request.field_ops)
    arguments = _arguments(rows, call)
    if versions is not None:
        arguments["columns"] = [*arguments["columns"], versions]
    written = call.run(data.Upsert(**arguments, partial=rows.request.partial_update, ops=ops))
    count = written.count
    return _written(written, insert_cnt=count, delete_cnt=count, upsert_cnt=count)


def _arguments(rows: SentRows, call: Call) -> dict[str, Any]:
    request = rows.request
    if request.namespace:
        raise unavailable("namespace")
    collection = call.collection(request)
    schema = call.run(GetSchema(collection, request.schema_timestamp))
    columns = _columns(rows, schema)
    if any(column.field.type is DataType.TIMESTAMPTZ for column in columns):
        columns = _in_zone(columns, call.run(GetTimezone(collection)))
    return {
        "collection": collection,
        "columns": columns,
        "num_rows": request.num_rows,
        "partition": request.partition_name,
        "schema_timestamp": request.schema_timestamp,
    }


def _columns(rows: SentRows, schema: Schema) -> list[Column]:
    columns: dict[str, Column] = {}
    for sent in rows.sent:
        for column in _decoded(sent, schema):
            if column.field.name in columns:
                raise InvalidParameter(f"duplicated field {sent.column.name or column.field.name} found")
            columns[column.field.name] = column
    return list(columns.values())


def _in_zone(columns: list[Column], timezone: str) -> list[Column]:
    """Return the columns with texts of instants read, those without an offset in a time zone."""
    return [parse_instants(one, timezone) if one.field.type is DataType.TIMESTAMPTZ else one for one in columns]


def _decoded(sent: SentField, schema: Schema) -> list[Column]:
    """Return what was sent for one field: its column, or the sub-columns of a struct array."""
    raw = sent.column
    struct = schema.find_struct(raw.name)
    if struct is not None:
        return decode_struct(schema, struct, sent)
    return [decode_column(_field(schema, raw.name, is_dynamic=raw.is_dynamic), raw)]


def _field(schema: Schema, name: str, *, is_dynamic: bool) -> Field:
    """Return the field that a column is for; columns are matched by name, the dynamic one by its mark."""
    if is_dynamic or name == DYNAMIC_FIELD:
        if schema.dynamic is None:
            raise InvalidParameter(f"without dynamic schema enabled, the field name cannot be set to {DYNAMIC_FIELD}")
        return schema.dynamic
    if name == VERSION.name:
        return VERSION
    field = schema.find(name)
    if field is None:
        raise InvalidParameter(f"fieldName {name} not exist in collection schema")
    if field.struct:
        raise InvalidParameter(
            f"fieldName {name} not exist in collection schema, a sub-field is written with its whole struct field"
        )
    return field


def _written(written: data.Written, **counts: int) -> bytes:
    """Return the reply; keys and row numbers are encoded natively and merge into the message."""
    reply = pb.MutationResult(timestamp=written.at, **counts)
    reply.status.SetInParent()
    rows = np.arange(len(written.keys), dtype=np.int64)
    head: bytes = reply.SerializeToString()
    return head + encode_keys(RESULT_IDS, written.keys) + encode_longs(RESULT_SUCC_INDEX, rows)


@rpc("Delete", pb.DeleteRequest, pb.MutationResult)
def delete(request: Any, call: Call) -> Any:
    """Delete the rows that a filter selects."""
    if request.namespace:
        raise unavailable("namespace")
    command = data.Delete(
        call.collection(request),
        request.expr,
        request.partition_name,
        template_values(request.expr_template_values),
    )
    written = call.run(command)
    return pb.MutationResult(IDs=pb.IDs(), delete_cnt=written.count, timestamp=written.at)
