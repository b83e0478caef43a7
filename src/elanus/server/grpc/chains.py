"""Function chains from the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus.engine.search import ChainSpec, ChainStage, FunctionSpec, OpSpec
from elanus.model.errors import InvalidParameter


def parse_chains(request: Any) -> tuple[ChainSpec, ...]:
    """Return the chains of a search request; raises InvalidParameter for what can't be read."""
    return tuple(_chain(chain) for chain in request.function_chains)


def asked_once(chains: Sequence[ChainSpec]) -> bool:
    """Whether chains hold the texts of this one search, so that nobody will ask the same again."""
    return any(op.function is not None and "queries" in op.function.params for chain in chains for op in chain.ops)


def _chain(message: Any) -> ChainSpec:
    try:
        stage = ChainStage(message.stage)
    except ValueError:
        raise InvalidParameter(f"unsupported function chain stage: {message.stage}") from None
    return ChainSpec(stage, tuple(_op(op) for op in message.ops), message.name)


def _op(message: Any) -> OpSpec:
    function = _function(message.expr) if message.HasField("expr") else None
    return OpSpec(message.op.strip(), function, tuple(message.inputs), tuple(message.outputs), _params(message.params))


def _function(message: Any) -> FunctionSpec:
    columns = tuple(arg.column.name.strip() if arg.HasField("column") else None for arg in message.args)
    return FunctionSpec(message.name.strip(), columns, _params(message.params))


def _params(entries: Any) -> dict[str, Any]:
    return {name: _value(entries[name]) for name in entries}


def _value(message: Any) -> Any:
    kind = message.WhichOneof("value")
    if kind is None:
        raise InvalidParameter("function chain parameter has no value")
    if kind == "array_value":
        return [_value(item) for item in message.array_value.values]
    if kind == "object_value":
        return _params(message.object_value.fields)
    return getattr(message, kind)
