"""Which columns a read returns: names, wild cards and dynamic keys, bound to the schema once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, VERSION, Field, Schema, StructField
from elanus.query.result import Output, OutputColumn, OutputStruct
from elanus.query.tables.aggregates import parse_aggregate

ALL_FIELDS = "*"
_META_KEY = re.compile(r"""\$meta\[(["'])(?P<key>[^"'\]]+)\1\]""")
_PLAIN_KEY = re.compile(r"[^\[\]]+")


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """The columns to fetch, in order, and how the reply names them.

    fields   sub-fields of struct arrays among them
    structs  the struct arrays of those sub-fields
    keys     dynamic keys asked for, empty when the whole dynamic field is
    names    what was asked for, wild cards expanded; a struct array where one of its sub-fields was
    """

    fields: tuple[Field, ...]
    structs: tuple[StructField, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def ids(self) -> tuple[FieldId, ...]:
        """Ids of the fields to fetch."""
        return tuple(field.id for field in self.fields)

    def columns(self, batch: ColumnBatch) -> tuple[Output, ...]:
        """Return the fetched columns as they are sent, struct arrays last."""
        own = (self._column(batch[field.id]) for field in self.fields if not field.struct)
        return (*own, *(self._struct(struct, batch) for struct in self.structs))

    def _struct(self, struct: StructField, batch: ColumnBatch) -> OutputStruct:
        return OutputStruct(struct, tuple(batch[field.id] for field in self.fields if field.struct == struct.name))

    def _column(self, column: Column) -> OutputColumn:
        return OutputColumn(column, self.keys if column.field.is_dynamic else ())


def plan_output(schema: Schema, names: Sequence[str], *, with_primary: bool) -> OutputPlan:
    """Bind output names to fields.

    with_primary  the primary key is returned even when it isn't named
    raises        InvalidParameter for a name that is neither a field nor ``$version``, nor a key of the dynamic field
    """
    fields: dict[str, Field] = {schema.primary.name: schema.primary} if with_primary else {}
    keys: dict[str, None] = {}
    expanded: dict[str, None] = {}
    for name in _expand(schema, names):
        found = (VERSION,) if name == VERSION.name else schema.fields_named(name)
        if not found:
            keys[_dynamic_key(schema, name)] = None
            fields[DYNAMIC_FIELD] = schema[DYNAMIC_FIELD]
        fields.update({field.name: field for field in found})
        expanded[found[0].struct or name if found else name] = None
    structs = tuple(struct for struct in schema.structs if struct.name in expanded)
    whole_dynamic = DYNAMIC_FIELD in expanded
    return OutputPlan(tuple(fields.values()), structs, () if whole_dynamic else tuple(keys), tuple(expanded))


def _expand(schema: Schema, names: Sequence[str]) -> Sequence[str]:
    if ALL_FIELDS not in names:
        return names
    others = [name for name in names if name != ALL_FIELDS and not schema.fields_named(name)]
    own = (field.name for field in schema if not field.struct)
    return [*own, *(struct.name for struct in schema.structs), *others]


def _dynamic_key(schema: Schema, name: str) -> str:
    if parse_aggregate(name) is not None:
        raise InvalidParameter(f"output field '{name}' is not allowed: a query takes aggregates, a search doesn't")
    if schema.dynamic is None:
        raise InvalidParameter(f"field {name} not exist")
    match = _META_KEY.fullmatch(name)
    if match:
        return match["key"]
    if not _PLAIN_KEY.fullmatch(name):
        raise InvalidParameter(f"parse output field name failed: {name}")
    return name
