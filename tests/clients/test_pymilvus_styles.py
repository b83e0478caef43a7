"""The same work in each of pymilvus' three styles, against a server process, none of them changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AsyncMilvusClient,
    Collection,
    CollectionSchema,
    DataType,
    FieldSchema,
    MilvusClient,
    connections,
    utility,
)

from serve_process import ServeProcess

DIM = 8
ROWS = 300
VECTORS = np.random.default_rng(5).normal(size=(ROWS, DIM)).astype(np.float32)
INDEX = {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 8, "efConstruction": 64}}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ServeProcess(tmp_path_factory.mktemp("styles") / "data") as process:
        yield process.uri


def rows() -> list[dict[str, Any]]:
    return [{"id": n, "vector": VECTORS[n], "name": f"row {n}", "even": n % 2 == 0} for n in range(ROWS)]


def nearest(query: int, wanted: Any) -> list[int]:
    distances = ((VECTORS - VECTORS[query]) ** 2).sum(axis=1)
    return [int(row) for row in np.argsort(distances) if wanted(row)][:5]


def schema() -> CollectionSchema:
    made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    made.add_field("id", DataType.INT64, is_primary=True)
    made.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    made.add_field("name", DataType.VARCHAR, max_length=64)
    return made


def test_the_client(uri: str) -> None:
    client = MilvusClient(uri)
    index = client.prepare_index_params()
    index.add_index("vector", **INDEX)
    client.create_collection("sync", schema=schema(), index_params=index)
    assert client.insert("sync", rows())["insert_count"] == ROWS
    client.flush("sync")

    found = client.search("sync", [VECTORS[7]], limit=5, filter="even == true", output_fields=["name", "even"])
    assert [hit["id"] for hit in found[0]] == nearest(7, lambda row: row % 2 == 0)
    assert found[0][0]["entity"]["even"] is True

    client.upsert("sync", [{"id": 1, "vector": VECTORS[1], "name": "changed", "even": False}])
    client.delete("sync", filter="id >= 290")
    assert client.get("sync", [1])[0]["name"] == "changed"
    assert client.query("sync", output_fields=["count(*)"])[0]["count(*)"] == 290
    assert [row["id"] for row in client.query("sync", filter='name like "row 28%"', limit=2, offset=1)] == [280, 281]

    assert client.describe_collection("sync")["collection_name"] == "sync"
    assert client.describe_index("sync", "vector")["index_type"] == "HNSW"
    client.release_collection("sync")
    client.load_collection("sync")
    client.drop_collection("sync")
    assert not client.has_collection("sync")
    client.close()


def test_the_async_client(uri: str) -> None:
    async def work() -> None:
        client = AsyncMilvusClient(uri)
        index = client.prepare_index_params()
        index.add_index("vector", **INDEX)
        await client.create_collection("async", schema=schema(), index_params=index)
        await asyncio.gather(*(client.insert("async", rows()[start : start + 100]) for start in range(0, ROWS, 100)))
        found = await asyncio.gather(*(client.search("async", [VECTORS[query]], limit=5) for query in range(8)))
        for query, hits in enumerate(found):
            assert [hit["id"] for hit in hits[0]] == nearest(query, lambda row: True)
        await client.delete("async", ids=[0, 1])
        counted = await client.query("async", output_fields=["count(*)"])
        assert counted[0]["count(*)"] == ROWS - 2
        await client.drop_collection("async")
        await client.close()

    asyncio.run(work())


def test_the_orm(uri: str) -> None:
    connections.connect("styles", uri=uri)
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
        FieldSchema("name", DataType.VARCHAR, max_length=64),
    ]
    collection = Collection("orm", CollectionSchema(fields), using="styles")
    collection.insert([list(range(ROWS)), VECTORS, [f"row {n}" for n in range(ROWS)]])
    collection.flush()
    assert collection.num_entities == ROWS
    collection.create_index("vector", INDEX)
    utility.wait_for_index_building_complete("orm", using="styles")
    collection.load()
    utility.wait_for_loading_complete("orm", using="styles")

    hits = collection.search([VECTORS[3]], "vector", {"metric_type": "L2"}, limit=5, output_fields=["name"])
    assert list(hits[0].ids) == nearest(3, lambda row: True)
    assert hits[0][0].entity.get("name") == "row 3"
    assert collection.query("id in [4, 5]", output_fields=["name"])[1]["name"] == "row 5"
    collection.create_partition("p")
    assert {partition.name for partition in collection.partitions} == {"_default", "p"}
    collection.delete("id < 10")
    assert collection.query("", output_fields=["count(*)"])[0]["count(*)"] == ROWS - 10
    collection.release()
    collection.drop()
    assert utility.list_collections(using="styles") == []
    connections.disconnect("styles")
