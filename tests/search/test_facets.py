"""Search aggregation through stock pymilvus equals buckets made by brute force of the same candidates."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient, MilvusException
from pymilvus.client.search_aggregation import SearchAggregation, TopHits
from search_cases import make

from serving import LocalServer

DIM = 8
ROWS = 600
Row = dict[str, Any]


@dataclass
class Level:
    """A level of buckets, as the oracle takes it."""

    fields: Sequence[str]
    size: int
    metrics: dict[str, tuple[str, str]] = field(default_factory=dict)
    order: Sequence[tuple[str, str]] = ()
    top: int = 0
    sort: Sequence[tuple[str, str]] = ()

    def spec(self, inner: SearchAggregation | None) -> SearchAggregation:
        """Return what pymilvus sends."""
        return SearchAggregation(
            list(self.fields),
            self.size,
            {alias: {op: name} for alias, (op, name) in self.metrics.items()} or None,
            [{key: direction} for key, direction in self.order] or None,
            TopHits(self.top, [{name: direction} for name, direction in self.sort] or None) if self.top else None,
            inner,
        )


def spec_of(levels: Sequence[Level]) -> SearchAggregation:
    inner = None
    for level in reversed(levels):
        inner = level.spec(inner)
    assert inner is not None
    return inner


@dataclass
class Rows:
    """What a collection should hold, and the queries that are asked."""

    name: str
    rows: list[Row]
    queries: list[Any]

    def candidates(self, query: Any, levels: Sequence[Level], passes: Callable[[Row], bool]) -> list[Row]:
        """Return the rows that buckets are made of: the first groups by the fields of all levels."""
        rows = [row | {"_score": _distance(row["v"], query)} for row in self.rows if passes(row)]
        rows.sort(key=lambda row: (row["_score"], row["id"]))
        names = [name for level in levels for name in level.fields]
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(row[name] for name in names), []).append(row)
        size = max(1, *(level.top for level in levels))
        wanted = math.prod(level.size for level in levels)
        return [row for group in list(groups.values())[:wanted] for row in group[:size]]


def _distance(left: Any, right: Any) -> float:
    return float(((np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)) ** 2).sum())


def _figure(op: str, name: str, rows: list[Row]) -> Any:
    values = [row.get(name) for row in rows if name == "*" or row[name] is not None]
    if op == "count":
        return len(values)
    if not values:
        return None
    return {"sum": sum, "min": min, "max": max, "avg": lambda some: sum(some) / len(some)}[op](values)


def _ordered(items: list[Any], keys: Sequence[tuple[str, str]], value: Callable[[Any, str], Any]) -> list[Any]:
    """Return items by several keys, the last ones first; nulls last."""
    for key, direction in reversed(keys):
        known = [item for item in items if value(item, key) is not None]
        known.sort(key=lambda item, key=key: value(item, key), reverse=direction == "desc")
        items = known + [item for item in items if value(item, key) is None]
    return items


def buckets_of(rows: list[Row], levels: Sequence[Level]) -> list[Row]:
    """Return the buckets of rows, as dicts."""
    level, groups = levels[0], {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in level.fields), []).append(row)
    found = []
    for key, held in groups.items():
        figures = {alias: _figure(op, name, held) for alias, (op, name) in level.metrics.items()}
        best = sorted(held, key=lambda row: (row["_score"], row["id"]))
        top = _ordered(best, level.sort, _sort_value)[: level.top]
        inner = buckets_of(held, levels[1:]) if levels[1:] else []
        found.append({"key": key, "count": len(held), "figures": figures, "hits": top, "inner": inner})
    return _ordered(found, level.order, _bucket_value)[: level.size]


def _sort_value(row: Row, name: str) -> Any:
    return -row[name] if name == "_score" else row[name]


def _bucket_value(bucket: Row, key: str) -> Any:
    # Tests order by the values of one field only.
    return {"_count": bucket["count"], "_key": bucket["key"][0]}.get(key, bucket["figures"].get(key))


def _nearly(value: Any) -> Any:
    return pytest.approx(value, rel=1e-5) if isinstance(value, float) else value


def assert_buckets(found: Sequence[Any], expected: list[Row], levels: Sequence[Level], shown: Sequence[str]) -> None:
    assert [tuple(entry["value"] for entry in bucket.key) for bucket in found] == [each["key"] for each in expected]
    for bucket, wanted in zip(found, expected, strict=True):
        assert [entry["field_name"] for entry in bucket.key] == list(levels[0].fields)
        assert bucket.count == wanted["count"]
        assert bucket.metrics == {alias: _nearly(value) for alias, value in wanted["figures"].items()}
        assert [hit.pk for hit in bucket.hits] == [row["id"] for row in wanted["hits"]]
        assert [hit.score for hit in bucket.hits] == pytest.approx([row["_score"] for row in wanted["hits"]], rel=1e-5)
        for hit, row in zip(bucket.hits, wanted["hits"], strict=True):
            assert hit.fields == {name: row[name] for name in shown if row[name] is not None}
        assert_buckets(bucket.sub_groups, wanted["inner"], levels[1:], shown)


@pytest.fixture(scope="module")
def shop(client: MilvusClient) -> Rows:
    """A collection of sealed, growing and deleted rows."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("b", DataType.BINARY_VECTOR, dim=8)
    schema.add_field("brand", DataType.VARCHAR, max_length=20, nullable=True)
    schema.add_field("color", DataType.VARCHAR, max_length=20)
    schema.add_field("sold", DataType.BOOL)
    schema.add_field("year", DataType.INT16, nullable=True)
    schema.add_field("moment", DataType.TIMESTAMPTZ)
    schema.add_field("price", DataType.DOUBLE, nullable=True)
    schema.add_field("weight", DataType.FLOAT)
    schema.add_field("doc", DataType.JSON)
    make(client, "shop", schema, [("v", "HNSW", "L2", {}), ("b", "BIN_FLAT", "HAMMING", {})])
    random, rows = np.random.default_rng(3), []
    for key in range(ROWS):
        pick = int(random.integers(0, 12))
        rows.append(
            {
                "id": key,
                "v": random.normal(size=DIM).astype(np.float32).tolist(),
                "b": bytes([key % 256]),
                "brand": None if pick == 5 else f"brand {pick % 7}",
                "color": ["red", "green", "blue"][int(random.integers(0, 3))],
                "sold": bool(random.integers(0, 2)),
                "year": None if pick == 7 else 2000 + int(random.integers(0, 5)),
                "moment": "2024-01-01T00:00:00Z" if pick % 2 else "2025-01-01T00:00:00Z",
                "price": None if pick == 9 else float(random.integers(1, 500)) / 4,
                "weight": float(random.integers(1, 100)),
                "doc": {"a": pick},
                "note": f"note {pick}",
            }
        )
    client.insert("shop", rows[:400])
    client.flush("shop")
    client.insert("shop", rows[400:])
    gone = set(range(20, 60)) | set(range(420, 460))
    client.delete("shop", ids=sorted(gone))
    queries = random.normal(size=(3, DIM)).astype(np.float32).tolist()
    return Rows("shop", [row for row in rows if row["id"] not in gone], queries)


METRICS = {
    "hits": ("count", "*"),
    "priced": ("count", "price"),
    "total": ("sum", "price"),
    "years": ("sum", "year"),
    "mean": ("avg", "year"),
    "lowest": ("min", "price"),
    "highest": ("max", "weight"),
    "first": ("min", "color"),
    "nearest": ("min", "_score"),
    "score": ("avg", "_score"),
}
CASES: dict[str, list[Level]] = {
    "one level": [Level(["brand"], 5, METRICS, top=4)],
    "discovery order": [Level(["color"], 2)],
    "several fields": [Level(["brand", "color", "sold"], 20, METRICS, top=3)],
    "numbers and booleans": [Level(["year"], 6, top=2), Level(["sold"], 2, {"n": ("count", "*")})],
    "by count": [Level(["brand"], 6, order=[("_count", "desc"), ("_key", "asc")], top=5), Level(["color"], 3)],
    "by key": [Level(["brand"], 8, order=[("_key", "desc")], top=2)],
    "by metric": [Level(["brand"], 8, {"p": ("avg", "price")}, order=[("p", "asc"), ("_key", "asc")], top=6)],
    "sorted hits": [Level(["color"], 3, top=10, sort=[("price", "desc"), ("weight", "asc")])],
    "hits by score": [Level(["color"], 3, top=10, sort=[("_score", "asc")])],
    "four levels": [
        Level(["color"], 3, METRICS, [("_count", "desc"), ("_key", "asc")], 3, [("weight", "desc")]),
        Level(["sold"], 2, {"low": ("min", "weight")}, [("low", "asc"), ("_key", "asc")]),
        Level(["brand"], 3, {"n": ("count", "*")}, top=2),
        Level(["year"], 2, {"n": ("count", "*")}, [("_key", "desc")], top=1),
    ],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("where", ["", "weight < 60"])
def test_buckets_equal_brute_force(client: MilvusClient, shop: Rows, case: str, where: str) -> None:
    levels, shown = CASES[case], ["price", "sold", "color"]
    options = {"search_aggregation": spec_of(levels), "output_fields": shown, "anns_field": "v", "filter": where}
    found = client.search("shop", shop.queries, limit=1, **options)
    for query, buckets in zip(shop.queries, found.agg_buckets, strict=True):
        rows = shop.candidates(query, levels, lambda row: not where or row["weight"] < 60)
        assert_buckets(buckets, buckets_of(rows, levels), levels, shown)
    assert [len(hits) for hits in found] == [0, 0, 0]


def test_instants_make_buckets(client: MilvusClient, shop: Rows) -> None:
    metrics = {"last": {"max": "moment"}}
    spec = SearchAggregation(["moment"], 5, metrics, [{"_key": "asc"}], TopHits(2))
    found = client.search("shop", shop.queries[:1], anns_field="v", search_aggregation=spec, output_fields=["moment"])
    earlier, later = found.agg_buckets[0]
    assert [bucket.key[0]["value"] for bucket in (earlier, later)] == [1704067200000000, 1735689600000000]
    assert later.metrics == {"last": 1735689600000000}
    assert {hit.fields["moment"] for hit in later.hits} == {"2025-01-01T00:00:00Z"}


def test_documents_and_dynamic_keys_come_with_hits(client: MilvusClient, shop: Rows) -> None:
    spec = SearchAggregation(["color"], 3, top_hits=TopHits(1))
    found = client.search(
        "shop", shop.queries[:1], anns_field="v", search_aggregation=spec, output_fields=["doc", "note"]
    )
    rows = {row["id"]: row for row in shop.rows}
    for bucket in found.agg_buckets[0]:
        pick = rows[bucket.hits[0].pk]["doc"]["a"]
        assert bucket.hits[0].fields == {"doc": b'{"a":%d}' % pick, "$meta": b'{"note":"note %d"}' % pick}


def test_nothing_found_has_no_buckets(client: MilvusClient, shop: Rows) -> None:
    levels = CASES["four levels"]
    options = {"search_aggregation": spec_of(levels), "anns_field": "v", "filter": "weight > 1000"}
    found = client.search("shop", shop.queries, **options)
    assert [list(buckets) for buckets in found.agg_buckets] in ([], [[], [], []])


def test_async_clients_aggregate(server: LocalServer, shop: Rows) -> None:
    levels = CASES["by count"]

    async def ask() -> Any:
        client = AsyncMilvusClient(server.uri)
        try:
            return await client.search("shop", shop.queries, anns_field="v", search_aggregation=spec_of(levels))
        finally:
            await client.close()

    found = asyncio.run(ask())
    for query, buckets in zip(shop.queries, found.agg_buckets, strict=True):
        assert_buckets(buckets, buckets_of(shop.candidates(query, levels, lambda _: True), levels), levels, [])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"fields": ["weight"]}, "FLOAT / DOUBLE fields are not supported with search_aggregation"),
    ({"fields": ["doc"]}, "JSON / dynamic fields are not yet supported"),
    ({"fields": ["note"]}, "JSON / dynamic fields are not yet supported"),
    ({"fields": ["v"]}, "group by field v has unsupported data type FloatVector"),
    ({"fields": ["color", "color"]}, "field color is used more than once"),
    ({"metrics": {"a": {"sum": "color"}}}, "aggregation operator sum does not support data type VarChar"),
    ({"metrics": {"a": {"avg": "sold"}}}, "aggregation operator avg does not support data type Bool"),
    ({"metrics": {"a": {"max": "gone"}}}, "field gone not exist"),
    ({"metrics": {"a": {"count": "_score"}}}, "_score can't be counted"),
    ({"top_hits": TopHits(1, [{"doc": "asc"}])}, "unsortable type JSON"),
    ({"top_hits": TopHits(1, [{"gone": "asc"}])}, "top_hits sort field gone not exist"),
    ({"size": 10_001}, "number of search_aggregation result entries is too large"),
]


@pytest.mark.parametrize(("given", "phrase"), REFUSED)
def test_what_cannot_be_aggregated_is_refused(
    client: MilvusClient, shop: Rows, given: dict[str, Any], phrase: str
) -> None:
    spec = SearchAggregation(**{"fields": ["color"], "size": 2} | given)
    with pytest.raises(MilvusException) as caught:
        client.search(shop.name, shop.queries[:1], anns_field="v", search_aggregation=spec)
    assert phrase in caught.value.message


def test_a_vector_cannot_come_with_hits(client: MilvusClient, shop: Rows) -> None:
    spec = SearchAggregation(["color"], 2, top_hits=TopHits(1))
    with pytest.raises(MilvusException, match="can't be returned by top_hits"):
        client.search(shop.name, shop.queries[:1], anns_field="v", search_aggregation=spec, output_fields=["v"])
