"""Values of rows that lie in several segments: output columns are read of the winners only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, ColumnBatch, arrow_type, take
from elanus.model.schema import VERSION, Field
from elanus.query.places import inverse
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Rows that lie in several segments, segment by segment, and the way back to the order in which they were given.

    pieces  the segments that have any of them, and which rows of each
    back    int64 [n], the place of each row given among those of all pieces
    """

    pieces: tuple[tuple[SegmentReader, NDArray[np.int64]], ...]
    back: NDArray[np.int64]

    @classmethod
    def of(cls, segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64]) -> Spread:
        """Return rows, given as ``fetch`` takes them, by their segments."""
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(len(segments) + 1)).tolist()
        pieces = (
            (segment, rows[order[start:stop]])
            for segment, (start, stop) in zip(segments, pairwise(bounds), strict=True)
            if stop > start
        )
        return cls(tuple(pieces), inverse(order))


def fetch(
    segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64], fields: Sequence[Field]
) -> ColumnBatch:
    """Return fields of rows that lie in several segments, in the order given.

    parts, rows  int64 [n]: the position of the row's segment in ``segments``, and the row within it
    fields       ``VERSION`` among them stands for when each row was written
    """
    if not fields:
        return ColumnBatch({}, len(rows))
    if len(segments) == 1:
        return _fetch(segments[0], rows, fields)
    if not len(segments):
        return ColumnBatch({field.id: Column(field, pa.nulls(0, type=arrow_type(field))) for field in fields}, 0)
    spread = Spread.of(segments, parts, rows)
    pieces = [_fetch(segment, own, fields) for segment, own in spread.pieces]
    return ColumnBatch({field.id: _joined(field, pieces, spread.back) for field in fields}, len(rows))


def _fetch(segment: SegmentReader, rows: NDArray[np.int64], fields: Sequence[Field]) -> ColumnBatch:
    own = [field.id for field in fields if field.id != VERSION.id]
    if len(own) == len(fields):
        return segment.fetch(rows, own)
    versions = pa.array(segment.timestamps()[rows].astype(np.int64))
    return ColumnBatch({**segment.fetch(rows, own).columns, VERSION.id: Column(VERSION, versions)}, len(rows))


def _joined(field: Field, pieces: Sequence[ColumnBatch], back: NDArray[np.int64]) -> Column:
    if not pieces:
        return Column(field, pa.nulls(0, type=arrow_type(field)))
    return Column(field, take(pa.concat_arrays([piece[field.id].data for piece in pieces]), back))
