"""How large an answer may be: what can't fit is refused as soon as that is certain, at best before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import ColumnBatch, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.limits import RESULT_BYTES
from elanus.model.schema import Field
from elanus.query.fetch import fetch
from elanus.segment.base import SegmentReader

HIT_BYTES: Final = 12
"""A hit is a key and a score."""
MOST_CANDIDATES: Final = 2**25
"""Hits that all routes of a hybrid search may bring: as many as 1,024 routes do for two queries; they take 1.5 GB."""
SEARCH: Final = "search"
QUERY: Final = "query"


def check_hits(count: int) -> None:
    """Raise InvalidParameter where so many hits are more than an answer may hold."""
    _check(SEARCH, count * HIT_BYTES)


def check_candidates(count: int) -> None:
    """Raise InvalidParameter where the routes of a hybrid search bring more hits than can be ranked together."""
    if count > MOST_CANDIDATES:
        raise InvalidParameter(
            f"{SEARCH} results exceed the maxOutputSize Limit {RESULT_BYTES}, "
            f"got {count} hits of all routes, at most {MOST_CANDIDATES} are ranked together"
        )


def fetch_within(
    kind: str,
    segments: Sequence[SegmentReader],
    parts: NDArray[np.int64],
    rows: NDArray[np.int64],
    fields: Sequence[Field],
) -> ColumnBatch:
    """Return what ``fetch`` does.

    kind    ``SEARCH``, where a key and a score come with each row, or ``QUERY``
    raises  InvalidParameter where that is more than an answer may hold, at best before the fields are read
    """
    _check(kind, len(rows) * sum(_least_bytes(field) for field in fields))
    batch = fetch(segments, parts, rows, fields)
    _check(kind, batch.num_bytes + (len(rows) * HIT_BYTES if kind == SEARCH else 0))
    return batch


def _check(kind: str, nbytes: int) -> None:
    if nbytes > RESULT_BYTES:
        raise InvalidParameter(f"{kind} results exceed the maxOutputSize Limit {RESULT_BYTES}, got {nbytes}")


def _least_bytes(field: Field) -> int:
    """Return the bytes that any value takes; none where a value may be null, or short."""
    if field.nullable:
        return 0
    stored, count = arrow_type(field), 1
    if pa.types.is_fixed_size_list(stored):
        stored, count = stored.value_type, stored.list_size
    fixed = pa.types.is_primitive(stored) or pa.types.is_fixed_size_binary(stored)
    return count * stored.bit_width // 8 if fixed else 0
