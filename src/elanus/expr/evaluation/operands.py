"""One rule an operand: its values for every row of a source."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.expr.bound import Arithmetic, ArrayRef, ColumnRef, ElementRef, JsonRef, LengthOf, Operand
from elanus.expr.evaluation.json_values import JsonNumbers, JsonValues
from elanus.expr.evaluation.lists import Lists
from elanus.expr.evaluation.numbers import Numbers, Stepped
from elanus.expr.evaluation.source import Source
from elanus.expr.evaluation.texts import Texts
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, fixed_values, validity

Values = Numbers | Stepped | Texts | JsonValues | JsonNumbers | Lists


@singledispatch
def load(operand: Operand, _source: Source) -> Values:
    """Return an operand's values, a row each."""
    raise TypeError(f"no rule loads {type(operand).__name__}")


@load.register
def load_column(operand: ColumnRef, source: Source) -> Values:
    """Return a column without a copy."""
    column = source.column(operand.field_id)
    return _scalars(column.data, column.validity)


@load.register
def load_json(operand: JsonRef, source: Source) -> Values:
    """Return the values at a path."""
    return source.json_values(operand.field_id, operand.path)


@load.register
def load_array(operand: ArrayRef, source: Source) -> Lists:
    """Return an ARRAY column's elements without a copy."""
    column = source.column(operand.field_id)
    elements = column.data.values
    return Lists(_offsets(column), _scalars(elements, validity(elements)), column.validity)


@load.register
def load_element(operand: ElementRef, source: Source) -> Values:
    """Gather one element of each row; short rows are UNKNOWN."""
    column = source.column(operand.field_id)
    offsets = _offsets(column)
    positions = offsets[:-1] + min(operand.index, np.iinfo(np.int32).max)
    outside = positions >= offsets[1:]
    if column.valid is not None:
        outside |= ~column.valid
    gathered = column.data.values.take(pa.array(positions, mask=outside))
    return _scalars(gathered, validity(gathered))


@load.register
def load_length(operand: LengthOf, source: Source) -> Numbers:
    """Count each row's elements."""
    array = operand.array
    if isinstance(array, JsonRef):
        return source.json_values(array.field_id, array.path).lists().lengths()
    column = source.column(array.field_id)
    return Numbers(np.diff(_offsets(column)), column.validity)


@load.register
def load_arithmetic(operand: Arithmetic, source: Source) -> Values:
    """Take the operand's values one step further."""
    values = load(operand.operand, source)
    if not isinstance(values, Numbers | JsonValues):
        raise TypeError(f"{type(values).__name__} are not numbers")
    return values.arithmetic(operand.op, operand.constant)


def _scalars(data: pa.Array, known: Bitset | None) -> Numbers | Texts:
    if pa.types.is_large_string(data.type):
        return Texts(data, known)
    return Numbers(fixed_values(data), known)


def _offsets(column: Column) -> NDArray[np.int64]:
    offsets: NDArray[np.int64] = column.data.offsets.to_numpy()
    return offsets
