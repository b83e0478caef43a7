"""Indexes by name: each kind is one module that registers itself in ``INDEX_KINDS``.

Importing this package loads every kind's description and none of the libraries that build or search.
"""

from elanus.index.base import INDEX_KINDS, IndexKind, SearchParams, VectorIndex
from elanus.index.create import ResolvedIndex, build_params, index_field, resolve
from elanus.index.dense import flat as _flat
from elanus.index.dense import graph as _graph
from elanus.index.dense import ivf as _ivf
from elanus.index.scalar import column as _column
from elanus.index.search_params import parse_search
from elanus.index.sparse import inverted as _inverted

MEMBERS = (_flat, _ivf, _graph, _inverted, _column)

__all__ = [
    "INDEX_KINDS",
    "MEMBERS",
    "IndexKind",
    "ResolvedIndex",
    "SearchParams",
    "VectorIndex",
    "build_params",
    "index_field",
    "parse_search",
    "resolve",
]
