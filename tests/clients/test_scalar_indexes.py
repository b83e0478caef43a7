"""Scalar indexes through pymilvus: made, listed, described, searched with, dropped while loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from elanus.model.settings import JobSettings
from serving import LocalServer, settings_for

NAME = "shop"
ROWS = 2_000

INDEXES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("price", {"index_type": "STL_SORT"}, ["price < 3", "100 <= price < 120", "not (price > 5)", "price is null"]),
    ("price", {"index_type": "INVERTED"}, ["price == 7.25", "price in [1, 2.5, -1]", "price != 7.25"]),
    ("stock", {"index_type": "BITMAP"}, ["stock == 3", "stock in [1, 2, 300]", "stock not in [0]", "stock >= 8"]),
    ("stock", {"index_type": "AUTOINDEX"}, ["stock == 3", "stock > 7 or stock < 1"]),
    ("title", {"index_type": "Trie"}, ['title like "item 19%"', 'title == "item 5"', 'title >= "item 99"']),
    ("title", {"index_type": "INVERTED"}, ['title like "%99"', 'title =~ "1.3"', 'title in ["item 7"]']),
    ("sizes", {"index_type": "INVERTED"}, ["array_contains(sizes, 7)", "array_contains_any(sizes, [1, 99])"]),
    ("sizes", {"index_type": "AUTOINDEX"}, ["array_contains_all(sizes, [3, 4])", "sizes == [3, 4]"]),
    (
        "facts",
        {"index_type": "INVERTED", "json_path": 'facts["score"]', "json_cast_type": "DOUBLE"},
        ['facts["score"] > 1995', 'facts["score"] == 3', 'not (facts["score"] < 1990)', 'facts["score"] == "3"'],
    ),
    (
        "parts[size]",
        {"index_type": "STL_SORT"},
        ["match_any(parts, $[size] > 17 and $[kind] == 'k3')", "array_contains(parts[size], 7)"],
    ),
    ("parts[kind]", {"index_type": "AUTOINDEX"}, ["match_any(parts, $[kind] in ['k1'])", "parts[0][kind] == 'k2'"]),
    ("color", {"json_path": "color", "json_cast_type": "varchar"}, ['color == "red"', 'color != "red"']),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    settings = settings_for(tmp_path_factory.mktemp("shop"), jobs=JobSettings(index_min_rows=100))
    with LocalServer(settings) as running:
        fill(running.connect())
        yield running


def fill(client: MilvusClient) -> None:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("price", DataType.DOUBLE, nullable=True)
    schema.add_field("stock", DataType.INT16)
    schema.add_field("title", DataType.VARCHAR, max_length=32)
    schema.add_field("sizes", DataType.ARRAY, element_type=DataType.INT32, max_capacity=4)
    schema.add_field("facts", DataType.JSON)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    part = MilvusClient.create_struct_field_schema()
    part.add_field("size", DataType.INT32)
    part.add_field("kind", DataType.VARCHAR, max_length=8)
    schema.add_field(
        "parts", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=part, max_capacity=2, nullable=True
    )
    params = client.prepare_index_params()
    params.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=params, consistency_level="Strong")
    rng = np.random.default_rng(3)
    rows = [
        {
            "id": row, "price": None if row % 11 == 0 else row / 4, "stock": row % 10, "title": f"item {row}",
            "sizes": [row % 8, row % 8 + 1][: row % 4], "facts": {"score": row if row % 3 else str(row)},
            "color": ("red", "blue", "green")[row % 3], "v": rng.random(4).tolist(),
            "parts": None if row % 9 == 0 else [
                {"size": row % 20, "kind": f"k{row % 4}"}, {"size": row % 30, "kind": f"k{row % 5}"}
            ][row % 3:],
        }
        for row in range(ROWS)
    ]  # fmt: skip
    client.insert(NAME, rows)
    client.flush(NAME)
    client.delete(NAME, ids=[3, 4, 5])


def matching(client: MilvusClient, text: str) -> tuple[list[int], list[int]]:
    """Return the rows that a filter selects, and those nearest to a vector among them."""
    queried = sorted(row["id"] for row in client.query(NAME, text, output_fields=["id"], limit=ROWS))
    (hits,) = client.search(NAME, [[0.5] * 4], filter=text, limit=10)
    return queried, [hit["id"] for hit in hits]


def create(client: MilvusClient, field: str, params: dict[str, Any], name: str) -> None:
    index = client.prepare_index_params()
    index.add_index(field, index_name=name, **params)
    client.create_index(NAME, index)


@pytest.mark.parametrize(("field", "params", "filters"), INDEXES, ids=lambda value: str(value)[:50])
def test_rows_are_the_same_before_with_and_after_an_index(
    server: LocalServer, field: str, params: dict[str, Any], filters: list[str]
) -> None:
    client = server.connect()
    before = {text: matching(client, text) for text in filters}
    create(client, field, params, "by_it")
    described = client.describe_index(NAME, "by_it")
    assert described["index_type"] == params.get("index_type", "AUTOINDEX")
    assert (described["state"], described["total_rows"], described["indexed_rows"]) == ("Finished", ROWS, ROWS)
    assert {text: matching(client, text) for text in filters} == before
    client.drop_index(NAME, "by_it")
    assert client.list_indexes(NAME) == ["v"]
    assert {text: matching(client, text) for text in filters} == before


def test_indexes_survive_a_restart_and_serve_new_rows(server: LocalServer) -> None:
    client = server.connect()
    create(client, "price", {"index_type": "STL_SORT"}, "by_price")
    create(client, "color", {"json_path": "color", "json_cast_type": "VARCHAR"}, "by_color")
    assert sorted(client.list_indexes(NAME)) == ["by_color", "by_price", "v"]
    before = matching(client, 'price < 30 and color == "red"')
    assert before[0]
    server.restart()
    client = server.connect()
    assert matching(client, 'price < 30 and color == "red"') == before
    assert client.describe_index(NAME, "by_price")["indexed_rows"] == ROWS
    row = {"id": 9_000, "price": 1.0, "stock": 1, "title": "", "sizes": [], "facts": {}, "v": [0.0] * 4, "color": "red"}
    client.insert(NAME, [row])
    assert matching(client, 'price < 30 and color == "red"')[0] == [*before[0], 9_000]
    client.delete(NAME, ids=[9_000])
    client.drop_index(NAME, "by_price")
    client.drop_index(NAME, "by_color")


def test_refusals_come_with_milvus_code(server: LocalServer) -> None:
    client = server.connect()
    for field, params, phrase in (
        ("id", {"index_type": "BITMAP"}, "create bitmap index on primary key not supported"),
        ("price", {"index_type": "BITMAP"}, "bitmap index are only supported on bool, int, string"),
        ("facts", {"index_type": "INVERTED", "json_cast_type": "INT"}, "json_cast_type INT is not supported"),
        ("facts", {"json_cast_type": "BOOL", "json_path": "facts["}, "json_path 'facts['"),
    ):
        with pytest.raises(MilvusException) as caught:
            create(client, field, params, "refused")
        assert caught.value.code == 1100
        assert phrase in caught.value.message
    with pytest.raises(MilvusException, match="json index must specify cast type"):
        create(client, "facts", {"index_type": "INVERTED"}, "refused")
