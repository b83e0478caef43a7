"""Many segments' hits become one list a query: nearest first, equal distances by primary key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.model.columns import arrow_type, take
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True)
class Merged:
    """The hits of all queries, concatenated.

    counts     int64 [nq]
    parts      int64 [sum(counts)], position of the hit's segment
    rows       int64 [sum(counts)], row within that segment
    keys       primary keys, int64 or large_string [sum(counts)]
    distances  float32 [sum(counts)]
    """

    counts: NDArray[np.int64]
    parts: NDArray[np.int64]
    rows: NDArray[np.int64]
    keys: pa.Array
    distances: NDArray[np.float32]


def merge(found: Sequence[tuple[SegmentReader, Hits]], nq: int, primary: Field, offset: int, limit: int) -> Merged:
    """Merge the hits of segments and cut the page ``offset .. offset + limit`` of each query."""
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        no_keys = pa.array([], type=arrow_type(primary))
        return Merged(np.zeros(nq, dtype=np.int64), nothing, nothing, no_keys, np.zeros(0, dtype=np.float32))
    if len(found) == 1:
        alone = _page_of_one(*found[0], primary.id, offset, limit)
        if alone is not None:
            return alone
    rows = np.concatenate([hits.rows for _, hits in found], axis=1)
    distances = np.concatenate([hits.distances for _, hits in found], axis=1)
    widths = [hits.rows.shape[1] for _, hits in found]
    parts = np.broadcast_to(np.repeat(np.arange(len(found)), widths), rows.shape)
    real = rows >= 0
    query = np.broadcast_to(np.arange(nq)[:, None], rows.shape)[real]
    flat_rows, flat_parts, flat_distances = rows[real], parts[real], distances[real]
    keys = gather_keys([segment for segment, _ in found], flat_parts, flat_rows, primary.id)
    order = _order(query, flat_distances, keys)
    place = _places(query, nq)
    taken = order[(place >= offset) & (place < offset + limit)]
    counts = np.bincount(query[taken], minlength=nq).astype(np.int64, copy=False)
    return Merged(counts, flat_parts[taken], flat_rows[taken], keys.take(pa.array(taken)), flat_distances[taken])


def _page_of_one(segment: SegmentReader, hits: Hits, primary: int, offset: int, limit: int) -> Merged | None:
    """Return the page of one segment's hits, which are in order already; None when equal distances need their keys."""
    single = hits.nq == 1
    if single:
        hits = _without_padding(hits)
    if not segment.sorted_by_key and hits.rows.shape[1] > 1 and _any_tied(hits):
        return None
    rows, distances = hits.rows[:, offset : offset + limit], hits.distances[:, offset : offset + limit]
    if single:
        counts, flat, flat_distances = np.array([rows.shape[1]]), rows[0], distances[0]
    else:
        real = rows >= 0
        counts, flat, flat_distances = real.sum(axis=1), rows[real], distances[real]
    keys = take(segment.column(primary).data, flat)
    return Merged(counts, np.zeros(len(flat), dtype=np.int64), flat, keys, flat_distances)


def _without_padding(hits: Hits) -> Hits:
    """Return the hits of a single query; the usual full list costs no pass over it."""
    if not hits.rows.shape[1] or hits.rows[0, -1] >= 0:
        return hits
    count = int(np.count_nonzero(hits.rows >= 0))
    return Hits(hits.rows[:, :count], hits.distances[:, :count])


def _any_tied(hits: Hits) -> bool:
    equal = hits.distances[:, 1:] == hits.distances[:, :-1]
    return bool((equal & (hits.rows[:, 1:] >= 0)).any())


def _order(query: NDArray[np.int64], distances: NDArray[np.float32], keys: pa.Array) -> NDArray[np.int64]:
    """Return the hits by query, then distance, then key."""
    order: NDArray[np.int64] = np.lexsort((distances, query))
    sorted_distances, sorted_queries = distances[order], query[order]
    tied = (sorted_distances[1:] == sorted_distances[:-1]) & (sorted_queries[1:] == sorted_queries[:-1])
    if not tied.any():
        return order
    ranks = pc.rank(keys, tiebreaker="dense").to_numpy()
    by_key: NDArray[np.int64] = np.lexsort((ranks, distances, query))
    return by_key


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
