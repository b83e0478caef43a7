"""Arrays of structs: their sub-fields by name, and calls whose predicate is about one struct at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from elanus.expr import nodes
from elanus.expr.binding.scope import Bound, Scope, as_predicate, binds, binds_call
from elanus.expr.bound import (
    ArrayRef,
    BoundExpr,
    Compare,
    Contains,
    ElementRef,
    In,
    IsNull,
    ItemRef,
    ListRef,
    Operand,
    Quantifier,
    StructMatch,
    Value,
)
from elanus.expr.nodes import Filter, Node, StructPath
from elanus.expr.normal import conjunction
from elanus.expr.syntax import FilterError
from elanus.model.schema import Field, StructField, sub_field_name
from elanus.model.types import DataType

_INSIDE: Final = (
    nodes.Literal,
    nodes.ScalarList,
    nodes.ListOf,
    nodes.Template,
    nodes.StructPath,
    nodes.Unary,
    nodes.Binary,
    nodes.Logic,
    nodes.Range,
    nodes.Membership,
    nodes.Equalities,
    nodes.Like,
    nodes.Regex,
)
"""What a predicate about one struct is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructScope(Scope):
    """The names inside a call: ``$[sub]`` is the current struct's value, and there are no others."""

    struct: StructField
    call: str

    def bind(self, node: Node) -> Bound:
        """Return what a node means about one struct."""
        if isinstance(node, nodes.Call):
            raise FilterError(f"nested {node.name} is not supported, already inside {self.call} for {self.struct.name}")
        if not isinstance(node, _INSIDE) or (isinstance(node, StructPath) and node.name):
            raise FilterError(f"only $[sub_field] of {self.struct.name} can be used inside {self.call}")
        return Scope.bind(self, node)


# --- names ---


@binds(StructPath)
def bind_struct_path(scope: Scope, path: StructPath) -> Operand:
    """Bind ``struct[sub]``, ``struct[0][sub]`` and, inside a call, ``$[sub]``."""
    if not path.name:
        return _item(scope, path.sub)
    if scope.schema.find_struct(path.name) is None:
        raise _no_struct(scope, path)
    field = scope.schema.find(sub_field_name(path.name, path.sub))
    if field is None:
        raise FilterError(f"field {sub_field_name(path.name, path.sub)} not exist")
    if field.type is DataType.ARRAY:
        array = ArrayRef(field.id, field.element_type)
        return array if path.index is None else ElementRef(field.id, field.element_type, path.index)
    if path.index is None:
        return ListRef(field.id, field.type)
    raise _no_vectors(field)


def _item(scope: Scope, sub: str) -> ItemRef:
    if not isinstance(scope, StructScope):
        raise FilterError(f"$[{sub}] syntax can only be used inside element_filter or match_*")
    name = sub_field_name(scope.struct.name, sub)
    field = scope.schema.find(name)
    if field is None:
        raise FilterError(f"array field not found: {name}, error: field {name} not exist")
    if field.type is not DataType.ARRAY:
        raise _no_vectors(field)
    return ItemRef(field.id, field.element_type, nullable=False)


def _no_vectors(field: Field) -> FilterError:
    return FilterError(f"vector sub-field {field.name} cannot be used in a predicate")


def _no_struct(scope: Scope, path: StructPath) -> FilterError:
    field = scope.schema.find(path.name)
    if field is None and scope.schema.dynamic is None:
        return FilterError(f"field {path.name} not exist")
    if field is None or field.type is DataType.JSON:
        return FilterError(f'json key must be enclosed in double quotes or single quotes: "{path.sub}"')
    if field.type is DataType.ARRAY:
        return FilterError("can only access array field with integer index")
    return FilterError(f"{field.type.label} data type not supported accessed with []")


# --- calls ---


@binds_call(*(quantifier.value for quantifier in Quantifier))
def bind_struct_call(scope: Scope, call: nodes.Call) -> BoundExpr:
    """Bind a call that counts the structs which satisfy a predicate."""
    quantifier = Quantifier(call.name)
    if len(call.arguments) != 2:
        raise FilterError(f"{call.name} takes a struct array and a predicate, got {len(call.arguments)} arguments")
    struct = _struct(scope, call)
    given = {field.name: getattr(scope, field.name) for field in dataclasses.fields(scope)}
    inside = StructScope(**given, struct=struct, call=call.name)
    predicate = as_predicate(inside.bind(call.arguments[1]))
    if predicate is None:
        raise FilterError(f"invalid predicate expression in {call.name}: it is not a boolean expression")
    counted = min(predicate.fields, default=scope.schema.sub_fields(struct)[0].id)
    threshold = _threshold(scope, quantifier, call)
    values = _equal_to(predicate) if quantifier is Quantifier.ANY else ()
    if values:
        return _holds_any(scope.schema.by_id(counted), values)
    return StructMatch(counted, predicate, quantifier, threshold)


def _equal_to(predicate: BoundExpr) -> tuple[Value, ...]:
    """Return the values of which a sub-field must have one, when the predicate asks that and nothing else."""
    if isinstance(predicate, Compare | In) and not predicate.negated and isinstance(predicate.operand, ItemRef):
        if isinstance(predicate, In):
            return predicate.values
        return (predicate.value,) if predicate.op == "==" else ()
    return ()


def _holds_any(field: Field, values: tuple[Value, ...]) -> BoundExpr:
    """Return the search for elements, which an index on the sub-field may answer; FALSE where the array is null."""
    contains = Contains(ArrayRef(field.id, field.element_type), values, every=False)
    return conjunction([IsNull(field.id, negated=True), contains]) if field.nullable else contains


def _struct(scope: Scope, call: nodes.Call) -> StructField:
    path = call.arguments[0]
    name = path.name if isinstance(path, nodes.Path) and not path.steps else ""
    struct = scope.schema.find_struct(name)
    if struct is None:
        raise FilterError(f"{call.name} takes the name of a struct array field, struct field not found: {name or path}")
    return struct


def _threshold(scope: Scope, quantifier: Quantifier, call: nodes.Call) -> int:
    if not quantifier.takes_threshold:
        if call.options:
            raise FilterError(f"{call.name} takes no option, got {call.options[0][0]}")
        return 0
    name, node = call.options[0] if len(call.options) == 1 else ("", None)
    refusal = f"{call.name} takes one option: threshold=N, an integer literal"
    value = scope.constant(node, refusal).value if isinstance(node, nodes.Literal) else None
    if name != "threshold" or not isinstance(value, int) or isinstance(value, bool):
        raise FilterError(refusal)
    if value < 0 or (value == 0 and quantifier is Quantifier.LEAST):
        wanted = "must be positive" if quantifier is Quantifier.LEAST else "cannot be negative"
        raise FilterError(f"count in {call.name.upper()} {wanted}, got: {value}")
    return value


# --- where an element filter may stand ---


def check_element_filter(tree: Filter) -> None:
    """Raise FilterError for an ``element_filter`` that isn't the last thing that the filter asks."""
    if Quantifier.FILTER.value not in tree.text.lower():
        return
    last = tree.root
    while isinstance(last, nodes.Logic):
        last = last.items[-1]
    if any(_is_element_filter(node) and node is not last for node in _walk(tree.root)):
        raise FilterError(
            "element filter expression can only be the last expression in the logical and expression, once and not "
            "under not"
        )


def _is_element_filter(node: Node) -> bool:
    return isinstance(node, nodes.Call) and node.name == Quantifier.FILTER.value


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        for name in node.__struct_fields__:
            waiting.extend(_nodes_in(getattr(node, name)))


def _nodes_in(value: object) -> list[Node]:
    if isinstance(value, Node):
        return [value]
    return [node for item in value for node in _nodes_in(item)] if isinstance(value, tuple) else []
