"""More requests to a drawn collection: hybrid searches, iterators, queries; and any request at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pymilvus import AnnSearchRequest, RRFRanker, WeightedRanker
from search_requests import (
    BOOSTED,
    BY_KEYS,
    EXACT,
    FIELDS,
    GROUPED,
    LIMITS,
    OFFSETS,
    ORDERED,
    OUTPUTS,
    SEARCHES,
    SEEDS,
    WHERE,
    Asker,
    Repeated,
    assert_entity,
    assert_hits,
    chosen,
    queries_of,
)
from search_rows import KINDS, Hit, Key, Row, best_first


@dataclass(frozen=True)
class Hybrid:
    """Several routes, ranked together by reciprocal ranks, or by weights where there are some."""

    routes: tuple[tuple[int, int, str], ...]
    seed: int
    nq: int
    limit: int
    offset: int
    weights: tuple[float, ...]
    norm: bool

    def check(self, asker: Asker) -> None:
        routes = [(asker.field(number), limit, where) for number, limit, where in self.routes]
        asked = [
            (field, queries_of(asker, field, self.seed + place, self.nq), limit, where)
            for place, (field, limit, where) in enumerate(routes)
        ]
        requests = [
            AnnSearchRequest([KINDS[field].send(query) for query in queries], field, {"params": EXACT}, limit, where)
            for field, queries, limit, where in asked
        ]
        weights = self.weights[: len(routes)]
        ranker = WeightedRanker(*weights, norm_score=self.norm) if weights else RRFRanker(60)
        found = asker.client.hybrid_search(asker.name, requests, ranker, limit=self.limit, offset=self.offset)
        assert len(found) == self.nq
        for number, hits in enumerate(found):
            parts = [
                (field, asker.model.ranked(field, queries[number], where)[:limit])
                for field, queries, limit, where in asked
            ]
            ranked = weighted(parts, weights, norm=self.norm) if weights else reciprocal(parts)
            assert_hits(hits, ranked[self.offset : self.offset + self.limit])


Parts = Sequence[tuple[str, Sequence[Hit]]]


def reciprocal(parts: Parts) -> list[Hit]:
    """Return the hits of all routes by the sums of ``1 / (60 + rank)``."""
    scores: dict[Key, float] = {}
    for _, hits in parts:
        for rank, (key, _) in enumerate(hits, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (60 + rank)
    return best_first(scores, larger=True)


def weighted(parts: Parts, weights: Sequence[float], *, norm: bool) -> list[Hit]:
    """Return the hits of all routes by their weighted scores."""
    mixed = len({KINDS[field].larger for field, _ in parts}) > 1
    scores: dict[Key, float] = {}
    for (field, hits), weight in zip(parts, weights, strict=True):
        for key, exact in hits:
            score = float(np.float32(exact))  # as routes return it
            made = _normal(field, score) if norm else _turned(field, score) if mixed else score
            scores[key] = scores.get(key, 0.0) + weight * made
    return best_first(scores, larger=norm or mixed or KINDS[parts[0][0]].larger)


def _turned(field: str, score: float) -> float:
    return score if KINDS[field].larger else 1 - 2 * math.atan(score) / math.pi


def _normal(field: str, score: float) -> float:
    if KINDS[field].metric == "COSINE":
        return (1 + score) / 2
    return 0.5 + math.atan(score) / math.pi if KINDS[field].larger else _turned(field, score)


HYBRID = st.builds(
    Hybrid,
    routes=st.lists(st.tuples(FIELDS, LIMITS, WHERE), min_size=1, max_size=3).map(tuple),
    seed=SEEDS,
    nq=st.sampled_from((1, 1, 3)),
    limit=LIMITS,
    offset=st.sampled_from((0, 0, 2)),
    weights=st.sampled_from(((), (0.5, 0.25, 1.0), (1.0, 0.0, 0.5))),
    norm=st.booleans(),
)


@dataclass(frozen=True)
class Iterated:
    """A search iterator, or a query iterator: its pages one after the other are all there is."""

    field: int
    seed: int
    batch: int
    where: str
    most: int

    def check(self, asker: Asker) -> None:
        field = asker.field(self.field)
        query = queries_of(asker, field, self.seed, 1)[0]
        pages = asker.client.search_iterator(
            asker.name,
            data=[KINDS[field].send(query)],
            anns_field=field,
            batch_size=self.batch,
            limit=self.most,
            filter=self.where,
            search_params={"params": EXACT},
        )
        hits: list[Any] = []
        while page := pages.next():
            assert len(page) <= self.batch
            hits += list(page)
        pages.close()
        ranked = asker.model.ranked(field, query, self.where)
        assert_hits(hits, ranked[: self.most] if self.most >= 0 else ranked)


@dataclass(frozen=True)
class Queried:
    """A query, a page of it, its count, all of it by an iterator, its first rows by key."""

    where: str
    limit: int
    offset: int
    partition: int
    outputs: tuple[str, ...]
    batch: int

    def check(self, asker: Asker) -> None:
        client, name, partitions = asker.client, asker.name, chosen(asker, self.partition)
        rows = asker.model.passing(self.where, partitions)
        given: dict[str, Any] = {"partition_names": partitions, "output_fields": ["id", *self.outputs]}
        page = client.query(name, self.where, limit=self.limit, offset=self.offset, **given)
        self._compare(page, rows[self.offset : self.offset + self.limit])
        if self.where:
            self._compare(client.query(name, self.where, **given), rows)
        counted = client.query(name, self.where, output_fields=["count(*)"], partition_names=partitions)
        assert counted == [{"count(*)": len(rows)}]
        pages = client.query_iterator(name, self.batch, filter=self.where, **given)
        found: list[Any] = []
        while page := pages.next():
            found += page
        pages.close()
        self._compare(found, rows)
        keys = [row["id"] for row in rows[:5]]
        if keys:
            self._compare(client.get(name, keys[::-1], output_fields=["id", *self.outputs]), rows[:5])

    def _compare(self, found: Sequence[Any], rows: Sequence[Row]) -> None:
        assert [row["id"] for row in found] == [row["id"] for row in rows]
        for one, row in zip(found, rows, strict=True):
            assert_entity(one, row, self.outputs)


ITERATED = st.builds(
    Iterated,
    field=FIELDS,
    seed=SEEDS,
    batch=st.sampled_from((1, 3, 7, 100)),
    where=WHERE,
    most=st.sampled_from((-1, -1, 1, 10)),
)
QUERIED = st.builds(
    Queried,
    where=WHERE,
    limit=LIMITS,
    offset=OFFSETS,
    partition=st.integers(0, 1),
    outputs=OUTPUTS,
    batch=st.sampled_from((3, 20, 100)),
)
REQUESTS = st.one_of(
    SEARCHES,
    SEARCHES.map(Repeated),
    BY_KEYS,
    GROUPED,
    ORDERED,
    BOOSTED,
    HYBRID,
    ITERATED,
    QUERIED,
)
