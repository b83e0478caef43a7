"""Places within runs of equal numbers, pages of them, and orders turned round."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.query.places import inverse, on_page, places_among, places_in


@given(st.lists(st.integers(0, 4), max_size=8))
def test_places_count_each_run_from_zero(counts: list[int]) -> None:
    expected = [place for count in counts for place in range(count)]
    assert places_in(np.array(counts, dtype=np.int64)).tolist() == expected


@given(st.lists(st.integers(-3, 3), max_size=12).map(sorted))
def test_places_among_equal_numbers(numbers: list[int]) -> None:
    expected = [place for _, run in groupby(numbers) for place, _ in enumerate(run)]
    assert places_among(np.array(numbers, dtype=np.int64)).tolist() == expected


@pytest.mark.parametrize(
    ("offset", "limit", "expected"), [(0, 2, [0, 1]), (1, 3, [1, 2, 3]), (3, 9, [3, 4]), (5, 1, [])]
)
def test_a_page_is_cut_from_places(offset: int, limit: int, expected: list[int]) -> None:
    assert np.flatnonzero(on_page(np.arange(5), offset, limit)).tolist() == expected


@given(st.permutations(range(9)))
def test_an_inverse_leads_back(order: list[int]) -> None:
    stands = inverse(np.array(order))
    assert stands[np.array(order)].tolist() == list(range(9))
