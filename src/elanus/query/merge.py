"""Many segments' hits become one list a query: nearest first, equal distances by primary key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.merging import Located, merge_hits
from elanus.model.columns import take
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.query.candidates import Candidates
from elanus.query.fetch import Spread
from elanus.query.order import TOLERANCE, any_nearly_tied, any_tied, order_hits
from elanus.query.places import on_page, places_in
from elanus.segment.base import SegmentReader

FEW_HITS: Final = 16_384
"""Of more hits numpy makes one pass after another, which other threads can use better than one that holds them up."""


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
    if len(found) == 1:
        alone = _page_of_one(*found[0], primary.id, offset, limit, descending=descending, nearly=tolerance > 0)
        if alone is not None:
            return alone
    segments = [segment for segment, _ in found]
    few = _few(found, primary.id, offset, limit) if tolerance == float(TOLERANCE) else None
    if few is not None:
        keys = gather_keys(segments, few.parts, few.rows, primary.id)
        return Candidates(segments, few.counts, few.parts, few.rows, keys, few.distances, descending)
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


def _few(found: Sequence[tuple[SegmentReader, Hits]], primary: int, offset: int, limit: int) -> Located | None:
    """Return the page of some thousand hits at most, natively; None of more, of elements, and of hits nearly tied."""
    if sum(hits.rows.size for _, hits in found) > FEW_HITS or any(hits.elements is not None for _, hits in found):
        return None
    return merge_hits([(hits, segment.column(primary).data) for segment, hits in found], offset, limit)


def _page_of_one(
    segment: SegmentReader, hits: Hits, primary: int, offset: int, limit: int, *, descending: bool, nearly: bool
) -> Candidates | None:
    """Return the page of one segment's hits, which are in order already; None when equal distances need their keys.

    nearly  whether nearly equal distances do, too
    """
    single = hits.nq == 1
    if single:
        hits = _without_padding(hits)
    if hits.elements is not None:
        return None
    if hits.rows.shape[1] > 1 and (nearly and any_nearly_tied(hits) if segment.sorted_by_key else any_tied(hits)):
        return None
    rows, distances = hits.rows[:, offset : offset + limit], hits.distances[:, offset : offset + limit]
    if single:
        counts, flat, flat_distances = np.array([rows.shape[1]]), rows[0], distances[0]
    else:
        real = rows >= 0
        counts, flat, flat_distances = real.sum(axis=1), rows[real], distances[real]
    keys = take(segment.column(primary).data, flat)
    return Candidates((segment,), counts, np.zeros(len(flat), dtype=np.int64), flat, keys, flat_distances, descending)


def _without_padding(hits: Hits) -> Hits:
    """Return the hits of a single query; the usual full list costs no pass over it."""
    if not hits.rows.shape[1] or hits.rows[0, -1] >= 0:
        return hits
    count = int(np.count_nonzero(hits.rows >= 0))
    elements = None if hits.elements is None else hits.elements[:, :count]
    return Hits(hits.rows[:, :count], hits.distances[:, :count], elements)


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
