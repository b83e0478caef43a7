"""The table that the filter cases speak about: as clients write its rows, and as a batch of columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from elanus.expr import BatchSource
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.geometry import wkb_of_text
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.model.types import DataType

SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(101), name="i", type=DataType.INT64),
        Field(id=FieldId(102), name="n", type=DataType.INT64, nullable=True),
        Field(id=FieldId(103), name="f", type=DataType.DOUBLE, nullable=True),
        Field(id=FieldId(104), name="b", type=DataType.BOOL),
        Field(id=FieldId(105), name="s", type=DataType.VARCHAR, max_length=100, nullable=True),
        Field(id=FieldId(106), name="a", type=DataType.ARRAY, element_type=DataType.INT64, max_capacity=16),
        Field(id=FieldId(107), name="t", type=DataType.ARRAY, element_type=DataType.VARCHAR, nullable=True),
        Field(id=FieldId(108), name="j", type=DataType.JSON, nullable=True),
        Field(
            id=FieldId(109),
            name="txt",
            type=DataType.VARCHAR,
            max_length=100,
            params=(("enable_analyzer", "true"), ("enable_match", "true")),
        ),
        Field(id=FieldId(110), name="emb", type=DataType.FLOAT_VECTOR, dim=4),
        Field(id=FieldId(112), name="ts", type=DataType.TIMESTAMPTZ, nullable=True),
        Field(id=FieldId(113), name="g", type=DataType.GEOMETRY, nullable=True),
        Field(id=FieldId(111), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True),
    )
)

_SAY = r'say "hi"\n'

VALUES: dict[str, list[Any]] = {
    "id": [1, 2, 3, 4, 5, 6, 7, 8],
    "i": [0, 1, 2, 3, -4, 5, 100, 2**40],
    "n": [10, None, -3, 7, 0, None, 2, 5],
    "f": [0.5, 1.5, None, -2.25, 0.0, 10.0, 100.25, -0.5],
    "b": [True, False] * 4,
    "s": ["apple", "Apple", "100%", None, "a_b", "", "naïve 中文", _SAY],
    "a": [[1, 2, 3], [], [3], [3, 3], [5, 6], [0], [100, 1], [-1, 2, -1]],
    "t": [["x", "y"], None, [], ["y"], ["it's"], ["x", "x"], ["z"], ["X"]],
    "j": [
        {"k": 1, "p": {"q": "deep"}, "l": [1, 2, "3"]},
        {"k": 1.0, "p": {}, "l": []},
        {"k": "1", "l": "1"},
        None,
        {},
        {"k": None},
        {"k": True, "arr": [{"z": 1}, {"z": 2}]},
        {"k": [1, 2], "a b": {"c.d": 5}, "7": "seven"},
    ],
    "txt": [
        "red kite over water",
        "black kite and red fox",
        "kite",
        "water fox",
        "the fox jumped over the red kite",
        "",
        "Kites kiting",
        "red red red",
    ],
    "emb": [[0.0] * 4] * 8,
    "ts": [
        "2025-01-01T00:00:00Z",
        "2025-01-02T12:00:00Z",
        None,
        "2024-02-29T23:59:59Z",
        "2025-01-01T08:00:00+08:00",
        "2030-06-15T10:30:00.123456Z",
        "1969-12-31T23:59:59Z",
        "2025-01-01T00:00:00.000001Z",
    ],
    "g": [
        "POINT (0 0)",
        "POINT (1 1)",
        "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))",
        None,
        "LINESTRING (-1 1, 3 1)",
        "POINT (5 5)",
        "POLYGON ((10 10, 12 10, 12 12, 10 12, 10 10))",
        "POINT (-0.5 51.5)",
    ],
    DYNAMIC_FIELD: [
        {"color": "red", "dn": 1},
        {"color": "blue"},
        {"dn": 2.5},
        {"color": None},
        {"color": "red"},
        {"dn": "1"},
        {"color": "Red", "dn": [1, 2]},
        {"dn": True},
    ],
}
"""Each field's values as clients write them."""

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def batch() -> ColumnBatch:
    """Return the eight rows."""
    columns = {}
    for field in SCHEMA:
        kept = _KEPT.get(field.type, lambda value: value)
        values = [None if value is None else kept(value) for value in VALUES[field.name]]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return ColumnBatch(columns, 8)


_KEPT: dict[DataType, Callable[[Any], Any]] = {
    DataType.JSON: lambda value: json.dumps(value).encode(),
    DataType.TIMESTAMPTZ: lambda text: (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1),
    DataType.GEOMETRY: wkb_of_text,
}


def source() -> BatchSource:
    """Return the eight rows as a source of filters."""
    return BatchSource(batch())


def rows() -> list[dict[str, Any]]:
    """Return the eight rows as a client writes them."""
    declared = {name: values for name, values in VALUES.items() if name != DYNAMIC_FIELD}
    return [{name: values[row] for name, values in declared.items()} | VALUES[DYNAMIC_FIELD][row] for row in range(8)]
