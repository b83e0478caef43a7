"""What a leaf costs by column, a row: dear leaves come last and see only the rows that are left.

The figures are nanoseconds a row of one core, rounded; only their order of magnitude matters.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from elanus.expr.bound import (
    Arithmetic,
    ArrayRef,
    Between,
    ColumnRef,
    ColumnsCompare,
    Compare,
    Contains,
    ElementRef,
    Exists,
    In,
    IsNull,
    JsonRef,
    Leaf,
    LengthOf,
    Match,
    Matching,
    Operand,
    OperandLeaf,
    Shifted,
)
from elanus.expr.evaluation.source import Source
from elanus.model.types import DataType

GATHER_NS: Final = 8.0
"""Taking one row's value of a column out of its place."""
SET_ROW_NS: Final = 1.5
"""Setting the bit of a row that an index lists."""
NUMBER_NS: Final = 0.4
TEXT_NS: Final = 3.0
HASH_NS: Final = 8.0
"""Looking a text up in a set."""
LIST_NS: Final = 8.0
"""Two elements a row."""
TYPED_JSON_NS: Final = 1.0
RAW_JSON_NS: Final = 300.0
CALENDAR_NS: Final = 30.0

MATCHING_NS = {
    Matching.PREFIX: 1.0,
    Matching.SUFFIX: 2.0,
    Matching.CONTAINS: 5.0,
    Matching.LIKE: 20.0,
    Matching.REGEX: 120.0,
}
"""Beyond reading the text."""


@singledispatch
def row_cost(leaf: Leaf, _source: Source) -> float:
    """Return about how many nanoseconds a leaf takes a row when no index answers it."""
    raise TypeError(f"no rule knows the cost of {type(leaf).__name__}")


@row_cost.register(Compare)
@row_cost.register(Between)
def compare_cost(leaf: OperandLeaf, source: Source) -> float:
    """Return the cost of reading the value: that of the comparison is in it."""
    return read_cost(leaf.operand, source)


@row_cost.register
def columns_cost(leaf: ColumnsCompare, source: Source) -> float:
    """Return the cost of reading both columns."""
    return read_cost(leaf.left, source) + read_cost(leaf.right, source)


@row_cost.register
def in_cost(leaf: In, source: Source) -> float:
    """Return the cost of a look-up of the value."""
    found = NUMBER_NS if leaf.operand.type.is_numeric else HASH_NS
    return read_cost(leaf.operand, source) + found


@row_cost.register
def contains_cost(leaf: Contains, source: Source) -> float:
    """Return the cost of going through the elements, for each value where all are wanted."""
    return read_cost(leaf.operand, source) + LIST_NS * (len(leaf.values) if leaf.every else 1)


@row_cost.register
def match_cost(leaf: Match, source: Source) -> float:
    """Return the cost of the way of matching."""
    return read_cost(leaf.operand, source) + MATCHING_NS[leaf.matching]


@row_cost.register
def null_cost(_leaf: IsNull, _source: Source) -> float:
    """Return next to nothing: a bitmap is read."""
    return 0.1


@row_cost.register
def exists_cost(leaf: Exists, source: Source) -> float:
    """Return the cost of reading the values."""
    return read_cost(leaf.operand, source)


@singledispatch
def read_cost(operand: Operand, _source: Source) -> float:
    """Return about how many nanoseconds it takes to read an operand's value of one row and compare it."""
    raise TypeError(f"no rule knows the cost of {type(operand).__name__}")


@read_cost.register
def column_cost(operand: ColumnRef, _source: Source) -> float:
    """Return the cost of a column's own type."""
    return TEXT_NS if operand.type is DataType.VARCHAR else NUMBER_NS


@read_cost.register
def json_cost(operand: JsonRef, source: Source) -> float:
    """Return the cost of typed values where there are some, otherwise of reading the rows' texts."""
    return TYPED_JSON_NS if source.holds_json(operand.field_id, operand.path) else RAW_JSON_NS


@read_cost.register
def array_cost(_operand: ArrayRef, _source: Source) -> float:
    """Return the cost of going through the elements."""
    return LIST_NS


@read_cost.register
def element_cost(operand: ElementRef, _source: Source) -> float:
    """Return the cost of taking one element out of its list."""
    return GATHER_NS + (TEXT_NS if operand.type is DataType.VARCHAR else NUMBER_NS)


@read_cost.register
def length_cost(operand: LengthOf, source: Source) -> float:
    """Return the cost of a difference of offsets; of JSON, of reading the arrays."""
    return json_cost(operand.array, source) + LIST_NS if isinstance(operand.array, JsonRef) else NUMBER_NS


@read_cost.register
def step_cost(operand: Arithmetic, source: Source) -> float:
    """Return the cost of the value and of the step."""
    return read_cost(operand.operand, source) + NUMBER_NS


@read_cost.register
def shift_cost(_operand: Shifted, _source: Source) -> float:
    """Return the cost of going through the calendar."""
    return CALENDAR_NS
