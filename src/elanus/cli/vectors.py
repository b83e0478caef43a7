"""What a person types in place of a vector, as a search takes it: a stored row's key, a list of numbers, a file."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from elanus.index.families import FLOATS
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb

NUMBERS = {DataType.INT8_VECTOR: np.dtype("i1"), DataType.BINARY_VECTOR: np.dtype("u1")}


class VectorError(Exception):
    """The text is no vector that the field can be searched for; it says why."""


def key_of(text: str, kind: DataType) -> pb.Message:
    """Return a primary key as a search takes it; raises VectorError where the field holds integers and it is none."""
    if kind is DataType.VARCHAR:
        return pb.IDs(str_id=pb.StringArray(data=[text]))
    try:
        return pb.IDs(int_id=pb.LongArray(data=[int(text)]))
    except ValueError:
        raise VectorError(f"--like {text}: the primary key is an integer") from None


def group_of(text: str, kind: DataType) -> tuple[bytes, int]:
    """Return vectors as a serialized ``PlaceholderGroup``, and how many they are.

    text    the path of a .npy file, or JSON: a vector, a list of vectors, {"index": value, ...} of a sparse one; bytes
            of binary vectors are numbers from 0 to 255
    raises  VectorError for what is no vector of that type
    """
    if kind is DataType.SPARSE_FLOAT_VECTOR:
        values = _sparse(_json(text))
        return _group(kind, values), len(values)
    if kind not in FLOATS and kind not in NUMBERS:
        raise VectorError(f"fields of type {kind.label} can't be searched from here")
    sent = kind if kind in NUMBERS else DataType.FLOAT_VECTOR
    matrix = _matrix(text, NUMBERS.get(kind, np.dtype("<f4")))
    return _group(sent, [row.tobytes() for row in matrix]), len(matrix)


def _group(kind: DataType, values: Sequence[bytes]) -> bytes:
    placeholder = pb.PlaceholderValue(tag="$0", type=int(kind), values=values)
    return bytes(pb.PlaceholderGroup(placeholders=[placeholder]).SerializeToString())


def _matrix(text: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return dense vectors as [n, width]."""
    try:
        given = np.load(text, allow_pickle=False) if text.endswith(".npy") else np.array(_json(text), dtype=np.float64)
        matrix = np.atleast_2d(given).astype(dtype)
    except (OSError, ValueError, TypeError) as error:
        raise VectorError(f"--vector {_short(text)}: {error}") from None
    if matrix.ndim != 2 or not matrix.size:
        raise VectorError(f"--vector {_short(text)}: give a vector or a list of vectors")
    if dtype.kind in "iu" and not np.array_equal(matrix, np.atleast_2d(given)):
        raise VectorError(f"--vector {_short(text)}: the field holds integers of 8 bits")
    return matrix


def _sparse(given: Any) -> list[bytes]:
    vectors = given if isinstance(given, list) else [given]
    if not vectors or not all(isinstance(vector, Mapping) for vector in vectors):
        raise VectorError('--vector: write a sparse vector as {"index": value, ...}')
    try:
        pairs = [sorted((int(index), float(value)) for index, value in vector.items()) for vector in vectors]
        return [b"".join(struct.pack("<If", *pair) for pair in vector) for vector in pairs]
    except (ValueError, TypeError, struct.error) as error:
        raise VectorError(f"--vector: {error}") from None


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise VectorError(f"--vector {_short(text)}: neither a .npy file nor JSON") from None


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
