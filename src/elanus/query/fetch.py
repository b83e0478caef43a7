"""Late fields: read the output columns of the winners only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, ColumnBatch, arrow_type, take
from elanus.model.schema import Field
from elanus.segment.base import SegmentReader


def fetch(
    segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64], fields: Sequence[Field]
) -> ColumnBatch:
    """Return fields of rows that lie in several segments, in the order given.

    parts, rows  int64 [n]: the position of the row's segment in ``segments``, and the row within it
    """
    if not fields:
        return ColumnBatch({}, len(rows))
    ids = [field.id for field in fields]
    if len(segments) == 1:
        return segments[0].fetch(rows, ids)
    if not len(segments):
        return ColumnBatch({field.id: Column(field, pa.nulls(0, type=arrow_type(field))) for field in fields}, 0)
    order = np.argsort(parts, kind="stable").astype(np.int64, copy=False)
    bounds = np.searchsorted(parts[order], np.arange(len(segments) + 1))
    pieces = [
        segment.fetch(rows[order[start:stop]], ids)
        for segment, start, stop in zip(segments, bounds[:-1], bounds[1:], strict=True)
        if stop > start
    ]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return ColumnBatch({field.id: _joined(field, pieces, back) for field in fields}, len(rows))


def _joined(field: Field, pieces: Sequence[ColumnBatch], back: NDArray[np.int64]) -> Column:
    if not pieces:
        return Column(field, pa.nulls(0, type=arrow_type(field)))
    return Column(field, take(pa.concat_arrays([piece[field.id].data for piece in pieces]), back))
