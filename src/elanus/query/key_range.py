"""Ranges of primary keys: the part of a filter that rows sorted by key answer by binary search."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus.expr import BoundExpr
from elanus.expr.bound import And, Between, ColumnRef, Compare
from elanus.expr.normal import conjunction
from elanus.model.bitset import Bitset
from elanus.model.columns import fixed_values
from elanus.model.schema import Field

Key = int | str


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range."""

    key: Key
    inclusive: bool


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The primary keys between two bounds; None for an open end."""

    low: Bound | None = None
    high: Bound | None = None

    def span(self, keys: pa.Array) -> tuple[int, int]:
        """Return ``(start, stop)`` of the range in ascending keys (int64 or large_string).

        cost  a binary search for each bound
        """
        start = 0 if self.low is None else _place(keys, self.low.key, after=not self.low.inclusive)
        stop = len(keys) if self.high is None else _place(keys, self.high.key, after=self.high.inclusive)
        return start, max(start, stop)

    def among(self, keys: pa.Array) -> Bitset | None:
        """Return which keys (int64 or large_string, in any order) lie in the range; None when it has no bounds."""
        inside = [
            _OPERATORS[over, bound.inclusive](keys, pa.scalar(bound.key, type=keys.type))
            for bound, over in ((self.low, True), (self.high, False))
            if bound is not None
        ]
        masks = [Bitset.from_mask(mask.to_numpy(zero_copy_only=False)) for mask in inside]
        return None if not masks else masks[0] if len(masks) == 1 else masks[0] & masks[1]

    def narrowed(self, other: KeyRange) -> KeyRange:
        """Return what lies in both."""
        lows = [bound for bound in (self.low, other.low) if bound is not None]
        highs = [bound for bound in (self.high, other.high) if bound is not None]
        return KeyRange(
            max(lows, key=lambda bound: (bound.key, not bound.inclusive), default=None),
            min(highs, key=lambda bound: (bound.key, bound.inclusive), default=None),
        )


EVERY_KEY = KeyRange()
_OPERATORS = {
    (True, True): pc.greater_equal,
    (True, False): pc.greater,
    (False, True): pc.less_equal,
    (False, False): pc.less,
}
"""By whether the bound is the lower one, and whether it is in the range."""


def split_range(bound: BoundExpr | None, primary: Field) -> tuple[KeyRange, BoundExpr | None]:
    """Return the range of primary keys that a filter demands, and what it demands besides; None for nothing."""
    if bound is None:
        return EVERY_KEY, None
    column = ColumnRef(primary.id, primary.type, primary.nullable)
    wanted, others = EVERY_KEY, []
    for item in bound.items if isinstance(bound, And) else (bound,):
        found = _range_of(item, column)
        if found is None:
            others.append(item)
        else:
            wanted = wanted.narrowed(found)
    return wanted, conjunction(others) if others else None


def _range_of(item: BoundExpr, column: ColumnRef) -> KeyRange | None:
    if isinstance(item, Compare) and item.operand == column:
        return _compared(item, item.value) if _is_key(item.value) else None
    if isinstance(item, Between) and item.operand == column and not item.negated:
        low, high = item.low, item.high
        if _is_key(low) and _is_key(high):
            return KeyRange(Bound(low, item.low_inclusive), Bound(high, item.high_inclusive))
    return None


def _compared(item: Compare, key: Key) -> KeyRange | None:
    if item.negated:
        # No text comes before the empty one.
        return KeyRange(low=Bound("", inclusive=False)) if item.op == "==" and key == "" else None
    if item.op == "==":
        return KeyRange(Bound(key, inclusive=True), Bound(key, inclusive=True))
    bound = Bound(key, inclusive=item.op.endswith("="))
    return KeyRange(low=bound) if item.op.startswith(">") else KeyRange(high=bound)


def _is_key(value: object) -> TypeGuard[Key]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _place(keys: pa.Array, key: Key, *, after: bool) -> int:
    """Return the first place in ascending keys that is not before ``key``, or that lies after it."""
    if pa.types.is_int64(keys.type):
        return int(np.searchsorted(fixed_values(keys), key, side="right" if after else "left"))
    return (bisect_right if after else bisect_left)(_Texts(keys), str(key))


class _Texts(Sequence[str]):
    """An Arrow array of texts as a sequence. Python orders texts by code point, as UTF-8 bytes are ordered."""

    def __init__(self, keys: pa.Array) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: Any) -> Any:
        return self._keys[place].as_py()
