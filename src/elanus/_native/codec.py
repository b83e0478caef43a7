"""Columns to and from serialized protobuf ``FieldData``, with no Python object per row.

Bytes that come in are trusted in nothing: what is malformed raises ``ValueError`` that says what is wrong and at which
byte. Merging of repeated occurrences follows protobuf. All calls release the interpreter while they work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native import core

Span: TypeAlias = tuple[int, int]
Kind: TypeAlias = Literal[
    "none",
    "mixed",
    "unsupported",
    "bool",
    "int",
    "long",
    "float",
    "double",
    "string",
    "bytes",
    "json",
    "array",
    "geometry",
    "geometry_wkt",
    "timestamptz",
    "float_vector",
    "binary_vector",
    "float16_vector",
    "bfloat16_vector",
    "int8_vector",
    "sparse",
    "struct",
    "vector_array",
]

_DTYPES: dict[str, type[np.generic]] = {
    "bool": np.bool_,
    "int": np.int32,
    "long": np.int64,
    "timestamptz": np.int64,
    "float": np.float32,
    "float_vector": np.float32,
    "double": np.float64,
}
_RAW = frozenset({"binary_vector", "float16_vector", "bfloat16_vector", "int8_vector"})
_LISTS = frozenset({"array", "vector_array"})


@dataclass(frozen=True, slots=True, eq=False)
class RawColumn:
    """One ``FieldData`` as it was sent: values in arrays, nulls not yet spread out.

    kind              the payload that was set; ``none`` when none was. Children of lists may also be ``mixed`` (rows of
                      different kinds or dimensions) or ``unsupported`` (nested lists, types out of scope): no values
    name, type        field name and ``DataType`` number as sent, unchecked
    dim               as sent, 0 for scalars; for sparse the hint, which may be 0
    valid             bool [rows]; None when not sent. Data may hold all rows or the valid ones only: compare lengths
    values            bool: bool; int: int32; long, timestamptz: int64; float, float_vector: float32; double: float64;
                      other dense vectors: uint8, the bytes as sent. Vectors are flat
    offsets, data     string, bytes, json, geometry, geometry_wkt, sparse: row i is data[offsets[i]:offsets[i + 1]];
                      int64 [n + 1] and uint8
    offsets, child    array, vector_array: row i is offsets[i]:offsets[i + 1], counted in the child's entries (flat
                      values for vectors). When the child has no values, offsets tell only how many rows there are
    element_type      array, vector_array: ``DataType`` as sent, 0 when it was not
    invalid_utf8_row  string, json, geometry_wkt and lists of them: the first row that is not UTF-8, -1 when all are; a
                      list's child counts elements
    parts             struct: spans of the sub columns within the same body, each for ``decode_field_data``
    """

    kind: Kind
    name: str = ""
    type: int = 0
    field_id: int = 0
    is_dynamic: bool = False
    dim: int = 0
    valid: NDArray[np.bool_] | None = None
    values: NDArray[Any] | None = None
    offsets: NDArray[np.int64] | None = None
    data: NDArray[np.uint8] | None = None
    element_type: int = 0
    child: RawColumn | None = None
    invalid_utf8_row: int = -1
    parts: Sequence[Span] = ()


def split_message(body: bytes, field_number: int) -> tuple[bytes, list[Span]]:
    """Return a message without one field, and where each occurrence's payload lies in ``body``.

    Only length-delimited occurrences count, others stay in the rest. One pass over the top level, no payload is read.
    """
    return core.split_message(body, field_number)


def decode_field_data(body: bytes, start: int, end: int) -> RawColumn:
    """Return the ``FieldData`` message at ``body[start:end]`` as a column.

    raises  ValueError when the bytes are no such message; text that is not UTF-8 is reported in the column instead
    cost    one copy of the values; memory stays within about 12 times the bytes given, hostile or not
    """
    return _column(core.decode_field_data(body, start, end))


def _column(attributes: Mapping[str, Any]) -> RawColumn:
    if "child" not in attributes:
        return RawColumn(**attributes)
    child = RawColumn(**attributes["child"])
    row = -1
    if child.invalid_utf8_row >= 0:
        row = int(np.searchsorted(attributes["offsets"], child.invalid_utf8_row, side="right")) - 1
    return RawColumn(**{**attributes, "child": child, "invalid_utf8_row": row})


def encode_field_data(
    *,
    name: str,
    type: int,
    kind: Kind,
    field_id: int = 0,
    is_dynamic: bool = False,
    dim: int = 0,
    values: NDArray[Any] | None = None,
    offsets: NDArray[np.int64] | None = None,
    data: NDArray[np.uint8] | None = None,
    child: RawColumn | None = None,
    element_type: int = 0,
    valid: NDArray[np.bool_] | None = None,
    parts: Sequence[bytes] = (),
) -> bytes:
    """Return a serialized ``FieldData``, byte for byte what the protobuf library gives.

    The arguments are the attributes of ``RawColumn``; two differ. ``values`` of any shape are written flat, and dense
    vectors but float_vector take any dtype, whose bytes are written. ``parts`` are the serialized sub columns of a
    struct. Offsets need not start at 0. For array and vector_array ``child`` holds the elements (kind ``none`` when
    there are none at all) and each row is written as a message of its own, empty rows with the arm set.

    raises  ValueError when the arrays do not fit the kind or each other, TypeError when a dtype would lose values
    """
    if kind in _LISTS and (child is None or offsets is None):
        raise ValueError(f"{kind} needs offsets and child")
    held = child if kind in _LISTS and child is not None else RawColumn(kind, values=values, offsets=offsets, data=data)
    return core.encode_field_data(
        name,
        type,
        field_id,
        is_dynamic,
        None if valid is None else _flat("bool", valid),
        kind,
        dim,
        None if held.values is None else _flat(held.kind, held.values),
        None if held.offsets is None else np.ascontiguousarray(held.offsets),
        None if held.data is None else np.ascontiguousarray(held.data),
        np.ascontiguousarray(offsets) if kind in _LISTS and offsets is not None else None,
        held.kind if kind in _LISTS else "none",
        element_type,
        list(parts),
    )


def _flat(kind: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return values in one dimension and the dtype of their kind; booleans as bytes."""
    if kind in _RAW:
        return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    if kind not in _DTYPES:
        raise ValueError(f"{kind} takes no values")
    flat = np.ascontiguousarray(values.astype(_DTYPES[kind], casting="safe", copy=False)).reshape(-1)
    return flat.view(np.uint8) if kind == "bool" else flat


def wrap(field_number: int, payloads: Sequence[bytes]) -> bytes:
    """Return each payload as a length-delimited field of that number, one after the other."""
    return core.wrap(field_number, list(payloads))


def encode_ids(
    kind: Literal["long", "string"],
    values: NDArray[np.int64] | None = None,
    offsets: NDArray[np.int64] | None = None,
    data: NDArray[np.uint8] | None = None,
) -> bytes:
    """Return a serialized ``IDs``: ``int_id`` from ``values``, or ``str_id`` from ``offsets`` and ``data``."""
    if kind == "long" and values is not None:
        return core.encode_int_ids(np.ascontiguousarray(values))
    if kind == "string" and offsets is not None and data is not None:
        return core.encode_str_ids(np.ascontiguousarray(offsets), np.ascontiguousarray(data))
    raise ValueError("ids are values for kind long, offsets and data for kind string")


def encode_floats(field_number: int, values: NDArray[np.float32]) -> bytes:
    """Return a packed ``repeated float`` field with its tag; empty when there are no values."""
    return core.encode_floats(field_number, np.ascontiguousarray(values).reshape(-1))


def encode_longs(field_number: int, values: NDArray[np.int64]) -> bytes:
    """Return a packed ``repeated int64`` field with its tag; empty when there are no values."""
    return core.encode_longs(field_number, np.ascontiguousarray(values).reshape(-1))
