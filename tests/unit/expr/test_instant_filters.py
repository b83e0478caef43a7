"""Instants in filters: intervals move the bound or the column, naive text stands in the request's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import filter_table
from elanus.expr import bind
from elanus.expr.bound import ColumnRef, Compare, Shifted
from elanus.expr.describe import describe
from elanus.expr.evaluation.instants import add_months
from elanus.model.errors import InvalidParameter

TS = ColumnRef(filter_table.SCHEMA["ts"].id, filter_table.SCHEMA["ts"].type, nullable=True)
NEW_YEAR = 1_735_689_600_000_000
HOUR = 3_600_000_000
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bound(text: str, timezone: str = "UTC") -> Compare:
    leaf = bind(text, filter_table.SCHEMA, timezone=timezone)
    assert isinstance(leaf, Compare)
    return leaf


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(datetime(1000, 1, 1), datetime(3000, 1, 1)),
    st.integers(-10_000, 10_000),
)
def test_months_carry_what_is_left_of_a_day_forward(local: datetime, months: int) -> None:
    moment = local.replace(tzinfo=UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    expected = date(year, month + 1, 1) - date(1970, 1, 1) + timedelta(days=moment.day - 1)
    time_of_day = moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)
    (shifted,) = add_months(np.array([(moment - EPOCH) // MICROSECOND]), months)
    assert shifted == (expected + time_of_day) // MICROSECOND


@pytest.mark.parametrize(
    ("interval", "micros"),
    [("P1D", 24 * HOUR), ("PT1H30M", HOUR * 3 // 2), ("P2DT3H4M5S", 51 * HOUR + 245_000_000), ("PT0S", 0)],
)
def test_an_interval_of_fixed_length_moves_the_bound(interval: str, micros: int) -> None:
    iso = 'ISO "2025-01-01T00:00:00Z"'
    assert bound(f'ts + INTERVAL "{interval}" > {iso}') == Compare(TS, ">", NEW_YEAR - micros)
    assert bound(f'{iso} >= ts - INTERVAL "{interval}"') == Compare(TS, "<=", NEW_YEAR + micros)


def test_months_and_years_move_the_column() -> None:
    leaf = bound('ts - INTERVAL "P1Y2M3D" != ISO "2025-01-01T00:00:00Z"')
    assert leaf == Compare(Shifted(TS.field_id, TS, -14), "==", NEW_YEAR + 72 * HOUR, negated=True)


def test_naive_text_is_in_the_zone_of_the_request() -> None:
    naive, absolute = 'ts > ISO "2025-01-01 00:00:00"', 'ts > ISO "2025-01-01T00:00:00Z"'
    assert bound(naive).value == NEW_YEAR
    assert bound(naive, "Asia/Shanghai").value == NEW_YEAR - 8 * HOUR
    assert bound(naive, "UTC").value == NEW_YEAR
    assert bound(absolute, "Asia/Shanghai").value == NEW_YEAR


def test_bounds_past_all_time_stay_in_int64() -> None:
    leaf = bound('ts - INTERVAL "P999999999999999999D" < ISO "2025-01-01T00:00:00Z"')
    assert leaf.value == 2**63 - 1


def test_refusals_say_what_is_expected() -> None:
    for text, reason in [
        ('ts > "2025-01-01T00:00:00Z"', 'comparisons between Timestamptz and VarChar are not supported, write ISO "'),
        ("ts == 5", "comparisons between Timestamptz and Int64 are not supported"),
        ('ts > ISO "yesterday"', "invalid timestamp string: 'yesterday'. Does not match any known format"),
        ('ts + INTERVAL "1 day" > ISO "2025-01-01T00:00:00Z"', "invalid ISO 8601 duration: '1 day'"),
        ('i > ISO "2025-01-01T00:00:00Z"', "field 'i' is not a timestamptz datatype"),
        ('ISO "2025-01-01T00:00:00Z" < ts < ISO "2026-01-01T00:00:00Z"', 'ISO "..." can only be compared with'),
        ('i in [ISO "2025-01-01T00:00:00Z"]', 'ISO "..." can only be compared with'),
    ]:
        with pytest.raises(InvalidParameter) as caught:
            bind(text, filter_table.SCHEMA)
        assert reason in str(caught.value)


def test_descriptions_are_filters_again() -> None:
    for text in (
        'ts > ISO "2025-01-01T00:00:00Z"',
        'ts + INTERVAL "P12M" == ISO "2025-03-01T23:59:59Z"',
        'st_within(g, "POLYGON ((0 0, 1 0, 1 1, 0 0))")',
        'not st_dwithin(g, "POINT (1 2)", 10.5)',
        "not st_isvalid(g)",
    ):
        assert describe(bind(text, filter_table.SCHEMA), filter_table.SCHEMA) == text
