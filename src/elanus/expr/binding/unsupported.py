"""Parts of the language that are read and named, but not answered yet."""

from __future__ import annotations

from elanus.expr import nodes
from elanus.expr.binding.scope import Bound, Scope, binds, binds_call
from elanus.expr.syntax import FilterError
from elanus.model.types import DataType

_TEXT_AND_SAMPLE = ("text_match", "text_match_fuzzy", "phrase_match", "random_sample")
_STRUCT = ("element_filter", "match_any", "match_all", "match_least", "match_most", "match_exact")
_GEOMETRY = (
    "st_equals",
    "st_touches",
    "st_overlaps",
    "st_crosses",
    "st_contains",
    "st_intersects",
    "st_within",
    "st_dwithin",
    "st_isvalid",
)


def _not_yet(name: str) -> FilterError:
    return FilterError(f"operator {name} is not supported yet")


@binds_call(*_TEXT_AND_SAMPLE, *_STRUCT, *_GEOMETRY)
def refuse_call(_scope: Scope, call: nodes.Call) -> Bound:
    """Refuse a call of the language by its name."""
    raise _not_yet(call.name)


@binds(nodes.Instant)
def refuse_instant(_scope: Scope, _node: nodes.Instant) -> Bound:
    """Refuse ``ISO "..."``."""
    raise _not_yet("ISO")


@binds(nodes.Interval)
def refuse_interval(_scope: Scope, _node: nodes.Interval) -> Bound:
    """Refuse ``INTERVAL "..."``."""
    raise _not_yet("INTERVAL")


@binds(nodes.StructPath)
def refuse_struct_path(scope: Scope, node: nodes.StructPath) -> Bound:
    """Refuse the fields of struct arrays; on a JSON value, a key without its quotes."""
    if not node.name:
        raise _not_yet(f"$[{node.sub}]")
    field = scope.schema.find(node.name)
    if field is None and scope.schema.dynamic is None:
        raise FilterError(f"field {node.name} not exist")
    if field is None or field.type is DataType.JSON:
        raise FilterError(f'json key must be enclosed in double quotes or single quotes: "{node.sub}"')
    if field.type is DataType.ARRAY:
        raise FilterError("can only access array field with integer index")
    raise FilterError(f"{field.type.label} data type not supported accessed with []")
