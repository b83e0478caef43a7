from __future__ import annotations

import pytest

import filter_table
from elanus.expr import bind, parse
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
        ('s == "100\\%"', "invalid escape sequence"),
        ('s == "\\777"', "invalid escape sequence"),
        ("f > 1e999999", "floating-point literal is beyond the range of doubles: 1e999999"),
        ("f in [1.5, 1e999]", "beyond the range of doubles"),
        ("f == 0x1p99999", "floating-point literal is beyond the range of doubles"),
        ("i in [1, -9223372036854775809]", "int64 overflow: -9223372036854775809"),
        ("i == 1 or i == 9223372036854775808", "int64 overflow: 9223372036854775808"),
        ('j[""] == 1', 'invalid identifier: ""'),
        ("i == 1 or i == 2 or i == 1.5", "cannot cast value to Int64, value: float_val:1.5"),
        ("s == 1 or s == 2", "comparisons between VarChar and Int64 are not supported"),
        ("a == 1 or a == 2", "can not comparisons array fields directly"),
        ("null == 1", "use 'is null'"),
        ("n in [1, NULL]", "use 'is null'"),
        ("i + 1 is null", "IsNull/IsNotNull operations are only supported on single fields"),
        ("array_length(a) is null", "IsNull/IsNotNull operations are only supported on single fields"),
        ("exists (i == 1)", "exists operations are only supported on single fields now"),
        ("exists a[0]", "exists operations are only supportted on json field, got:Array"),
        ("3 > array_length(a) >= 1", "range operations are only supported on single fields now"),
        ("0 < i + 1 < 3", "range operations are only supported on single fields now"),
        ('1 < s < "b"', "comparisons between VarChar and Int64 are not supported"),
        ("[1] < i < [2]", "comparisons between Int64 and Array are not supported"),
        ("a < [1]", "can not comparisons array fields directly"),
        ("i == [1]", "comparisons between Int64 and Array are not supported"),
        ("i in [[1]]", "cannot be casted to Int64"),
        ("emb in []", "'in' is not supported on FloatVector fields"),
        ("g in []", "'in' is not supported on Geometry fields"),
        ("ts not in []", "'in' is not supported on Timestamptz fields"),
        ("a in [[1]]", "can not comparisons array fields directly"),
        ("j in [1]", "can not comparisons jsonField directly"),
        ("5 - i == 4", "'-' with the constant on the left is not supported"),
        ("-i == 4", "unexpected op: - can only be used on constants"),
        ("~i == 1", "unexpected op: ~ is not supported"),
        ("(b & 1) == 1", "'&' can only be used between numbers, not Bool and Int64"),
        ('s + "x" == "applex"', "'+' can only be used between numbers, not VarChar and VarChar"),
        ("i & 1 == 1", "'&' can only be used between numbers, not Int64 and Bool"),
        ("(f & 1) == 1", "'&' can only apply on integer types"),
        ("0 < i > 5", "comparison operations cannot be applied to a boolean expression"),
        ("t like 'x%'", "can not comparisons array fields directly"),
        ("j like 'x%'", "can not comparisons jsonField directly"),
        ("s like s", "the pattern of like must be a string literal or template variable"),
        ("s =~ 5", "the pattern of regex must be a string literal or template variable"),
        (r's =~ "(a)\1"', "invalid regex pattern"),
        ("array_length(a, a) == 1", "array_length takes 1 arguments, got 2"),
        ("array_contains(a, 1, 2)", "array_contains takes 2 arguments, got 3"),
        ("array_contains(a, i)", "contains operation element must be a constant"),
        ("empty(i)", "function empty takes a VarChar field"),
        ("empty(s, s)", "function empty takes 1 arguments, got 2"),
        ("starts_with(s, 1)", "the prefix of starts_with must be a VarChar"),
        ("starts_with(s, s)", "the prefix of starts_with must be a constant"),
    ],
)  # fmt: skip
def test_refusal_says_what_is_wrong(text, phrase):
    message = _refusal(text)
    assert message.startswith(f"cannot parse expression: {text}, error: ")
    assert phrase in message


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("i ==", "1:4", "mismatched input '<EOF>' expecting an operand"),
        ("i == ", "1:5", "mismatched input '<EOF>' expecting an operand"),
        ("== 1", "1:0", "mismatched input '==' expecting an operand"),
        ("i = 1", "1:2", "mismatched input '=' expecting <EOF>"),
        ("i === 1", "1:4", "mismatched input '=' expecting an operand"),
        ("i == 1)", "1:6", "mismatched input ')' expecting <EOF>"),
        ("(i == 1", "1:7", "mismatched input '<EOF>' expecting ')'"),
        ("i in [1, 2", "1:10", "mismatched input '<EOF>' expecting ']'"),
        ("i in [1 2]", "1:8", "mismatched input '2' expecting ']'"),
        ("i in [,]", "1:6", "mismatched input ',' expecting an operand"),
        ("i == 1 i == 2", "1:7", "mismatched input 'i' expecting <EOF>"),
        ("i not 5", "1:6", "mismatched input '5' expecting 'in'"),
        ("and == 1", "1:0", "mismatched input 'and' expecting an operand"),
        ("is null(i)", "1:0", "mismatched input 'is null' expecting an operand"),
        ("is null", "1:0", "mismatched input 'is null' expecting an operand"),
        ("i == 08", "1:6", "mismatched input '8' expecting <EOF>"),
        ("i == 1a", "1:6", "mismatched input 'a' expecting <EOF>"),
        ("i == 0x", "1:6", "mismatched input 'x' expecting <EOF>"),
        ("a[-1] == 3", "1:2", "mismatched input '-' expecting a key in quotes or an index"),
        ("a[01] == 3", "1:2", "mismatched input '01' expecting a key in quotes or an index"),
        ("a[] == 3", "1:2", "mismatched input ']' expecting a key in quotes or an index"),
        ('j["k"', "1:5", "mismatched input '<EOF>' expecting ']'"),
        ("f(i", "1:3", "mismatched input '<EOF>' expecting ')'"),
        ("f(,)", "1:2", "mismatched input ',' expecting an operand"),
        ("j[\u00ba] == 1", "1:2", "token recognition error at: '\u00ba'"),
        ("a[\u0663] == 1", "1:2", "token recognition error at: '\u0663'"),
        ("i == {\u00ba}", "1:6", "token recognition error at: '\u00ba'"),
        ("f(\u00ba=1)", "1:2", "token recognition error at: '\u00ba'"),
        ("$ == 1", "1:2", "mismatched input '==' expecting '['"),
        ("$x == 1", "1:1", "mismatched input 'x' expecting '['"),
        ("i > 1 and\n  i = 2", "2:4", "mismatched input '=' expecting <EOF>"),
        ("\n\n   i >", "3:6", "mismatched input '<EOF>' expecting an operand"),
        ("i == 0 # x", "1:7", "token recognition error at: '#'"),
        ("i == \u4e2d", "1:5", "token recognition error at: '\u4e2d'"),
        ("s == 'it", "1:5", 'token recognition error at: "\'"'),
        ('s == "a\nb"', "1:5", "token recognition error at: '\"'"),
        ("i\0 == 1", "1:1", r"token recognition error at: '\x00'"),
        ("i == 1;", "1:6", "token recognition error at: ';'"),
        ("i == .", "1:5", "token recognition error at: '.'"),
        ("ISO ts", "1:4", "mismatched input 'ts' expecting <EOF>"),
        ('ISO r"x" > ts', "1:4", "mismatched input 'r\"x\"' expecting <EOF>"),
        ("i is not not null", "1:2", "mismatched input 'is' expecting <EOF>"),
        ("x" * 60 + " y", "1:61", "mismatched input 'y' expecting <EOF>"),
        ("i " + "x" * 60, "1:2", f"mismatched input '{'x' * 40}...' expecting <EOF>"),
    ],
)  # fmt: skip
def test_a_syntax_error_says_where_it_is(text, where, what):
    assert f"error: line {where} {what}" in _refusal(text)


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
        ("{x}", {"x": True}, "predicate is not a boolean expression: {x}, data type: Bool"),
        ("not {x}", {"x": True}, "not op can only be applied on boolean expression"),
        ("i == 1 and {x}", {"x": True}, "'and' can only be used between boolean expressions"),
        ("{x} or i == 1", {"x": True}, "'or' can only be used between boolean expressions"),
        ("i == -{x}", {"x": 1}, "placeholder was not supported with operator: -"),
        ("{x} in [1]", {"x": 1}, "'term' can only be used on non-const expression"),
        ("1 < {x} < 5", {"x": 2}, "range operations are only supported on single fields now"),
        ("{x} is null", {"x": 1}, "IsNull/IsNotNull operations are only supported on single fields"),
        ("array_length({x}) == 1", {"x": [1]}, "array_length operation are only supported on array or json fields now"),
        ("i in {x}", {"x": [1.5]}, "value 'float_val:1.5' in list cannot be casted to Int64"),
        ("i in {x}", {"x": [1, 2**63]}, "int64 overflow: 9223372036854775808"),
        ("s in {x}", {"x": ["a", "\ud800"]}, "not valid UTF-8"),
        ("{x} < i < 5", {"x": 9}, "invalid range: lowerbound is greater than upperbound"),
        ("{x} < i < 5", {"x": 1.5}, "cannot cast value to Int64"),
        ("i + {x} == 1", {"x": 1.5}, "cannot cast value to Int64"),
        ("i / {x} == 1", {"x": 0}, "division or modulus by zero"),
        ("s like {x}", {"x": 5}, "the pattern of like must be a string literal or template variable"),
        ("s =~ {x}", {"x": "(a"}, "invalid regex pattern"),
        ("array_contains(a, {x})", {"x": "3"}, "cannot be casted to Int64"),
        ("array_contains_all(a, {x})", {"x": 3}, "ContainsAll operation element must be an array"),
        ("i == {1x}", {}, "line 1:6 mismatched input '1' expecting an identifier"),
        ("i == {a b}", {}, "line 1:8 mismatched input 'b' expecting '}'"),
        ('i == {"x"}', {}, "expecting an identifier"),
        ("a[{x}] == 1", {"x": 0}, "expecting a key in quotes or an index"),
        ("{x}(i)", {"x": 0}, "line 1:3 mismatched input '(' expecting <EOF>"),
    ],
)
def test_template_mistake_is_named(text, values, phrase):
    assert phrase in _refusal(text, values)


def test_a_long_filter_is_shown_by_its_beginning():
    message = _refusal("i == 1 and " * 10_000)
    assert len(message) < 5000
    assert "..., error: line 1:110000 mismatched input" in message


def test_text_that_is_not_unicode_is_refused():
    assert "not valid UTF-8" in _refusal("s == '\ud800'")


def test_parse_fails_like_bind():
    with pytest.raises(InvalidParameter, match="mismatched input"):
        parse("i ==")
