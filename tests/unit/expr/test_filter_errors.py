from __future__ import annotations

import pickle

import filter_table
import pytest

from elanus.expr import bind, parse, select
from elanus.model import limits
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Schema

_NO_DYNAMIC = Schema(tuple(field for field in filter_table.SCHEMA if not field.is_dynamic))


def _refusal(text, values=None, schema=filter_table.SCHEMA):
    with pytest.raises(InvalidParameter) as caught:
        bind(text, schema, values or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("i == ", "line 1:5 mismatched input '<EOF>'"),
        ("i > 1 and\n  i = 2", "line 2:4 mismatched input '='"),
        ("i == 0 # x", "line 1:7 token recognition error at: '#'"),
        ('s == "unclosed', "token recognition error"),
        (r's == "\d"', "invalid escape sequence"),
        (r's == "\ud800"', "invalid escape sequence"),
        (r's == "\xff"', "not valid UTF-8"),
        ("i == 9223372036854775808", "int64 overflow"),
        ("i in [9223372036854775808, 1]", "int64 overflow"),
        ("i == -9223372036854775809", "int64 overflow"),
        ('s == 1', "comparisons between VarChar and Int64 are not supported"),
        ('i == "0"', "comparisons between Int64 and VarChar are not supported"),
        ("b == 1", "comparisons between Bool and Int64 are not supported"),
        ("emb == 1", "comparisons between FloatVector and Int64 are not supported"),
        ("i == 1.5", "cannot cast value to Int64, value: float_val:1.5"),
        ("i", "predicate is not a boolean expression: i, data type: Int64"),
        ("b", "predicate is not a boolean expression: b, data type: Bool"),
        ("1", "predicate is not a boolean expression: 1, data type: Int64"),
        ("not i", "not op can only be applied on boolean expression"),
        ("!b", "not op can only be applied on boolean expression"),
        ("i == 1 and i", "'and' can only be used between boolean expressions"),
        ("i == 1 or 1", "'or' can only be used between boolean expressions"),
        ("i in 1", "the right-hand side of 'in' must be a list"),
        ("id in [1.0, 2.0]", "value 'float_val:1' in list cannot be casted to Int64"),
        ('i in ["x"]', 'value \'string_val:"x"\' in list cannot be casted to Int64'),
        ("i in [n]", "value 'n' in list cannot be a non-const expression"),
        ("1 in [1]", "'term' can only be used on non-const expression"),
        ("i + 1 in [1]", "'term' can only be used on single field"),
        ("5 < i < 1", "invalid range: lowerbound is greater than upperbound"),
        ("1 < i <= 1", "invalid range"),
        ("id < i < 5", "lowerbound cannot be a non-const expression"),
        ("0 < b < 1", "invalid range operations on boolean expr"),
        ("0 < a < 1", "can not comparisons array fields directly"),
        ("i / 0 == 1", "division or modulus by zero"),
        ("i % 0 == 1", "division or modulus by zero"),
        ("i == 1 / 0", "cannot divide by zero"),
        ("i == 1 % 0", "cannot modulo by zero"),
        ("f % 2 == 1", "modulo can only apply on integer types"),
        ('j["k"] % 2.0 == 1', "modulo can only apply on integer types"),
        ('j["k"] % 2 == 1.5', "modulo can only apply on integer types"),
        ("i ** 2 == 4", "power can only apply on constants"),
        ("i << 1 == 2", "shift is not supported"),
        ("(i + 1) * 2 == 4", "complicated arithmetic operations are not supported"),
        ("i + n == 5", "two fields are not supported"),
        ("a > 1", "can not comparisons array fields directly"),
        ("a == 1", "can not comparisons array fields directly"),
        ("j == 1", "can not comparisons jsonField directly"),
        ('j["k"] == j["l"]', "two column comparison with JSON type is not supported"),
        ("i == n == 1", "comparison operations cannot be applied to a boolean expression"),
        ('1 == "1"', "comparison operations cannot be applied to two incompatible operands"),
        ('i like "1%"', "like operation on non-string or no-json field is unsupported"),
        ("s like 5", "must be a string literal or template variable"),
        (r's like "a\\"', "must not end with an escape character"),
        ('i =~ "1"', "regex match on non-string or non-json field is unsupported"),
        ('s =~ "(a"', "invalid regex pattern"),
        ('s =~ "(?=a)"', "invalid regex pattern"),
        ("emb is null", "IsNull/IsNotNull operations are not supported on vector fields"),
        ("a[0] is null", "IsNull/IsNotNull operations are not supported on array element access"),
        ("n == null", "use 'is null'"),
        ("exists i", "exists operations are only supportted on json field, got:Int64"),
        ("exists j", "exists operations are only supportted on json key"),
        ("j[k] == 1", "json key must be enclosed in double quotes or single quotes"),
        ("i[0] == 1", "Int64 data type not supported accessed with []"),
        ('a["x"] == 1', "can only access array field with integer index"),
        ("array_contains_all(a, 1)", "ContainsAll operation element must be an array"),
        ("json_contains_any(a, 1)", "ContainsAny operation element must be an array"),
        ('array_contains(a, "3")', "cannot be casted to Int64"),
        ("array_contains(i, 1)", "only supported on array or json fields now, got: Int64"),
        ("array_length(i) == 1", "only supported on array or json fields now, got: Int64"),
        ("nofunc(i)", "function not found: nofunc"),
    ],
)  # fmt: skip
def test_refusal_says_what_is_wrong(text, phrase):
    message = _refusal(text)
    assert message.startswith(f"cannot parse expression: {text}, error: ")
    assert phrase in message


def test_unknown_name_is_refused_without_a_dynamic_field():
    assert "field nosuch not exist" in _refusal("nosuch == 1", schema=_NO_DYNAMIC)
    assert "field $meta not exist" in _refusal('$meta["x"] == 1', schema=_NO_DYNAMIC)
    assert "field nosuch not exist" in _refusal("nosuch is null", schema=_NO_DYNAMIC)


@pytest.mark.parametrize(
    ("text", "values", "phrase"),
    [
        ("i == {x}", {}, "the value of expression template variable name {x} is not found"),
        ("i in {x}", {"x": 1}, "the value of term expression template variable {x} is not array"),
        ("{x} == {y}", {"x": 1, "y": 1}, "placeholder was not supported between two constants with operator: =="),
        ("i == 1 + {x}", {"x": 1}, "placeholder was not supported"),
        ("i in [1, {x}]", {"x": 1}, "cannot be a non-const expression"),
        ("i == {x}", {"x": "a"}, "comparisons between Int64 and VarChar are not supported"),
        ("i == {x}", {"x": 2**63}, "int64 overflow"),
        ("s == {x}", {"x": "\ud800"}, "not valid UTF-8"),
        ("exists {x}", {"x": 1}, "exists operations"),
    ],
)
def test_template_mistake_is_named(text, values, phrase):
    assert phrase in _refusal(text, values)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('text_match(txt, "kite", minimum_should_match=2)', "text_match"),
        ('TEXT_MATCH(txt, "kite")', "text_match"),
        ('phrase_match(txt, "red kite", 1)', "phrase_match"),
        ('text_match_fuzzy(txt, "kyte", max_edit_distance=1)', "text_match_fuzzy"),
        ("i > 0 and random_sample(0.5)", "random_sample"),
        ('st_within(g, "POLYGON ((0 0, 1 0, 1 1, 0 0))")', "st_within"),
        ("st_isvalid(g)", "st_isvalid"),
        ("element_filter(s, $[n] > 1)", "element_filter"),
        ("match_least(s, $[n] > 1, threshold=2)", "match_least"),
        ("$[n] > 1", "$[n]"),
        ('i > ISO "2025-01-01T00:00:00Z"', "ISO"),
        ('i + INTERVAL "P1D" > iso "2025-01-02T00:00:00Z"', "INTERVAL"),
    ],
)
def test_operator_that_is_missing_is_named(text, name):
    assert f"operator {name} is not supported yet" in _refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 300 + "i == 1" + ")" * 300,
        "not " * 300 + "i == 1",
        "-" * 300 + "1 == 1",
        "1" + " + 1" * 300 + " == 1",
        "i in " + "[" * 300 + "]" * 300,
        "not (" * 300,
        "i == 1 or (i == 2 and (" * 200,
        "exists " * 300 + "x",
        "f(" * 300,
    ],
)
def test_deep_nesting_is_an_error_and_no_crash(text):
    assert "nests deeper than 256 levels" in _refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 255 + "i == 0" + ")" * 255,
        "not " * 254 + "(i == 0)",
        "i == 0 or (i != 0 and (" * 63 + "i == 0" + "))" * 63,
        "not (i != 0 and not (i == 0 or " * 42 + "i == 0" + "))" * 42,
    ],
)
def test_a_filter_nested_up_to_the_limit_is_answered(text):
    bound = bind(text, filter_table.SCHEMA)
    assert bound.fields == {filter_table.SCHEMA["i"].id}
    assert len(pickle.loads(pickle.dumps(bound)).fields) == 1
    assert list(select(bound, filter_table.source()).rows()) == [0]


def test_too_many_terms_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "FILTER_NODES", 1000)
    assert "more than 1000 terms" in _refusal("i in [" + ", ".join(["1"] * 2000) + "]")
    assert "more than 1000 terms" in _refusal(" or ".join(["i == 1"] * 2000))


def test_a_long_filter_is_shown_by_its_beginning():
    message = _refusal("i == 1 and " * 10_000)
    assert len(message) < 5000
    assert "..., error: line 1:110000 mismatched input" in message


def test_text_that_is_not_unicode_is_refused():
    assert "not valid UTF-8" in _refusal("s == '\ud800'")


def test_parse_fails_like_bind():
    with pytest.raises(InvalidParameter, match="mismatched input"):
        parse("i ==")
