"""Candidates in groups: which group each is of, and the stage that puts groups in order and cuts a page of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType
from elanus.query.candidates import Candidates
from elanus.query.grouping.key import NO_GROUP, FieldPart, GroupKey, bind_key
from elanus.query.grouping.spec import GroupBy
from elanus.query.places import inverse, on_page, places_among

Ints = NDArray[np.int64]


class GroupScorer(StrEnum):
    """How the scores of a group's hits say where it stands among the groups."""

    MAX = "max"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups of hits, numbered by query, then by their first hit.

    of      int64 [n], the group of each hit
    places  int64 [n], the place of each hit within its group, from 0 on
    query   int64 [groups], which query a group belongs to, ascending
    number  int64 [groups], the place of a group within its query, from 0 on
    first   int64 [groups], its first hit
    counts  int64 [groups], its hits
    """

    of: Ints
    places: Ints
    query: Ints
    number: Ints
    first: Ints
    counts: Ints

    @classmethod
    def of_hits(cls, query: Ints, codes: Ints) -> Groups:
        """Return the groups of hits, [n] each, which come query by query and best first; no code is negative."""
        width = int(codes.max(initial=0)) + 1
        _, first, known_as = np.unique(query * width + codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        of, first = inverse(order)[known_as], first[order].astype(np.int64, copy=False)
        counts = np.bincount(of, minlength=len(first)).astype(np.int64, copy=False)
        places = inverse(np.argsort(of, kind="stable")) - (np.cumsum(counts) - counts)[of]
        queries = query[first]
        return cls(of, places, queries, places_among(queries), first, counts)

    def scores(self, scorer: GroupScorer, scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return each group's score, float64 [groups].

        scores  float64 [n], of hits, larger is better
        kept    bool [n], the hits that count; the first one of each group does
        """
        if scorer is GroupScorer.MAX:
            return scores[self.first]
        own, count = self.of[kept], len(self.first)
        sums: NDArray[np.float64] = np.bincount(own, scores[kept], count).astype(np.float64, copy=False)
        return sums / np.bincount(own, minlength=count) if scorer is GroupScorer.AVG else sums

    def best_first(self, scores: NDArray[np.float64]) -> Ints:
        """Return the groups in order, query by query; equal ones stand as their first hits do.

        scores  float64 [groups], larger is better
        """
        order: Ints = np.lexsort((self.number, -scores, self.query))
        return order

    def page(self, order: Ints, offset: int, limit: int, kept: NDArray[np.bool_] | None = None) -> Ints:
        """Return the hits of a page of each query's groups: group by group, those of a group as they come.

        order  the groups in order, query by query
        kept   bool [n], the hits that count, None for all
        """
        stands = inverse(order)
        inside = on_page(stands - np.searchsorted(self.query, self.query), offset, limit)[self.of]
        hits = np.flatnonzero(inside if kept is None else inside & kept)
        return hits[np.argsort(stands[self.of[hits]], kind="stable")]


@dataclass(frozen=True, slots=True)
class Grouped:
    """The stage that makes groups: the hits of a group stand together, the best group first.

    key            what hits are grouped by; hits in no group are dropped
    size           most hits of a group, its best ones
    offset, limit  the page, in groups
    scorer         how a group is scored from those hits; equal groups stand as their best hits do
    """

    key: GroupKey
    size: int
    offset: int
    limit: int
    scorer: GroupScorer = GroupScorer.MAX

    def apply(self, candidates: Candidates) -> Candidates:
        """Return a page of groups; candidates come best first in each query."""
        codes = self.key.codes_of(candidates.segments, candidates.parts, candidates.rows)
        chosen = np.flatnonzero(codes != NO_GROUP)
        groups = Groups.of_hits(candidates.query[chosen], codes[chosen])
        kept = groups.places < self.size
        order = self._order(groups, kept, candidates.distances[chosen])
        return candidates.take(chosen[groups.page(order, self.offset, self.limit, kept)])

    def _order(self, groups: Groups, kept: NDArray[np.bool_], distances: NDArray[np.float32]) -> Ints:
        """Return the groups in order, query by query."""
        if self.scorer is GroupScorer.MAX:
            return np.arange(len(groups.first))
        return groups.best_first(groups.scores(self.scorer, -distances.astype(np.float64), kept))


# --- planning ---


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a search's hits are grouped by, and how far it looks for them.

    size    most hits of a group
    strict  look on until every group has ``size`` hits or all that there are
    """

    key: GroupKey
    size: int
    strict: bool

    @classmethod
    def of(cls, schema: Schema, field: Field, asked: GroupBy, params: Mapping[str, Any]) -> Grouping:
        """Bind what a search of a vector field asks for.

        params  the search's parameters
        raises  FieldNotFound, or InvalidParameter for what cannot be grouped
        """
        if "radius" in params:
            raise InvalidParameter("Not allowed to do range-search when doing search-group-by")
        if field.type is DataType.BINARY_VECTOR:
            raise InvalidParameter("not support search_group_by operation based on binary vector column")
        key = bind_key(schema, asked)
        if field.struct and key != GroupKey((FieldPart(schema.primary),)):
            raise InvalidParameter("only group by primary key is supported for element-level search")
        return cls(key, asked.size, asked.strict)

    def stage(self, offset: int, limit: int) -> Grouped:
        """Return the stage that cuts a page of the groups."""
        return Grouped(self.key, self.size, offset, limit)
