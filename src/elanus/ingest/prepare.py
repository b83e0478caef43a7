"""What came becomes a complete batch: every field present, defaults and automatic keys filled in, values checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus._native.json import object_keys_conflict
from elanus.ingest.array_ops import FieldOp
from elanus.ingest.checks import check_values
from elanus.ingest.partial import Draft, absent_column, check_ops
from elanus.ingest.structs import check_struct_columns
from elanus.model.columns import Column, ColumnBatch, default_scalar, varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.params import parse_bool
from elanus.model.schema import DYNAMIC_FIELD, VERSION, Field, Schema
from elanus.model.time import Clock
from elanus.model.types import DataType

ALLOW_INSERT_AUTO_ID = "allow_insert_auto_id"
RESERVED_KEYS = (DYNAMIC_FIELD, VERSION.name)


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
    given, replaced = _with_keys(manifest, columns, num_rows, clock)
    return _complete(manifest.schema, given, num_rows), replaced


def prepare_update(
    manifest: Manifest, columns: Sequence[Column], num_rows: int, clock: Clock, ops: Mapping[str, FieldOp]
) -> tuple[Draft, Column]:
    """Return what came of a partial update, checked, and the keys of the rows that it completes and replaces.

    ops  by field name, how what came meets what is stored; without an entry it replaces that
    """
    given, replaced = _with_keys(manifest, columns, num_rows, clock)
    schema = manifest.schema
    operators = check_ops(schema, given, ops)
    checked = {field_id: _filled(column, num_rows) for field_id, column in given.items() if field_id not in operators}
    checked.update({field_id: _operand(given[field_id], num_rows) for field_id in operators})
    check_struct_columns(schema, checked)
    if schema.dynamic is not None and schema.dynamic.id in given:
        # Keys of the names of fields are tolerated here, as Milvus does.
        _check_dynamic_keys(checked[schema.dynamic.id], ())
    return Draft(schema, checked, operators, num_rows), replaced


def _with_keys(
    manifest: Manifest, columns: Sequence[Column], num_rows: int, clock: Clock
) -> tuple[dict[int, Column], Column]:
    """Return what came by field id, with the keys of the new rows, and the keys that came."""
    _check_count(num_rows)
    given: dict[int, Column] = {column.field.id: column for column in columns}
    primary = manifest.schema.primary
    if primary.id not in given:
        raise InvalidParameter(f"must assign pk when upsert, primary field: {primary.name}")
    replaced = given[primary.id]
    check_distinct(replaced, num_rows)
    if primary.auto_id and not _allows_keys(manifest):
        given[primary.id] = _new_keys(primary, num_rows, clock)
    return given, replaced


def check_distinct(keys: Column, num_rows: int) -> None:
    """Raise InvalidParameter when a primary key comes twice; what is stored under it says nothing then."""
    if pc.count_distinct(keys.data).as_py() != num_rows:
        raise InvalidParameter("duplicate primary keys are not allowed in the same batch")


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
        columns[field.id] = absent_column(field, num_rows) if column is None else _filled(column, num_rows)
    check_struct_columns(schema, columns)
    if schema.dynamic is not None and schema.dynamic.id in given:
        names = (*(field.name for field in schema.user_fields), *(struct.name for struct in schema.structs))
        _check_dynamic_keys(columns[schema.dynamic.id], names)
    return ColumnBatch(columns, num_rows)


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


def _operand(column: Column, num_rows: int) -> Column:
    """Return the arrays that an operator takes; a null one is an empty one, whatever the field allows to be stored."""
    if len(column) == num_rows and column.data.null_count:
        empty = pa.scalar([], type=column.data.type)
        column = Column(column.field, pc.fill_null(column.data, empty))
    return _filled(column, num_rows)


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


def _check_dynamic_keys(column: Column, names: Sequence[str]) -> None:
    """Raise InvalidParameter where a dynamic key is one of the names, or one that is kept for something else."""
    conflict = object_keys_conflict(*varlen_buffers(column.data), [*names, *RESERVED_KEYS])
    if conflict is None:
        return
    row, name = conflict
    if name in RESERVED_KEYS:
        raise InvalidParameter(f"cannot set json key to: {name}, row: {row}")
    raise InvalidParameter(f"dynamic field name cannot include the static field name: {name}, row: {row}")
