"""Fusion: the hits of several routes become one list, each row once a query, under one score.

A route is a search of its own. All routes see one snapshot, so a row is known by its segment and its place there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elanus.functions.rerank import RerankModel, model_scores
from elanus.model.schema import Field
from elanus.query.candidates import Candidates, concatenated
from elanus.query.order import order_hits
from elanus.query.places import on_page
from elanus.query.ranking.decay import Decay, decay_factors
from elanus.query.ranking.normalize import Norm, Scores

Places = NDArray[np.int64]


class ScoreMode(StrEnum):
    """What becomes of a row's scores on several routes."""

    MAX = "max"
    SUM = "sum"
    AVG = "avg"


class Fusion(Protocol):
    """A way to score rows by what routes say of them."""

    def fuse(self, routes: Sequence[Candidates]) -> Candidates:
        """Return each row once a query under its new score, in no order.

        routes  at least one, of equally many queries; each has its hits in its order
        """


@dataclass(frozen=True, slots=True)
class ReciprocalRanks:
    """The sum of ``1 / (k + rank)`` over the routes that found the row; ranks count from 1."""

    k: float

    def fuse(self, routes: Sequence[Candidates]) -> Candidates:
        """See ``Fusion``."""
        rows, place = unite(routes)
        ranks = np.concatenate([route.places for route in routes]) + 1.0
        return rows.scored(_sums(place, 1.0 / (self.k + ranks), len(rows)))


@dataclass(frozen=True, slots=True)
class WeightedScores:
    """The sum of weighted scores over the routes that found the row.

    weights     of each route
    norms       what is made of each route's scores before
    descending  whether larger sums are better
    """

    weights: tuple[float, ...]
    norms: tuple[Norm, ...]
    descending: bool

    def fuse(self, routes: Sequence[Candidates]) -> Candidates:
        """See ``Fusion``."""
        rows, place = unite(routes)
        weights = np.repeat(self.weights, [len(route) for route in routes])
        sums = _sums(place, weights * _normalized(routes, self.norms), len(rows))
        return rows.scored(sums, descending=self.descending)


@dataclass(frozen=True, slots=True)
class MergedScores:
    """The largest score, the sum or the mean over the routes that found the row; what other scorers start from.

    norms  what is made of each route's scores before: similarities, larger is better
    """

    mode: ScoreMode
    norms: tuple[Norm, ...]

    def fuse(self, routes: Sequence[Candidates]) -> Candidates:
        """See ``Fusion``."""
        rows, place = unite(routes)
        scores = _normalized(routes, self.norms)
        if self.mode is ScoreMode.MAX:
            merged = np.full(len(rows), -np.inf)
            np.maximum.at(merged, place, scores)
            return rows.scored(merged)
        merged = _sums(place, scores, len(rows))
        return rows.scored(merged / np.bincount(place) if self.mode is ScoreMode.AVG else merged)


def _sums(place: Places, values: Scores, count: int) -> Scores:
    """Return for each of ``count`` rows the sum of its hits' values."""
    sums: Scores = np.bincount(place, values, count).astype(np.float64, copy=False)
    return sums


def _normalized(routes: Sequence[Candidates], norms: Sequence[Norm]) -> Scores:
    """Return the scores of all routes' hits, end to end."""
    pieces = [norm(route.scores.astype(np.float64)) for route, norm in zip(routes, norms, strict=True)]
    return np.concatenate(pieces)


# --- each row once ---


def unite(routes: Sequence[Candidates]) -> tuple[Candidates, Places]:
    """Return each query's rows that any route found, and where among them each hit of the routes is.

    routes   all of rows, or all of elements; then an element is what stands once
    returns  the hit of the first route that has the row, a query's by segment and row; int64 [hits of all routes]
    cost     a sort of all hits
    """
    if len(routes) == 1:
        return routes[0], np.arange(len(routes[0]))
    every = concatenated(routes)
    query = np.concatenate([route.query for route in routes])
    first, place = _distinct(_identities(every, query))
    nq = routes[0].nq
    union = replace(every, counts=np.array([len(every)])).take(first)
    if nq > 1:
        counts = np.bincount(query[first], minlength=nq).astype(np.int64, copy=False)
        union = replace(union, counts=counts)
    return union, place


def _distinct(numbers: NDArray[np.int64]) -> tuple[Places, Places]:
    """Return where each distinct number stands first, those ascending, and which of them each number is."""
    order = numbers.argsort(kind="stable")
    ascending = numbers[order]
    begins = np.ones(len(numbers), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    place = np.empty(len(numbers), dtype=np.int64)
    place[order] = begins.cumsum() - 1
    return order[begins], place


def _identities(hits: Candidates, query: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each hit, int64, equal where query, row and element are; ascending by query.

    Even 16,384 queries over 2^35 rows of 4,096 elements stay below 2^63.
    """
    starts = np.array([0, *accumulate(segment.num_rows for segment in hits.segments)], dtype=np.int64)
    numbers: NDArray[np.int64] = query * starts[-1] + starts[hits.parts] + hits.rows
    if hits.elements is None or not len(hits):
        return numbers
    return numbers * (int(hits.elements.max()) + 1) + hits.elements


# --- stages around a fusion ---


@dataclass(frozen=True, slots=True)
class Fused:
    """The stage that scores the hits of a single route as a fusion does."""

    fusion: Fusion

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the hits under their new score, in no order."""
        return self.fusion.fuse((candidates,))


@dataclass(frozen=True, slots=True)
class Decayed:
    """The stage that lessens scores by how far a field's value lies from where it is best."""

    field: Field
    decay: Decay

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the hits under their new score, in no order."""
        column = candidates.column(self.field)
        factors = decay_factors(column.numbers().astype(np.float64), column.valid, self.decay)
        return candidates.scored(candidates.scores * factors)


@dataclass(frozen=True, slots=True)
class Judged:
    """The stage that scores rows by what a model says of their texts.

    field    VARCHAR; a null counts as an empty text
    queries  what the texts should answer, one a query of the search
    """

    field: Field
    model: RerankModel
    queries: tuple[str, ...]

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the hits under their new score, in no order; raises as ``model_scores`` does."""
        texts = candidates.column(self.field).data
        return candidates.scored(model_scores(self.model, self.queries, texts, candidates.counts))


@dataclass(frozen=True, slots=True)
class BestFirst:
    """The stage that orders each query's hits by score, equal ones by primary key.

    tolerance  distances less than this apart are equal. Scores made of ranks may lie nearer to each other than measured
               distances that count as equal
    """

    tolerance: float = 0.0

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the hits in order."""
        return candidates.ordered(tolerance=self.tolerance)


@dataclass(frozen=True, slots=True)
class BestPage:
    """``BestFirst`` and ``Page`` in one step."""

    offset: int
    limit: int

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the page of each query, in order."""
        order = order_hits(candidates.query, candidates.distances, candidates.keys, candidates.elements, tolerance=0.0)
        if candidates.nq == 1:
            return candidates.take(order[self.offset : self.offset + self.limit])
        return candidates.take(order[on_page(candidates.places, self.offset, self.limit)])
