"""HNSW_SQ: a graph that is walked on codes of the type that its creator chooses.

Whatever is chosen, results are measured on the segment's own column, which is at least as exact as any
``refine_type``; nothing is kept for it. ``refine_k`` says how many are measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from elanus._native.graph import CodeName
from elanus._native.kernels import Vectors
from elanus.index.base import INDEX_KINDS, IndexKind, Stop
from elanus.index.dense.graph import GraphBuild, GraphIndex, GraphSearch
from elanus.index.families import FLOAT_FAMILY, INT8_FAMILY
from elanus.model.bitset import Bitset
from elanus.model.errors import InvalidParameter
from elanus.model.params import param
from elanus.model.types import DataType, Metric

NAME: Final = "HNSW_SQ"
VERSION: Final = 1

CODES: Final[Mapping[str, CodeName]] = {"sq4u": "sq4", "sq6": "sq8", "sq8": "sq8", "bf16": "bf16", "fp16": "f16"}
"""The code that each ``sq_type`` is kept as: six bits take eight, which are more exact and quicker to unpack."""

PRECISION: Final = {"sq4u": 4, "sq6": 6, "sq8": 8, "fp16": 16, "bf16": 16, "fp32": 32, "flat": 32}
"""Bits of a value, by which a ``refine_type`` has to exceed the ``sq_type``."""


@dataclass(frozen=True)
class HnswSqBuild(GraphBuild):
    """How a graph is built, and what it is walked on.

    sq_type      code of a value
    refine       whether results were to be measured again by another copy; they are anyway
    refine_type  code of that copy; checked as Milvus does
    """

    sq_type: str = param("SQ8")
    refine: bool = param(False)
    refine_type: str = param("")

    def __post_init__(self) -> None:
        if self.sq_type.lower() not in CODES:
            raise InvalidParameter(
                f"invalid scalar quantizer type: {self.sq_type}, optional types are [sq4u, sq6, sq8, bf16, fp16]"
            )
        if not self.refine_type:
            return
        bits = PRECISION.get(self.refine_type.lower(), 0)
        if not bits or (self.refine and bits <= PRECISION[self.sq_type.lower()]):
            raise InvalidParameter(
                f"invalid refine type : {self.refine_type}, optional types are [{', '.join(PRECISION)}]"
                + (f" of higher precision than {self.sq_type}" if bits else "")
            )


@dataclass(frozen=True)
class HnswSqSearch(GraphSearch):
    """How a graph is walked; for each result ``refine_k`` rows are measured exactly."""

    refine_k: float = param(1.0, low=1)

    def candidates(self, k: int) -> int:
        """Return how many rows are to be measured exactly for ``k`` results."""
        return math.ceil(min(self.refine_k * k, 2.0**31))


def _build(
    base: Vectors,
    metric: Metric,
    params: HnswSqBuild,
    *,
    keep: Bitset | None = None,
    threads: int = 1,
    stop: Stop | None = None,
) -> GraphIndex:
    code = CODES[params.sq_type.lower()]
    if base.type is DataType.INT8_VECTOR and code != "sq4":
        code = "sq8"  # eight bits hold an int8 exactly
    return GraphIndex.build(
        base, metric, params, code, kind=NAME, version=VERSION, keep=keep, threads=threads, stop=stop
    )


_METRICS: Final = {**FLOAT_FAMILY, **INT8_FAMILY}

INDEX_KINDS.register(
    IndexKind(
        name=NAME,
        family="vector",
        version=VERSION,
        metrics=_METRICS,
        build_params=HnswSqBuild,
        search_params=HnswSqSearch,
        built=frozenset(_METRICS),
        engine="HNSW graph",
        build=_build,
        load=partial(GraphIndex.load, kind=NAME, version=VERSION),
    )
)
