"""What a leaf costs by column, a row: dear leaves come last and see only the rows that are left.

The figures are nanoseconds a row of one core, rounded; only their order of magnitude matters.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from elanus.expr.bound import (
    Between,
    ColumnsCompare,
    Compare,
    Contains,
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
)
from elanus.expr.evaluation.source import Source
from elanus.model.types import DataType

GATHER_NS: Final = 8.0
"""Taking one row's value of a column out of its place."""
SET_ROW_NS: Final = 1.5
"""Setting the bit of a row that an index lists."""
NUMBER_NS: Final = 0.4
TEXT_NS: Final = 4.0
LIST_NS: Final = 25.0
TYPED_JSON_NS: Final = 2.0
RAW_JSON_NS: Final = 300.0

_MATCHING_NS = {Matching.PREFIX: 5.0, Matching.SUFFIX: 5.0, Matching.CONTAINS: 40.0, Matching.REGEX: 150.0}


@singledispatch
def row_cost(leaf: Leaf, _source: Source) -> float:
    """Return about how many nanoseconds a leaf takes a row when no index answers it."""
    raise TypeError(f"no rule knows the cost of {type(leaf).__name__}")


@row_cost.register(Compare)
@row_cost.register(Between)
def compare_cost(leaf: OperandLeaf, source: Source) -> float:
    """Return the cost of reading the value: the comparison itself is nothing beside it."""
    return read_cost(leaf.operand, source)


@row_cost.register
def columns_cost(leaf: ColumnsCompare, source: Source) -> float:
    """Return the cost of reading both columns."""
    return read_cost(leaf.left, source) + read_cost(leaf.right, source)


@row_cost.register
def in_cost(leaf: In, source: Source) -> float:
    """Return the cost of a look-up of the value."""
    return read_cost(leaf.operand, source) + TEXT_NS


@row_cost.register
def contains_cost(leaf: Contains, source: Source) -> float:
    """Return the cost of going through the elements."""
    return read_cost(leaf.operand, source) + LIST_NS


@row_cost.register
def match_cost(leaf: Match, source: Source) -> float:
    """Return the cost of the way of matching."""
    return read_cost(leaf.operand, source) + _MATCHING_NS[leaf.matching]


@row_cost.register
def null_cost(_leaf: IsNull, _source: Source) -> float:
    """Return next to nothing: a bitmap is read."""
    return 0.1


@row_cost.register
def exists_cost(leaf: Exists, source: Source) -> float:
    """Return the cost of reading the values."""
    return read_cost(leaf.operand, source)


def read_cost(operand: Operand, source: Source) -> float:
    """Return about how many nanoseconds it takes to read an operand's value of one row."""
    if isinstance(operand, LengthOf):
        return read_cost(operand.array, source)
    inner = getattr(operand, "operand", operand)
    if isinstance(inner, JsonRef):
        return TYPED_JSON_NS if source.holds_json(inner.field_id, inner.path) else RAW_JSON_NS
    return TEXT_NS if operand.type is DataType.VARCHAR else NUMBER_NS
