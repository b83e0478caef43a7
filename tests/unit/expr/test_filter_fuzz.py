"""Random filters are answered or refused, read as the grammar reads them, and grouped as its levels say.

``tools/fuzz_filters.py`` runs the same families for as long as one likes.
"""

from __future__ import annotations

import filter_grammar
import pytest
from filter_fuzzing import FAMILIES, check_both
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import filter_cases

_SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_filters_keep_what_is_promised(family):
    drawn, check = FAMILIES[family]
    _SETTINGS(given(drawn)(check))()


@pytest.mark.parametrize("text", [case[0] for section in filter_cases.SECTIONS.values() for case in section])
def test_known_filters_keep_what_is_promised(text):
    check_both(text)


_OPERAND_WORDS = """
    id i n f b s a t j emb ts g color a[0] t[1] j["k"] j["l"][0] array_length(a) (i+1) (j["k"]*2)
    1 1.5 "x" true [1,2] ["a"] [] {v} {l} (1+2) -1
"""
_OPERATOR_WORDS = "== != < <= > >= + - * / % & | ^ ** in like =~ !~ and or"
_OPERANDS = st.sampled_from(_OPERAND_WORDS.split())
_OPS = st.sampled_from([*_OPERATOR_WORDS.split(), "not in", "is null and"])


@settings(_SETTINGS, max_examples=300)
@given(_OPERANDS, _OPS, _OPERANDS, _OPS, _OPERANDS)
def test_any_mix_of_types_is_answered_or_refused(first, op, second, another, third):
    check_both(f"{first} {op} {second}")
    check_both(f"({first} {op} {second}) {another} {third}")
    check_both(f"{first} {op} {second} {another} {third}")


def test_the_second_grammar_can_refuse():
    for text in ("i ==", "i = 1", "(i == 1", "i == 1)", "i in [,]", "a[-1] == 1", "'x", "i # x", "is null", "f(a b)"):
        assert not filter_grammar.accepts(text)
    for text in ("", "i == 1", "Not == 1", "n Is  Not Null", "x[0][y] in [1,]", "f(a=1, b)", "-2 ** -2 == .5"):
        assert filter_grammar.accepts(text)
    assert filter_grammar.grouped(["a", "- b", "c", "d"], ["+", "**", "=="]) == "((a + (- (b ** c))) == d)"
