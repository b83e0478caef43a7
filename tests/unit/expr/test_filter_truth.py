from __future__ import annotations

import pytest

import filter_cases
import filter_table
from elanus.expr import bind, sampled, select
from elanus.model.errors import InvalidParameter

_SOURCE = filter_table.source()
_WRITTEN = [case for case in filter_cases.LEGAL if case[0].strip()]


def _selected(text, values):
    rows = select(bind(text, filter_table.SCHEMA, values), _SOURCE).rows()
    return [int(row) + 1 for row in rows]


@pytest.mark.parametrize(("text", "expected", "values"), filter_cases.LEGAL)
def test_filter_selects_the_true_rows(text, expected, values):
    assert _selected(text, values) == expected


@pytest.mark.parametrize(("text", "values"), filter_cases.REFUSED)
def test_illegal_filter_is_refused_with_its_text(text, values):
    with pytest.raises(InvalidParameter) as caught:
        bind(text, filter_table.SCHEMA, values)
    assert caught.value.code == 1100
    assert f"cannot parse expression: {text}, error: " in str(caught.value)


@pytest.mark.parametrize(("text", "expected", "values"), _WRITTEN)
def test_double_negation_selects_the_same_rows(text, expected, values):
    assert _selected(f"not (not ({text}))", values) == expected


@pytest.mark.parametrize(("text", "expected", "values"), _WRITTEN)
def test_a_row_is_never_both_true_and_false(text, expected, values):
    assert not set(_selected(f"not ({text})", values)) & set(expected)


@pytest.mark.parametrize(("text", "expected", "values"), filter_cases.SAMPLED)
def test_a_sample_is_drawn_from_the_rows_of_its_predicate(text, expected, values):
    predicate, fraction = sampled(bind(text, filter_table.SCHEMA, values))
    assert [int(row) + 1 for row in select(predicate, _SOURCE).rows()] == expected
    assert fraction == 0.5


@pytest.mark.parametrize(("text", "values"), [(text, values) for text, _, values in filter_cases.TEXT_SEARCHES])
def test_a_text_search_is_bound_and_needs_an_index(text, values):
    bound = bind(text, filter_table.SCHEMA, values)
    with pytest.raises(InvalidParameter, match="needs a text index, which is not available yet") as caught:
        select(bound, _SOURCE)
    assert caught.value.code == 1100
