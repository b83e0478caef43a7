"""Output columns and primary keys of results, encoded; appended to a reply, they merge into it as its own fields."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from elanus._native.codec import encode_ids, wrap
from elanus._native.json import project_keys
from elanus.engine.search import Output, OutputColumn, OutputStruct
from elanus.model.columns import Column, fixed_values, varlen_buffers
from elanus.model.types import DataType
from elanus.server.grpc.codecs import encode_column
from elanus.server.grpc.instants import UTC_TEXT, TimeFormat
from elanus.server.grpc.structs import encode_struct


def encode_outputs(field_number: int, columns: Sequence[Output], times: TimeFormat = UTC_TEXT) -> bytes:
    """Return the columns as repeated ``FieldData`` under a field number; ``times`` says how instants are shown."""
    return wrap(field_number, [_encode(output, times) for output in columns])


def _encode(output: Output, times: TimeFormat) -> bytes:
    if isinstance(output, OutputStruct):
        return encode_struct(output.struct, output.columns)
    column = asked_keys(output)
    return encode_column(times.show(column) if column.field.type is DataType.TIMESTAMPTZ else column)


def encode_keys(field_number: int, keys: pa.Array) -> bytes:
    """Return primary keys (int64 or large_string) as ``IDs`` under a field number."""
    if pa.types.is_int64(keys.type):
        return wrap(field_number, [encode_ids("long", values=fixed_values(keys))])
    offsets, data = varlen_buffers(keys)
    return wrap(field_number, [encode_ids("string", offsets=offsets, data=data)])


def asked_keys(output: OutputColumn) -> Column:
    """Return the column, of a dynamic one only the keys that were asked for."""
    column = output.column
    if not output.keys or not len(column):
        return column
    offsets, data = project_keys(*column.bytes_and_offsets(), output.keys)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return Column(column.field, pa.Array.from_buffers(column.data.type, len(column), buffers))
