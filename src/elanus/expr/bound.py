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

import msgspec

from elanus.expr.members import Members
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

    @property
    def base(self) -> Operand:
        """The column, array or JSON path that it reads; itself where nothing is computed."""
        return self


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
class ListRef(Operand):
    """Lists that are counted and tested for null, never read: a struct array, by a sub-field of it, or its vectors."""

    list_type: DataType

    @property
    def type(self) -> DataType:
        """ARRAY_OF_STRUCT or ARRAY_OF_VECTOR."""
        return self.list_type


@dataclass(frozen=True)
class ItemRef(ColumnRef):
    """``$[sub]``: a sub-field, where a row is one struct of an array of them. Only inside ``StructMatch``."""


@dataclass(frozen=True)
class ElementRef(Operand):
    """One element of an ARRAY column, UNKNOWN in rows that are too short."""

    element_type: DataType
    index: int

    @property
    def type(self) -> DataType:
        """The element's type."""
        return self.element_type

    @property
    def base(self) -> ArrayRef:
        """The whole array."""
        return ArrayRef(self.field_id, self.element_type)


@dataclass(frozen=True)
class LengthOf(Operand):
    """The number of elements of an array."""

    array: ArrayRef | JsonRef | ListRef

    @property
    def type(self) -> DataType:
        """INT64."""
        return DataType.INT64

    @property
    def base(self) -> ArrayRef | JsonRef | ListRef:
        """The array."""
        return self.array


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

    @property
    def base(self) -> Operand:
        """What the operand of the step reads."""
        return self.operand.base


@dataclass(frozen=True)
class Shifted(Operand):
    """A TIMESTAMPTZ column moved by whole months in the calendar of UTC; days and smaller units move the bound instead.

    A day that the month does not have is carried forward: January 31 moved by one month is March 3 (or 2).
    """

    operand: ColumnRef
    months: int

    @property
    def type(self) -> DataType:
        """TIMESTAMPTZ: int64 microseconds since 1970 UTC."""
        return DataType.TIMESTAMPTZ

    @property
    def base(self) -> ColumnRef:
        """The column."""
        return self.operand


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


@dataclass(frozen=True)
class Sampled(BoundExpr):
    """A random part of the rows where ``predicate`` is TRUE: always a whole filter, and never evaluated as such."""

    predicate: BoundExpr
    fraction: float

    def leaves(self) -> Iterator[Leaf]:
        """Yield the predicate's leaves."""
        return self.predicate.leaves()


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

    @cached_property
    def members(self) -> Members:
        """The values, prepared once for all segments."""
        return Members(self.values)


@dataclass(frozen=True)
class Contains(OperandLeaf):
    """The array ``operand`` holds any (or ``every``) of the values; ``values`` is not empty."""

    values: tuple[Value, ...]
    every: bool

    @cached_property
    def members(self) -> Members:
        """The values, prepared once for all segments."""
        return Members(self.values)


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
    LIKE = "like"
    REGEX = "regex"


@dataclass(frozen=True)
class Match(OperandLeaf):
    """A text starts with, ends with or contains ``pattern``, is LIKE it, or a part of it matches the RE2 pattern."""

    matching: Matching
    pattern: str


@dataclass(frozen=True)
class TextMatch(OperandLeaf):
    """At least ``minimum`` of the query's distinct tokens occur, within ``max_edits`` changes; needs a text index."""

    query: str
    minimum: int = 1
    max_edits: int = 0


@dataclass(frozen=True)
class PhraseMatch(OperandLeaf):
    """The query's tokens occur in their order, displaced by ``slop`` places in all; needs a text index."""

    query: str
    slop: int = 0


class Relation(Enum):
    """How a row's geometry stands to the constant one; the planar predicates are those of GEOS."""

    EQUALS = "equals"
    TOUCHES = "touches"
    OVERLAPS = "overlaps"
    CROSSES = "crosses"
    CONTAINS = "contains"
    INTERSECTS = "intersects"
    WITHIN = "within"
    DWITHIN = "dwithin"


@dataclass(frozen=True)
class Spatial(OperandLeaf):
    """``operand relation geometry``, read from left to right: the row's geometry contains, lies within, ...

    geometry  little-endian WKB; of DWITHIN a POINT (longitude, latitude)
    distance  metres of DWITHIN, at least 0; 0 for the others
    """

    relation: Relation
    geometry: bytes
    distance: float = 0.0


@dataclass(frozen=True)
class IsValidGeometry(OperandLeaf):
    """The row's geometry is valid: no self-intersection, holes inside their shells, and so on."""


class Quantifier(Enum):
    """How many structs of a row must satisfy a predicate; the call that says so."""

    ANY = "match_any"
    ALL = "match_all"
    LEAST = "match_least"
    MOST = "match_most"
    EXACT = "match_exact"
    FILTER = "element_filter"

    @property
    def takes_threshold(self) -> bool:
        """Whether the call says how many."""
        return self in (Quantifier.LEAST, Quantifier.MOST, Quantifier.EXACT)


@dataclass(frozen=True)
class StructMatch(Leaf):
    """So many structs of a row's array satisfy ``predicate``; UNKNOWN ones don't count. Never UNKNOWN itself.

    A null array is like an empty one. For rows ``element_filter`` asks what ``match_any`` does.

    sub_field  a sub-field of the array, whose lists say how many structs a row has
    predicate  reads the sub-fields through ``ItemRef``
    threshold  of LEAST, MOST and EXACT
    """

    sub_field: int
    predicate: BoundExpr
    quantifier: Quantifier
    threshold: int = 0

    @property
    def reads(self) -> tuple[int, ...]:
        """The sub-fields."""
        return tuple(sorted({self.sub_field, *self.predicate.fields}))


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


class Constant(msgspec.Struct, frozen=True):
    """A constant on its way into a leaf."""

    value: Value
    template: str = ""
    """The template's name when the value came beside the text."""
