from __future__ import annotations

import dataclasses
import pickle

import pyarrow as pa
import pytest

import filter_table
from elanus.expr import BatchSource, Source, always_true, bind, extract_json, parse, primary_key_values, select
from elanus.expr.bound import Always, Between
from elanus.expr.members import Members
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

_SCHEMA = filter_table.SCHEMA
_SOURCE = filter_table.source()


def _one_column(kind, values, **named):
    field = Field(id=FieldId(100), name="x", type=kind, is_primary=True, **named)
    schema = Schema((field,))
    source = BatchSource(ColumnBatch({field.id: Column(field, pa.array(values, type=arrow_type(field)))}, len(values)))
    return lambda text: select(bind(text, schema), source).rows().tolist()


def test_parsed_filters_are_kept_and_bind_like_their_text():
    text = "i == 1 or s like 'a%'"
    assert parse(text) is parse(text)
    assert bind(parse(text), _SCHEMA) is bind(text, _SCHEMA)


def test_equal_schemas_with_other_field_ids_are_not_confused():
    other = Schema(tuple(dataclasses.replace(field, id=FieldId(field.id + 1000)) for field in _SCHEMA))
    assert bind("i == 1", _SCHEMA).fields == {_SCHEMA["i"].id}
    assert bind("i == 1", other).fields == {other["i"].id}


def test_templates_are_bound_anew_for_each_call():
    assert select(bind("i == {v}", _SCHEMA, {"v": 0}), _SOURCE).rows().tolist() == [0]
    assert select(bind("i == {v}", _SCHEMA, {"v": 1, "unused": 2}), _SOURCE).rows().tolist() == [1]


def test_fields_name_every_column_that_is_read():
    bound = bind('i == n and (s like "a%" or not exists j["k"]) and color == "red" and array_length(a) > 1', _SCHEMA)
    names = ("i", "n", "s", "j", "$meta", "a")
    assert bound.fields == {_SCHEMA[name].id for name in names}
    assert bind("true", _SCHEMA).fields == frozenset()


def test_bound_filters_can_be_pickled():
    bound = bind('i in [1, 2] and (s like "a_%" or not (j["k"] == [1, 2])) and 0 < f < 1', _SCHEMA)
    again = pickle.loads(pickle.dumps(bound))
    assert again == bound
    assert again.fields == bound.fields


@pytest.mark.parametrize(
    "text", ["", "  \n", "true", "1 == 1", "not false", "i == 1 or true", "array_contains_all(a, [])"]
)
def test_filters_that_select_everything_are_recognised(text):
    assert always_true(bind(text, _SCHEMA))


@pytest.mark.parametrize("text", ["false", "i == i", "i in [1]", "id not in []"])
def test_other_filters_are_not_always_true(text):
    assert not always_true(bind(text, _SCHEMA))


@pytest.mark.parametrize(
    ("text", "keys", "rest"),
    [
        ("id == 5", [5], None),
        ("5 == id", [5], None),
        ("(id in [3, 1, 3])", [3, 1], None),
        ("id in []", [], None),
        ("id == 1 or id == 2", [1, 2], None),
        ("id in [1] or id in [2, 1]", [1, 2], None),
        ("id in {keys}", [7, 8], None),
        ("id == 5 and i == 1", [5], "i == 1"),
        ("i == 1 and (s == 'x' and id in [5, 6])", [5, 6], "i == 1 and s == 'x'"),
        ("id in [1, 2, 3] and id in [2, 3, 4] and id != 9 and i > 0", [2, 3], "id != 9 and i > 0"),
        ("id in [1, 5, 9] and 2 < id < 9", [5], None),
        ("id == 1 and id == 2", [], None),
    ],
)
def test_primary_keys_that_a_filter_lists(text, keys, rest):
    bound = bind(text, _SCHEMA, {"keys": [7, 8]})
    assert primary_key_values(bound, _SCHEMA) == (keys, None if rest is None else bind(rest, _SCHEMA))


@pytest.mark.parametrize(
    "text", ["id != 5", "id not in [5]", "id > 5", "i == 5", "id + 1 == 5", "true", "id == 5 or i == 1"]
)
def test_filters_that_list_no_primary_keys(text):
    assert primary_key_values(bind(text, _SCHEMA), _SCHEMA) is None


def test_text_keys_of_point_filters():
    schema = Schema((Field(id=FieldId(100), name="key", type=DataType.VARCHAR, is_primary=True),))
    assert primary_key_values(bind('key in ["b", "a"]', schema), schema) == (["b", "a"], None)
    assert primary_key_values(bind("key == 'x'", schema), schema) == (["x"], None)


def test_constants_are_folded_away():
    assert bind("i == 1 + 2 * 3", _SCHEMA) == bind("i == 7", _SCHEMA)
    assert bind("false and nosuch == 1", _SCHEMA) == Always(False)
    assert bind("not (false or (true and false))", _SCHEMA) == Always(True)
    assert bind("b == not (true and 1 > 2)", _SCHEMA) == bind("b == true", _SCHEMA)
    assert isinstance(bind("1 < i < 2 + 3", _SCHEMA), Between)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2 ** 3 ** 2", "64"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7 / 2.0", "3.5"),
        ("9223372036854775807 + 1", "-9223372036854775808"),
        ("0x10 + 010 + 0b10", "26"),
        ("6 & 3 | 8 ^ 1", "11"),
        ("1e-2", "0.01"),
        ("0x1.8p1", "3.0"),
        ("- - 3", "3"),
        ("+3", "3"),
    ],
)
def test_constant_arithmetic(left, right):
    assert always_true(bind(f"({left}) == {right}", _SCHEMA))


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r'"a\tb\n\\\"\'\a\b\f\v\r"', "a\tb\n\\\"'\a\b\f\v\r"),
        (r"'\x41\101\u4e2d\U0001f600'", "AA中😀"),
        (r'"\xe4\xb8\xad"', "中"),
        (r'r"\d\"x"', r"\d\"x"),
        ("R'a\"b'", 'a"b'),
        ("u8'é'", "é"),
        ('L"x"', "x"),
        ("'a\"b'", 'a"b'),
        ('"a\'b"', "a'b"),
    ],
)
def test_strings_are_read_as_written(written, text):
    assert parse(f"s == {written}").root.right.value == text


def test_json_keys_resolve_unicode_escapes_only():
    assert parse(r'j["\u4e2d"] == 1').root.left.steps == ("中",)
    assert parse(r'j["a\n"] == 1').root.left.steps == (r"a\n",)
    assert parse(r'j[r"\u4e2d"]["x][y"] == 1').root.left.steps == (r"\u4e2d", "x][y")


def test_long_lists_need_no_node_for_each_value():
    values = ", ".join(map(str, range(100_000)))
    assert select(bind(f"i in [{values}]", _SCHEMA), _SOURCE).rows().tolist() == [0, 1, 2, 3, 5, 6]
    texts = ", ".join(f"'{number}'" for number in range(100_000))
    assert select(bind(f"s not in [{texts},'a_b']", _SCHEMA), _SOURCE).rows().tolist() == [0, 1, 2, 5, 6, 7]


def test_long_chains_need_no_recursion():
    chain = " and ".join(f"(i != {number} or n > {number})" for number in range(1, 3000))
    bind(chain, _SCHEMA)
    bind(" or ".join(f"d{number} == 1" for number in range(20_000)), _SCHEMA)


def test_narrow_integers_compare_with_wide_constants():
    selected = _one_column(DataType.INT8, [-128, 0, 127])
    assert selected("x < 1000") == [0, 1, 2]
    assert selected("x in [1000, 127]") == [2]
    assert selected("x + 1 == 128") == [2]
    assert selected("-1000 < x < 100") == [0, 1]


def test_float_columns_compare_with_the_narrowed_constant():
    selected = _one_column(DataType.FLOAT, [0.1, 0.5, -1.0])
    assert selected("x == 0.1") == [0]
    assert selected("x in [0.1, 5]") == [0]
    assert selected("0.1 <= x <= 0.1") == [0]
    assert selected("x < 1e300") == [0, 1, 2]


def test_both_zeros_are_equal_everywhere():
    selected = _one_column(DataType.DOUBLE, [0.0, -0.0, 1.0])
    assert selected("x == -0.0") == [0, 1]
    assert selected("x in [0]") == [0, 1]
    assert selected("x in [-0.0]") == [0, 1]


def test_integer_arithmetic_wraps():
    selected = _one_column(DataType.INT64, [2**63 - 1, -(2**63), 5])
    assert selected("x + 1 == -9223372036854775808") == [0]
    assert selected("x / -1 == -9223372036854775808") == [1]
    assert selected("x % -1 == 0") == [0, 1, 2]


def test_texts_are_ordered_by_their_bytes():
    selected = _one_column(DataType.VARCHAR, ["Z", "a", "é", "中", "😀", "\uffff"])
    assert selected('x > "a"') == [2, 3, 4, 5]
    assert selected('x > "\uffff"') == [4]


def test_like_sees_line_breaks_and_regex_characters():
    selected = _one_column(DataType.VARCHAR, ["a\nb", "a.b", "axb", "a(b[", "\0"])
    assert selected('x like "a_b"') == [0, 1, 2]
    assert selected('x like "%.b"') == [1]
    assert selected('x like "a(_["') == [3]
    assert selected(r'x like "%\x00%"') == [4]
    assert selected('x like "a%b%"') == [0, 1, 2, 3]


def test_keywords_in_any_case_and_spacing():
    def rows(text):
        return select(bind(text, _SCHEMA), _SOURCE).rows().tolist()

    assert rows("Not (i > 0) Or s Like 'a%'") == rows("not (i > 0) or s like 'a%'")
    assert rows("n Is\n Not  Null") == rows("n is not null")
    assert rows("i Not In [0]") == rows("i !in [0]") == rows("i not in [0]")
    assert rows("Exists j['k']") == rows("exists j['k']")


def test_a_field_may_be_named_like_a_mixed_case_keyword():
    field = Field(id=FieldId(100), name="Not", type=DataType.INT64, is_primary=True)
    assert bind("Not == 1", Schema((field,))).fields == {field.id}


def test_an_empty_source_selects_nothing():
    batch = filter_table.batch()
    empty = ColumnBatch({key: column.slice(0, 0) for key, column in batch.columns.items()}, 0)
    for text in (
        "i == 1",
        's like "a_%"',
        'j["k"] == 1',
        "a[0] == 1",
        "array_contains(t, 'x')",
        "true",
        "n is null",
        "s in ['x']",
    ):
        assert select(bind(text, _SCHEMA), BatchSource(empty)).rows().tolist() == []


def test_sliced_columns_answer_like_whole_ones():
    batch = filter_table.batch()
    tail = BatchSource(ColumnBatch({key: column.slice(3, 8) for key, column in batch.columns.items()}, 5))
    texts = (
        "i > 2",
        "n is null",
        "b == true",
        's like "%a%"',
        's like "a_b"',
        'j["k"] in [1, true]',
        "a[1] == 2",
        "t == ['z']",
    )
    for text in (
        *texts,
        "array_contains(a, 2)",
        "array_length(t) == 1",
        'json_contains(j["k"], 2)',
        "color == 'red'",
        "n < i",
    ):
        whole = select(bind(text, _SCHEMA), _SOURCE).rows()
        assert select(bind(text, _SCHEMA), tail).rows().tolist() == [row - 3 for row in whole if row >= 3], text


def test_a_source_need_only_give_columns():
    class Plain(Source):
        num_rows = 8

        def column(self, field_id):
            return _SOURCE.column(field_id)

    assert select(bind('j["k"] == 1 and i >= 0', _SCHEMA), Plain()).rows().tolist() == [0, 1]


def test_rows_that_are_not_json_are_unknown():
    field = Field(id=FieldId(100), name="x", type=DataType.JSON)
    column = Column(field, pa.array([b'{"k": 1}', b'{"k": ', b"", b"{]", b'{"k": 2}'], type=pa.large_binary()))
    values = extract_json(column, ("k",))
    assert values.exists().rows().tolist() == [0, 4]
    assert values.compare("==", 1).known.rows().tolist() == [0, 4]


def test_wide_integers_in_json_stay_exact():
    field = Field(id=FieldId(100), name="x", type=DataType.JSON)
    numbers = [2**53, 2**53 + 1, 2**63 - 1, 2**63]
    column = Column(field, pa.array([str(number).encode() for number in numbers], type=pa.large_binary()))
    values = extract_json(column, ())
    assert values.compare("==", 2**53 + 1).value.mask().tolist() == [False, True, False, False]
    assert values.compare(">", 2**63 - 1).true_rows(negated=False).count() == 0
    assert values.is_in(Members((2**53, 2**63 - 1))).value.rows().tolist() == [0, 2, 3]
