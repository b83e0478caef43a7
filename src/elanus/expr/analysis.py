"""What a bound filter says without reading a row."""

from __future__ import annotations

from typing import Any

from elanus.expr.bound import Always, BoundExpr, ColumnRef, Compare, In
from elanus.model.schema import Schema


def always_true(bound: BoundExpr) -> bool:
    """Whether the filter selects every row of any data."""
    return isinstance(bound, Always) and bound.value


def primary_key_values(bound: BoundExpr, schema: Schema) -> list[int] | list[str] | None:
    """Return the keys of a filter that is exactly ``pk == x`` or ``pk in [...]``, each once; None for any other one."""
    if isinstance(bound, Compare) and bound.op == "==" and not bound.negated:
        values: tuple[Any, ...] = (bound.value,)
    elif isinstance(bound, In) and not bound.negated:
        values = bound.values
    else:
        return None
    key = schema.primary
    return list(dict.fromkeys(values)) if bound.operand == ColumnRef(key.id, key.type, key.nullable) else None
