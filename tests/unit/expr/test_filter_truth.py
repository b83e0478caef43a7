from __future__ import annotations

import filter_cases
import filter_table
import pytest

from elanus.expr import bind, select
from elanus.model.errors import InvalidParameter

_CASES = [
    case
    for section in (
        filter_cases.LITERALS,
        filter_cases.ARITHMETIC,
        filter_cases.RANGES,
        filter_cases.MEMBERSHIP,
        filter_cases.PATTERNS,
        filter_cases.LOGIC,
        filter_cases.JSON,
        filter_cases.ARRAYS,
        filter_cases.TEMPLATES_AND_REST,
    )
    for case in section
]
_SOURCE = filter_table.source()


def _selected(text, values):
    rows = select(bind(text, filter_table.SCHEMA, values), _SOURCE).rows()
    return [int(row) + 1 for row in rows]


@pytest.mark.parametrize(("text", "expected", "values"), [case for case in _CASES if case[1] is not None])
def test_filter_selects_the_true_rows(text, expected, values):
    assert _selected(text, values) == expected


@pytest.mark.parametrize(("text", "values"), [(case[0], case[2]) for case in _CASES if case[1] is None])
def test_illegal_filter_is_refused_with_its_text(text, values):
    with pytest.raises(InvalidParameter) as caught:
        bind(text, filter_table.SCHEMA, values)
    assert caught.value.code == 1100
    assert f"cannot parse expression: {text}, error: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected", "values"), [case for case in _CASES if case[1] is not None and case[0].strip()]
)
def test_double_negation_selects_the_same_rows(text, expected, values):
    assert _selected(f"not (not ({text}))", values) == expected


@pytest.mark.parametrize(
    ("text", "expected", "values"), [case for case in _CASES if case[1] is not None and case[0].strip()]
)
def test_a_row_is_never_both_true_and_false(text, expected, values):
    assert not set(_selected(f"not ({text})", values)) & set(expected)
