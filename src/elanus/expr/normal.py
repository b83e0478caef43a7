"""The shape of AND and OR: flat, without constants, the conditions on one operand joined.

Every step keeps UNKNOWN: it joins only conditions that are UNKNOWN in the same rows. OR of negated leaves is NOT of
their AND, and AND of negated equalities NOT of their OR, so two joins serve all four cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from elanus.expr.bound import (
    Always,
    And,
    Arithmetic,
    Between,
    BoundExpr,
    Compare,
    In,
    Leaf,
    Operand,
    OperandLeaf,
    Or,
    Shifted,
)
from elanus.model.types import DataType

EXACT_IN_DOUBLES: Final = 2**53
"""Up to this size every integer is a double of its own; JSON's doubles are compared with integers as doubles."""

_Limit = tuple[Any, bool]
"""A bound of a range, and whether it lies inside."""


def conjunction(items: Iterable[BoundExpr]) -> BoundExpr:
    """Return AND of the items: ranges and lists of one operand meet, ``!=`` and ``not in`` become one list."""
    return _combine(And, items, neutral=True)


def disjunction(items: Iterable[BoundExpr]) -> BoundExpr:
    """Return OR of the items: ``==`` and ``in`` of one operand become one list."""
    return _combine(Or, items, neutral=False)


def _combine(shape: type[And | Or], items: Iterable[BoundExpr], *, neutral: bool) -> BoundExpr:
    flat: list[BoundExpr] = []
    for item in items:
        if isinstance(item, Always):
            if item.value is not neutral:
                return item
        elif isinstance(item, shape):
            flat.extend(item.items)
        else:
            flat.append(item)
    flat = _tidied(flat, negated=neutral)
    if not flat:
        return Always(neutral)
    return flat[0] if len(flat) == 1 else shape(tuple(flat))


def _tidied(items: list[BoundExpr], *, negated: bool) -> list[BoundExpr]:
    """Join and thin out the leaves over the same operand; nothing else can be joined, and few filters have any.

    negated  the sign of the equalities that make one list
    """
    crowd = _crowd(items)
    if not crowd:
        return items
    left = dict(crowd)
    _join(left, _list_key, _union, negated=negated)
    _join(left, _range_key, _intersection, negated=not negated)
    _thin_out(left)
    return [left.get(place, item) for place, item in enumerate(items) if place in left or place not in crowd]


def _crowd(items: list[BoundExpr]) -> dict[int, Leaf]:
    """Return the leaves, by their places, that others have the operand of; told by the field where that is enough."""
    leaves = {place: item for place, item in enumerate(items) if isinstance(item, Leaf)}
    for look in (_kind_and_field, _operand):
        alike: dict[object, list[int]] = {}
        for place, leaf in leaves.items():
            alike.setdefault(look(leaf), []).append(place)
        if len(alike) == len(leaves):
            return {}
        leaves = {place: leaves[place] for places in alike.values() if len(places) > 1 for place in places}
    return dict(sorted(leaves.items()))


def _kind_and_field(leaf: Leaf) -> object:
    operand = leaf.operand if isinstance(leaf, OperandLeaf) else None
    return (type(leaf), leaf.reads) if operand is None else (type(operand), operand.field_id)


def _operand(leaf: Leaf) -> object:
    return leaf.operand if isinstance(leaf, OperandLeaf) else leaf


def _join(
    leaves: dict[int, Leaf],
    key: Callable[[Leaf], object | None],
    join: Callable[[Sequence[Any]], Leaf | None],
    *,
    negated: bool,
) -> None:
    """Join the leaves of one sign that have the same key, at the place of the first; what cannot be joined stays."""
    groups: dict[object, list[int]] = {}
    for place, leaf in leaves.items():
        if leaf.negated is negated and (found := key(leaf)) is not None:
            groups.setdefault(found, []).append(place)
    for first, *others in groups.values():
        whole = join([leaves[first], *[leaves[place] for place in others]]) if others else None
        if whole is not None:
            leaves[first] = whole
            for place in others:
                del leaves[place]


def _thin_out(leaves: dict[int, Leaf]) -> None:
    """Drop leaves that are there before; ``1``, ``1.0`` and ``true`` are equal to Python but not to JSON."""
    seen: dict[Leaf, Leaf] = {}
    for place, leaf in list(leaves.items()):
        first = seen.setdefault(leaf, leaf)
        if first is not leaf and repr(first) == repr(leaf):
            del leaves[place]


# --- equalities: one list ---


def _list_key(leaf: Leaf) -> object | None:
    """Constants of the same types: for JSON they pick the reader, and a row that it cannot read is UNKNOWN."""
    if isinstance(leaf, Compare):
        types = frozenset((type(leaf.value),)) if leaf.op == "==" else frozenset()
    elif isinstance(leaf, In):
        types = frozenset(map(type, leaf.values))
    else:
        return None
    return (leaf.operand, types) if types and tuple not in types and not isinstance(leaf.operand, _COMPUTED) else None


def _union(group: Sequence[Compare | In]) -> In:
    values: list[Any] = []
    for leaf in group:
        values.extend(leaf.values if isinstance(leaf, In) else (leaf.value,))
    return In(group[0].operand, tuple(values), negated=group[0].negated)


# --- ranges and lists: what is left of all of them ---


def _range_key(leaf: Leaf) -> object | None:
    """Constants of one type. JSON knows no joining of equalities, and none of bounds that doubles do not tell apart."""
    if isinstance(leaf, Compare):
        values: tuple[Any, ...] = (leaf.value,)
    elif isinstance(leaf, Between):
        values = (leaf.low, leaf.high)
    elif isinstance(leaf, In):
        values = leaf.values
    else:
        return None
    kinds = set(map(type, values))
    if not kinds <= _ORDERED or isinstance(leaf.operand, _COMPUTED):
        return None
    in_json = leaf.operand.type is DataType.JSON
    if in_json and (len(kinds) > 1 or isinstance(leaf, In) or (isinstance(leaf, Compare) and leaf.op == "==")):
        return None
    if float in kinds and any(map(math.isnan, values)):
        return None
    if in_json and kinds == {int} and any(abs(value) > EXACT_IN_DOUBLES for value in values):
        return None
    return (leaf.operand, kinds.pop()) if in_json else leaf.operand


_COMPUTED = (Arithmetic, Shifted)
"""Operands that are compared with single constants only: the language writes no list and no range of them."""
_ORDERED = {int, float, str}
"""The types of constants whose ranges are joined."""


def _intersection(group: Sequence[Compare | Between | In]) -> Leaf | None:
    operand, negated = group[0].operand, group[0].negated
    lows, highs, lists = _parts(group)
    # At the same value the bound that leaves it out is the tighter one.
    low = max(lows, key=lambda limit: (limit[0], not limit[1]), default=None)
    high = min(highs, key=lambda limit: limit, default=None)
    if lists:
        others = [frozenset(values) for values in lists[1:]]
        left = [
            value
            for value in dict.fromkeys(lists[0])
            if _within(value, low, high) and all(value in other for other in others)
        ]
        return In(operand, tuple(left), negated=negated)
    return _range(operand, low, high, negated=negated)


def _parts(group: Sequence[Compare | Between | In]) -> tuple[list[_Limit], list[_Limit], list[Collection[Any]]]:
    """Return the lower bounds, the upper bounds and the lists of the leaves."""
    lows: list[_Limit] = []
    highs: list[_Limit] = []
    lists: list[Collection[Any]] = []
    for leaf in group:
        if isinstance(leaf, Between):
            lows.append((leaf.low, leaf.low_inclusive))
            highs.append((leaf.high, leaf.high_inclusive))
        elif isinstance(leaf, In) or leaf.op == "==":
            lists.append(leaf.values if isinstance(leaf, In) else (leaf.value,))
        else:
            (lows if leaf.op[0] == ">" else highs).append((leaf.value, leaf.op.endswith("=")))
    return lows, highs, lists


def _within(value: Any, low: _Limit | None, high: _Limit | None) -> bool:
    above = low is None or value > low[0] or (low[1] and value == low[0])
    return above and (high is None or value < high[0] or (high[1] and value == high[0]))


def _range(operand: Operand, low: _Limit | None, high: _Limit | None, *, negated: bool) -> Leaf | None:
    """Return the leaf of a range; of an empty one a list of nothing, which is FALSE where the operand is known."""
    if low is not None and high is not None:
        if low[0] < high[0] or (low[0] == high[0] and low[1] and high[1]):
            return Between(operand, low[0], high[0], low[1], high[1], negated=negated)
        # In JSON a list of nothing is known in every row with a value, a range only in those of its type.
        return None if operand.type is DataType.JSON else In(operand, (), negated=negated)
    limit, op = (low, ">") if low is not None else (high, "<")
    return None if limit is None else Compare(operand, op + "=" * limit[1], limit[0], negated=negated)
