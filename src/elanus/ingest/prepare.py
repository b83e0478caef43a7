"""What came becomes a complete batch: every field present, defaults and automatic keys filled in, values checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus._native.json import object_keys_conflict
from elanus.ingest.checks import check_values
from elanus.ingest.structs import check_structs
from elanus.model.columns import Column, ColumnBatch, default_scalar, null_column, varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.params import parse_bool
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.model.time import Clock
from elanus.model.types import DataType

ALLOW_INSERT_AUTO_ID = "allow_insert_auto_id"


def keys_are_fresh(manifest: Manifest) -> bool:
    """Whether primary keys are always made here, so that no inserted key can exist already."""
    return manifest.schema.primary.auto_id and not _allows_keys(manifest)


def prepare_insert(manifest: Manifest, columns: Sequence[Column], num_rows: int, clock: Clock) -> ColumnBatch:
    """Return the complete batch of an insert.

    columns  what came, at most one a field, each of ``num_rows`` rows
    raises   InvalidParameter naming field, row, value and limit
    """
    _check_count(num_rows)
    given: dict[int, Column] = {column.field.id: column for column in columns}
    primary = manifest.schema.primary
    if primary.auto_id:
        if primary.id in given and not _allows_keys(manifest):
            raise InvalidParameter(
                "can not assign primary field data when auto id enabled and "
                f"allow_insert_auto_id is false {primary.name}"
            )
        if primary.id not in given:
            given[primary.id] = _new_keys(primary, num_rows, clock)
    return _complete(manifest.schema, given, num_rows)


def prepare_upsert(
    manifest: Manifest, columns: Sequence[Column], num_rows: int, clock: Clock
) -> tuple[ColumnBatch, Column]:
    """Return the complete batch of an upsert and the keys of the rows it replaces.

    With automatic keys the given key names the old row, and the new row gets a key of its own.
    """
    _check_count(num_rows)
    given: dict[int, Column] = {column.field.id: column for column in columns}
    primary = manifest.schema.primary
    if primary.id not in given:
        raise InvalidParameter(f"must assign pk when upsert, primary field: {primary.name}")
    replaced = given[primary.id]
    if pc.count_distinct(replaced.data).as_py() != num_rows:
        raise InvalidParameter("duplicate primary keys are not allowed in the same batch")
    if primary.auto_id and not _allows_keys(manifest):
        given[primary.id] = _new_keys(primary, num_rows, clock)
    return _complete(manifest.schema, given, num_rows), replaced


def _check_count(num_rows: int) -> None:
    if num_rows <= 0:
        raise InvalidParameter(f"num_rows should be greater than 0, got {num_rows}")


def _allows_keys(manifest: Manifest) -> bool:
    value = manifest.property_map.get(ALLOW_INSERT_AUTO_ID)
    return value is not None and parse_bool(ALLOW_INSERT_AUTO_ID, value)


def _new_keys(primary: Field, num_rows: int, clock: Clock) -> Column:
    first = clock.block(num_rows)
    keys = pa.array(np.arange(first, first + num_rows, dtype=np.int64))
    return Column(primary, keys if primary.type is DataType.INT64 else keys.cast(pa.large_string()))


def _complete(schema: Schema, given: Mapping[int, Column], num_rows: int) -> ColumnBatch:
    columns: dict[int, Column] = {}
    for field in schema:
        column = given.get(field.id)
        columns[field.id] = _missing(field, num_rows) if column is None else _filled(column, num_rows)
    check_structs(schema, columns)
    if schema.dynamic is not None and schema.dynamic.id in given:
        _check_dynamic_keys(schema, columns[schema.dynamic.id])
    return ColumnBatch(columns, num_rows)


def _missing(field: Field, num_rows: int) -> Column:
    if field.nullable or field.default is not None or field.is_dynamic:
        return null_column(field, num_rows)
    if field.struct:
        raise InvalidParameter(f"required struct array field '{field.struct}' is missing in insert data")
    if field.is_partition_key:
        raise InvalidParameter(f"partition key not specify when insert, field: {field.name}")
    raise InvalidParameter(f"fieldSchema({field.name}) has no corresponding fieldData pass in")


def _filled(column: Column, num_rows: int) -> Column:
    field = column.field
    if len(column) != num_rows:
        raise InvalidParameter(
            f"the num_rows ({len(column)}) of field ({field.name}) is not equal to passed num_rows ({num_rows})"
        )
    if column.data.null_count:
        column = _without_forbidden_nulls(column)
    check_values(column)
    return column


def _without_forbidden_nulls(column: Column) -> Column:
    field = column.field
    if field.default is not None:
        return Column(field, pc.fill_null(column.data, default_scalar(field)))
    if field.is_dynamic:
        return Column(field, pc.fill_null(column.data, pa.scalar(b"{}", type=pa.large_binary())))
    if not field.nullable:
        valid = column.valid
        row = int((~valid).argmax()) if valid is not None else 0
        raise InvalidParameter(f"field {field.name} is not nullable, but row {row} is null")
    return column


def _check_dynamic_keys(schema: Schema, column: Column) -> None:
    names = [*(field.name for field in schema.user_fields), *(struct.name for struct in schema.structs)]
    conflict = object_keys_conflict(*varlen_buffers(column.data), [*names, DYNAMIC_FIELD])
    if conflict is None:
        return
    row, name = conflict
    if name == DYNAMIC_FIELD:
        raise InvalidParameter(f"cannot set json key to: {DYNAMIC_FIELD}, row: {row}")
    raise InvalidParameter(f"dynamic field name cannot include the static field name: {name}, row: {row}")
