"""The vectors that a search looks for: placeholder groups as matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError

from elanus.engine.search import Queries
from elanus.model.columns import VECTOR_DTYPES
from elanus.model.errors import InvalidParameter, SearchFailed
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb
from elanus.server.grpc.pairs import unavailable

DIM_MISMATCH = 2032
EMBEDDING_LISTS = range(300, 306)


def parse_queries(group: bytes) -> Queries:
    """Return the vectors of a serialized ``PlaceholderGroup``.

    raises  InvalidParameter for bytes that are none and for kinds that can't be searched for, SearchFailed when the
            vectors differ in length
    """
    placeholder = _only(group)
    kind = _vector_type(placeholder)
    values = placeholder.values
    if kind is DataType.SPARSE_FLOAT_VECTOR:
        return Queries(kind, len(values), sparse=pa.array(values, type=pa.large_binary()))
    lengths = {len(value) for value in values}
    dtype = VECTOR_DTYPES[kind]
    if len(lengths) > 1 or any(length % dtype.itemsize for length in lengths):
        raise SearchFailed(
            f"vector dimension mismatch, queries of {sorted(lengths)} bytes, {dtype.itemsize} a value",
            segcore=DIM_MISMATCH,
        )
    nq = len(values)
    flat = np.frombuffer(values[0] if nq == 1 else b"".join(values), dtype=dtype)
    return Queries(kind, nq, matrix=flat.reshape(nq, flat.size // max(nq, 1)))


def _only(group: bytes) -> Any:
    try:
        placeholders = pb.PlaceholderGroup.FromString(group).placeholders
    except DecodeError as error:
        raise InvalidParameter(f"the placeholder group can't be read: {error}") from None
    if len(placeholders) != 1:
        raise InvalidParameter(f"a search takes one placeholder, got {len(placeholders)}")
    return placeholders[0]


def _vector_type(placeholder: Any) -> DataType:
    number = placeholder.type
    if number in EMBEDDING_LISTS or placeholder.element_level:
        raise unavailable("search with lists of vectors")
    if number == DataType.VARCHAR:
        raise unavailable("search by text")
    if number in VECTOR_DTYPES or number == DataType.SPARSE_FLOAT_VECTOR:
        return DataType(number)
    raise InvalidParameter(f"placeholder type {number} can't be searched for, give vectors")
