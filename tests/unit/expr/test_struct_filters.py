"""Filters on arrays of structs: every form, what is refused, and how it reads back."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from elanus.expr import BatchSource, bind, select
from elanus.expr.describe import describe
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema, StructField
from elanus.model.types import DataType


def _sub(number: int, name: str, kind: DataType, element: DataType, **options) -> Field:
    return Field(
        id=FieldId(number), name=f"s[{name}]", type=kind, element_type=element, nullable=True, struct="s", **options
    )


SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(101), name="a", type=DataType.ARRAY, element_type=DataType.INT64),
        _sub(111, "e", DataType.ARRAY_OF_VECTOR, DataType.FLOAT_VECTOR, dim=2),
        _sub(112, "n", DataType.ARRAY, DataType.INT64),
        _sub(113, "t", DataType.ARRAY, DataType.VARCHAR),
        _sub(114, "b", DataType.ARRAY, DataType.BOOL),
        _sub(115, "f", DataType.ARRAY, DataType.FLOAT),
    ),
    structs=(StructField(id=FieldId(110), name="s", nullable=True),),
)
THREE = [
    {"e": [0.0, 0.0], "n": 1, "t": "a", "b": True, "f": 0.5},
    {"e": [1.0, 0.0], "n": 5, "t": "b", "b": False, "f": 0.1},
    {"e": [0.0, 1.0], "n": 9, "t": "a", "b": True, "f": 2.5},
]
ROWS = [
    {"id": 1, "a": [1], "s": THREE},
    {"id": 2, "a": [1], "s": []},
    {"id": 3, "a": [1], "s": None},
    {"id": 4, "a": [1], "s": [THREE[1], THREE[1]]},
]


def _source() -> BatchSource:
    columns = {}
    for field in SCHEMA:
        if field.struct:
            values = [None if row["s"] is None else [item[field.sub_name] for item in row["s"]] for row in ROWS]
        else:
            values = [row[field.name] for row in ROWS]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return BatchSource(ColumnBatch(columns, len(ROWS)))


SOURCE = _source()


def _ids(text: str, values: dict | None = None) -> list[int]:
    return [ROWS[row]["id"] for row in select(bind(text, SCHEMA, values or {}), SOURCE).rows()]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("match_any(s, $[n] > 8)", [1]),
        ("MATCH_ANY(s, $[n] > 4)", [1, 4]),
        ("match_all(s, $[n] > 0)", [1, 2, 3, 4]),
        ('match_all(s, $[t] == "a")', [2, 3]),
        ('match_least(s, $[t] == "a", threshold=2)', [1]),
        ("match_most(s, $[n] > 4, threshold=1)", [2, 3]),
        ("match_most(s, $[n] > 4, threshold=2)", [1, 2, 3, 4]),
        ("match_exact(s, 1 < $[n] < 9, threshold=1)", [1]),
        ("match_exact(s, 1 < $[n] < 9, threshold=0)", [2, 3]),
        ("match_exact(s, $[n] == 5, threshold=2)", [4]),
        ("match_least(s, $[n] == 5, threshold=9223372036854775807)", []),
        ("match_most(s, $[n] == 5, threshold=9223372036854775807)", [1, 2, 3, 4]),
        ('element_filter(s, $[t] == "a" && $[n] > 1)', [1]),
        ('match_any(s, $[t] == "b" && $[n] == 1)', []),
        ('match_any(s, $[t] == "b" and $[n] == 5)', [1, 4]),
        ("match_any(s, $[b] == true)", [1]),
        ("match_any(s, $[f] == 0.1)", [1, 4]),
        ("match_any(s, $[n] in [9, 10])", [1]),
        ("match_any(s, $[n] not in [5])", [1]),
        ('match_any(s, $[t] like "a%")', [1]),
        ('match_any(s, $[t] =~ "^b$")', [1, 4]),
        ("match_any(s, $[n] % 5 == 0)", [1, 4]),
        ("match_any(s, $[n] + 1 == 10)", [1]),
        ("match_all(s, not ($[n] > 5))", [2, 3, 4]),
        ("match_all(s, not $[n] > 5)", [2, 3, 4]),
        ("match_any(s, $[n] == 1 or $[n] == 2)", [1]),
        ("match_any(s, true)", [1, 4]),
        ("match_all(s, false)", [2, 3]),
        ("not match_any(s, $[n] > 8)", [2, 3, 4]),
        ('match_any(s, $[t] == "b")', [1, 4]),
        ('not match_any(s, $[t] == "a")', [2, 3, 4]),
        ("not match_any(s, $[n] in [5, 6])", [2, 3]),
        ("match_any(s, $[n] in [])", []),
        ("not match_all(s, $[n] > 8)", [1, 4]),
        ("match_any(s, $[n] > 8) or match_exact(s, $[n] == 5, threshold=2)", [1, 4]),
        ("s[0][n] == 1", [1]),
        ("not s[0][n] == 1", [4]),
        ("s[7][n] == 1", []),
        ("not (s[7][n] == 1)", []),
        ("s[1][n] in [5, 6]", [1, 4]),
        ("0 < s[0][n] < 3", [1]),
        ('s[0][t] like "a%"', [1]),
        ("s[0][n] + 1 == 2", [1]),
        ("array_length(s) == 3", [1]),
        ("array_length(s) < 3", [2, 4]),
        ("array_length(s) in [0, 2]", [2, 4]),
        ("array_length(s[n]) == 2", [4]),
        ("array_length(s[e]) == 2", [4]),
        ('array_contains(s[t], "b")', [1, 4]),
        ('not array_contains(s[t], "a")', [2, 4]),
        ("array_contains_all(s[n], [1, 9])", [1]),
        ("array_contains_any(s[n], [1, 5])", [1, 4]),
        ("s is null", [3]),
        ("s is not null", [1, 2, 4]),
        ("not s is null", [1, 2, 4]),
        ("id > 0 && element_filter(s, $[n] > 1)", [1, 4]),
        ("id > 3 or element_filter(s, $[n] > 8)", [1, 4]),
        ("id > 0 and (id == 9 or element_filter(s, $[n] > 8))", [1]),
    ],
)
def test_rows_are_selected(text: str, ids: list[int]) -> None:
    assert _ids(text) == ids


def test_templates_inside_a_call_are_filled() -> None:
    assert _ids("match_any(s, $[n] > {low})", {"low": 8}) == [1]
    assert _ids("match_any(s, $[t] in {texts} and $[n] < {high})", {"texts": ["b"], "high": 6}) == [1, 4]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("$[n] > 1", "$[n] syntax can only be used inside element_filter or match_*"),
        ("match_any(s, $[b])", "invalid predicate expression in match_any: it is not a boolean expression"),
        ("match_any(s, $[n])", "it is not a boolean expression"),
        ("match_any(s, not $[b])", "not op can only be applied on boolean expression"),
        ("match_any(s, $[e] == 1)", "vector sub-field s[e] cannot be used in a predicate"),
        ("match_any(s, $[x] == 1)", "array field not found: s[x], error: field s[x] not exist"),
        ("match_any(s, $[n] == 1 and id > 1)", "only $[sub_field] of s can be used inside match_any"),
        ("match_any(s, s[0][n] == 1)", "only $[sub_field] of s can be used inside match_any"),
        ("match_any(s, $[n] is null)", "only $[sub_field] of s can be used inside match_any"),
        ("match_any(s, exists $[n])", "only $[sub_field] of s can be used inside match_any"),
        ("match_any(s, match_any(s, $[n] == 1))", "nested match_any is not supported, already inside match_any for s"),
        ("match_any(s, element_filter(s, $[n] == 1))", "element filter expression can only be the last"),
        ('match_any(s, text_match($[t], "a"))', "nested text_match is not supported"),
        ('match_any(s, $[n] == "x")', "comparisons between Int64 and VarChar are not supported"),
        ("match_any(s, $[n] == 1.5)", "cannot cast value to Int64"),
        ("match_any(a, $[n] == 1)", "struct field not found: a"),
        ("match_any(nothing, $[n] == 1)", "struct field not found: nothing"),
        ("match_any(s[n], $[n] == 1)", "match_any takes the name of a struct array field"),
        ("match_any(s)", "match_any takes a struct array and a predicate, got 1 arguments"),
        ("match_any(s, $[n] == 1, threshold=1)", "match_any takes no option, got threshold"),
        ("match_least(s, $[n] > 0)", "match_least takes one option: threshold=N, an integer literal"),
        ("match_least(s, $[n] > 0, threshold={t})", "match_least takes one option: threshold=N"),
        ("match_least(s, $[n] > 0, threshold=1.5)", "match_least takes one option: threshold=N"),
        ("match_least(s, $[n] > 0, threshold=true)", "match_least takes one option: threshold=N"),
        ("match_least(s, $[n] > 0, threshold=99999999999999999999)", "int64 overflow"),
        ("match_least(s, $[n] > 0, threshold=0)", "count in MATCH_LEAST must be positive, got: 0"),
        ("match_most(s, $[n] > 0, threshold=-1)", "count in MATCH_MOST cannot be negative, got: -1"),
        ("match_exact(s, $[n] > 0, threshold=-1)", "count in MATCH_EXACT cannot be negative, got: -1"),
        ("not element_filter(s, $[n] > 1)", "element filter expression can only be the last expression"),
        ("element_filter(s, $[n] > 1) && id > 0", "element filter expression can only be the last expression"),
        ("element_filter(s, $[n] > 1) || id > 0", "element filter expression can only be the last expression"),
        ("id > 0 and (element_filter(s, $[n] > 1) or id == 1)", "element filter expression can only be the last"),
        (
            "element_filter(s, $[n] > 1) and element_filter(s, $[n] < 9)",
            "element filter expression can only be the last expression",
        ),
        ("s", "predicate is not a boolean expression: s, data type: ArrayOfStruct"),
        ("s == 1", "can not comparisons array fields directly"),
        ("s in []", "can not comparisons array fields directly"),
        ("s[0] == 1", "struct array field s can only be accessed with a sub-field: s[e]"),
        ('s["n"] == 1', "struct array field s can only be accessed with a sub-field: s[e]"),
        ("s[x] == 1", "field s[x] not exist"),
        ("s[n] == 1", "can not comparisons array fields directly"),
        ("s[n] > 1", "can not comparisons array fields directly"),
        ("s[e] == [1]", "comparisons between ArrayOfVector and Array are not supported"),
        ("s[0][e] == 1", "vector sub-field s[e] cannot be used in a predicate"),
        ("s[n] is null", "IsNull/IsNotNull operations are only supported on single fields"),
        ("s[e] is null", "IsNull/IsNotNull operations are not supported on vector fields"),
        ("exists s", "exists operations are only supportted on json field, got:ArrayOfStruct"),
        ('s like "a%"', "can not comparisons array fields directly"),
        ("array_contains(s, 1)", "contains operation are only supported on array or json fields"),
        ("array_contains(s[e], 1)", "contains operation are only supported on array or json fields"),
        ('array_contains(s[n], "x")', "cannot be casted to Int64"),
        ("a[n] == 1", "can only access array field with integer index"),
        ("id[n] == 1", "Int64 data type not supported accessed with []"),
        ("other[n] == 1", "field other not exist"),
    ],
)
def test_refused_with_a_reason(text: str, phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        bind(text, SCHEMA, {"t": 1})
    assert phrase in str(caught.value)


def test_undeclared_names_with_brackets_are_still_keys_without_quotes() -> None:
    dynamic = Schema((SCHEMA["id"], Field(id=FieldId(101), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True)))
    with pytest.raises(InvalidParameter, match="json key must be enclosed"):
        bind("other[n] == 1", dynamic)


@pytest.mark.parametrize(
    "text",
    [
        "match_any(s, $[n] > 8 and $[t] == \"a\")",
        "not match_least(s, $[n] + 1 > 4, threshold=2)",
        "element_filter(s, $[n] == 5)",
        "array_length(s) == 3 and array_length(s[e]) == 3",
        "s is not null and s[0][n] == 1",
        'array_contains_any(s[t], ["a"])',
    ],
)  # fmt: skip
def test_bound_filters_read_as_the_language_writes_them(text: str) -> None:
    bound = bind(text, SCHEMA)
    assert describe(bound, SCHEMA) == text
    assert bind(describe(bound, SCHEMA), SCHEMA) == bound
    assert pickle.loads(pickle.dumps(bound)) == bound


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('match_any(s, $[t] == "a")', 's is not null and array_contains_any(s[t], ["a"])'),
        ("match_any(s, $[n] in [1, 2])", "s is not null and array_contains_any(s[n], [1, 2])"),
        ("not match_any(s, $[n] == 1)", "s is null or not array_contains_any(s[n], [1])"),
        ("match_any(s, $[n] in [])", "match_any(s, $[n] in [])"),
        ("match_any(s, $[n] != 1)", "match_any(s, $[n] != 1)"),
        ("match_any(s, $[n] + 1 == 1)", "match_any(s, $[n] + 1 == 1)"),
        ("element_filter(s, $[n] == 1)", "element_filter(s, $[n] == 1)"),
    ],
)
def test_one_equality_is_a_search_for_an_element_which_an_index_may_answer(text: str, meaning: str) -> None:
    assert describe(bind(text, SCHEMA), SCHEMA) == meaning


def test_fields_name_the_sub_fields_that_are_read() -> None:
    assert bind('match_any(s, $[n] > 8 and $[t] == "a") and s[0][f] > 1', SCHEMA).fields == {112, 113, 115}
    assert bind("match_any(s, true)", SCHEMA).fields == {111}
