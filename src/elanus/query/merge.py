"""Many segments' hits become one list a query: nearest first, equal distances by primary key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.merging import Located, merge_hits
from elanus.model.columns import take
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.query.candidates import Candidates
from elanus.query.fetch import Spread
from elanus.query.order import TOLERANCE, order_hits
from elanus.query.places import on_page, places_in
from elanus.segment.base import SegmentReader


def merge(
    found: Sequence[tuple[SegmentReader, Hits]],
    nq: int,
    primary: Field,
    offset: int,
    limit: int,
    *,
    descending: bool,
    tolerance: float = float(TOLERANCE),
) -> Candidates:
    """Merge the hits of segments and cut the page ``offset .. offset + limit`` of each query.

    found       no primary key stands in two segments
    descending  whether users see negated distances
    tolerance   distances less than this apart are equal
    """
    if not found:
        return Candidates.none(nq, primary, descending=descending)
    segments = [segment for segment, _ in found]
    if all(hits.elements is None for _, hits in found):
        columns = [(hits, segment.column(primary.id).data) for segment, hits in found]
        located = merge_hits(columns, offset, limit, tolerance)
        if located is not None:
            return candidates_at(located, segments, primary, descending=descending)
    rows = np.concatenate([hits.rows for _, hits in found], axis=1)
    widths = [hits.rows.shape[1] for _, hits in found]
    parts = np.broadcast_to(np.repeat(np.arange(len(found)), widths), rows.shape)
    real = rows >= 0
    query = np.broadcast_to(np.arange(nq)[:, None], rows.shape)[real]
    flat_rows, flat_parts = rows[real], parts[real]
    distances = np.concatenate([hits.distances for _, hits in found], axis=1)[real]
    elements = _elements([hits for _, hits in found], real)
    keys = gather_keys(segments, flat_parts, flat_rows, primary.id)
    order = order_hits(query, distances, keys, elements, tolerance=tolerance)
    places = places_in(np.bincount(query, minlength=nq).astype(np.int64, copy=False))
    taken = order[on_page(places, offset, limit)]
    return Candidates(
        segments,
        np.bincount(query[taken], minlength=nq).astype(np.int64, copy=False),
        flat_parts[taken],
        flat_rows[taken],
        take(keys, taken),
        distances[taken],
        descending,
        None if elements is None else elements[taken],
    )


def candidates_at(
    located: Located, segments: Sequence[SegmentReader], primary: Field, *, descending: bool
) -> Candidates:
    """Return hits that lie in some segments, in their order."""
    keys = gather_keys(segments, located.parts, located.rows, primary.id)
    counts, parts, rows = located.counts, located.parts, located.rows
    return Candidates(segments, counts, parts, rows, keys, located.distances, descending)


def _elements(found: Sequence[Hits], real: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    of_each = [hits.elements for hits in found if hits.elements is not None]
    return np.concatenate(of_each, axis=1)[real] if of_each else None


def gather_keys(
    segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64], primary: int
) -> pa.Array:
    """Return the primary keys of rows that lie in several segments, at least one, in order."""
    if len(segments) == 1 or not len(rows):
        return take(segments[0].column(primary).data, rows)
    spread = Spread.of(segments, parts, rows)
    keys = pa.concat_arrays([take(segment.column(primary).data, own) for segment, own in spread.pieces])
    return take(keys, spread.back)
