"""Lists of constants: prepared once, whatever the number of segments, and sent without what was prepared."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from elanus._native import filter
from elanus.expr import BatchSource, bind, extract_json, members, select
from elanus.expr.bound import Arithmetic, ArrayRef, ColumnRef, ElementRef, JsonRef, LengthOf
from elanus.expr.members import Members
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

_FIELDS = (
    Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
    Field(id=FieldId(101), name="s", type=DataType.VARCHAR),
    Field(id=FieldId(102), name="a", type=DataType.ARRAY, element_type=DataType.INT32),
    Field(id=FieldId(103), name="j", type=DataType.JSON),
)
_SCHEMA = Schema(_FIELDS)


def _source(rows):
    values = [
        [*range(rows)],
        [f"t{row}" for row in range(rows)],
        [[row, row + 1] for row in range(rows)],
        [b'{"k": %d, "l": ["t%d"]}' % (row, row) for row in range(rows)],
    ]
    columns = zip(_FIELDS, values, strict=True)
    return BatchSource(
        ColumnBatch({field.id: Column(field, pa.array(data, type=arrow_type(field))) for field, data in columns}, rows)
    )


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("id in [1, 5, 2]", "IntSet"),
        ("id not in [1, 5, 2]", "IntSet"),
        ('s in ["t1", "t5", "t2"]', "TextSet"),
        ("array_contains_any(a, [1, 5, 2])", "IntSet"),
        ('j["k"] in [1, 5, 2]', "IntSet"),
        ('json_contains_any(j["l"], ["t1", "t5", "t2"])', "TextSet"),
    ],
)
def test_a_list_is_prepared_once_for_all_segments(monkeypatch, text, form):
    prepared = []

    def counting(values):
        prepared.append(len(values))
        return getattr(filter, form)(values)

    monkeypatch.setattr(members, form, counting)
    bound = bind(text, _SCHEMA)
    leaf = next(bound.leaves())
    leaf.__dict__.pop("members", None)  # bound filters are kept: another test may have asked for this one
    found = [select(bound, _source(rows)).count() for rows in (4, 7, 9)]
    assert prepared == [3]
    assert len(set(found)) > 1


def test_a_filter_travels_without_what_was_prepared():
    bound = bind("id in [3, 1]", _SCHEMA)
    assert select(bound, _source(9)).rows().tolist() == [1, 3]
    again = pickle.loads(pickle.dumps(bound))
    assert again == bound
    assert select(again, _source(9)).rows().tolist() == [1, 3]


def test_constants_are_told_by_their_types():
    mixed = Members((1, "a", True, 2.5, (1, 2), "b", 0))
    assert list(mixed.numbers.values) == [1, 2.5, 0]
    assert {kind: list(family.values) for kind, family in mixed.by_type.items()} == {
        bool: [True],
        str: ["a", "b"],
        tuple: [(1, 2)],
    }
    assert not mixed.numbers.are_ints
    assert Members((1, 2)).are_ints


def test_constants_of_a_narrow_float_are_narrowed():
    found = filter.in_floats(np.array([0.1, 0.2], dtype=np.float32), Members((0.1, 1e300)).singles)
    assert found.rows().tolist() == [0]


def test_the_elements_of_json_arrays_are_read_once():
    field = _FIELDS[3]
    values = extract_json(Column(field, pa.array([b"[1, 2]", b"3", b"[]"], type=pa.large_binary())), ())
    assert values.lists() is values.lists()
    assert values.lists().lengths().values.tolist() == [2, 0, 0]


def test_every_operand_tells_what_it_reads():
    column, array = ColumnRef(100, DataType.INT64, False), ArrayRef(102, DataType.INT32)
    path = JsonRef(103, ("k",))
    assert column.base is column
    assert Arithmetic(100, "+", column, 1).base is column
    assert Arithmetic(103, "+", path, 1).base is path
    assert ElementRef(102, DataType.INT32, 3).base == array
    assert LengthOf(102, array).base is array
    assert LengthOf(103, path).base is path
