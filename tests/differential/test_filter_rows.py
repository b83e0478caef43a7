from __future__ import annotations

import json

import pyarrow as pa
import row_interpreter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_interpreter import holds, narrowed, render

from elanus.expr import BatchSource, bind, select
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.model.types import DataType

_INT64 = st.integers(-(2**63), 2**63 - 1)
_SMALL = st.integers(-4, 4)
_INTS = st.one_of(_SMALL, _SMALL, _INT64)
_FLOATS = st.one_of(_SMALL.map(float), st.sampled_from([0.5, -0.25, 1e-9, 1e20, -0.0]), st.floats(-1e100, 1e100))
_SINGLES = st.one_of(_SMALL.map(float), st.floats(-(2.0**90), 2.0**90, width=32))
_TEXTS = st.text(st.sampled_from('ab%_\\"\n中😀'), max_size=4)
_KEYS = st.sampled_from(["k", "x y", "0", "中"])
_SCALARS = st.one_of(st.booleans(), _INTS, _FLOATS, _TEXTS)
_JSON = st.recursive(
    st.one_of(st.none(), _SCALARS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(_KEYS, _JSON, max_size=3)


def _maybe(values):
    return st.one_of(st.none(), values)


_COLUMNS = {
    "id": (DataType.INT64, _INT64),
    "i8": (DataType.INT8, st.integers(-128, 127)),
    "n": (DataType.INT64, _maybe(_INTS)),
    "f32": (DataType.FLOAT, _maybe(_SINGLES)),
    "f": (DataType.DOUBLE, _FLOATS),
    "b": (DataType.BOOL, _maybe(st.booleans())),
    "s": (DataType.VARCHAR, _maybe(_TEXTS)),
    "a": (DataType.ARRAY, st.lists(_SMALL, max_size=4)),
    "t": (DataType.ARRAY, _maybe(st.lists(_TEXTS, max_size=3))),
    "j": (DataType.JSON, _maybe(_JSON)),
    DYNAMIC_FIELD: (DataType.JSON, _OBJECTS),
}
_ELEMENTS = {"a": DataType.INT32, "t": DataType.VARCHAR}
_SCHEMA = Schema(
    tuple(
        Field(
            id=FieldId(100 + number),
            name=name,
            type=kind,
            element_type=_ELEMENTS.get(name, DataType.NONE),
            nullable=True,
            is_primary=name == "id",
            is_dynamic=name == DYNAMIC_FIELD,
        )
        for number, (name, (kind, _)) in enumerate(_COLUMNS.items())
    )
)
_ROWS = st.lists(st.fixed_dictionaries({name: values for name, (_, values) in _COLUMNS.items()}), max_size=8)


def _source(rows, ascii_only):
    columns = {}
    for field in _SCHEMA:
        values = [row[field.name] for row in rows]
        if field.type is DataType.JSON:
            values = [None if value is None else _encoded(value, ascii_only) for value in values]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return BatchSource(ColumnBatch(columns, len(rows)))


def _encoded(value, ascii_only):
    return json.dumps(value, ensure_ascii=ascii_only, indent=1 if ascii_only else None).encode()


# --- predicates ---

_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_STEPS = st.one_of(_KEYS, st.integers(0, 2))
_JSON_PATHS = st.one_of(
    st.tuples(st.just("json"), st.just("j"), st.lists(_STEPS, min_size=1, max_size=2)),
    st.tuples(st.just("json"), st.just(DYNAMIC_FIELD), st.tuples(_KEYS).map(list)),
)
_INT_OPERANDS = st.sampled_from(
    [
        ("column", "id"),
        ("column", "i8"),
        ("column", "n"),
        ("element", "a", 0),
        ("element", "a", 2),
        ("length", ("column", "t")),
    ]
)
_FLOAT_OPERANDS = st.sampled_from([("column", "f32"), ("column", "f")])
_TEXT_OPERANDS = st.sampled_from([("column", "s"), ("element", "t", 0)])
_BOOL_OPERANDS = st.just(("column", "b"))


def _typed(build):
    """Draw an operand with a constant of its family."""
    numbers = st.one_of(_INTS, _FLOATS.filter(lambda value: abs(value) < 1e30))
    return st.one_of(
        build(_INT_OPERANDS, _INTS),
        build(_FLOAT_OPERANDS, numbers),
        build(_TEXT_OPERANDS, _TEXTS),
        build(_BOOL_OPERANDS, st.booleans()),
        build(_JSON_PATHS, _SCALARS),
    )


def _arithmetic(operands, constants, values, ops):
    steps = st.tuples(st.just("arithmetic"), st.sampled_from(ops), operands, constants.filter(lambda value: value != 0))
    return st.tuples(st.just("compare"), steps, _OPS, values)


def _ordered(node):
    _, operand, low, low_op, high_op, high = node
    low, high = (low, high) if low <= high else (high, low)
    if low == high or (operand[-1] == "f32" and narrowed(low) == narrowed(high)):
        low_op = high_op = "<="
    return ("range", operand, low, low_op, high_op, high)


def _range(operands, constants):
    op = st.sampled_from(["<", "<="])
    return st.tuples(st.just("range"), operands, constants, op, op, constants).map(_ordered)


_SINGLE_LIMITED = _FLOATS.filter(lambda value: abs(value) < 1e30)
_FACTORS = st.one_of(_SMALL, st.sampled_from([0.5, -3.0, 1e5]))
_JSON_INTEGER_STEPS = _arithmetic(_JSON_PATHS, _INTS, _INTS, "+-*/%&|^")
_INTEGER_LISTS, _TEXT_LISTS, _SCALAR_LISTS = (st.lists(values, max_size=3) for values in (_SMALL, _TEXTS, _SCALARS))
_INTEGER_ARRAY, _TEXT_ARRAY = st.just(("column", "a")), st.just(("column", "t"))
_ALL_OR_ANY, _EQUAL_OR_NOT = st.sampled_from(["all", "any"]), st.sampled_from(["==", "!="])
_NUMERIC_COLUMNS = st.sampled_from(
    [("column", "id"), ("column", "i8"), ("column", "f"), ("column", "f32"), ("column", "n")]
)

_LEAVES = st.one_of(
    _typed(lambda operands, values: st.tuples(st.just("compare"), operands, _OPS, values)),
    _typed(lambda operands, values: st.tuples(st.just("in"), operands, st.lists(values, max_size=4))),
    _arithmetic(_INT_OPERANDS, _INTS, _INTS, "+-*/%&|^"),
    _arithmetic(_FLOAT_OPERANDS, _FACTORS, _FACTORS, "+-*/"),
    _JSON_INTEGER_STEPS,
    _arithmetic(_JSON_PATHS, _FACTORS, _FACTORS, "+-*/"),
    _range(st.sampled_from([("column", "id"), ("column", "i8"), ("element", "a", 1)]), _INTS),
    _range(_FLOAT_OPERANDS, _SINGLE_LIMITED),
    _range(_TEXT_OPERANDS, _TEXTS),
    _range(_JSON_PATHS, _INTS),
    _range(_JSON_PATHS, _FLOATS),
    st.tuples(st.just("columns"), _NUMERIC_COLUMNS, _OPS, _NUMERIC_COLUMNS),
    st.tuples(st.just("columns"), _TEXT_OPERANDS, _OPS, _TEXT_OPERANDS),
    st.tuples(st.just("like"), st.one_of(_TEXT_OPERANDS, _JSON_PATHS), _TEXTS.map(lambda text: text.rstrip("\\"))),
    st.tuples(st.just("null"), st.one_of(st.sampled_from([("column", name) for name in ("n", "s", "t")]), _JSON_PATHS)),
    st.tuples(st.just("null"), st.just(("json", "j", []))),
    st.tuples(st.just("exists"), _JSON_PATHS),
    st.tuples(st.just("contains"), _INTEGER_ARRAY, st.just("one"), _SMALL),
    st.tuples(st.just("contains"), _INTEGER_ARRAY, _ALL_OR_ANY, _INTEGER_LISTS),
    st.tuples(st.just("contains"), _TEXT_ARRAY, _ALL_OR_ANY, _TEXT_LISTS),
    st.tuples(st.just("contains"), _JSON_PATHS, st.just("one"), st.one_of(_SCALARS, _SCALAR_LISTS)),
    st.tuples(st.just("contains"), st.just(("json", "j", [])), _ALL_OR_ANY, _SCALAR_LISTS),
    st.tuples(st.just("contains"), _JSON_PATHS, _ALL_OR_ANY, _SCALAR_LISTS),
    st.tuples(st.just("equals_list"), _INTEGER_ARRAY, _EQUAL_OR_NOT, _INTEGER_LISTS),
    st.tuples(st.just("equals_list"), _JSON_PATHS, _EQUAL_OR_NOT, _SCALAR_LISTS),
    st.tuples(st.just("constant"), st.booleans()),
)  # fmt: skip
_PREDICATES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4)),
    ),
    max_leaves=8,
)

_SETTINGS = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _check(rows, predicate, ascii_only):
    expected = [number for number, row in enumerate(rows) if holds(predicate, row) is True]
    selected = select(bind(render(predicate), _SCHEMA), _source(rows, ascii_only)).rows()
    assert list(selected) == expected, render(predicate)


@_SETTINGS
@given(_ROWS, _LEAVES, st.booleans())
def test_single_predicates_agree_with_the_row_interpreter(rows, predicate, ascii_only):
    _check(rows, predicate, ascii_only)
    _check(rows, ("not", predicate), ascii_only)


@_SETTINGS
@given(_ROWS, _PREDICATES, st.booleans())
def test_whole_filters_agree_with_the_row_interpreter(rows, predicate, ascii_only):
    _check(rows, predicate, ascii_only)


@_SETTINGS
@given(st.lists(_JSON, max_size=8), _JSON_PATHS, st.data(), st.booleans())
def test_json_equality_finds_the_values_that_are_there(values, operand, data, ascii_only):
    """Constants drawn from the rows themselves hit far more often than free ones."""
    rows = [{**_BLANK, "j": value, DYNAMIC_FIELD: value if isinstance(value, dict) else {}} for value in values]
    present = [
        value for row in rows if isinstance(value := row_interpreter._value(operand, row), bool | int | float | str)
    ]
    wanted = data.draw(
        st.lists(st.one_of(_SCALARS, *([st.sampled_from(present)] if present else [])), min_size=1, max_size=3)
    )
    for predicate in (
        ("in", operand, wanted),
        ("compare", operand, "==", wanted[0]),
        ("compare", operand, "!=", wanted[0]),
    ):
        _check(rows, predicate, ascii_only)


_BLANK = {"id": 0, "i8": 0, "n": None, "f32": None, "f": 0.0, "b": None, "s": None, "a": [], "t": None}
