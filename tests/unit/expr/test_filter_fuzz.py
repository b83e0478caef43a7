from __future__ import annotations

import pickle

import filter_cases
import filter_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elanus.expr import bind, select
from elanus.model.errors import InvalidParameter

_SOURCE = filter_table.source()
_PLAIN_WORDS = """
    id i n f b s a t j emb $meta color dn nosuch true FALSE null and or not in like is exists iso
    array_length array_contains json_contains_all array_contains_any empty starts_with text_match
    == != < <= > >= + - * / % ** & | ^ ~ ! =~ !~ << >> = ( ) [ ] { } , $ && ||
    0 1 7 -3 0x10 017 0b1 9223372036854775808 1.5 .5 1e3 1e999 0x1p3
    "k" 'x%' r"\\d" "\\u4e2d" ["a","b"] [1.5] [] {v} {l}
"""
_WORDS = [*_PLAIN_WORDS.split(), "[1, 2]", "is null", "IS NOT NULL"]
_VALUES = {"v": 1, "l": ["a", 1, [True]]}
_ALL_CASES = [case[0] for name, section in vars(filter_cases).items() if name.isupper() for case in section]
_SETTINGS = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def _answers_or_refuses(text):
    """Whatever binds can be pickled and evaluated; whatever does not bind is the caller's mistake."""
    try:
        bound = bind(text, filter_table.SCHEMA, _VALUES)
    except InvalidParameter:
        return
    rows = select(pickle.loads(pickle.dumps(bound)), _SOURCE)
    assert rows == select(bound, _SOURCE)
    assert (rows & select(bound.negate(), _SOURCE)).count() == 0


@_SETTINGS
@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(text):
    _answers_or_refuses(text)


@settings(_SETTINGS, max_examples=300)
@given(st.lists(st.sampled_from(_WORDS), max_size=14))
def test_any_tokens_are_answered_or_refused(words):
    _answers_or_refuses(" ".join(words))


_OPERAND_WORDS = """
    id i n f b s a t j emb color a[0] t[1] j["k"] j["l"][0] array_length(a) (i+1) (j["k"]*2)
    1 1.5 "x" true [1,2] ["a"] [] {v} {l} (1+2) -1
"""
_OPERATOR_WORDS = "== != < <= > >= + - * / % & | ^ ** in like =~ !~ and or"
_OPERANDS = st.sampled_from(_OPERAND_WORDS.split())
_OPS = st.sampled_from([*_OPERATOR_WORDS.split(), "not in", "is null and"])


@settings(_SETTINGS, max_examples=300)
@given(_OPERANDS, _OPS, _OPERANDS, _OPS, _OPERANDS)
def test_any_mix_of_types_is_answered_or_refused(first, op, second, another, third):
    _answers_or_refuses(f"{first} {op} {second}")
    _answers_or_refuses(f"({first} {op} {second}) {another} {third}")
    _answers_or_refuses(f"{first} {op} {second} {another} {third}")


@_SETTINGS
@given(st.sampled_from(_ALL_CASES), st.integers(0, 60), st.sampled_from([*_WORDS, "", "\\", '"', "'", "\0"]))
def test_damaged_filters_are_answered_or_refused(text, position, inserted):
    _answers_or_refuses(text[:position] + inserted + text[position + 1 :])
