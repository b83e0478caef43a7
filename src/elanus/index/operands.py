"""What an index covers, as filters see it: a column, an array, the value at a path of a JSON field."""

from __future__ import annotations

from elanus.expr import Operand, parse
from elanus.expr.binding.paths import bind_path
from elanus.expr.binding.scope import Scope
from elanus.expr.bound import JsonRef
from elanus.expr.nodes import Path
from elanus.expr.syntax import FilterError
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType


def indexed_operand(schema: Schema, field_id: FieldId, json_path: str) -> Operand:
    """Return the operand of the leaves that an index on a scalar field answers.

    json_path  of a JSON field, as its creator wrote it; checked when the index was made
    raises     KeyError when the field is gone
    """
    field = schema.by_id(field_id)
    if field.type is DataType.JSON:
        return json_operand(schema, field, json_path)
    operand = bind_path(Scope(schema, {}), Path(field.name))
    if not isinstance(operand, Operand):
        raise TypeError(f"field {field.name} has no values a row")
    return operand


def json_operand(schema: Schema, field: Field, text: str) -> JsonRef:
    """Return the operand of a path as users write it: ``doc["a"][0]``, ``$meta["k"]``, ``k`` for a dynamic key.

    raises  InvalidParameter when it isn't a path, or leads into another field
    """
    try:
        tree = parse(text).root if text.strip() else None
        operand = bind_path(Scope(schema, {}), tree) if isinstance(tree, Path) else None
    except (FilterError, InvalidParameter) as error:
        raise InvalidParameter(f"cannot parse json_path {text!r}: {error}") from None
    if not isinstance(operand, JsonRef) or operand.field_id != field.id:
        wanted = f'{field.name}["key"][0]' + (" or the name of a dynamic key" if field.is_dynamic else "")
        raise InvalidParameter(f"json_path {text!r} is not a path into field {field.name}, expected such as {wanted}")
    return operand
