"""Which columns a read returns: names, wild cards and dynamic keys, bound to the schema once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.query.request import OutputColumn

ALL_FIELDS = "*"
_META_KEY = re.compile(r"""\$meta\[(["'])(?P<key>[^"'\]]+)\1\]""")
_PLAIN_KEY = re.compile(r"[^\[\]]+")


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """The columns to fetch, in order, and how the reply names them.

    keys   dynamic keys asked for, empty when the whole dynamic field is
    names  what was asked for, wild cards expanded
    """

    fields: tuple[Field, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def ids(self) -> tuple[FieldId, ...]:
        """Ids of the fields to fetch."""
        return tuple(field.id for field in self.fields)

    def columns(self, batch: ColumnBatch) -> tuple[OutputColumn, ...]:
        """Return the fetched columns as they are sent."""
        return tuple(self._column(batch[field.id]) for field in self.fields)

    def _column(self, column: Column) -> OutputColumn:
        return OutputColumn(column, self.keys if column.field.is_dynamic else ())


def plan_output(schema: Schema, names: Sequence[str], *, with_primary: bool) -> OutputPlan:
    """Bind output names to fields.

    with_primary  the primary key is returned even when it isn't named
    raises        InvalidParameter for a name that is neither a field nor, with the dynamic field on, a key
    """
    fields: dict[str, Field] = {schema.primary.name: schema.primary} if with_primary else {}
    keys: dict[str, None] = {}
    expanded: dict[str, None] = {}
    whole_dynamic = False
    for name in _expand(schema, names):
        expanded[name] = None
        field = schema.find(name)
        if field is not None:
            fields[name] = field
            whole_dynamic = whole_dynamic or field.is_dynamic
        else:
            keys[_dynamic_key(schema, name)] = None
            fields[DYNAMIC_FIELD] = schema[DYNAMIC_FIELD]
    return OutputPlan(tuple(fields.values()), () if whole_dynamic else tuple(keys), tuple(expanded))


def _expand(schema: Schema, names: Sequence[str]) -> Sequence[str]:
    if ALL_FIELDS not in names:
        return names
    others = [name for name in names if name != ALL_FIELDS and name not in schema]
    return [*(field.name for field in schema), *others]


def _dynamic_key(schema: Schema, name: str) -> str:
    if schema.dynamic is None:
        raise InvalidParameter(f"field {name} not exist")
    match = _META_KEY.fullmatch(name)
    if match:
        return match["key"]
    if not _PLAIN_KEY.fullmatch(name):
        raise InvalidParameter(f"parse output field name failed: {name}")
    return name
