"""The operations of chains: a table in, a table out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus.model.errors import InvalidParameter
from elanus.model.registry import Registry
from elanus.query.chains.frame import GROUP_SCORE, SCORE, Frame, lowest_for_null, order_keys
from elanus.query.chains.functions import BOTH, FUNCTIONS, Function
from elanus.query.chains.given import Given
from elanus.query.chains.scope import Scope
from elanus.query.chains.spec import ChainStage, FunctionSpec, OpSpec
from elanus.query.grouping.groups import Groups, GroupScorer
from elanus.query.places import on_page


class Op(Protocol):
    """A bound operation."""

    def apply(self, frame: Frame) -> Frame:
        """Return what becomes of the table."""


@dataclass(frozen=True, slots=True)
class OpKind:
    """An operation that chains may hold.

    stages  where
    bind    checks columns and parameters; raises InvalidParameter or MissingParameter
    """

    name: str
    stages: frozenset[ChainStage]
    bind: Callable[[OpSpec, Given, Scope], Op]


OPS: Final[Registry[OpKind]] = Registry("chain operation")
AFTER_MERGE: Final = frozenset({ChainStage.L2_RERANK})


@dataclass(frozen=True, slots=True)
class Map:
    """A function's output as a column, new or in place of another."""

    function: Function
    inputs: tuple[str, ...]
    output: str

    @classmethod
    def bind(cls, spec: OpSpec, given: Given, scope: Scope) -> Map:
        """Bind the function."""
        given.only()
        if spec.function is None:
            raise InvalidParameter("map: expr is required")
        if len(spec.outputs) != 1:
            raise InvalidParameter(f"map: expected exactly 1 output, got {len(spec.outputs)}")
        function, inputs, kind = _bound(spec.function, scope)
        scope.write(spec.outputs[0], kind)
        return cls(function, inputs, spec.outputs[0])

    def apply(self, frame: Frame) -> Frame:
        """Return the table with the column."""
        values = self.function.apply([frame.columns[name] for name in self.inputs], frame.counts)
        return frame.with_column(self.output, values.cast(pa.float32(), safe=False) if self.output == SCORE else values)


def _bound(spec: FunctionSpec, scope: Scope) -> tuple[Function, tuple[str, ...], pa.DataType]:
    """Return a function, the columns that it takes and the type that it returns."""
    kind = FUNCTIONS.find(spec.name)
    if kind is None:
        raise InvalidParameter(f'unknown function "{spec.name}", there are [{", ".join(FUNCTIONS.names())}]')
    if scope.stage not in kind.stages:
        raise InvalidParameter(f'function "{kind.name}" is not supported at stage {scope.stage.label}')
    columns = []
    for place, name in enumerate(spec.columns):
        if name is None:
            raise InvalidParameter(f"{kind.name}: argument {place} must be a column")
        scope.read(name)
        columns.append(name)
    return kind.bind(Given(kind.name, spec.params), columns, scope), tuple(columns), kind.output


@dataclass(frozen=True, slots=True)
class Sort:
    """Rows of each query by a column, equal ones by another one, ascending, then as they stood; NULL last."""

    column: str
    descending: bool
    tie_break: str

    @classmethod
    def bind(cls, _spec: OpSpec, given: Given, scope: Scope) -> Sort:
        """Check the columns."""
        given.only("column", "desc", "tie_break_col")
        column, tie_break = given.text("column"), given.text("tie_break_col", "")
        scope.read(column)
        if tie_break:
            scope.read(tie_break)
        return cls(column, given.flag("desc", default=True), tie_break)

    def apply(self, frame: Frame) -> Frame:
        """Return the rows in order."""
        keys = [order_keys(frame.columns[self.column], descending=self.descending), frame.query]
        if self.tie_break:
            keys.insert(0, order_keys(frame.columns[self.tie_break], descending=False))
        return frame.take(np.lexsort(keys))


@dataclass(frozen=True, slots=True)
class Limit:
    """Some rows of each query."""

    limit: int
    offset: int

    @classmethod
    def bind(cls, _spec: OpSpec, given: Given, _scope: Scope) -> Limit:
        """Check the numbers."""
        given.only("limit", "offset")
        return cls(given.whole("limit", low=1), given.whole("offset", 0, low=0))

    def apply(self, frame: Frame) -> Frame:
        """Return the rows at places ``offset .. offset + limit``."""
        return frame.take(np.flatnonzero(on_page(frame.places, self.offset, self.limit)))


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows where a boolean column is true."""

    column: str

    @classmethod
    def bind(cls, spec: OpSpec, given: Given, scope: Scope) -> Filter:
        """Check the column."""
        given.only("column")
        if spec.function is not None:
            raise InvalidParameter(f'filter: function "{spec.function.name}" returns no boolean, name a boolean column')
        if "column" not in given.params and len(spec.inputs) != 1:
            raise InvalidParameter(f"filter: expected exactly 1 boolean column, got {len(spec.inputs)}")
        column = given.text("column") if "column" in given.params else spec.inputs[0]
        kind = scope.read(column)
        if not pa.types.is_boolean(kind):
            raise InvalidParameter(f'filter: column "{column}" must be boolean, got {kind}')
        return cls(column)

    def apply(self, frame: Frame) -> Frame:
        """Return those rows."""
        keep = pc.fill_null(frame.columns[self.column], False)
        return frame.take(np.flatnonzero(np.asarray(keep.to_numpy(zero_copy_only=False))))


@dataclass(frozen=True, slots=True)
class Select:
    """Some columns; ``$id`` and ``$score`` stay. What a chain reads was settled when it was bound."""

    @classmethod
    def bind(cls, spec: OpSpec, given: Given, scope: Scope) -> Select:
        """Check the columns and hide the others from later operations."""
        given.only("columns")
        columns = given.params.get("columns", spec.inputs)
        if not isinstance(columns, list | tuple) or not columns or not all(isinstance(name, str) for name in columns):
            raise InvalidParameter("select: columns must be a list of at least one column name")
        scope.keep_only(columns)
        return cls()

    def apply(self, frame: Frame) -> Frame:
        """Return the table."""
        return frame


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The best rows of each group, the best group first; rows whose value is NULL are a group of their own.

    size           most rows of a group
    offset, limit  which groups
    scorer         how a group is scored from those rows
    """

    field: str
    size: int
    offset: int
    limit: int
    scorer: GroupScorer

    @classmethod
    def bind(cls, _spec: OpSpec, given: Given, scope: Scope) -> GroupRows:
        """Check column and numbers."""
        given.only("field", "group_size", "size", "limit", "offset", "scorer")
        field = given.text("field")
        scope.read(field)
        scope.group_score()
        size = given.whole("group_size" if "group_size" in given.params else "size", low=1)
        scorer = GroupScorer(given.choice("scorer", tuple(GroupScorer), GroupScorer.MAX))
        return cls(field, size, given.whole("offset", 0, low=0), given.whole("limit", low=1), scorer)

    def apply(self, frame: Frame) -> Frame:
        """Return those rows, with the scores of their groups."""
        values = lowest_for_null(frame.columns[SCORE]).astype(np.float64)
        best = np.lexsort((-values, frame.query))
        codes = order_keys(frame.columns[self.field], descending=False)[best]
        groups = Groups.of_hits(frame.query[best], codes)
        kept = groups.places < self.size
        scores = groups.scores(self.scorer, values[best], kept)
        rows = groups.page(groups.best_first(scores), self.offset, self.limit, kept)
        return frame.take(best[rows]).with_column(GROUP_SCORE, pa.array(scores[groups.of[rows]]))


OPS.register(OpKind("map", BOTH, Map.bind))
OPS.register(OpKind("sort", AFTER_MERGE, Sort.bind))
OPS.register(OpKind("limit", AFTER_MERGE, Limit.bind))
OPS.register(OpKind("filter", AFTER_MERGE, Filter.bind))
OPS.register(OpKind("select", AFTER_MERGE, Select.bind))
OPS.register(OpKind("group_by", AFTER_MERGE, GroupRows.bind))
