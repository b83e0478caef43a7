"""The table that the filter cases speak about, as a batch of columns."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from elanus.expr import BatchSource
from elanus.model.columns import Column, ColumnBatch, arrow_type
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
        Field(id=FieldId(109), name="txt", type=DataType.VARCHAR, max_length=100),
        Field(id=FieldId(110), name="emb", type=DataType.FLOAT_VECTOR, dim=4),
        Field(id=FieldId(111), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True),
    )
)

_SAY = r'say "hi"\n'

_VALUES: dict[str, list[Any]] = {
    "id": [1, 2, 3, 4, 5, 6, 7, 8],
    "i": [0, 1, 2, 3, -4, 5, 100, 2**40],
    "n": [10, None, -3, 7, 0, None, 2, 5],
    "f": [0.5, 1.5, None, -2.25, 0.0, 10.0, 100.25, -0.5],
    "b": [True, False] * 4,
    "s": ["apple", "Apple", "100%", None, "a_b", "", "naïve 中文", _SAY],
    "a": [[1, 2, 3], [], [3], [3, 3], [5, 6], [0], [100, 1], [-1, 2, -1]],
    "t": [["x", "y"], None, [], ["y"], ["it's"], ["x", "x"], ["z"], ["X"]],
    "j": [
        b'{"k": 1, "p": {"q": "deep"}, "l": [1, 2, "3"]}',
        b'{"k": 1.0, "p": {}, "l": []}',
        b'{"k": "1", "l": "1"}',
        None,
        b"{}",
        b'{"k": null}',
        b'{"k": true, "arr": [{"z": 1}, {"z": 2}]}',
        b'{"k": [1, 2], "a b": {"c.d": 5}, "7": "seven"}',
    ],
    "txt": ["red kite", "", "kite", "fox", "red", "", "Kites", "red red"],
    "emb": [[0.0] * 4] * 8,
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


def batch() -> ColumnBatch:
    """Return the eight rows."""
    columns = {}
    for field in SCHEMA:
        values = _VALUES[field.name]
        if field.is_dynamic:
            values = [json.dumps(value).encode() for value in values]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return ColumnBatch(columns, 8)


def source() -> BatchSource:
    """Return the eight rows as a source of filters."""
    return BatchSource(batch())
