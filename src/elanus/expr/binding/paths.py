"""Names and paths: declared fields first, then keys of the dynamic field."""

from __future__ import annotations

from functools import lru_cache

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds
from elanus.expr.bound import ArrayRef, ColumnRef, ElementRef, JsonRef, ListRef, Operand
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
    struct = scope.schema.find_struct(path.name)
    if struct is not None:
        return _of_struct(scope.schema.sub_fields(struct)[0], path)
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
    return column(field.id, field.type, field.nullable)


@lru_cache(maxsize=4096)
def column(field_id: int, kind: DataType, nullable: bool) -> ColumnRef:
    """Return the operand of a whole column; one object for all filters, for it is asked for most often."""
    return ColumnRef(field_id, kind, nullable)


def _of_struct(first: Field, path: nodes.Path) -> ListRef:
    if path.steps:
        raise FilterError(f"struct array field {first.struct} can only be accessed with a sub-field: {first.name}")
    return ListRef(first.id, DataType.ARRAY_OF_STRUCT)


def _of_array(field: Field, steps: tuple[Step, ...]) -> Operand:
    if not steps:
        return ArrayRef(field.id, field.element_type)
    index = steps[0]
    if len(steps) > 1 or isinstance(index, str):
        raise FilterError("can only access array field with integer index")
    return ElementRef(field.id, field.element_type, index)


def refuse_whole(operand: Operand) -> None:
    """Refuse a whole ARRAY or JSON column where one value a row is needed."""
    if type(operand) is ColumnRef:
        return
    if isinstance(operand, ArrayRef | ListRef):
        raise FilterError("can not comparisons array fields directly")
    if isinstance(operand, JsonRef) and not operand.path:
        raise FilterError("can not comparisons jsonField directly")
