"""Columns as protocol messages, for requests that pymilvus would not send, or not in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus import DataType
from pymilvus.grpc_gen import schema_pb2


def scalar_data(name: str, kind: DataType, arm: str, values: Sequence[Any]) -> Any:
    """Return the FieldData of a scalar column; ``arm`` is such as ``long_data``."""
    data = schema_pb2.FieldData(field_name=name, type=int(kind))
    getattr(data.scalars, arm).data.extend(values)
    return data


def longs(name: str, values: Sequence[int]) -> Any:
    """Return the FieldData of an INT64 column."""
    return scalar_data(name, DataType.INT64, "long_data", values)


def strings(name: str, values: Sequence[str]) -> Any:
    """Return the FieldData of a VARCHAR column."""
    return scalar_data(name, DataType.VARCHAR, "string_data", values)


def floats(name: str, values: Sequence[float], dim: int) -> Any:
    """Return the FieldData of a float vector column; its vectors lie one after another in ``values``."""
    data = schema_pb2.FieldData(field_name=name, type=int(DataType.FLOAT_VECTOR))
    data.vectors.dim = dim
    data.vectors.float_vector.data.extend(values)
    return data
