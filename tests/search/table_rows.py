"""Rows of every type that can be ordered and counted, in sealed and growing segments, and what plain Python says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from search_cases import make

DIM = 8
ROWS = 700
BIG = 2**53
Row = dict[str, Any]
Value = Callable[[Row], Any]
Key = tuple[Value, bool, bool]
"""How a row's value is read, whether larger ones come first, whether nulls do."""

KINDS = (None, True, False, 3, 2.5, "text", "Text", [1], {"a": 1}, BIG, float(BIG), BIG + 1, -1)


def plain(name: str) -> Value:
    """Return the value of a field."""
    return lambda row: row[name]


def document(row: Row) -> Any:
    """Return what sorts as the value under ``doc["k"]``: kinds apart, no value for what has no order."""
    return comparable((row["doc"] or {}).get("k"))


def dynamic(row: Row) -> Any:
    """Return what sorts as the dynamic key ``mood``."""
    return comparable(row.get("mood"))


def comparable(value: Any) -> Any:
    kinds = {bool: 0, int: 1, float: 1, str: 2}
    return (kinds[type(value)], value) if type(value) in kinds else None


def in_order(rows: Sequence[Row], keys: Sequence[Key]) -> list[Row]:
    """Return rows by several keys; rows that are equal stay as they stand."""
    ordered = list(rows)
    for value, descending, nulls_first in reversed(keys):
        nulls = [row for row in ordered if value(row) is None]
        there = sorted((row for row in ordered if value(row) is not None), key=value, reverse=descending)
        ordered = nulls + there if nulls_first else there + nulls
    return ordered


def nearest(rows: Sequence[Row], query: Any) -> list[Row]:
    """Return rows by squared distance, then key."""
    return sorted(rows, key=lambda row: (float(((row["drawn"] - query) ** 2).sum()), row["id"]))


def fill(client: MilvusClient, name: str) -> list[Row]:
    """Make the collection of two sealed segments and a growing one; return its living rows by key."""
    random = np.random.default_rng(3)
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("flag", DataType.BOOL, nullable=True)
    schema.add_field("tiny", DataType.INT8, nullable=True)
    schema.add_field("small", DataType.INT16)
    schema.add_field("number", DataType.INT32, nullable=True)
    schema.add_field("large", DataType.INT64)
    schema.add_field("ratio", DataType.FLOAT, nullable=True)
    schema.add_field("price", DataType.DOUBLE, nullable=True)
    schema.add_field("color", DataType.VARCHAR, max_length=20, nullable=True)
    schema.add_field("moment", DataType.TIMESTAMPTZ, nullable=True)
    schema.add_field("doc", DataType.JSON, nullable=True)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=3)
    make(client, name, schema, [("v", "FLAT", "L2", {})])
    client.create_partition(name, "second")
    # Whole numbers make distances that are exact, and rows that are equally far.
    drawn = random.integers(-3, 4, (ROWS, DIM)).astype(np.float32)
    rows = [row_of(key, drawn[key], random) for key in range(ROWS)]
    sent = [{field: value for field, value in row.items() if field != "drawn"} for row in rows]
    client.insert(name, sent[:300])
    client.flush(name)
    client.insert(name, sent[300:500], partition_name="second")
    client.flush(name)
    client.insert(name, sent[500:])
    client.upsert(name, sent[250:280])
    client.delete(name, ids=[row["id"] for row in rows if row["id"] % 9 == 0])
    return [row | {"part": "second" if 300 <= row["id"] < 500 else "first"} for row in rows if row["id"] % 9]


def row_of(key: int, drawn: Any, random: np.random.Generator) -> Row:
    pick = int(random.integers(0, 30))
    row = {
        "id": key,
        "v": drawn.tolist(),
        "drawn": drawn,
        "flag": [True, False, None][pick % 3],
        "tiny": None if pick == 7 else pick - 15,
        "small": pick * 100 - 1000,
        "number": None if pick % 6 == 0 else pick % 7 - 3,
        "large": 2**62 + pick,
        "ratio": None if pick == 8 else (pick / 4 - 3) or (-0.0 if key % 2 else 0.0),
        "price": None if key % 10 == 0 else float(random.integers(-60, 60)) / 4,
        "color": None if pick == 9 else f"color {pick % 5}",
        "moment": None if pick == 5 else f"2026-03-{1 + pick % 20:02}T10:00:00Z",
        "doc": None if pick == 11 else {} if pick == 12 else {"k": KINDS[pick % len(KINDS)]},
        "tags": [pick],
    }
    return row if pick == 13 else row | {"mood": KINDS[key % len(KINDS)]}
