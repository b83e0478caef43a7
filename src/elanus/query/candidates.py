"""Candidates: what a search has found so far, as columns. Every later step of a search takes and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, arrow_type, take
from elanus.model.schema import Field
from elanus.query.fetch import fetch
from elanus.query.order import TOLERANCE, order_hits
from elanus.query.places import on_page, places_in
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The hits of all queries, concatenated; those of a query stand together, in their order.

    segments    where rows lie
    counts      int64 [nq], hits of each query
    parts       int64 [n], position of the hit's segment in ``segments``
    rows        int64 [n], row within that segment
    keys        primary keys, int64 or large_string [n]
    distances   float32 [n], smaller is better: what hits are ordered by
    descending  whether users see ``-distances``, of which larger is better
    elements    int64 [n], which element of its row the hit is; None where hits are rows
    """

    segments: Sequence[SegmentReader]
    counts: NDArray[np.int64]
    parts: NDArray[np.int64]
    rows: NDArray[np.int64]
    keys: pa.Array
    distances: NDArray[np.float32]
    descending: bool
    elements: NDArray[np.int64] | None = None

    @classmethod
    def none(cls, nq: int, primary: Field, *, descending: bool) -> Candidates:
        """Return no hit for any of ``nq`` queries."""
        nothing = np.zeros(0, dtype=np.int64)
        keys = pa.array([], type=arrow_type(primary))
        no_distances = np.zeros(0, dtype=np.float32)
        return cls((), np.zeros(nq, dtype=np.int64), nothing, nothing, keys, no_distances, descending)

    @property
    def nq(self) -> int:
        """How many queries were asked."""
        return len(self.counts)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def query(self) -> NDArray[np.int64]:
        """Which query each hit belongs to, int64 [n], ascending."""
        return np.zeros(len(self), dtype=np.int64) if self.nq == 1 else np.repeat(np.arange(self.nq), self.counts)

    @property
    def places(self) -> NDArray[np.int64]:
        """The place of each hit within its query, int64 [n], from 0 on."""
        return places_in(self.counts)

    @property
    def scores(self) -> NDArray[np.float32]:
        """What users see, float32 [n]: similarities, larger is better, or distances, smaller is better."""
        # Subtracting from zero keeps a similarity of zero from becoming minus zero.
        return np.float32(0) - self.distances if self.descending else self.distances

    def scored(self, scores: NDArray[np.floating], *, descending: bool = True) -> Candidates:
        """Return the hits under other scores as users see them, [n], in their present order. See ``ordered``."""
        seen = scores.astype(np.float32, copy=False)
        return replace(self, distances=np.float32(0) - seen if descending else seen, descending=descending)

    def ordered(self, *, tolerance: float | np.float32 = TOLERANCE) -> Candidates:
        """Return each query's hits by distance, those less than ``tolerance`` apart by primary key."""
        return self.take(order_hits(self.query, self.distances, self.keys, self.elements, tolerance=tolerance))

    def take(self, chosen: NDArray[np.int64]) -> Candidates:
        """Return the hits at some positions, in that order; those of a query must stand together, queries ascending."""
        return replace(
            self,
            counts=self._counts_of(chosen),
            parts=self.parts[chosen],
            rows=self.rows[chosen],
            keys=take(self.keys, chosen),
            distances=self.distances[chosen],
            elements=None if self.elements is None else self.elements[chosen],
        )

    def _counts_of(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.nq == 1:
            return np.array([len(chosen)])
        return np.bincount(self.query[chosen], minlength=self.nq).astype(np.int64, copy=False)

    def page(self, offset: int, limit: int) -> Candidates:
        """Return the hits at places ``offset .. offset + limit`` of each query."""
        return self.take(np.flatnonzero(on_page(self.places, offset, limit)))

    def column(self, field: Field) -> Column:
        """Return a field's value of each hit; reads it from the segments each time."""
        return fetch(self.segments, self.parts, self.rows, [field])[field.id]


def concatenated(parts: Sequence[Candidates]) -> Candidates:
    """Return the hits of all queries, those of each part after those of the one before."""
    if len(parts) == 1:
        return parts[0]
    segments = {segment.id: segment for part in parts for segment in part.segments}
    place = {number: at for at, number in enumerate(segments)}
    numbers = [np.array([place[segment.id] for segment in part.segments], dtype=np.int64) for part in parts]
    elements = [part.elements for part in parts if part.elements is not None]
    return Candidates(
        tuple(segments.values()),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([number[part.parts] for number, part in zip(numbers, parts, strict=True)]),
        np.concatenate([part.rows for part in parts]),
        pa.concat_arrays([part.keys for part in parts]),
        np.concatenate([part.distances for part in parts]),
        parts[0].descending,
        np.concatenate(elements) if elements else None,
    )


def of_one_query(pieces: Sequence[Candidates]) -> Candidates:
    """Return hits of the same query as one list, those of each piece after those of the one before."""
    return replace(concatenated(pieces), counts=np.array([sum(map(len, pieces))]))


class Stage(Protocol):
    """A step after the search itself: it scores, orders, groups or drops candidates."""

    def apply(self, candidates: Candidates) -> Candidates:
        """Return what becomes of the candidates."""


@dataclass(frozen=True, slots=True)
class Page:
    """The stage that cuts the page which was asked for."""

    offset: int
    limit: int

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the page of each query."""
        return candidates.page(self.offset, self.limit)
