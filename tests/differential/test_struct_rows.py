"""Filters on arrays of structs against the row interpreter."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_interpreter import holds, narrowed
from row_texts import render

from elanus.expr import BatchSource, bind, select
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema, StructField, sub_field_name
from elanus.model.types import DataType

_SMALL = st.integers(-3, 3)
_INTS = st.one_of(_SMALL, _SMALL, st.integers(-(2**63), 2**63 - 1))
_SINGLES = st.one_of(_SMALL.map(float), st.floats(-(2.0**60), 2.0**60, width=32))
_TEXTS = st.text(st.sampled_from("ab%_中"), max_size=3)
_SUBS = {
    "n": (DataType.INT64, _INTS),
    "i8": (DataType.INT8, st.integers(-128, 127)),
    "f32": (DataType.FLOAT, _SINGLES),
    "t": (DataType.VARCHAR, _TEXTS),
    "b": (DataType.BOOL, st.booleans()),
}
_STRUCT = StructField(id=FieldId(110), name="s", nullable=True)
_SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        *(
            Field(
                id=FieldId(111 + place),
                name=sub_field_name("s", name),
                type=DataType.ARRAY,
                element_type=kind,
                nullable=True,
                struct="s",
            )
            for place, (name, (kind, _)) in enumerate(_SUBS.items())
        ),
        Field(
            id=FieldId(120),
            name="s[e]",
            type=DataType.ARRAY_OF_VECTOR,
            element_type=DataType.FLOAT_VECTOR,
            dim=2,
            nullable=True,
            struct="s",
        ),
    ),
    structs=(_STRUCT,),
)
_ITEMS = st.fixed_dictionaries({name: values for name, (_, values) in _SUBS.items()})
_ROWS = st.lists(st.fixed_dictionaries({"id": _SMALL, "s": st.none() | st.lists(_ITEMS, max_size=4)}), max_size=8)


def _source(rows):
    columns = {100: Column(_SCHEMA["id"], pa.array([row["id"] for row in rows], type=pa.int64()))}
    for field in _SCHEMA.sub_fields(_STRUCT):
        values = [None if row["s"] is None else [_held(field, item) for item in row["s"]] for row in rows]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return BatchSource(ColumnBatch(columns, len(rows)))


def _held(field, item):
    return [0.0, 1.0] if field.type is DataType.ARRAY_OF_VECTOR else item[field.sub_name]


# --- predicates about one struct ---

_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_NUMBER, _NARROW, _SINGLE, _TEXT, _FLAG = (st.just(("item", name)) for name in _SUBS)
_WHOLE = _NUMBER | _NARROW


def _compare(operands, values):
    return st.tuples(st.just("compare"), operands, _OPS, values)


def _range(operands, values, to=lambda value: value):
    bounds = (
        st.tuples(values, values).map(lambda pair: sorted(pair, key=to)).filter(lambda pair: to(pair[0]) < to(pair[1]))
    )
    ops = st.sampled_from(["<", "<="])
    return st.builds(
        lambda operand, pair, low, high: ("range", operand, pair[0], low, high, pair[1]), operands, bounds, ops, ops
    )


def _stepped(draw):
    step = st.tuples(st.just("arithmetic"), st.sampled_from("+-*/%&|^"), _WHOLE, _INTS.filter(lambda value: value != 0))
    return _compare(step, draw)


_INSIDE = st.recursive(
    st.one_of(
        _compare(_WHOLE, _INTS),
        _compare(_SINGLE, _SINGLES | _SMALL),
        _compare(_TEXT, _TEXTS),
        _compare(_FLAG, st.booleans()),
        _stepped(_INTS),
        _range(_WHOLE, _INTS),
        _range(_SINGLE, _SINGLES, narrowed),
        _range(_TEXT, _TEXTS, lambda text: text.encode()),
        st.tuples(st.just("in"), _WHOLE, st.lists(_INTS, max_size=3)),
        st.tuples(st.just("in"), _TEXT, st.lists(_TEXTS, max_size=3)),
        st.tuples(st.just("columns"), _WHOLE, _OPS, _WHOLE),
        st.tuples(st.just("like"), _TEXT, _TEXTS),
        st.tuples(st.just("constant"), st.booleans()),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=4,
)


def _calls(*names):
    return st.tuples(st.just("structs"), st.sampled_from(names), st.just("s"), _INSIDE, st.integers(1, 4))


# --- filters ---

_INDEX = st.integers(0, 3)
_LEAVES = st.one_of(
    _calls("match_any", "match_all", "match_least", "match_most", "match_exact"),
    _compare(st.tuples(st.just("struct_item"), st.just("s"), _INDEX, st.just("n")), _INTS),
    _compare(st.tuples(st.just("struct_item"), st.just("s"), _INDEX, st.just("f32")), _SINGLES),
    st.tuples(st.just("like"), st.tuples(st.just("struct_item"), st.just("s"), _INDEX, st.just("t")), _TEXTS),
    st.tuples(
        st.just("in"),
        st.tuples(st.just("struct_item"), st.just("s"), _INDEX, st.just("n")),
        st.lists(_SMALL, max_size=3),
    ),
    st.tuples(
        st.just("contains"),
        st.just(("sub_field", "s", "n")),
        st.sampled_from(["all", "any"]),
        st.lists(_SMALL, max_size=2),
    ),
    st.tuples(st.just("contains"), st.just(("sub_field", "s", "t")), st.just("one"), _TEXTS),
    _compare(st.just(("length", ("column", "s"))), st.integers(0, 4)),
    _compare(st.just(("length", ("sub_field", "s", "t"))), st.integers(0, 4)),
    st.tuples(st.just("null"), st.just(("column", "s"))),
    _compare(st.just(("column", "id")), _SMALL),
)
_FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=5,
)
_SETTINGS = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _expected(predicate, rows):
    return [number for number, row in enumerate(rows) if holds(predicate, row) is True]


@_SETTINGS
@given(_ROWS, _calls("match_any", "match_all", "match_least", "match_most", "match_exact"))
def test_counts_of_structs_agree_with_the_row_interpreter(rows, predicate):
    source = _source(rows)
    for each in (predicate, ("not", predicate)):
        assert select(bind(render(each), _SCHEMA), source).rows().tolist() == _expected(each, rows), render(each)


@_SETTINGS
@given(_ROWS, _FILTERS)
def test_whole_filters_agree_with_the_row_interpreter(rows, predicate):
    assert select(bind(render(predicate), _SCHEMA), _source(rows)).rows().tolist() == _expected(predicate, rows)


@_SETTINGS
@given(_ROWS, _FILTERS, _calls("element_filter"))
def test_element_filters_select_rows_behind_other_conjuncts(rows, before, last):
    predicate = ("and", [before, last])
    text = f"({render(before)}) and {render(last)}"
    assert select(bind(text, _SCHEMA), _source(rows)).rows().tolist() == _expected(predicate, rows)


@_SETTINGS
@given(_ROWS, _FILTERS, st.data())
def test_filters_answer_alike_about_some_rows_and_about_sliced_columns(rows, predicate, data):
    """Lists that do not begin at their buffers' first element, and rows looked at one by one."""
    whole = _source(rows)
    start = data.draw(st.integers(0, len(rows)))
    columns = {key: column.slice(start, len(rows)) for key, column in whole.batch.columns.items()}
    part = BatchSource(ColumnBatch(columns, len(rows) - start))
    bound = bind(render(predicate), _SCHEMA)
    assert select(bound, part).rows().tolist() == _expected(predicate, rows[start:])
    asked = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    found = select(bound, whole, Bitset.from_mask(np.array(asked, dtype=np.bool_)))
    assert found.rows().tolist() == [row for row in _expected(predicate, rows) if asked[row]]
