"""Filters on JSON through a stock client: the same rows while they grow, once they are sealed and after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pymilvus import DataType, MilvusClient

from elanus.model.settings import SegmentSettings
from serving import LocalServer, settings_for

ROWS = 200
NAME = "documents"


def document(key: int) -> Any:
    """Return a JSON value: mostly objects, whose members are not all of one type."""
    if key % 10 == 9:
        return [None, [key], f"text {key}", key][key // 10 % 4]
    price = [key, key / 4, str(key), None, [key], {"net": key}][key % 6]
    return {"price": price, "tags": [f"t{key % 3}", key % 5], "a b": {"c.d": key % 7}} | (
        {"k": True} if key == 33 else {}
    )


def row(key: int) -> dict[str, Any]:
    value = document(key)
    # The client takes a text for JSON.
    doc = json.dumps(value) if isinstance(value, str) else value
    return {"id": key, "v": [0.0, float(key)], "doc": doc, "color": ["red", "blue"][key % 2], "7": key % 4}


def member(key: int, *steps: str | int) -> Any:
    value = document(key)
    for step in steps:
        places = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        if step not in places:
            return None
        value = value[step]
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FILTERS: dict[str, Callable[[int], bool]] = {
    'doc["price"] < 20': lambda key: is_number(member(key, "price")) and member(key, "price") < 20,
    'doc["price"] == "8"': lambda key: member(key, "price") == "8",
    'doc["price"]["net"] in [5, 11, 17]': lambda key: member(key, "price", "net") in (5, 11, 17),
    'doc["a b"]["c.d"] == 3': lambda key: member(key, "a b", "c.d") == 3,
    'doc["tags"][0] == "t1" and doc["tags"][1] > 2': lambda key: (
        member(key, "tags", 0) == "t1" and member(key, "tags", 1) > 2
    ),
    'json_contains(doc["tags"], 4)': lambda key: 4 in (member(key, "tags") or ()),
    'exists doc["k"]': lambda key: key == 33,
    'exists doc["unknown"]': lambda key: False,
    "doc[0] > 100": lambda key: isinstance(document(key), list) and document(key)[0] > 100,
    'color == "red" and doc["price"] > 100': lambda key: (
        key % 2 == 0 and is_number(member(key, "price")) and member(key, "price") > 100
    ),
    '$meta["7"] == 2': lambda key: key % 4 == 2,
}


def check(client: MilvusClient) -> None:
    for text, wanted in FILTERS.items():
        expected = [key for key in range(ROWS) if wanted(key)]
        for params in ({}, {"filter_params": {"expr_use_json_stats": False}}):
            found = client.query(NAME, text, output_fields=["id"], limit=ROWS, **params)
            assert [one["id"] for one in found] == expected, text


def test_json_filters_find_the_same_rows_all_along(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", segment=SegmentSettings(typed_json_rows=16))
    with LocalServer(settings) as server:
        with closing(server.connect()) as client:
            schema = client.create_schema(enable_dynamic_field=True)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
            schema.add_field("doc", DataType.JSON, nullable=True)
            index = client.prepare_index_params()
            index.add_index("v", index_type="FLAT", metric_type="L2")
            client.create_collection(NAME, schema=schema, index_params=index, consistency_level="Strong")
            client.insert(NAME, [row(key) for key in range(ROWS)])
            check(client)
            client.flush(NAME)
            assert len(list((tmp_path / "data" / "store").rglob("json.*.parquet"))) == 2
            check(client)
        server.restart()
        with closing(server.connect()) as client:
            check(client)
