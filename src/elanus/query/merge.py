"""Many segments' hits become one list a query: nearest first, equal distances by primary key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import take
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.query.candidates import Candidates
from elanus.query.order import any_nearly_tied, any_tied, order_hits
from elanus.segment.base import SegmentReader


def merge(
    found: Sequence[tuple[SegmentReader, Hits]], nq: int, primary: Field, offset: int, limit: int, *, descending: bool
) -> Candidates:
    """Merge the hits of segments and cut the page ``offset .. offset + limit`` of each query.

    found       no primary key stands in two segments
    descending  whether users see negated distances
    """
    if not found:
        return Candidates.none(nq, primary, descending=descending)
    if len(found) == 1:
        alone = _page_of_one(*found[0], primary.id, offset, limit, descending=descending)
        if alone is not None:
            return alone
    segments = [segment for segment, _ in found]
    rows = np.concatenate([hits.rows for _, hits in found], axis=1)
    widths = [hits.rows.shape[1] for _, hits in found]
    parts = np.broadcast_to(np.repeat(np.arange(len(found)), widths), rows.shape)
    real = rows >= 0
    query = np.broadcast_to(np.arange(nq)[:, None], rows.shape)[real]
    flat_rows, flat_parts = rows[real], parts[real]
    distances = np.concatenate([hits.distances for _, hits in found], axis=1)[real]
    elements = _elements([hits for _, hits in found], real)
    keys = gather_keys(segments, flat_parts, flat_rows, primary.id)
    order = order_hits(query, distances, keys, elements)
    place = _places(query[order], nq)
    taken = order[(place >= offset) & (place < offset + limit)]
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


def _page_of_one(
    segment: SegmentReader, hits: Hits, primary: int, offset: int, limit: int, *, descending: bool
) -> Candidates | None:
    """Return the page of one segment's hits, which are in order already; None when equal distances need their keys."""
    single = hits.nq == 1
    if single:
        hits = _without_padding(hits)
    unsure = any_nearly_tied if segment.sorted_by_key else any_tied
    if hits.elements is not None or (hits.rows.shape[1] > 1 and unsure(hits)):
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


def _places(query: NDArray[np.int64], nq: int) -> NDArray[np.int64]:
    """Return, for hits sorted by query, the place of each within its query."""
    counts = np.bincount(query, minlength=nq)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    places: NDArray[np.int64] = np.arange(len(query)) - np.repeat(starts, counts)
    return places


def gather_keys(
    segments: Sequence[SegmentReader], parts: NDArray[np.int64], rows: NDArray[np.int64], primary: int
) -> pa.Array:
    """Return the primary keys of rows that lie in several segments, in order."""
    return gather([segment.column(primary).data for segment in segments], parts, rows)


def gather(arrays: Sequence[pa.Array], parts: NDArray[np.int64], rows: NDArray[np.int64]) -> pa.Array:
    """Return ``arrays[parts[i]][rows[i]]`` for each i."""
    if len(arrays) == 1:
        return arrays[0].take(pa.array(rows))
    order = np.argsort(parts, kind="stable")
    bounds = np.searchsorted(parts[order], np.arange(len(arrays) + 1))
    taken = [
        array.take(pa.array(rows[order[start:stop]]))
        for array, start, stop in zip(arrays, bounds[:-1], bounds[1:], strict=True)
    ]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(taken).take(pa.array(back))
