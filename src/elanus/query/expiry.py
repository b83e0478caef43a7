"""Rows that say themselves when they end: the property ``ttl_field`` as one more condition of a read."""

from __future__ import annotations

from dataclasses import replace

from elanus.expr import BoundExpr
from elanus.expr.bound import ColumnRef, Compare, IsNull
from elanus.expr.normal import conjunction, disjunction
from elanus.model.manifest import TTL_FIELD, Manifest
from elanus.query.plan import Where
from elanus.query.prune import Pruner


def unless_ended(where: Where, manifest: Manifest, now_us: int) -> Where:
    """Return the filter, for collections with a TTL field joined with: the row has not ended.

    now_us  microseconds since 1970 UTC; a row ends at the instant in its TTL field, one without an instant never
    """
    name = manifest.property_map.get(TTL_FIELD)
    if name is None:
        return where
    field = manifest.schema[name]
    column = ColumnRef(field.id, field.type, field.nullable)
    lives: BoundExpr = Compare(column, ">", now_us)
    if field.nullable:
        lives = disjunction([IsNull(field.id), lives])
    expression = _joined(where.expression, lives)
    rest = None if where.keys is None else _joined(where.rest, lives)
    return replace(where, expression=expression, rest=rest, pruner=Pruner(manifest.schema, expression))


def _joined(given: BoundExpr | None, lives: BoundExpr) -> BoundExpr:
    return lives if given is None else conjunction([given, lives])
