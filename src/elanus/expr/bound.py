"""Bound filters: names are fields, constants have the operand's type, NOT has moved down to the leaves.

A tree is ``And``, ``Or`` and leaves. Kleene logic lets NOT pass through both (de Morgan holds with UNKNOWN), so every
leaf carries ``negated`` instead, and a walk needs no more than the rows where each node is TRUE. All nodes are frozen
and can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from elanus.model.types import DataType

Scalar = bool | int | float | str
Value = Scalar | tuple["Value", ...]
Step = str | int
JsonPath = tuple[Step, ...]


# --- operands: what a leaf reads, a value a row ---


@dataclass(frozen=True)
class Operand:
    """Something with one value a row."""

    field_id: int

    @property
    def type(self) -> DataType:
        """The type of the values."""
        raise NotImplementedError


@dataclass(frozen=True)
class ColumnRef(Operand):
    """A whole column that is neither JSON nor ARRAY."""

    column_type: DataType
    nullable: bool

    @property
    def type(self) -> DataType:
        """The field's type."""
        return self.column_type


@dataclass(frozen=True)
class JsonRef(Operand):
    """The value at a path of a JSON column; the whole value when the path is empty."""

    path: JsonPath

    @property
    def type(self) -> DataType:
        """JSON: each row's value says what it is."""
        return DataType.JSON


@dataclass(frozen=True)
class ArrayRef(Operand):
    """A whole ARRAY column."""

    element_type: DataType

    @property
    def type(self) -> DataType:
        """ARRAY."""
        return DataType.ARRAY


@dataclass(frozen=True)
class ElementRef(Operand):
    """One element of an ARRAY column, UNKNOWN in rows that are too short."""

    element_type: DataType
    index: int

    @property
    def type(self) -> DataType:
        """The element's type."""
        return self.element_type


@dataclass(frozen=True)
class LengthOf(Operand):
    """The number of elements of an array."""

    array: ArrayRef | JsonRef

    @property
    def type(self) -> DataType:
        """INT64."""
        return DataType.INT64


@dataclass(frozen=True)
class Arithmetic(Operand):
    """One step: ``operand op constant``. A float constant makes the step one of doubles."""

    op: str
    operand: Operand
    constant: int | float

    @property
    def type(self) -> DataType:
        """INT64 or DOUBLE, JSON for a JSON operand."""
        if self.operand.type.is_integer:
            return DataType.INT64
        return DataType.DOUBLE if self.operand.type.is_floating else self.operand.type


# --- predicates ---


@dataclass(frozen=True)
class BoundExpr:
    """A predicate: TRUE, FALSE or UNKNOWN for every row."""

    def negate(self) -> BoundExpr:
        """Return NOT of it; UNKNOWN stays UNKNOWN."""
        raise NotImplementedError

    def leaves(self) -> Iterator[Leaf]:
        """Yield every leaf, in no particular order."""
        waiting: list[BoundExpr] = [self]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Leaf):
                yield node
            elif isinstance(node, And | Or):
                waiting.extend(node.items)

    @cached_property
    def fields(self) -> frozenset[int]:
        """The ids of the fields that it reads."""
        return frozenset().union(*(leaf.reads for leaf in self.leaves()))


@dataclass(frozen=True)
class Always(BoundExpr):
    """A constant, for every row, nulls included."""

    value: bool

    def negate(self) -> Always:
        """Return the other constant."""
        return Always(not self.value)


@dataclass(frozen=True)
class And(BoundExpr):
    """TRUE where every item is."""

    items: tuple[BoundExpr, ...]

    def negate(self) -> Or:
        """Return OR of the negated items."""
        return Or(tuple([item.negate() for item in self.items]))


@dataclass(frozen=True)
class Or(BoundExpr):
    """TRUE where at least one item is."""

    items: tuple[BoundExpr, ...]

    def negate(self) -> And:
        """Return AND of the negated items."""
        return And(tuple([item.negate() for item in self.items]))


@dataclass(frozen=True, kw_only=True)
class Leaf(BoundExpr):
    """A predicate without predicates inside; ``negated`` swaps TRUE and FALSE."""

    negated: bool = False

    @property
    def reads(self) -> tuple[int, ...]:
        """The ids of the fields that it reads."""
        raise NotImplementedError

    def negate(self) -> Leaf:
        """Return the leaf with TRUE and FALSE swapped."""
        return replace(self, negated=not self.negated)


@dataclass(frozen=True)
class OperandLeaf(Leaf):
    """A leaf that reads one operand."""

    operand: Operand

    @property
    def reads(self) -> tuple[int, ...]:
        """The operand's field."""
        return (self.operand.field_id,)


@dataclass(frozen=True)
class Compare(OperandLeaf):
    """``operand op value``; ``op`` is one of ``== < <= > >=``, inequality being a negated ``==``."""

    op: str
    value: Value


@dataclass(frozen=True)
class Between(OperandLeaf):
    """``low < operand < high``."""

    low: Scalar
    high: Scalar
    low_inclusive: bool
    high_inclusive: bool


@dataclass(frozen=True)
class In(OperandLeaf):
    """``operand`` equals one of ``values``, which may be none."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Contains(OperandLeaf):
    """The array ``operand`` holds any (or ``every``) of the values; ``values`` is not empty."""

    values: tuple[Value, ...]
    every: bool


@dataclass(frozen=True)
class ColumnsCompare(Leaf):
    """``left op right`` of two columns; ``op`` as in ``Compare``."""

    op: str
    left: Operand
    right: Operand

    @property
    def reads(self) -> tuple[int, ...]:
        """Both fields."""
        return (self.left.field_id, self.right.field_id)


class Matching(Enum):
    """How ``Match`` compares."""

    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"


@dataclass(frozen=True)
class Match(OperandLeaf):
    """A text starts with, ends with or contains ``pattern``, or a part of it matches the RE2 pattern."""

    matching: Matching
    pattern: str


@dataclass(frozen=True)
class IsNull(Leaf):
    """The cell of a column is null. Never UNKNOWN."""

    field_id: int

    @property
    def reads(self) -> tuple[int, ...]:
        """The field."""
        return (self.field_id,)


@dataclass(frozen=True)
class Exists(OperandLeaf):
    """A JSON path holds something other than null and empty containers. Never UNKNOWN."""


@dataclass(frozen=True)
class Constant:
    """A constant on its way into a leaf."""

    value: Value
    template: str = ""
    """The template's name when the value came beside the text."""
