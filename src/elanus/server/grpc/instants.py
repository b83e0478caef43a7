"""TIMESTAMPTZ on the wire: ISO 8601 text in the time zone of a request, collection or database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.time import UTC, InstantError, zone
from elanus.model.columns import Column, fixed_values, varlen_buffers
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.server.grpc.nulls import bitmap

Local = NDArray[np.datetime64]
MAX_TIME_FIELDS: Final = 32
"""Parts that a reply holds of each instant; one may be asked for more than once."""


def parse_instants(column: Column, timezone: str) -> Column:
    """Return a TIMESTAMPTZ column with the instants of the texts that came; instants that came are left alone.

    column    data is ``large_string`` or already ``int64``
    timezone  where texts without an offset are placed
    raises    InvalidParameter naming field, row and text
    """
    data = column.data
    if not pa.types.is_large_string(data.type):
        return column
    present = data if data.null_count == 0 else data.drop_null()
    try:
        parsed = zone(timezone).parse(*varlen_buffers(present))
    except InstantError as error:
        row = error.row if column.valid is None else int(np.flatnonzero(column.valid)[error.row])
        raise InvalidParameter(
            f"got invalid timestamptz string '{error.text}': {error}, field: {column.field.name}, row: {row}"
        ) from None
    if column.valid is None:
        return Column(column.field, pa.array(parsed))
    instants = np.zeros(len(data), dtype=np.int64)
    instants[column.valid] = parsed
    return Column(column.field, pa.array(instants, mask=~column.valid))


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a reply shows instants: as texts in a time zone, or as some parts of the local time there.

    parts  of ``PARTS``; empty for texts
    """

    timezone: str = UTC
    parts: tuple[str, ...] = ()

    def show(self, column: Column) -> Column:
        """Return a TIMESTAMPTZ column as texts, or as an ARRAY column of the parts; nulls have none."""
        data = column.data
        instants = fixed_values(data)
        if self.parts:
            local = zone(self.timezone).to_local(instants).view("M8[us]")
            return _parts(column, np.stack([PARTS[part](local) for part in self.parts], axis=1))
        offsets, texts = zone(self.timezone).format(instants)
        buffers = [bitmap(column.valid), pa.py_buffer(offsets), pa.py_buffer(texts)]
        return Column(column.field, pa.Array.from_buffers(pa.large_string(), len(data), buffers))


UTC_TEXT: Final = TimeFormat()


def parse_time_fields(text: str) -> tuple[str, ...]:
    """Return the parts that ``time_fields`` names, separated by commas or blanks; InvalidParameter for others."""
    parts = tuple(part.lower() for part in re.split(r"[,\s]+", text) if part)
    if len(parts) > MAX_TIME_FIELDS:
        raise InvalidParameter(f"time_fields names {len(parts)} parts, at most {MAX_TIME_FIELDS} are returned")
    for part in parts:
        if part not in PARTS:
            raise InvalidParameter(
                f"unsupported field for extraction: {part}, fields should be seprated by ',' or ' ', "
                f"expected some of {', '.join(PARTS)}"
            )
    return parts


def _parts(column: Column, values: NDArray[np.int64]) -> Column:
    """Return a list of parts for each row; values are int64 [rows, parts]."""
    rows, width = values.shape
    field: Field = replace(
        column.field, type=DataType.ARRAY, element_type=DataType.INT64, max_capacity=width, default=None
    )
    kept = values if column.valid is None else values[column.valid]
    lengths = np.full(rows, width) if column.valid is None else column.valid * width
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    elements = pa.array(np.ascontiguousarray(kept).reshape(-1))
    buffers = [bitmap(column.valid), pa.py_buffer(offsets)]
    return Column(field, pa.Array.from_buffers(pa.large_list(pa.int64()), rows, buffers, children=[elements]))


def _within(unit: str, whole: str) -> Callable[[Local], NDArray[np.int64]]:
    """Return what counts a unit from the start of a larger one."""

    def count(local: Local) -> NDArray[np.int64]:
        start: Any = local.astype(f"M8[{whole}]")
        counted: NDArray[np.int64] = (local.astype(f"M8[{unit}]") - start.astype(f"M8[{unit}]")).astype(np.int64)
        return counted

    return count


PARTS: Mapping[str, Callable[[Local], NDArray[np.int64]]] = {
    "year": lambda local: local.astype("M8[Y]").astype(np.int64) + 1970,
    "month": lambda local: _within("M", "Y")(local) + 1,
    "day": lambda local: _within("D", "M")(local) + 1,
    "hour": _within("h", "D"),
    "minute": _within("m", "h"),
    "second": _within("s", "m"),
    "microsecond": _within("us", "s"),
}
"""The parts of a local time that a reply can hold, int64 each."""
