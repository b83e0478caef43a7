"""The vectors that a search looks for: placeholder groups as matrices."""

from __future__ import annotations

from collections.abc import Sequence
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
LISTS = 200
"""What the number of a placeholder's type is above that of the vectors when each value is a list of them."""


def parse_queries(group: bytes) -> Queries:
    """Return the vectors of a serialized ``PlaceholderGroup``.

    raises  InvalidParameter for bytes that are none and for kinds that can't be searched for, SearchFailed when the
            vectors differ in length
    """
    placeholder = _only(group)
    kind, in_lists = _vector_type(placeholder)
    values = placeholder.values
    if in_lists:
        return _lists(kind, values)
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


def _lists(kind: DataType, values: Sequence[bytes]) -> Queries:
    """Return queries that are lists of vectors; how many of them tells the field's dimension alone."""
    dtype = VECTOR_DTYPES[kind]
    sizes = np.array([len(value) for value in values], dtype=np.int64)
    if (sizes % dtype.itemsize).any():
        raise SearchFailed(
            f"vector dimension mismatch, lists of {sorted(set(sizes.tolist()))} bytes, {dtype.itemsize} a value",
            segcore=DIM_MISMATCH,
        )
    flat = np.frombuffer(b"".join(values), dtype=dtype)
    starts = np.concatenate(([0], np.cumsum(sizes // dtype.itemsize)))
    return Queries(kind, len(values), matrix=flat.reshape(1, -1), lists=starts)


def _vector_type(placeholder: Any) -> tuple[DataType, bool]:
    """Return the type of the vectors, and whether each value is a list of them."""
    number = placeholder.type
    if number == DataType.VARCHAR:
        raise unavailable("search by text")
    if number in VECTOR_DTYPES or number == DataType.SPARSE_FLOAT_VECTOR:
        return DataType(number), False
    if number - LISTS in VECTOR_DTYPES:
        return DataType(number - LISTS), True
    raise InvalidParameter(f"placeholder type {number} can't be searched for, give vectors")
