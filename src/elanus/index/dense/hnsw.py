"""HNSW: a graph over every dense type. Floats are walked on codes of 8 bits, the others as they are."""

from __future__ import annotations

from functools import partial
from typing import Final

from elanus._native.graph import CodeName
from elanus._native.kernels import Vectors
from elanus.index.base import INDEX_KINDS, IndexKind, Stop
from elanus.index.dense.graph import GraphBuild, GraphIndex, GraphSearch
from elanus.index.families import BINARY_FAMILY, FLOAT_FAMILY, FLOATS, INT8_FAMILY
from elanus.model.bitset import Bitset
from elanus.model.types import DataType, Metric

NAME: Final = "HNSW"
VERSION: Final = 2


def _build(
    base: Vectors,
    metric: Metric,
    params: GraphBuild,
    *,
    keep: Bitset | None = None,
    threads: int = 1,
    stop: Stop | None = None,
) -> GraphIndex:
    # Eight bits hold an int8 exactly; bits are their own code.
    code: CodeName = "column" if base.type is DataType.BINARY_VECTOR else "sq8"
    finer = base.type in FLOATS
    return GraphIndex.build(
        base, metric, params, code, kind=NAME, version=VERSION, finer=finer, keep=keep, threads=threads, stop=stop
    )


_METRICS: Final = {**FLOAT_FAMILY, **INT8_FAMILY, **BINARY_FAMILY}

INDEX_KINDS.register(
    IndexKind(
        name=NAME,
        family="vector",
        version=VERSION,
        metrics=_METRICS,
        build_params=GraphBuild,
        search_params=GraphSearch,
        built=frozenset(_METRICS),
        engine="HNSW graph",
        build=_build,
        load=partial(GraphIndex.load, kind=NAME, version=VERSION),
    )
)
