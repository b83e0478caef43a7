"""Text and schema to a bound filter: the way in to everything in ``binding``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from elanus._native.time import UTC
from elanus.expr.binding import (
    comparison,
    constants,
    containers,
    functions,
    geometry,
    instants,
    logic,
    membership,
    paths,
    patterns,
    sampling,
    structs,
    text_search,
)
from elanus.expr.binding.scope import Bound, Scope, TemplateValue, as_predicate
from elanus.expr.binding.structs import check_element_filter
from elanus.expr.bound import BoundExpr, Constant, Operand
from elanus.expr.casts import type_of
from elanus.expr.nodes import Filter
from elanus.expr.parser import CACHED_CHARACTERS, parse
from elanus.expr.syntax import TOO_DEEP, FilterError, failure, shown
from elanus.model.schema import Schema
from elanus.model.types import DataType

RULE_MODULES = (
    comparison,
    constants,
    containers,
    functions,
    geometry,
    instants,
    logic,
    membership,
    paths,
    patterns,
    sampling,
    structs,
    text_search,
)
"""The modules whose import registers the rules."""

_NO_VALUES: Mapping[str, TemplateValue] = {}


def bind(
    expression: str | Filter,
    schema: Schema,
    values: Mapping[str, TemplateValue] = _NO_VALUES,
    timezone: str = UTC,
) -> BoundExpr:
    """Return a filter over a schema's fields; of an empty text the constant true.

    values    what the ``{name}`` templates stand for; those that the text does not name are ignored
    timezone  where instants are that name no offset; a name that IANA knows
    raises    InvalidParameter that shows the text and says what cannot be parsed or bound
    cost      about 8 us a term; bound filters without templates are kept (the 1024 last used, by schema object, text
              and time zone)
    """
    text = expression.text if isinstance(expression, Filter) else expression
    if len(text) > CACHED_CHARACTERS or "{" in text:
        return _bind(expression if isinstance(expression, Filter) else parse(text), schema, values, timezone)
    return _bind_cached(text, _Same(schema), timezone)


class _Same:
    """A schema as a key of the cache: compared by identity, for comparing its fields would cost more than binding.

    The cache's reference keeps the schema alive, so that no other one can take its identity.
    """

    __slots__ = ("schema",)

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=1024)
def _bind_cached(text: str, same: _Same, timezone: str) -> BoundExpr:
    return _bind(parse(text), same.schema, _NO_VALUES, timezone)


def _bind(tree: Filter, schema: Schema, values: Mapping[str, TemplateValue], timezone: str) -> BoundExpr:
    try:
        check_element_filter(tree)
        bound = Scope(schema, values, timezone).bind(tree.root)
        predicate = as_predicate(bound)
        if predicate is None:
            raise FilterError(f"predicate is not a boolean expression: {shown(tree.text)}, data type: {_label(bound)}")
        return predicate
    except RecursionError:
        raise failure(tree.text, FilterError(TOO_DEEP)) from None
    except FilterError as error:
        raise failure(tree.text, error) from None


def _label(bound: Bound) -> str:
    kind = DataType.BOOL
    if isinstance(bound, Operand):
        kind = bound.type
    elif isinstance(bound, Constant):
        kind = type_of(bound.value)
    return kind.label
