"""Arrays of structs as they are written: the sub-columns of one must tell of the same elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from elanus.model.columns import Column, varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Schema, StructField


def check_struct_columns(schema: Schema, columns: Mapping[int, Column]) -> None:
    """Raise InvalidParameter where the sub-columns of a struct array differ in null rows or numbers of elements."""
    for struct in schema.structs:
        sub_fields = schema.sub_fields(struct)
        if sub_fields[0].id not in columns:
            continue  # an update leaves it as it is
        first, *others = (columns[field.id] for field in sub_fields)
        for other in others:
            _check_nulls(struct, first, other)
            _check_counts(struct, first, other)


def _check_nulls(struct: StructField, first: Column, other: Column) -> None:
    if not first.data.null_count and not other.data.null_count:
        return
    row = _first_difference(_valid(first), _valid(other))
    if row is not None:
        raise InvalidParameter(
            f"sub-field ValidData mismatch in struct '{struct.name}' at row {row}: "
            f"'{first.field.sub_name}'={first.data[row].is_valid}, '{other.field.sub_name}'={other.data[row].is_valid}"
        )


def _check_counts(struct: StructField, first: Column, other: Column) -> None:
    ones, others = _counts(first), _counts(other)
    row = _first_difference(ones, others)
    if row is not None:
        raise InvalidParameter(
            f"inconsistent struct element count in struct '{struct.name}' at row {row}: "
            f"'{first.field.sub_name}' has {ones[row]}, '{other.field.sub_name}' has {others[row]}"
        )


def _valid(column: Column) -> NDArray[np.bool_]:
    valid = column.valid
    return np.ones(len(column), dtype=np.bool_) if valid is None else valid


def _counts(column: Column) -> NDArray[np.int64]:
    return np.diff(varlen_buffers(column.data)[0])


def _first_difference(one: NDArray[np.generic], other: NDArray[np.generic]) -> int | None:
    different = one != other
    return int(different.argmax()) if different.any() else None
