"""Which columns a chain can read at a step, and of which type they are."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from elanus.model.columns import arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field, Schema
from elanus.model.settings import FunctionSettings
from elanus.model.types import DataType
from elanus.query.chains.frame import GROUP_SCORE, ID, SCORE
from elanus.query.chains.spec import ChainStage


class Scope:
    """The columns at a step of a chain that is being bound.

    fields    those of the collection that the chain reads, in the order in which it names them
    rescores  whether it writes ``$score``
    selects   whether it drops columns
    """

    def __init__(self, stage: ChainStage, schema: Schema, functions: FunctionSettings) -> None:
        self.stage = stage
        self.functions = functions
        self.fields: dict[str, Field] = {}
        self.rescores = False
        self.selects = False
        self._schema = schema
        self._system = {ID: arrow_type(schema.primary), SCORE: pa.float32()}
        self._types: dict[str, pa.DataType] = {}
        self._kept: frozenset[str] | None = None

    def read(self, name: str) -> pa.DataType:
        """Return a column's type; a field's is fetched for it. InvalidParameter for a name that is no column."""
        if name in self._types:
            return self._types[name]
        if name in self._system:
            return self._system[name]
        if name.startswith("$"):
            verb = "readable" if self.stage is ChainStage.L0_RERANK else "supported"
            raise InvalidParameter(f'system input "{name}" is not {verb}')
        if self._kept is not None and name not in self._kept:
            raise InvalidParameter(f'column "{name}" not found')
        self._types[name] = arrow_type(self._field(name))
        return self._types[name]

    def numeric(self, owner: str, name: str) -> None:
        """Raise InvalidParameter unless a column holds numbers."""
        kind = self.read(name)
        if not pa.types.is_integer(kind) and not pa.types.is_floating(kind):
            raise InvalidParameter(
                f'{owner}: unsupported input column type {kind} of column "{name}", expected numeric type'
            )

    def write(self, name: str, kind: pa.DataType) -> None:
        """Take note of a column that a step makes; InvalidParameter for a name that can't be written."""
        if not name:
            raise InvalidParameter("output name is empty")
        if name == SCORE:
            if not pa.types.is_floating(kind) and not pa.types.is_integer(kind):
                raise InvalidParameter(f'system output "{SCORE}" must be numeric, got {kind}')
            self.rescores = True
            return
        if name.startswith("$"):
            raise InvalidParameter(f'system output "{name}" is not writable')
        self._types[name] = kind

    def group_score(self) -> None:
        """Let later steps read the groups' scores."""
        self._system[GROUP_SCORE] = pa.float64()

    def keep_only(self, names: Sequence[str]) -> None:
        """Drop the other columns; those of the system stay."""
        kept = {name: self.read(name) for name in names if not name.startswith("$")}
        for name in names:
            self.read(name)
        self._types = kept
        self._kept = frozenset(kept)
        self.selects = True

    def _field(self, name: str) -> Field:
        field = self._schema.find(name)
        if field is None:
            raise InvalidParameter(f'column "{name}" is neither an earlier output nor a field of the collection')
        supported = field.type.is_numeric or field.type in (DataType.BOOL, DataType.VARCHAR)
        if not supported or field.struct:
            raise InvalidParameter(f'function chain input "{name}" has unsupported field type {field.type.label}')
        self.fields[name] = field
        return field
