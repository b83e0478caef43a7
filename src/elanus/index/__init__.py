"""Indexes by name: each kind is one module that registers itself in ``INDEX_KINDS``.

Importing this package loads every kind's description and none of the libraries that build or search.
"""

from elanus.index.base import INDEX_KINDS, BuildStopped, IndexKind, SearchParams, VectorIndex
from elanus.index.create import ResolvedIndex, build_params, index_field, resolve
from elanus.index.dense import flat as _flat
from elanus.index.dense import hnsw as _hnsw
from elanus.index.dense import hnsw_sq as _hnsw_sq
from elanus.index.dense import ivf as _ivf
from elanus.index.operands import indexed_operand
from elanus.index.scalar import bitmap as _bitmap
from elanus.index.scalar import ngram as _ngram
from elanus.index.scalar import rtree as _rtree
from elanus.index.scalar import sorted as _sorted
from elanus.index.search_params import parse_search
from elanus.index.served import answered_by, is_built, is_current, is_mapped
from elanus.index.sparse import inverted as _inverted

MEMBERS = (_flat, _ivf, _hnsw, _hnsw_sq, _inverted, _sorted, _bitmap, _ngram, _rtree)

__all__ = [
    "INDEX_KINDS",
    "MEMBERS",
    "BuildStopped",
    "IndexKind",
    "ResolvedIndex",
    "SearchParams",
    "VectorIndex",
    "answered_by",
    "build_params",
    "index_field",
    "indexed_operand",
    "is_built",
    "is_current",
    "is_mapped",
    "parse_search",
    "resolve",
]
