"""Bind a chain to a collection: names, types, stages; what it reads is known before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from elanus.model.errors import ElanusError, InvalidParameter, Wrapped
from elanus.model.schema import Field, Schema
from elanus.model.settings import FunctionSettings
from elanus.query.chains.frame import Frame
from elanus.query.chains.given import Given
from elanus.query.chains.ops import OPS, Op
from elanus.query.chains.scope import Scope
from elanus.query.chains.spec import ChainSpec, ChainStage, OpSpec


@dataclass(frozen=True, slots=True)
class Chain:
    """A bound chain.

    fields    the collection's fields that it reads
    rescores  whether it writes ``$score``
    selects   whether it drops columns
    """

    ops: tuple[Op, ...]
    fields: tuple[Field, ...]
    rescores: bool
    selects: bool

    def run(self, frame: Frame) -> Frame:
        """Return what becomes of a table that has ``$id``, ``$score`` and the fields."""
        for op in self.ops:
            frame = op.apply(frame)
        return frame


def compile_chain(spec: ChainSpec, schema: Schema, functions: FunctionSettings) -> Chain:
    """Return the bound chain; raises InvalidParameter or MissingParameter naming the operation that is wrong."""
    if not spec.ops:
        raise InvalidParameter(f"function chain of stage {spec.stage.label} has no operation")
    scope = Scope(spec.stage, schema, functions)
    ops = []
    for place, op in enumerate(spec.ops):
        try:
            ops.append(_bind(op, scope))
        except ElanusError as error:
            raise Wrapped(f"{spec.stage.label} function chain: op[{place}] {op.op}", error) from error
    return Chain(tuple(ops), tuple(scope.fields.values()), scope.rescores, scope.selects)


def _bind(spec: OpSpec, scope: Scope) -> Op:
    kind = OPS.find(spec.op)
    if kind is None:
        raise InvalidParameter(f'unknown operator type "{spec.op}", there are [{", ".join(OPS.names())}]')
    if scope.stage not in kind.stages:
        level = "L0" if scope.stage is ChainStage.L0_RERANK else "L2"
        raise InvalidParameter(f'type "{kind.name}" is not supported by {level} rerank function chain')
    return kind.bind(spec, Given(kind.name, spec.params), scope)
