"""``st_*``: a geometry column against a constant geometry."""

from __future__ import annotations

import math
from typing import Final

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds_call
from elanus.expr.bound import ColumnRef, IsValidGeometry, Relation, Spatial
from elanus.expr.syntax import FilterError
from elanus.model.geometry import GeometryError, geometry_of, wkb_of_text
from elanus.model.types import DataType

_PREFIX: Final = "st_"
_PLANAR: Final = tuple(f"{_PREFIX}{relation.value}" for relation in Relation if relation is not Relation.DWITHIN)


@binds_call(*_PLANAR)
def bind_relation(scope: Scope, call: nodes.Call) -> Spatial:
    """Bind a planar predicate."""
    column, text = _arguments(call, 2)
    return Spatial(_geometry(scope, call, column), Relation(call.name.removeprefix(_PREFIX)), _constant(scope, text))


@binds_call("st_dwithin")
def bind_within_distance(scope: Scope, call: nodes.Call) -> Spatial:
    """Bind the search around a point."""
    column, text, distance = _arguments(call, 3)
    operand = _geometry(scope, call, column)
    center = _constant(scope, text)
    point = geometry_of(center)
    if point.geom_type != "Point" or point.is_empty:
        given = "an empty one" if point.is_empty else point.geom_type
        raise FilterError(f"{call.name} expects a POINT to measure from, got {given}")
    return Spatial(operand, Relation.DWITHIN, center, _distance(scope, call, distance))


@binds_call("st_isvalid")
def bind_is_valid(scope: Scope, call: nodes.Call) -> IsValidGeometry:
    """Bind the test of validity."""
    (column,) = _arguments(call, 1)
    return IsValidGeometry(_geometry(scope, call, column))


def _arguments(call: nodes.Call, count: int) -> tuple[nodes.Node, ...]:
    if len(call.arguments) != count or call.options:
        raise FilterError(f"{call.name} takes {count} arguments, got {len(call.arguments) + len(call.options)}")
    return call.arguments


def _geometry(scope: Scope, call: nodes.Call, node: nodes.Node) -> ColumnRef:
    refusal = f"{call.name} operation are only supported on geometry fields now"
    operand = scope.operand(node, refusal)
    if not isinstance(operand, ColumnRef) or operand.type is not DataType.GEOMETRY:
        raise FilterError(f"{refusal}, got: {operand.type.label}")
    return operand


def _constant(scope: Scope, node: nodes.Node) -> bytes:
    constant = scope.constant(node, "a geometry must be given as constant WKT")
    if not isinstance(constant.value, str):
        raise FilterError("a geometry should be a string literal or template variable that holds WKT")
    try:
        return wkb_of_text(constant.value)
    except GeometryError as error:
        raise FilterError(f"invalid WKT: {error}") from None


def _distance(scope: Scope, call: nodes.Call, node: nodes.Node) -> float:
    constant = scope.constant(node, f"the distance of {call.name} must be a number")
    value = constant.value
    if constant.template or isinstance(value, bool | str | tuple):
        raise FilterError(f"the distance of {call.name} must be a number, templates are not supported")
    if value < 0 or not math.isfinite(value):
        raise FilterError(f"{call.name}: the distance parameter must be non-negative, got {value}")
    return float(value)
