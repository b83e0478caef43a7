"""Filters of the whole language against the row interpreter: by column, by index, over segments."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from row_checks import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_filters_agree_with_the_row_interpreter(family: str) -> None:
    drawn, check = FAMILIES[family]
    rules = settings(
        max_examples=250,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    rules(given(drawn)(check))()
