"""Exact search equals brute force for every vector type and metric, over growing, sealed and deleted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from search_cases import COMBINATIONS, KINDS, Kind, Matrix, assert_hits, make, nearest, scale_of

COUNT = 240
LIMIT = 15


@dataclass
class Rows:
    """What a collection should hold: a vector and a tag a key."""

    vectors: dict[int, Matrix]
    tags: dict[int, int]

    def keys(self, below: int | None = None) -> list[int]:
        return sorted(key for key, tag in self.tags.items() if below is None or tag < below)

    def matrix(self, keys: list[int]) -> Matrix:
        return np.stack([self.vectors[key] for key in keys])


def fill(client: MilvusClient, name: str, kind: Kind, metric: str) -> Rows:
    """Fill a collection with sealed and growing rows, replaced ones and deleted ones; keys in no order."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tag", DataType.INT64)
    kind.add_to(schema, "v")
    make(client, name, schema, [("v", kind.index, metric, {})])
    random = np.random.default_rng(11)
    vectors = kind.draw(random, 2 * COUNT)
    # Some vectors come several times, so that there are equal distances to decide between.
    vectors[::5] = vectors[0]
    keys = random.permutation(2 * COUNT)
    held = Rows({}, {})

    def insert(some: Any, drawn: Matrix) -> None:
        for key, values in zip(some.tolist(), drawn, strict=True):
            held.vectors[key], held.tags[key] = values, key % 10
        rows = [
            {"id": key, "tag": key % 10, "v": kind.send(values)}
            for key, values in zip(some.tolist(), drawn, strict=True)
        ]
        client.insert(name, rows)

    insert(keys[:COUNT], vectors[:COUNT])
    client.flush(name)
    insert(keys[COUNT:], vectors[COUNT:])
    insert(keys[:30], kind.draw(random, 30))
    gone = [*keys[40:60].tolist(), *keys[COUNT + 40 : COUNT + 60].tolist()]
    client.delete(name, ids=gone)
    for key in gone:
        del held.vectors[key], held.tags[key]
    return held


@pytest.mark.parametrize(("kind_name", "metric"), COMBINATIONS)
def test_search_equals_brute_force(client: MilvusClient, name: str, kind_name: str, metric: str) -> None:
    kind = KINDS[kind_name]
    held = fill(client, name, kind, metric)
    queries = np.stack([*kind.draw(np.random.default_rng(12), 3), held.vectors[held.keys()[0]]])
    for below, offset in ((None, 0), (None, 7), (3, 0)):
        keys = held.keys(below)
        matrix = held.matrix(keys)
        answers = client.search(
            name,
            [kind.ask(query) for query in queries],
            limit=LIMIT,
            search_params={"offset": offset},
            filter="" if below is None else f"tag < {below}",
        )
        for query, found in zip(queries, answers, strict=True):
            expected = nearest(query, matrix, keys, metric, LIMIT, offset=offset)
            assert_hits(found, expected, scale_of(query, matrix, metric))


@pytest.mark.parametrize("kind_name", KINDS)
def test_vectors_come_back_exactly(client: MilvusClient, name: str, kind_name: str) -> None:
    kind = KINDS[kind_name]
    metric = {"binary": "HAMMING", "sparse": "IP"}.get(kind_name, "L2")
    held = fill(client, name, kind, metric)
    rows = client.query(name, "id >= 0", output_fields=["v"])
    assert [row["id"] for row in rows] == held.keys()
    for row in rows:
        assert plain(row["v"]) == plain(kind.send(held.vectors[row["id"]]))


def plain(value: Any) -> object:
    """Return a vector in a form that compares: bytes for what travels as bytes."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], bytes):
        return value[0]
    if isinstance(value, np.ndarray) and value.dtype != np.float32:
        return value.tobytes()
    return list(value) if isinstance(value, list | np.ndarray) else value


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
@pytest.mark.parametrize("sealed", [False, True])
def test_range_search_returns_exactly_the_rows_in_range(
    client: MilvusClient, name: str, metric: str, sealed: bool
) -> None:
    kind = KINDS["float"]
    held = fill(client, name, kind, metric)
    if sealed:
        client.flush(name)
    keys = held.keys()
    matrix = held.matrix(keys)
    (query,) = kind.draw(np.random.default_rng(13), 1)
    ranked = nearest(query, matrix, keys, metric, len(keys))
    inner, outer = ranked[5][1], ranked[40][1]
    middle = (ranked[40][1] + ranked[41][1]) / 2
    assert outer != ranked[41][1]
    (found,) = client.search(name, [query], limit=len(keys), search_params={"params": {"radius": middle}})
    assert_hits(found, ranked[:41], scale_of(query, matrix, metric))
    edge = (ranked[4][1] + inner) / 2
    (found,) = client.search(
        name, [query], limit=len(keys), search_params={"params": {"radius": middle, "range_filter": edge}}
    )
    assert_hits(found, ranked[5:41], scale_of(query, matrix, metric))
    (found,) = client.search(
        name, [query], limit=10, search_params={"params": {"radius": middle, "range_filter": edge}}, filter="tag < 5"
    )
    low = [pair for pair in ranked[5:41] if held.tags[pair[0]] < 5][:10]
    assert_hits(found, low, scale_of(query, matrix, metric))


def test_search_by_ids_equals_search_by_their_vectors(client: MilvusClient, name: str) -> None:
    held = fill(client, name, KINDS["float"], "COSINE")
    asked = held.keys()[::60]
    by_ids = client.search(name, ids=asked, limit=7)
    by_vectors = client.search(name, [held.vectors[key] for key in asked], limit=7)
    assert [[dict(hit) for hit in hits] for hits in by_ids] == [[dict(hit) for hit in hits] for hits in by_vectors]


@pytest.mark.parametrize("kind_name", ["float", "binary", "sparse"])
def test_rows_without_a_vector_are_kept_and_never_found(client: MilvusClient, name: str, kind_name: str) -> None:
    kind = KINDS[kind_name]
    metric = {"binary": "HAMMING", "sparse": "IP"}.get(kind_name, "L2")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    kind.add_to(schema, "v", nullable=True)
    make(client, name, schema, [("v", kind.index, metric, {})])
    random = np.random.default_rng(14)
    vectors = kind.draw(random, 40)
    rows = [{"id": key, "v": None if key % 3 == 0 else kind.send(vectors[key])} for key in range(40)]
    client.insert(name, rows[:20])
    client.flush(name)
    client.insert(name, rows[20:])
    given = [key for key in range(40) if key % 3]
    (query,) = kind.draw(random, 1)
    for _ in range(2):
        (found,) = client.search(name, [kind.ask(query)], limit=40)
        assert_hits(found, nearest(query, vectors[given], given, metric, 40), scale_of(query, vectors[given], metric))
        stored = client.query(name, "id >= 0", output_fields=["v"])
        assert [row["id"] for row in stored if row["v"] is None] == [key for key in range(40) if key % 3 == 0]
        client.flush(name)


def test_partitions_are_searched_alone_and_together(client: MilvusClient, name: str) -> None:
    kind = KINDS["float"]
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    kind.add_to(schema, "v")
    make(client, name, schema, [("v", "FLAT", "L2", {})])
    client.create_partition(name, "even")
    vectors = kind.draw(np.random.default_rng(15), 50)
    for parity, partition in enumerate(["even", "_default"]):
        rows = [{"id": key, "v": vectors[key]} for key in range(parity, 50, 2)]
        client.insert(name, rows, partition_name=partition)
    for names, keys in (
        (["even"], list(range(0, 50, 2))),
        (["_default"], list(range(1, 50, 2))),
        (None, list(range(50))),
    ):
        (found,) = client.search(name, [vectors[7]], limit=9, partition_names=names)
        assert_hits(found, nearest(vectors[7], vectors[keys], keys, "L2", 9), scale_of(vectors[7], vectors, "L2"))


def test_partition_key_routes_rows_and_filters(client: MilvusClient, name: str) -> None:
    kind = KINDS["float"]
    schema = client.create_schema(partition_key_field="tenant")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=16)
    kind.add_to(schema, "v")
    make(client, name, schema, [("v", "FLAT", "L2", {})], num_partitions=5)
    vectors = kind.draw(np.random.default_rng(16), 60)
    rows = [{"id": key, "tenant": f"t{key % 7}", "v": vectors[key]} for key in range(60)]
    client.insert(name, rows[:30])
    client.flush(name)
    client.insert(name, rows[30:])
    assert len(client.list_partitions(name)) == 5
    assert sum(client.get_partition_stats(name, part)["row_count"] for part in client.list_partitions(name)) == 60
    for tenant in range(7):
        keys = list(range(tenant, 60, 7))
        (found,) = client.search(name, [vectors[3]], limit=60, filter=f'tenant == "t{tenant}"')
        assert_hits(found, nearest(vectors[3], vectors[keys], keys, "L2", 60), scale_of(vectors[3], vectors, "L2"))
