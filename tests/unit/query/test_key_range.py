"""Ranges of primary keys against a look at every key."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from elanus.expr import bind, select
from elanus.expr.evaluation.source import BatchSource
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType
from elanus.query.key_range import EVERY_KEY, split_range

NUMBERS = sorted({*range(-5, 40, 3), 2**63 - 1, -(2**63)})
TEXTS = sorted(["", "a", "ab", "b", "é", "éa", "z", "\U0001f600", "￿"])


def _schema(kind: DataType) -> Schema:
    return Schema(
        (
            Field(id=FieldId(100), name="id", type=kind, is_primary=True, max_length=64),
            Field(id=FieldId(101), name="n", type=DataType.INT64),
            Field(id=FieldId(102), name="v", type=DataType.FLOAT_VECTOR, dim=2),
        )
    )


def _batch(schema: Schema, keys: pa.Array) -> ColumnBatch:
    numbers = pa.array(np.arange(len(keys)) % 3, type=pa.int64())
    return ColumnBatch(
        {FieldId(100): Column(schema["id"], keys), FieldId(101): Column(schema["n"], numbers)}, len(keys)
    )


@pytest.mark.parametrize(
    ("kind", "keys", "filters"),
    [
        (
            DataType.INT64,
            pa.array(NUMBERS, type=pa.int64()),
            [
                "id > 3",
                "id >= 4 and id < 9223372036854775807",
                "5 < id <= 22 and n == 1",
                "id <= -5",
                "id == 7 and id > 2",
                "id > 10 and id < 5",
                "id > 4 and (id < 30 or n == 2)",
                "not (id > 4)",
                "id != 7",
                "id > -9223372036854775808",
            ],
        ),
        (
            DataType.VARCHAR,
            pa.array(TEXTS, type=pa.large_string()),
            ['id != ""', 'id > "ab"', 'id >= "é" and id < "z"', 'id > "b" and id != "z"', 'id <= "\U0001f600"'],
        ),
    ],
)
def test_a_range_and_the_rest_select_what_the_filter_does(kind, keys, filters):
    schema = _schema(kind)
    source = BatchSource(_batch(schema, keys))
    for text in filters:
        bound = bind(text, schema)
        wanted, rest = split_range(bound, schema.primary)
        start, stop = wanted.span(keys)
        inside = Bitset.from_rows(np.arange(start, stop), len(keys))
        among = wanted.among(keys)
        assert inside == (Bitset.all(len(keys)) if among is None else among), text
        left = inside if rest is None else select(rest, source, inside)
        assert left == select(bound, source), text


def test_bounds_of_keys_leave_the_filter():
    schema = _schema(DataType.INT64)
    wanted, rest = split_range(bind("id > 3 and id < 9 and n == 1", schema), schema.primary)
    assert rest == bind("n == 1", schema)
    assert wanted != EVERY_KEY
    assert split_range(bind("id > 3 or n == 1", schema), schema.primary)[0] == EVERY_KEY
    assert split_range(None, schema.primary) == (EVERY_KEY, None)
