"""Queries that are lists of vectors: checked against a field, and cut apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from elanus._native.kernels import Vectors
from elanus.model.errors import InvalidParameter, SearchFailed
from elanus.model.schema import Field
from elanus.model.types import DataType, Metric
from elanus.model.vectors import check_dense
from elanus.query.request import Queries

DIM_MISMATCH: Final = 2032


def check_lists(queries: Queries, field: Field, metric: Metric) -> None:
    """Raise unless the queries are lists of vectors of the field's dimension, and the field is searched by lists.

    metric  of the field's index
    """
    if queries.lists is None:
        raise InvalidParameter(
            f"the index on field {field.name} has metric {metric}: it is searched by lists of vectors, not by vectors"
        )
    if not metric.is_of_lists:
        raise InvalidParameter(
            f"a search by lists of vectors needs an index of a MAX_SIM metric, that on field {field.name} has {metric}"
        )
    sizes = np.diff(queries.lists)
    if (sizes == 0).any():
        raise InvalidParameter("a list of vectors to be searched for has none")
    wrong = sizes[sizes % _width(queries.type, field.dim) != 0]
    if len(wrong):
        raise SearchFailed(
            f"vector dimension mismatch, expected vector size(dim) {field.dim}, "
            f"actual a list of {wrong[0]} values of {queries.type.label}",
            segcore=DIM_MISMATCH,
        )
    if queries.matrix is not None:
        check_dense(queries.type, queries.matrix)


def split_lists(queries: Queries, field: Field) -> Iterator[Vectors]:
    """Yield the vectors of each list; the queries have passed ``check_lists``."""
    assert queries.lists is not None
    assert queries.matrix is not None
    values, width = queries.matrix[0], _width(queries.type, field.dim)
    for start, end in pairwise(queries.lists.tolist()):
        yield Vectors.of(values[start:end].reshape(-1, width), queries.type)


def _width(kind: DataType, dim: int) -> int:
    """Return how many values of its dtype a vector has."""
    return dim // 8 if kind is DataType.BINARY_VECTOR else dim
