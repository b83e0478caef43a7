"""LIKE patterns: the form that each is answered in, and that all forms answer alike."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus.expr.bound import ColumnRef, Compare, Match, Matching
from elanus.expr.evaluation.texts import Texts
from elanus.expr.like import Wildcard, like, parts
from elanus.model.types import DataType

_OPERAND = ColumnRef(100, DataType.VARCHAR, False)
_REGEXES = {Wildcard.RUN: ".*", Wildcard.CHARACTER: "."}


def _as_regex(pattern):
    written = [re.escape(part) if isinstance(part, str) else _REGEXES[part] for part in parts(pattern)]
    return rf"(?s)\A{''.join(written)}\z"


@pytest.mark.parametrize(
    ("pattern", "matching", "wanted"),
    [
        ("abc%", Matching.PREFIX, "abc"),
        ("%abc", Matching.SUFFIX, "abc"),
        ("%%abc%", Matching.CONTAINS, "abc"),
        ("%", Matching.PREFIX, ""),
        (r"a\%b%", Matching.PREFIX, "a%b"),
        ("a%b", Matching.LIKE, "a%b"),
        ("a_", Matching.LIKE, "a_"),
        (r"\_a%b", Matching.LIKE, r"\_a%b"),
        ("%a" + "_" * 1000 + "%", Matching.LIKE, "%a" + "_" * 1000 + "%"),
    ],
)
def test_the_cheapest_form_is_taken(pattern, matching, wanted):
    assert like(_OPERAND, pattern) == Match(_OPERAND, matching, wanted)


def test_a_pattern_without_wildcards_is_an_equality():
    assert like(_OPERAND, r"a\_b") == Compare(_OPERAND, "==", "a_b")


def test_long_patterns_over_long_texts_are_answered():
    """RE2 would need a state for each of the pattern's characters at each of the text's."""
    texts = Texts(pa.array(["a" * 20_000, "a" * 20_000 + "cb", "é" * 20_000], type=pa.large_string()), None)
    for pattern, rows in ((f"%{'a' * 5000}_b%", [1]), (f"%{'_' * 20_000}%", [0, 1, 2]), (f"%{'_' * 20_001}b%", [1])):
        assert texts.matches(Matching.LIKE, pattern).value.rows().tolist() == rows


def test_parts_are_texts_and_wildcards():
    assert parts(r"a\%b%%_%c") == ["a%b", Wildcard.RUN, Wildcard.CHARACTER, Wildcard.RUN, "c"]
    assert parts("") == []


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.text(st.sampled_from("ab.中😀%\n"), max_size=8), max_size=20),
    st.text(st.sampled_from("ab.中😀%_"), max_size=8),
)
def test_every_form_answers_as_the_regular_expression_does(values, pattern):
    texts = Texts(pa.array(values, type=pa.large_string()), None)
    expected = texts.matches(Matching.REGEX, _as_regex(pattern)).value
    assert texts.matches(Matching.LIKE, pattern).value == expected
    leaf = like(_OPERAND, pattern)
    plain = texts.compare("==", leaf.value) if isinstance(leaf, Compare) else texts.matches(leaf.matching, leaf.pattern)
    assert plain.value == expected
