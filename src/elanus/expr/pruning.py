"""Can a bound filter be TRUE in a segment? Its statistics may prove that it can't, and then nobody reads the segment.

A filter is made into a check once a plan; a check of a segment is a few comparisons a leaf. Every rule is conservative:
a leaf without one may be TRUE anywhere, and so may a leaf over a column of which nothing is known.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial, singledispatch
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.bloom import BloomFilter
from elanus._native.keys import hash_values
from elanus.expr.bound import (
    Always,
    And,
    ArrayRef,
    Between,
    BoundExpr,
    ColumnRef,
    ColumnsCompare,
    Compare,
    Contains,
    ElementRef,
    In,
    IsNull,
    IsValidGeometry,
    Match,
    Matching,
    OperandLeaf,
    Or,
    Sampled,
    Spatial,
)
from elanus.model.manifest import ColumnStatistics


class Statistics(Protocol):
    """What is known of a segment's rows without reading them."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def column(self, field_id: int) -> ColumnStatistics | None:
        """Return what is known of a column, None when nothing is."""

    def bloom(self, field_id: int) -> BloomFilter | None:
        """Return the Bloom filter over a column's values (an ARRAY's elements), None without one."""


class Evidence(StrEnum):
    """What a proof rests on."""

    STATISTICS = "statistics"
    BLOOM = "bloom"


@dataclass(frozen=True, slots=True)
class Ground:
    """One piece of a proof: what is known of one field."""

    evidence: Evidence
    field_id: int


Proof = tuple[Ground, ...]
"""Why no row is TRUE; of a filter that is false whatever the data, nothing."""
Check = Callable[[Statistics], Proof | None]
"""Returns the proof that a filter is TRUE for no row of a segment, None when it may be for some. Can be pickled."""


@singledispatch
def check_of(_node: BoundExpr) -> Check:
    """Return the check of a filter, safe from any thread."""
    return _perhaps


def _perhaps(_statistics: Statistics) -> Proof | None:
    return None


def _never(_statistics: Statistics) -> Proof | None:
    return ()


# --- the shape of a filter ---


@check_of.register
def _always(node: Always) -> Check:
    return _perhaps if node.value else _never


@check_of.register
def _and(node: And) -> Check:
    checks = _known(node.items)
    return partial(_any_item, checks) if checks else _perhaps


@check_of.register
def _or(node: Or) -> Check:
    checks = _known(node.items)
    return partial(_every_item, checks) if len(checks) == len(node.items) else _perhaps


@check_of.register
def _sampled(node: Sampled) -> Check:
    return check_of(node.predicate)


def _known(items: Iterable[BoundExpr]) -> Sequence[Check]:
    return [check for check in map(check_of, items) if check is not _perhaps]


def _any_item(checks: Sequence[Check], statistics: Statistics) -> Proof | None:
    for check in checks:
        proof = check(statistics)
        if proof is not None:
            return proof
    return None


def _every_item(checks: Sequence[Check], statistics: Statistics) -> Proof | None:
    grounds: dict[Ground, None] = {}
    for check in checks:
        proof = check(statistics)
        if proof is None:
            return None
        grounds.update(dict.fromkeys(proof))
    return tuple(grounds)


# --- leaves over one column ---


class Keys:
    """Constants in ascending order, each once; sorted and hashed when a segment first asks, then kept."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._given = values

    @cached_property
    def values(self) -> list[Any]:
        """The constants, ascending."""
        return sorted(set(self._given))

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """The hash of each constant: integers or texts, as only those have Bloom filters."""
        kind = pa.large_string() if isinstance(self.values[0], str) else pa.int64()
        return hash_values(pa.array(self.values, type=kind))

    def within(self, column: ColumnStatistics | None) -> tuple[int, int]:
        """Return the places from the first to behind the last of the constants that lie within a column's bounds."""
        first, last = 0, len(self.values)
        if column is not None and column.low is not None:
            first = bisect_left(self.values, column.low)
        if column is not None and column.high is not None:
            last = bisect_right(self.values, column.high)
        return first, max(first, last)


@dataclass(frozen=True)
class _LeafCheck:
    """The check of a leaf that is UNKNOWN where the column is null.

    fits   whether values within the bounds may make the leaf TRUE
    keys   constants of which a TRUE row holds one, or ``every`` one; None when the leaf doesn't say so
    """

    field_id: int
    fits: Callable[[ColumnStatistics], bool] | None = None
    keys: Keys | None = None
    every: bool = False

    def __call__(self, statistics: Statistics) -> Proof | None:
        column = statistics.column(self.field_id)
        if column is not None and self._is_outside(column, statistics.num_rows):
            return (Ground(Evidence.STATISTICS, self.field_id),)
        return None if self.keys is None else self._look_up(self.keys, column, statistics)

    def _is_outside(self, column: ColumnStatistics, num_rows: int) -> bool:
        return column.nulls == num_rows or (self.fits is not None and not self.fits(column))

    def _look_up(self, keys: Keys, column: ColumnStatistics | None, statistics: Statistics) -> Proof | None:
        first, last = keys.within(column)
        if last - first < (len(keys.values) if self.every else 1):
            return (Ground(Evidence.STATISTICS, self.field_id),)
        bloom = statistics.bloom(self.field_id)
        if bloom is None:
            return None
        hashes = keys.hashes[first:last]
        found = bool(bloom.contains(hashes).all()) if self.every else bloom.contains_any(hashes)
        return None if found else (Ground(Evidence.BLOOM, self.field_id),)


@check_of.register(Spatial)
@check_of.register(IsValidGeometry)
def _unknown_of_null(leaf: OperandLeaf) -> Check:
    return _LeafCheck(leaf.operand.field_id)


@check_of.register
def _compare(leaf: Compare) -> Check:
    field_id = leaf.operand.field_id
    if isinstance(leaf.operand, ArrayRef) and isinstance(leaf.value, tuple):
        wanted = leaf.value if leaf.op == "==" and not leaf.negated else ()
        return _LeafCheck(field_id, keys=Keys(wanted) if wanted else None, every=True)
    if not isinstance(leaf.operand, ColumnRef | ElementRef):
        return _LeafCheck(field_id)
    if leaf.op == "==" and not leaf.negated:
        return _LeafCheck(field_id, keys=Keys((leaf.value,)))
    return _LeafCheck(field_id, _comparison(leaf.op, leaf.value, negated=leaf.negated))


@check_of.register
def _between(leaf: Between) -> Check:
    if not isinstance(leaf.operand, ColumnRef | ElementRef):
        return _LeafCheck(leaf.operand.field_id)
    low = _comparison(">=" if leaf.low_inclusive else ">", leaf.low, negated=leaf.negated)
    high = _comparison("<=" if leaf.high_inclusive else "<", leaf.high, negated=leaf.negated)
    return _LeafCheck(leaf.operand.field_id, partial(_either if leaf.negated else _both, low, high))


@check_of.register
def _in(leaf: In) -> Check:
    if not isinstance(leaf.operand, ColumnRef | ElementRef):
        return _LeafCheck(leaf.operand.field_id)
    if not leaf.negated:
        return _LeafCheck(leaf.operand.field_id, keys=Keys(leaf.values)) if leaf.values else _never
    return _LeafCheck(leaf.operand.field_id, partial(_not_one_of, Keys(leaf.values)))


@check_of.register
def _contains(leaf: Contains) -> Check:
    wanted = isinstance(leaf.operand, ArrayRef) and not leaf.negated
    return _LeafCheck(leaf.operand.field_id, keys=Keys(leaf.values) if wanted else None, every=leaf.every)


@check_of.register
def _match(leaf: Match) -> Check:
    field_id = leaf.operand.field_id
    if not isinstance(leaf.operand, ColumnRef | ElementRef):
        return _LeafCheck(field_id)
    if leaf.matching is Matching.PREFIX:
        return _LeafCheck(field_id, partial(_not_only_prefix if leaf.negated else _some_prefix, leaf.pattern))
    if leaf.matching is Matching.LIKE and not leaf.negated:
        return _LeafCheck(field_id, partial(_some_prefix, _LIKE_SPECIAL.split(leaf.pattern, maxsplit=1)[0]))
    return _LeafCheck(field_id)


# --- whether values within bounds may pass ---


def _comparison(op: str, value: Any, *, negated: bool) -> Callable[[ColumnStatistics], bool]:
    return partial(_COMPARISONS[_NEGATED[op] if negated else op], value)


def _not_equal(value: Any, column: ColumnStatistics) -> bool:
    return not column.low == column.high == value


def _less(value: Any, column: ColumnStatistics) -> bool:
    return column.low is None or column.low < value


def _at_most(value: Any, column: ColumnStatistics) -> bool:
    return column.low is None or column.low <= value


def _greater(value: Any, column: ColumnStatistics) -> bool:
    return column.high is None or column.high > value


def _at_least(value: Any, column: ColumnStatistics) -> bool:
    return column.high is None or column.high >= value


_NEGATED: Mapping[str, str] = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_COMPARISONS: Mapping[str, Callable[[Any, ColumnStatistics], bool]] = {
    "!=": _not_equal,
    "<": _less,
    "<=": _at_most,
    ">": _greater,
    ">=": _at_least,
}

_Fits = Callable[[ColumnStatistics], bool]
_LIKE_SPECIAL = re.compile(r"[%_\\]")


def _both(one: _Fits, other: _Fits, column: ColumnStatistics) -> bool:
    return one(column) and other(column)


def _either(one: _Fits, other: _Fits, column: ColumnStatistics) -> bool:
    return one(column) or other(column)


def _not_one_of(keys: Keys, column: ColumnStatistics) -> bool:
    if column.low is None or column.low != column.high:
        return True
    first, last = keys.within(column)
    return first == last


def _some_prefix(prefix: str, column: ColumnStatistics) -> bool:
    """All texts that begin with a prefix lie together: from the prefix itself up to the first that begins otherwise."""
    below = column.high is not None and str(column.high) < prefix
    above = column.low is not None and str(column.low) > prefix and not str(column.low).startswith(prefix)
    return not below and not above


def _not_only_prefix(prefix: str, column: ColumnStatistics) -> bool:
    bounds = (column.low, column.high)
    return not all(isinstance(bound, str) and bound.startswith(prefix) for bound in bounds)


# --- leaves of other shapes ---


@dataclass(frozen=True)
class _NullCheck:
    field_id: int
    negated: bool

    def __call__(self, statistics: Statistics) -> Proof | None:
        column = statistics.column(self.field_id)
        if column is None or column.nulls != (statistics.num_rows if self.negated else 0):
            return None
        return (Ground(Evidence.STATISTICS, self.field_id),)


@check_of.register
def _is_null(leaf: IsNull) -> Check:
    return _NullCheck(leaf.field_id, leaf.negated)


@dataclass(frozen=True)
class _ColumnsCheck:
    op: str
    left: int
    right: int

    def __call__(self, statistics: Statistics) -> Proof | None:
        left, right = statistics.column(self.left), statistics.column(self.right)
        if left is None or right is None:
            return None
        for side in (left, right):
            if side.nulls == statistics.num_rows:
                return (Ground(Evidence.STATISTICS, side.field),)
        bounds = _comparable((left.low, left.high, right.low, right.high))
        if bounds is None or _PAIRS[self.op](*bounds):
            return None
        return (Ground(Evidence.STATISTICS, self.left), Ground(Evidence.STATISTICS, self.right))


@check_of.register
def _columns(leaf: ColumnsCompare) -> Check:
    if not all(isinstance(side, ColumnRef | ElementRef) for side in (leaf.left, leaf.right)):
        return _perhaps
    return _ColumnsCheck(_NEGATED[leaf.op] if leaf.negated else leaf.op, leaf.left.field_id, leaf.right.field_id)


def _comparable(bounds: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return four bounds as rows are compared: an integer beside a float is rounded to a double first."""
    if None in bounds:
        return None
    return tuple(map(float, bounds)) if any(isinstance(bound, float) for bound in bounds) else bounds


_PAIRS: Mapping[str, Callable[[Any, Any, Any, Any], bool]] = {
    "==": lambda low, high, other_low, other_high: low <= other_high and other_low <= high,
    "!=": lambda low, high, other_low, other_high: not low == high == other_low == other_high,
    "<": lambda low, _high, _other_low, other_high: low < other_high,
    "<=": lambda low, _high, _other_low, other_high: low <= other_high,
    ">": lambda _low, high, other_low, _other_high: high > other_low,
    ">=": lambda _low, high, other_low, _other_high: high >= other_low,
}
