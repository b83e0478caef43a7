"""Partial updates: what came for some fields, and what is stored in the others, make complete rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.json import merge_objects
from elanus.ingest.array_ops import FieldOp, combined
from elanus.ingest.checks import check_values
from elanus.ingest.stored import Stored
from elanus.model.columns import Column, ColumnBatch, null_column, take
from elanus.model.errors import InvalidParameter
from elanus.model.ids import PartitionId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows of which some fields came; checked.

    given  by field id; the primary key among them
    ops    how the given values meet the stored ones, for fields where they don't replace them
    """

    schema: Schema
    given: Mapping[int, Column]
    ops: Mapping[int, FieldOp]
    num_rows: int

    @property
    def needed(self) -> list[Field]:
        """The fields whose stored values are kept or merged."""
        return [field for field in self.schema if field.id not in self.given or self._merges(field)]

    def complete(self, stored: Stored) -> ColumnBatch:
        """Return whole rows: fields that did not come keep what is stored, or get their default in new rows.

        raises  InvalidParameter when a new row lacks a field that it needs, or a value grows beyond its limit
        cost    reads of the stored rows only the fields that are kept or merged
        """
        there = stored.there
        old = stored.read(self.needed)
        columns: dict[int, Column] = {field.id: self._column(field, old, there) for field in self.schema}
        return ColumnBatch(columns, self.num_rows)

    def _merges(self, field: Field) -> bool:
        return field.is_dynamic or field.id in self.ops

    def _column(self, field: Field, old: ColumnBatch, there: NDArray[np.bool_]) -> Column:
        given = self.given.get(field.id)
        if given is None:
            new_rows = int(there.size - there.sum())
            return _interleaved(old[field.id], absent_column(field, new_rows) if new_rows else None, there)
        if not self._merges(field):
            return given
        base = _interleaved(old[field.id], null_column(field, int(there.size - there.sum())), there)
        return _merged_objects(base, given) if field.is_dynamic else combined(self.ops[field.id], base, given)


def absent_column(field: Field, num_rows: int) -> Column:
    """Return what new rows hold in a field that did not come; InvalidParameter when it must come."""
    if field.nullable or field.default is not None or field.is_dynamic:
        return null_column(field, num_rows)
    if field.struct:
        raise InvalidParameter(f"required struct array field '{field.struct}' is missing in insert data")
    if field.is_partition_key:
        raise InvalidParameter(f"partition key not specify when insert, field: {field.name}")
    raise InvalidParameter(f"fieldSchema({field.name}) has no corresponding fieldData pass in")


def check_ops(schema: Schema, given: Mapping[int, Column], ops: Mapping[str, FieldOp]) -> dict[int, FieldOp]:
    """Return the operators by field id, without those that replace; InvalidParameter where one can't be applied."""
    return {_operand(schema, given, name, op).id: op for name, op in ops.items() if op is not FieldOp.REPLACE}


def _operand(schema: Schema, given: Mapping[int, Column], name: str, op: FieldOp) -> Field:
    if schema.find_struct(name) is not None:
        raise InvalidParameter(f"op {op.name} is not supported for struct field {name}")
    field = schema.find(name)
    if field is not None and field.struct:
        raise InvalidParameter(
            f"op {op.name} targets sub-field {name}, use the whole struct field instead: {field.struct}"
        )
    if field is None or field.id not in given:
        raise InvalidParameter(f'partial-update op targets field "{name}" not present in fields_data')
    if field.is_primary:
        raise InvalidParameter(f'field "{name}" is the primary key and cannot carry a partial-update op')
    if field.type is not DataType.ARRAY:
        raise InvalidParameter(f'op {op.name} requires Array field, but field "{name}" is {field.type.label}')
    return field


def by_stored_partition(
    target: PartitionId | None, default: PartitionId, stored: Stored, batch: ColumnBatch
) -> Iterator[tuple[PartitionId, ColumnBatch]]:
    """Yield where updated rows go: all to the target, or each to the partition that it is in, new ones to the default.

    target  KEYED, a partition, or None when the update names none
    """
    if target is not None:
        yield target, batch
        return
    homes = np.where(stored.there, stored.partitions, default)
    if (homes == homes[0]).all():
        yield PartitionId(int(homes[0])), batch
        return
    for home in np.unique(homes):
        rows = np.flatnonzero(homes == home).astype(np.int64, copy=False)
        yield PartitionId(int(home)), batch.take(rows)


def _interleaved(old: Column, new: Column | None, there: NDArray[np.bool_]) -> Column:
    """Return a value for each row: of ``old`` where there is one, in order, else of ``new``."""
    if new is None or not len(new):
        return old
    if not len(old):
        return new
    places = np.empty(len(there), dtype=np.int64)
    places[there] = np.arange(len(old))
    places[~there] = len(old) + np.arange(len(new))
    return Column(old.field, take(pa.concat_arrays([old.data, new.data]), places))


def _merged_objects(base: Column, given: Column) -> Column:
    """Return the dynamic field with the given keys in it."""
    offsets, data = merge_objects(base.bytes_and_offsets(), given.bytes_and_offsets())
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    merged = Column(base.field, pa.Array.from_buffers(base.data.type, len(base), buffers))
    check_values(merged)
    return merged
