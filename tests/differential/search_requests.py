"""Requests to a drawn collection: each asks through pymilvus, and compares with the rows that the model holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st
from pymilvus import Function, FunctionType, MilvusClient
from search_rows import FILTERS, KINDS, Hit, Key, Matrix, Model, Row, best_first, grouped

EXACT = {"ef": 1000}
"""More than there are rows, so that graphs find all of them."""
MANY = 500
CLOSE = 2e-7
"""As near to each other cosines may lie that float32 can't tell apart."""
PARTITIONS = ("_default", "p1", "p2")


@dataclass(frozen=True)
class Asker:
    """A client, the collection it asks and what that should hold."""

    client: MilvusClient
    name: str
    model: Model

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the vector fields."""
        return self.model.shape.kinds

    @property
    def partitions(self) -> tuple[str, ...]:
        """Names of the partitions."""
        return PARTITIONS[: self.model.shape.partitions + 1]

    def field(self, number: int) -> str:
        """Return one of the vector fields."""
        return self.kinds[number % len(self.kinds)]

    def search(self, field: str, queries: Sequence[Matrix], **options: Any) -> list[list[Any]]:
        """Search by vectors."""
        params = options.pop("params", {})
        data = [KINDS[field].send(query) for query in queries]
        given = {"search_params": {"params": EXACT | params}} | options
        return list(self.client.search(self.name, data=data, anns_field=field, **given))


class Request(Protocol):
    """Something that is asked."""

    def check(self, asker: Asker) -> None:
        """Ask; raise unless the answer is what the model says."""


def queries_of(asker: Asker, field: str, seed: int, count: int) -> list[Matrix]:
    """Return vectors: some that rows have, some new ones."""
    random = np.random.default_rng(seed)
    held = [row[f"@{field}"] for row in asker.model.rows.values() if row[f"@{field}"] is not None]
    return [
        held[int(random.integers(len(held)))] if held and random.random() < 0.5 else KINDS[field].draw(random)
        for _ in range(count)
    ]


def assert_hits(found: Sequence[Any], expected: Sequence[Hit], decimals: int = -1) -> None:
    """Compare keys, and scores up to the rounding of float32 and of ``decimals``.

    Equal scores are in the order of their keys; scores that only float32 makes equal may be in either order.
    """
    assert len(found) == len(expected)
    keys, scores = [hit["id"] for hit in found], dict(expected)
    for place, (key, score) in enumerate(expected):
        assert keys[place] == key or 0 < abs(scores[keys[place]] - score) <= CLOSE, (keys, expected)
    assert len(set(keys)) == len(keys)
    allowed = 2e-6 + (0.5 * 10**-decimals if decimals >= 0 else 0.0)
    for hit, (_, score) in zip(found, expected, strict=True):
        assert abs(hit["distance"] - score) <= allowed * max(1.0, abs(score))
        if decimals >= 0:
            assert abs(round(hit["distance"], decimals) - hit["distance"]) < 1e-6 * max(1.0, abs(score))


def assert_entities(found: Sequence[Any], asker: Asker, names: Sequence[str]) -> None:
    """Compare output fields with the rows."""
    for hit in found:
        assert_entity(hit["entity"], asker.model.rows[hit["id"]], names)


def assert_entity(entity: Any, row: Row, names: Sequence[str]) -> None:
    expected = {name: row[name] for name in names if name in row}
    assert {name: entity[name] for name in names if name in entity} == expected


FIELDS = st.integers(0, 2)
SEEDS = st.integers(0, 40)
LIMITS = st.sampled_from((1, 3, 10, MANY))
OFFSETS = st.sampled_from((0, 0, 0, 1, 4, 60))
WHERE = st.sampled_from(tuple(FILTERS))
OUTPUTS = st.sampled_from(((), ("n", "color"), ("shade", "flag"), ("ratio",)))


def chosen(asker: Asker, number: int) -> list[str]:
    """Return names of partitions, none for all."""
    return list(asker.partitions[number - 1 : number]) if number else []


@dataclass(frozen=True)
class Search:
    """A plain search, a page of it; perhaps of a range whose bounds are scores that rows have."""

    field: int
    seed: int
    nq: int
    limit: int
    offset: int
    where: str
    partition: int
    decimals: int
    outputs: tuple[str, ...]
    radius: int
    inner: int

    def check(self, asker: Asker) -> None:
        field = asker.field(self.field)
        queries, partitions = queries_of(asker, field, self.seed, self.nq), chosen(asker, self.partition)
        params, bounds = self._bounds(asker, field, queries[0], partitions)
        found = asker.search(
            field,
            queries,
            params=params,
            limit=self.limit,
            offset=self.offset,
            filter=self.where,
            partition_names=partitions,
            round_decimal=self.decimals,
            output_fields=list(self.outputs),
        )
        assert len(found) == self.nq
        for query, hits in zip(queries, found, strict=True):
            ranked = [hit for hit in asker.model.ranked(field, query, self.where, partitions) if _within(hit, bounds)]
            assert_hits(hits, ranked[self.offset : self.offset + self.limit], self.decimals)
            assert_entities(hits, asker, self.outputs)

    def _bounds(
        self, asker: Asker, field: str, query: Matrix, partitions: list[str]
    ) -> tuple[dict[str, float], tuple[float, float]]:
        """Return the parameters, and the lowest and highest scores that a hit may have."""
        scores = sorted({float(np.float32(score)) for _, score in asker.model.ranked(field, query, "", partitions)})
        metric = KINDS[field].metric
        if self.radius < 0 or metric in ("COSINE", "JACCARD") or len(scores) < 2:
            return {}, (-math.inf, math.inf)
        at = self.radius % (len(scores) - 1)
        outer, inner = (scores[at], scores[-1]) if KINDS[field].larger else (scores[at + 1], scores[0])
        if not self.inner:
            return {"radius": outer}, (_above(outer), math.inf) if KINDS[field].larger else (-math.inf, _below(outer))
        params = {"radius": outer, "range_filter": inner}
        return params, (_above(outer), inner) if KINDS[field].larger else (inner, _below(outer))


def _above(score: float) -> float:
    return math.nextafter(score, math.inf)


def _below(score: float) -> float:
    return math.nextafter(score, -math.inf)


def _within(hit: Hit, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= hit[1] <= bounds[1]


SEARCHES = st.builds(
    Search,
    field=FIELDS,
    seed=SEEDS,
    nq=st.sampled_from((1, 1, 2, 5)),
    limit=LIMITS,
    offset=OFFSETS,
    where=WHERE,
    partition=st.integers(0, 1),
    decimals=st.sampled_from((-1, -1, -1, 0, 2, 6)),
    outputs=OUTPUTS,
    radius=st.sampled_from((-1, -1, 0, 1, 3, 1000)),
    inner=st.integers(0, 1),
)


@dataclass(frozen=True)
class Repeated:
    """One search, asked often enough to take whatever shorter way there is."""

    search: Search

    def check(self, asker: Asker) -> None:
        for _ in range(4):
            self.search.check(asker)


@dataclass(frozen=True)
class ByKeys:
    """A search by primary keys; a row without a vector has no hits."""

    field: int
    seed: int
    count: int
    limit: int
    where: str

    def check(self, asker: Asker) -> None:
        field, rows = asker.field(self.field), asker.model.rows
        keys = sorted(rows, key=str)
        if not keys:
            return
        picked = np.random.default_rng(self.seed).permutation(len(keys))[: self.count]
        ids = [keys[place] for place in picked.tolist()]
        found = asker.client.search(
            asker.name, ids=ids, anns_field=field, limit=self.limit, filter=self.where, search_params={"params": EXACT}
        )
        assert len(found) == len(ids)
        for key, hits in zip(ids, found, strict=True):
            query = rows[key][f"@{field}"]
            ranked = [] if query is None else asker.model.ranked(field, query, self.where)
            assert_hits(hits, ranked[: self.limit])


BY_KEYS = st.builds(ByKeys, field=FIELDS, seed=SEEDS, count=st.integers(1, 3), limit=LIMITS, where=WHERE)


@dataclass(frozen=True)
class Grouped:
    """A grouping search."""

    field: int
    seed: int
    by: tuple[str, ...]
    size: int
    strict: bool
    limit: int
    offset: int
    where: str

    def check(self, asker: Asker) -> None:
        field = asker.field(self.field)
        if field in ("hamming", "jaccard"):
            return
        queries = queries_of(asker, field, self.seed, 2)
        named: dict[str, Any] = {"group_by_fields": list(self.by)}
        if len(self.by) == 1:
            named = {"group_by_field": self.by[0]}
        found = asker.search(
            field,
            queries,
            limit=self.limit,
            offset=self.offset,
            filter=self.where,
            group_size=self.size,
            strict_group_size=self.strict,
            output_fields=list(self.by),
            **named,
        )
        rows = asker.model.rows
        for query, hits in zip(queries, found, strict=True):
            ranked = asker.model.ranked(field, query, self.where)
            groups = grouped(ranked, lambda key: tuple(rows[key][name] for name in self.by))
            assert_groups(hits, groups[self.offset : self.offset + self.limit], self.size, strict=self.strict)
            assert_entities(hits, asker, self.by)


def assert_groups(hits: Sequence[Any], groups: Sequence[Sequence[Hit]], size: int, *, strict: bool) -> None:
    """Raise unless hits are the groups' best: ``size`` of each when strict, otherwise at least one."""
    at = 0
    for group in groups:
        wanted = dict(group[:size])
        count = 0
        while at + count < len(hits) and hits[at + count]["id"] in wanted:
            count += 1
        assert count == len(wanted) if strict else count, (group, [hit["id"] for hit in hits])
        assert_hits(hits[at : at + count], group[:count])
        at += count
    assert at == len(hits)


GROUPED = st.builds(
    Grouped,
    field=FIELDS,
    seed=SEEDS,
    by=st.sampled_from((("n",), ("color",), ("flag",), ("color", "flag"), ("n", "color"))),
    size=st.sampled_from((1, 2, 3, 10)),
    strict=st.booleans(),
    limit=st.sampled_from((1, 2, 5, 100)),
    offset=st.sampled_from((0, 0, 1, 3)),
    where=WHERE,
)


@dataclass(frozen=True)
class Ordered:
    """The best hits, ordered by fields; hits that are equal there stay in the order of their scores."""

    field: int
    seed: int
    limit: int
    where: str
    orders: tuple[tuple[str, str], ...]

    def check(self, asker: Asker) -> None:
        field, rows = asker.field(self.field), asker.model.rows
        query = queries_of(asker, field, self.seed, 1)
        orders = [{"field": name, "order": way} for name, way in self.orders]
        found = asker.search(field, query, limit=self.limit, filter=self.where, order_by_fields=orders)
        best = asker.model.ranked(field, query[0], self.where)[: self.limit]
        for name, way in reversed(self.orders):
            best = by_value(best, {key: rows[key][name] for key, _ in best}, descending=way == "desc")
        assert_hits(found[0], best)


def by_value(hits: list[Hit], values: dict[Key, Any], *, descending: bool) -> list[Hit]:
    """Return hits by their values, nulls last when ascending and first when descending; stable."""
    nulls = [hit for hit in hits if values[hit[0]] is None]
    others = [hit for hit in hits if values[hit[0]] is not None]
    others.sort(key=lambda hit: values[hit[0]], reverse=descending)
    return nulls + others if descending else others + nulls


ORDERS = st.lists(
    st.tuples(st.sampled_from(("n", "color", "flag", "ratio")), st.sampled_from(("asc", "desc"))),
    min_size=1,
    max_size=2,
    unique_by=lambda order: order[0],
).map(tuple)
ORDERED = st.builds(Ordered, field=FIELDS, seed=SEEDS, limit=LIMITS, where=WHERE, orders=ORDERS)


@dataclass(frozen=True)
class Boosted:
    """All hits under a new score where a filter holds."""

    field: int
    seed: int
    weight: float
    where: str
    favoured: str

    def check(self, asker: Asker) -> None:
        field, rows = asker.field(self.field), asker.model.rows
        query = queries_of(asker, field, self.seed, 1)
        params = {"reranker": "boost", "weight": self.weight} | ({"filter": self.favoured} if self.favoured else {})
        boost = Function("b", FunctionType.RERANK, [], params=params)
        found = asker.search(field, query, limit=MANY, filter=self.where, ranker=boost)
        scores = {
            key: score * self.weight if FILTERS[self.favoured](rows[key]) else score
            for key, score in asker.model.scores(field, query[0], self.where).items()
        }
        assert_hits(found[0], best_first(scores, larger=KINDS[field].larger))


BOOSTED = st.builds(
    Boosted, field=FIELDS, seed=SEEDS, weight=st.sampled_from((0.5, 2.0, -1.0)), where=WHERE, favoured=WHERE
)
