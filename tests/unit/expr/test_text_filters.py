"""Searches in analysed text: read and bound; nothing answers them without a text index."""

from __future__ import annotations

import pickle

import pytest

import filter_table
from elanus.expr import bind, select
from elanus.expr.bound import And, ColumnRef, PhraseMatch, TextMatch
from elanus.expr.describe import describe
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

_MATCHED = (("enable_analyzer", "true"), ("enable_match", "true"))
_SCHEMA = Schema(
    (
        *filter_table.SCHEMA,
        Field(id=FieldId(120), name="body", type=DataType.TEXT, params=_MATCHED),
        Field(id=FieldId(121), name="plain", type=DataType.TEXT),
    )
)
_TXT, _BODY = (ColumnRef(_SCHEMA[name].id, _SCHEMA[name].type, _SCHEMA[name].nullable) for name in ("txt", "body"))


def _refusal(text, values=None):
    with pytest.raises(InvalidParameter) as caught:
        bind(text, _SCHEMA, values or {})
    assert caught.value.code == 1100
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ('text_match(txt, "kite")', TextMatch(_TXT, "kite")),
        ("TEXT_MATCH(txt, 'kite fox')", TextMatch(_TXT, "kite fox")),
        ('text_match(txt, r"\\d")', TextMatch(_TXT, "\\d")),
        ('text_match(txt, "")', TextMatch(_TXT, "")),
        ('text_match(txt, "a", minimum_should_match=1)', TextMatch(_TXT, "a")),
        ('text_match(txt, "a", MINIMUM_SHOULD_MATCH = 1000)', TextMatch(_TXT, "a", 1000)),
        ('text_match_fuzzy(txt, "kyte", max_edit_distance=0)', TextMatch(_TXT, "kyte")),
        ('text_match_fuzzy(txt, "kyte", max_edit_distance=2)', TextMatch(_TXT, "kyte", max_edits=2)),
        ('phrase_match(txt, "red kite")', PhraseMatch(_TXT, "red kite")),
        ('phrase_match(txt, "red kite", 0)', PhraseMatch(_TXT, "red kite")),
        ('PHRASE_MATCH(txt, "red kite", 4294967295)', PhraseMatch(_TXT, "red kite", 2**32 - 1)),
        ('phrase_match(txt, "red kite", 1 + 1)', PhraseMatch(_TXT, "red kite", 2)),
        ("text_match(txt, {q})", TextMatch(_TXT, "wanted")),
        ("phrase_match(txt, {q}, 3)", PhraseMatch(_TXT, "wanted", 3)),
        ('text_match(body, "kite")', TextMatch(_BODY, "kite")),
        ('not text_match(txt, "kite")', TextMatch(_TXT, "kite", negated=True)),
    ],
)
def test_text_searches_are_bound(text, leaf):
    bound = bind(text, _SCHEMA, {"q": "wanted"})
    assert bound == leaf
    assert bound.fields == {leaf.operand.field_id}
    assert pickle.loads(pickle.dumps(bound)) == leaf


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ('text_match(s, "apple")', 'field "s" does not enable match'),
        ('phrase_match(s, "apple")', 'field "s" does not enable match'),
        ('text_match(plain, "apple")', 'field "plain" does not enable match'),
        ('text_match(i, "1")', "text match operation on non-string is unsupported"),
        ('text_match(t, "x")', "text match operation on non-string is unsupported"),
        ('text_match(t[0], "x")', "text match operation on non-string is unsupported"),
        ('text_match(color, "red")', "text match operation on non-string is unsupported"),
        ('text_match("txt", "red")', "text match operation on non-string is unsupported"),
        ('phrase_match(j["k"], "red")', "phrase match operation on non-string is unsupported"),
        ("text_match(txt, 5)", "the query text of text_match must be a string literal or template variable"),
        ("text_match(txt, s)", "the query text of text_match must be a string literal or template variable"),
        ("text_match(txt, {n})", "the query text of text_match must be a string literal or template variable"),
        ("text_match(txt, {none})", "the value of expression template variable name {none} is not found"),
        ("text_match(txt)", "text_match takes 2 arguments, got 1"),
        ('text_match(txt, "a", 2)', "text_match takes 2 arguments, got 3"),
        ('text_match(txt, "a", minimum_should_match=0)', "minimum_should_match should be >= 1, got 0"),
        ('text_match(txt, "a", minimum_should_match=-1)', "minimum_should_match should be >= 1, got -1"),
        ('text_match(txt, "a", minimum_should_match=1001)', "minimum_should_match should be <= 1000, got 1001"),
        ('text_match(txt, "a", minimum_should_match=1.5)', "minimum_should_match should be a const integer"),
        ('text_match(txt, "a", minimum_should_match={n})', "minimum_should_match should be a const integer"),
        ('text_match(txt, "a", minimum_should_match=i)', "minimum_should_match should be a const integer"),
        ('text_match(txt, "a", slop=1)', "text_match takes the option minimum_should_match, once, got: slop"),
        ('text_match_fuzzy(txt, "a")', "text_match_fuzzy needs the option max_edit_distance"),
        ('text_match_fuzzy(txt, "a", max_edit_distance=3)', "max_edit_distance should be between 0 and 2, got 3"),
        ('text_match_fuzzy(txt, "a", max_edit_distance=-1)', "max_edit_distance should be between 0 and 2, got -1"),
        ('phrase_match(txt, "x", -1)', '"slop" should not be a negative interger. "slop" passed: -1'),
        ('phrase_match(txt, "x", 4294967296)', '"slop" exceeds the range of "uint32"'),
        ('phrase_match(txt, "x", 1.0)', '"slop" should be a const integer expression with "uint32" value'),
        ('phrase_match(txt, "x", i)', '"slop" should be a const integer expression with "uint32" value'),
        ('phrase_match(txt, "x", {n})', '"slop" should be a const integer expression with "uint32" value'),
        ('phrase_match(txt, "x", slop=1)', "unknown option of phrase_match: slop"),
        ('body == "x"', "filter on text field (body) is not supported yet"),
        ("body is null", "filter on text field (body) is not supported yet"),
        ('body like "x%"', "filter on text field (body) is not supported yet"),
        ('body in ["x"]', "filter on text field (body) is not supported yet"),
        ("empty(body)", "filter on text field (body) is not supported yet"),
    ],
)
def test_mistakes_in_text_searches_are_named(text, phrase):
    assert phrase in _refusal(text, {"n": 1})


def test_a_text_search_joins_other_predicates():
    bound = bind('text_match(txt, "kite") and i > 0', _SCHEMA)
    assert isinstance(bound, And)
    text = 'text_match(txt, "a b", minimum_should_match=2) or not phrase_match(txt, "c", 3)'
    assert describe(bind(text, _SCHEMA), _SCHEMA) == text
    fuzzy = 'text_match_fuzzy(txt, "kyte", max_edit_distance=1)'
    assert describe(bind(fuzzy, _SCHEMA), _SCHEMA) == fuzzy


@pytest.mark.parametrize(
    "text",
    ['text_match(txt, "kite")', 'not phrase_match(txt, "red kite") and i >= 0', 'text_match(txt, "a") or i == 0'],
)
def test_without_an_index_a_text_search_says_what_it_needs(text):
    with pytest.raises(InvalidParameter, match="needs a text index, which is not available yet") as caught:
        select(bind(text, _SCHEMA), filter_table.source())
    assert caught.value.code == 1100
