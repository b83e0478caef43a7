"""Names and paths: declared fields first, then keys of the dynamic field."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds
from elanus.expr.bound import ArrayRef, ColumnRef, ElementRef, JsonRef, Operand
from elanus.expr.nodes import Step
from elanus.expr.syntax import FilterError
from elanus.model.schema import Field
from elanus.model.types import DataType


@binds(nodes.Path)
def bind_path(scope: Scope, path: nodes.Path) -> Operand:
    """Resolve a path to a column, a JSON value or an array's element."""
    field = scope.schema.find(path.name)
    if field is not None:
        return _of_field(field, path)
    if path.name in ("null", "NULL") and not path.steps:
        raise FilterError("NULL is not a value to compare with, use 'is null' or 'is not null'")
    dynamic = scope.schema.dynamic
    if dynamic is None or path.is_meta:
        raise FilterError(f"field {path.name} not exist")
    return JsonRef(dynamic.id, (path.name, *path.steps))


def _of_field(field: Field, path: nodes.Path) -> Operand:
    if field.type is DataType.TEXT:
        raise FilterError(f"filter on text field ({field.name}) is not supported yet")
    if field.type is DataType.JSON:
        return JsonRef(field.id, path.steps)
    if field.type is DataType.ARRAY:
        return _of_array(field, path.steps)
    if path.steps:
        raise FilterError(f"{field.type.label} data type not supported accessed with []")
    return ColumnRef(field.id, field.type, field.nullable)


def _of_array(field: Field, steps: tuple[Step, ...]) -> Operand:
    if not steps:
        return ArrayRef(field.id, field.element_type)
    index = steps[0]
    if len(steps) > 1 or isinstance(index, str):
        raise FilterError("can only access array field with integer index")
    return ElementRef(field.id, field.element_type, index)


def refuse_whole(operand: Operand) -> None:
    """Refuse a whole ARRAY or JSON column where one value a row is needed."""
    if isinstance(operand, ArrayRef):
        raise FilterError("can not comparisons array fields directly")
    if isinstance(operand, JsonRef) and not operand.path:
        raise FilterError("can not comparisons jsonField directly")
