"""What a bound filter says without reading a row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from elanus.expr.bound import Always, And, BoundExpr, ColumnRef, Compare, In, Or, Sampled, Value
from elanus.model.schema import Field, Schema


def always_true(bound: BoundExpr) -> bool:
    """Whether the filter selects every row of any data."""
    return isinstance(bound, Always) and bound.value


def sampled(bound: BoundExpr) -> tuple[BoundExpr, float | None]:
    """Return a filter's predicate, and which part of the rows that pass it is wanted at random; None for all."""
    return (bound.predicate, bound.fraction) if isinstance(bound, Sampled) else (bound, None)


def primary_key_values(bound: BoundExpr, schema: Schema) -> tuple[list[int] | list[str], BoundExpr | None] | None:
    """Return the keys of a filter that is or contains the conjunct ``pk == x`` or ``pk in [...]``.

    returns  the keys, each once, and what a row must satisfy besides (None: nothing); None for any other filter
    """
    items = bound.items if isinstance(bound, And) else (bound,)
    for number, item in enumerate(items):
        keys = _keys(item, _column(schema.primary))
        if keys is not None:
            others = items[:number] + items[number + 1 :]
            return keys, (And(others) if len(others) > 1 else others[0] if others else None)
    return None


def _keys(item: BoundExpr, primary: ColumnRef) -> list[Any] | None:
    if not isinstance(item, Compare | In) or item.negated or item.operand != primary:
        return None
    if isinstance(item, In):
        return list(dict.fromkeys(item.values))
    return [item.value] if item.op == "==" else None


def keys_filter(keys: pa.Array, schema: Schema) -> BoundExpr:
    """Return the filter that selects the rows of some primary keys."""
    return In(_column(schema.primary), tuple(keys.to_pylist()))


def _column(field: Field) -> ColumnRef:
    return ColumnRef(field.id, field.type, field.nullable)


def possible_values(bound: BoundExpr, field: Field) -> frozenset[Value] | None:
    """Return the only values of a field with which a row can pass the filter; None when the filter names no such list.

    AND leaves what all of its lists have in common, OR what any has; an OR with one side that has no list has none.
    """
    return _values(bound, _column(field))


def _values(node: BoundExpr, column: ColumnRef) -> frozenset[Value] | None:
    if isinstance(node, Compare | In):
        return _listed(node) if node.operand == column and not node.negated else None
    if isinstance(node, Always):
        return None if node.value else frozenset()
    if isinstance(node, Sampled):
        return _values(node.predicate, column)
    if not isinstance(node, And | Or):
        return None
    lists = [_values(item, column) for item in node.items]
    known = [values for values in lists if values is not None]
    if isinstance(node, And):
        return frozenset.intersection(*known) if known else None
    return frozenset().union(*known) if len(known) == len(lists) else None


def _listed(leaf: Compare | In) -> frozenset[Value] | None:
    if isinstance(leaf, In):
        return frozenset(leaf.values)
    return frozenset((leaf.value,)) if leaf.op == "==" else None
