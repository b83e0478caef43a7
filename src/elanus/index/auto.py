"""AUTOINDEX: the kind that suits a field's type; users choose the metric at most."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.families import FLOATS
from elanus.index.scalar.bitmap import AUTOINDEX, SCALARS
from elanus.model.types import DataType

SUITABLE: Final[Mapping[DataType, str]] = {
    **dict.fromkeys(FLOATS, "HNSW"),
    DataType.INT8_VECTOR: "HNSW",
    DataType.BINARY_VECTOR: "BIN_FLAT",
    DataType.SPARSE_FLOAT_VECTOR: "SPARSE_INVERTED_INDEX",
    **dict.fromkeys(SCALARS, AUTOINDEX),
    DataType.TIMESTAMPTZ: "STL_SORT",
    DataType.GEOMETRY: "RTREE",
}

PRESETS: Final[Mapping[str, Mapping[str, int]]] = {"HNSW": MappingProxyType({"M": 16, "efConstruction": 200})}
"""Build parameters where the kind's own defaults don't suit: more links cost more time and find little more."""


def suitable_kind(data_type: DataType) -> IndexKind | None:
    """Return the kind that AUTOINDEX means for a type, None for a type that can't be indexed."""
    return INDEX_KINDS.find(SUITABLE.get(data_type, ""))
