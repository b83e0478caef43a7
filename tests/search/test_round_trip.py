"""Every scalar comes back as it was sent: from memory, from files, and after a restart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from search_cases import make

from serving import LocalServer, settings_for

T = DataType
INT64 = (-(2**63), 2**63 - 1)
FLOAT = float(np.finfo(np.float32).max)
DOUBLE = float(np.finfo(np.float64).max)
JSON_VALUES: list[Any] = [
    {"a": 1, "b": [1, 2.5, "x", None, True], "c": {"d": {"e": "f"}}},
    [],
    {},
    17,
    -0.5,
    True,
    {"big": 2**62, "uni": "ünï ☃ \U0001f600", "esc": 'a"b\\c\n'},
]
VALUES: dict[str, list[Any]] = {
    "flag": [True, False],
    "i8": [-128, 127, 0],
    "i16": [-32_768, 32_767],
    "i32": [-(2**31), 2**31 - 1],
    "i64": [*INT64, 0],
    "f32": [0.5, -FLOAT, FLOAT, 1.401298464324817e-45],
    "f64": [0.1, -DOUBLE, DOUBLE, 5e-324],
    "s": ["", "plain", "ünï ☃ \U0001f600", "a'b\"c\\d\n\t", "x" * 512],
    "j": JSON_VALUES,
    "a_flag": [[True, False], []],
    "a_i8": [[-128, 127], []],
    "a_i64": [list(INT64), [0] * 16],
    "a_f32": [[0.5, -1.5], []],
    "a_f64": [[0.1], [DOUBLE, 5e-324]],
    "a_s": [["", "é", "x" * 32], []],
}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(settings_for(tmp_path_factory.mktemp("roundtrip") / "data")) as running:
        yield running


def schema_of(client: MilvusClient, *, nullable: bool) -> Any:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", T.INT64, is_primary=True)
    for field, kind in (
        ("flag", T.BOOL),
        ("i8", T.INT8),
        ("i16", T.INT16),
        ("i32", T.INT32),
        ("i64", T.INT64),
        ("f32", T.FLOAT),
        ("f64", T.DOUBLE),
        ("j", T.JSON),
    ):
        schema.add_field(field, kind, nullable=nullable)
    schema.add_field("s", T.VARCHAR, max_length=512, nullable=nullable)
    for field, kind in (
        ("a_flag", T.BOOL),
        ("a_i8", T.INT8),
        ("a_i64", T.INT64),
        ("a_f32", T.FLOAT),
        ("a_f64", T.DOUBLE),
    ):
        schema.add_field(field, T.ARRAY, element_type=kind, max_capacity=16, nullable=nullable)
    schema.add_field("a_s", T.ARRAY, element_type=T.VARCHAR, max_capacity=16, max_length=32, nullable=nullable)
    schema.add_field("v", T.FLOAT_VECTOR, dim=2)
    return schema


def row(number: int, *, nulls: bool) -> dict[str, Any]:
    """Return a row that takes each field's values in turn; with nulls, every third value is null."""
    values: dict[str, Any] = {"id": number, "v": [float(number), 1.0]}
    for place, (field, choices) in enumerate(VALUES.items()):
        values[field] = None if nulls and (number + place) % 3 == 0 else choices[number % len(choices)]
    if number % 2:
        values["extra"] = {"deep": [number, "é"]}
        values["more"] = number * 0.5
    return values


@pytest.mark.parametrize("nulls", [False, True])
def test_scalars_round_trip_from_memory_files_and_after_a_restart(
    own_server: LocalServer, name: str, nulls: bool
) -> None:
    rows = [row(number, nulls=nulls) for number in range(24)]
    client = own_server.connect()
    make(client, name, schema_of(client, nullable=nulls), [("v", "FLAT", "L2", {})])
    client.insert(name, rows[:12])
    client.flush(name)
    client.insert(name, rows[12:])
    check(client, name, rows)
    client.close()
    own_server.restart()
    client = own_server.connect()
    check(client, name, rows)
    client.close()


def check(client: MilvusClient, name: str, rows: list[dict[str, Any]]) -> None:
    """Compare by query and by search, with all fields and with dynamic keys by name."""
    found = client.query(name, "id >= 0", output_fields=["*"])
    assert [plain(one) for one in found] == [plain(one) for one in rows]
    (hits,) = client.search(name, [[0.0, 1.0]], limit=24, output_fields=["*"])
    assert [plain(hit["entity"]) for hit in hits] == [plain(one) for one in rows]
    by_key = client.query(name, "id == 1", output_fields=["extra", "more"])
    assert [plain(one) for one in by_key] == [plain({"id": 1, "extra": rows[1]["extra"], "more": rows[1]["more"]})]


def plain(values: Any) -> dict[str, Any]:
    """Return a row in a form that compares: JSON parsed, lists as lists."""
    return {key: _plain(key, value) for key, value in dict(values).items()}


def _plain(key: str, value: Any) -> Any:
    if key == "j" and isinstance(value, str | bytes):
        return json.loads(value)
    if isinstance(value, list | tuple | np.ndarray) or type(value).__name__ == "RepeatedScalarContainer":
        return [_plain("", one) for one in value]
    if isinstance(value, float) and math.isinf(value):
        raise AssertionError("a finite number became infinite")
    return value


def test_defaults_fill_what_is_missing(own_server: LocalServer, name: str) -> None:
    client = own_server.connect()
    schema = client.create_schema()
    schema.add_field("id", T.INT64, is_primary=True)
    schema.add_field("flag", T.BOOL, default_value=True)
    schema.add_field("i8", T.INT8, default_value=np.int8(-7))
    schema.add_field("i64", T.INT64, default_value=2**40)
    schema.add_field("f64", T.DOUBLE, default_value=0.25)
    schema.add_field("s", T.VARCHAR, max_length=16, default_value="späti")
    schema.add_field("n", T.INT64, nullable=True, default_value=5)
    schema.add_field("v", T.FLOAT_VECTOR, dim=2)
    make(client, name, schema, [("v", "FLAT", "L2", {})])
    client.insert(name, [{"id": 1, "v": [0.0, 0.0]}, {"id": 2, "s": "given", "n": None, "v": [1.0, 0.0]}])
    expected = {"flag": True, "i8": -7, "i64": 2**40, "f64": 0.25, "n": 5}
    for _ in range(2):
        first, second = (dict(one) for one in client.query(name, "id > 0", output_fields=["*"]))
        assert first == {"id": 1, **expected, "s": "späti", "v": [0.0, 0.0]}
        assert second == {"id": 2, **expected, "s": "given", "v": [1.0, 0.0]}
        client.flush(name)
    client.close()


@pytest.mark.parametrize("text_keys", [False, True])
def test_automatic_keys_are_unique_and_answered(own_server: LocalServer, name: str, text_keys: bool) -> None:
    client = own_server.connect()
    schema = client.create_schema(auto_id=True)
    if text_keys:
        schema.add_field("id", T.VARCHAR, is_primary=True, max_length=64)
    else:
        schema.add_field("id", T.INT64, is_primary=True)
    schema.add_field("n", T.INT64)
    schema.add_field("v", T.FLOAT_VECTOR, dim=2)
    make(client, name, schema, [("v", "FLAT", "L2", {})])
    keys = []
    for start in (0, 50):
        keys += client.insert(name, [{"n": n, "v": [1.0, 0.0]} for n in range(start, start + 50)])["ids"]
        client.flush(name)
    assert len(set(keys)) == 100
    found = client.query(name, "n >= 0", output_fields=["n"])
    assert {row["id"]: row["n"] for row in found} == dict(zip(keys, range(100), strict=True))
    client.close()


def test_files_hold_rows_of_any_key_type_and_shard_count(tmp_path: Path) -> None:
    with LocalServer(settings_for(tmp_path / "data")) as server:
        client = server.connect()
        schema = client.create_schema()
        schema.add_field("id", T.VARCHAR, is_primary=True, max_length=32)
        schema.add_field("v", T.FLOAT_VECTOR, dim=2)
        make(client, "shards", schema, [("v", "FLAT", "L2", {})], num_shards=4)
        keys = [f"key-{number:03d}-é" for number in range(200)]
        client.insert("shards", [{"id": key, "v": [1.0, 2.0]} for key in keys])
        client.upsert("shards", [{"id": key, "v": [3.0, 4.0]} for key in keys[:50]])
        client.delete("shards", ids=keys[150:])
        client.close()
        server.restart()
        client = server.connect()
        found = client.query("shards", 'id >= ""', output_fields=["v"])
        expected = [{"id": key, "v": [3.0, 4.0] if place < 50 else [1.0, 2.0]} for place, key in enumerate(keys[:150])]
        assert [dict(row) for row in found] == expected
        client.close()
