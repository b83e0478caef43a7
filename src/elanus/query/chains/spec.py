"""Function chains as clients ask for them: names and values, not yet bound to a collection."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

Params = Mapping[str, Any]
"""Values by name: booleans, integers, numbers, texts, bytes, lists and mappings of them."""


class ChainStage(IntEnum):
    """Where a chain runs."""

    UNSPECIFIED = 0
    INGESTION = 1
    PRE_PROCESS = 2
    L0_RERANK = 3
    L1_RERANK = 4
    L2_RERANK = 5
    POST_PROCESS = 6

    @property
    def label(self) -> str:
        """The stage as Milvus names it in messages, such as ``L0_rerank``."""
        return _LABELS[self]


_LABELS = {
    ChainStage.UNSPECIFIED: "unspecified",
    ChainStage.INGESTION: "ingestion",
    ChainStage.PRE_PROCESS: "pre_process",
    ChainStage.L0_RERANK: "L0_rerank",
    ChainStage.L1_RERANK: "L1_rerank",
    ChainStage.L2_RERANK: "L2_rerank",
    ChainStage.POST_PROCESS: "post_process",
}


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function and what it is called with.

    columns  names of the columns; None stands for an argument that is a value
    """

    name: str
    columns: tuple[str | None, ...] = ()
    params: Params = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpSpec:
    """One operation. ``inputs`` and ``outputs`` are names of columns."""

    op: str
    function: FunctionSpec | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    params: Params = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """Operations of one stage, in order."""

    stage: ChainStage
    ops: tuple[OpSpec, ...]
    name: str = ""
