"""Instants: text in any time zone, held against Python's own calendar and zones."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus._native import core
from elanus._native.time import FIRST_INSTANT, LAST_INSTANT, InstantError, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NAMES = sorted(zoneinfo.available_timezones())
ROUND = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "Europe/Dublin", "Australia/Lord_Howe")

# Two days from either end, for the local time of any zone must be a year that Python has.
instants = st.integers(FIRST_INSTANT + 2 * 86_400_000_000, LAST_INSTANT - 2 * 86_400_000_000)
recent = st.integers(-3_000_000_000_000_000, 3_000_000_000_000_000)
offsets = st.integers(-12 * 60, 14 * 60)


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def moment(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def column(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return ends, np.frombuffer(b"".join(parts), dtype=np.uint8)


def rfc3339(at: datetime) -> str:
    """Return what an instant is written as, by way of Python's own text."""
    text = at.isoformat()
    clock, offset = text[:-6], text[-6:]
    clock = clock.rstrip("0") if "." in clock else clock
    return clock + ("Z" if offset == "+00:00" else offset)


@settings(max_examples=300, deadline=None)
@given(instants)
def test_utc_text_is_python_s(instant: int) -> None:
    text = zone("UTC").format_text(instant)
    assert text == rfc3339(moment(instant))
    assert zone("UTC").parse_text(text) == instant


@settings(max_examples=300, deadline=None)
@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), offsets, st.sampled_from("T "))
def test_text_with_an_offset_is_read_as_python_reads_it(local: datetime, minutes: int, mark: str) -> None:
    at = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert zone("Asia/Tokyo").parse_text(at.isoformat(sep=mark)) == microseconds(at)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(NAMES), instants | recent)
def test_local_times_are_those_of_zoneinfo(name: str, instant: int) -> None:
    local = zone(name).to_local(np.array([instant]))[0]
    wall = moment(instant).astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=UTC)
    assert local == microseconds(wall)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ROUND), recent)
def test_text_of_a_zone_comes_back(name: str, instant: int) -> None:
    text = zone(name).format_text(instant)
    wall = moment(instant).astimezone(zoneinfo.ZoneInfo(name))
    # Offsets with seconds, of times before clocks were agreed upon, are written in whole minutes.
    if wall.utcoffset() % timedelta(minutes=1) == timedelta(0):
        assert text == rfc3339(wall)
        assert zone("UTC").parse_text(text) == instant


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), recent)
def test_a_local_time_that_comes_once_means_that_instant(name: str, instant: int) -> None:
    info = zoneinfo.ZoneInfo(name)
    wall = moment(instant).astimezone(info).replace(tzinfo=None)
    early, late = (wall.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1))
    found = zone(name).parse_text(wall.isoformat(sep=" "))
    assert found in (microseconds(early), microseconds(late))


@pytest.mark.parametrize(
    ("name", "local", "utc"),
    [
        ("Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T01:30:00Z"),  # twice: the second
        ("America/New_York", "2025-11-02T01:30:00", "2025-11-02T05:30:00Z"),  # twice: the first
        ("Europe/Berlin", "2025-03-30T02:30:00", "2025-03-30T01:30:00Z"),  # never: an hour later
        ("America/New_York", "2025-03-09T02:30:00", "2025-03-09T06:30:00Z"),  # never: an hour earlier
        ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"),  # a day that never was
    ],
)
def test_local_times_around_changes_of_the_clock_mean_what_go_takes_them_for(name: str, local: str, utc: str) -> None:
    assert zone(name).parse_text(local) == zone("UTC").parse_text(utc)


def test_the_rule_holds_for_ever() -> None:
    for year in (2038, 2100, 2400, 9998):
        summer, winter = (
            zone("Europe/Berlin").format_text(zone("UTC").parse_text(f"{year}-{month}-01T00:00:00Z"))
            for month in ("07", "12")
        )
        assert (summer[-6:], winter[-6:]) == ("+02:00", "+01:00")


def test_digits_past_the_sixth_are_cut_off() -> None:
    assert zone("UTC").parse_text("1970-01-01T00:00:00.123456999Z") == 123_456
    assert zone("UTC").parse_text("1969-12-31T23:59:59.9999999Z") == -1
    assert zone("UTC").parse_text("1970-01-01 00:00:00,5") == 500_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "Does not match any known format"),
        ("2025-02-29T00:00:00Z", "Does not match any known format"),
        ("2025-01-01", "Does not match any known format"),
        ("2025-01-01T00:00:00+14:01", r"UTC offset hour 14 is out of the valid range \[-12, 14\]"),
        ("0000-06-01T00:00:00Z", "Outside of the years 0001 to 9999"),
        ("9999-12-31T23:59:59-00:01", "Outside of the years 0001 to 9999"),
    ],
)
def test_what_is_no_instant_is_refused_with_its_row(text: str, reason: str) -> None:
    with pytest.raises(InstantError, match=reason) as caught:
        zone("UTC").parse(*column(["2025-01-01T00:00:00Z", "2025-01-01 00:00:00+08", text, "x"]))
    assert caught.value.row == 2
    assert f"invalid timestamp string: '{text}'" in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("0123456789-+:.TZ ä", max_size=35) | st.binary(max_size=35).map(repr), max_size=5))
def test_any_text_is_read_or_refused(texts: list[str]) -> None:
    try:
        read = len(zone("America/New_York").parse(*column(texts)))
    except InstantError as error:
        read = error.row
    assert 0 <= read <= len(texts)


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "utc+1", "tzdata.zi", "Europe"]
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown or invalid IANA Time Zone ID"):
        zone(name)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_damaged_zone_files_are_refused_or_read(junk: bytes, at: int) -> None:
    for file in (junk, b"TZif2" + junk, b"TZif2" + bytes(39) + junk):
        try:
            read = core.TimeZone(file)
        except ValueError:
            continue
        read.to_local(np.array([FIRST_INSTANT, at, LAST_INSTANT]))


def test_offsets_that_leave_the_data_are_refused() -> None:
    for ends in ([0, 5], [-1, 1], [2, 1], []):
        with pytest.raises(ValueError, match="offsets must be ascending and inside the data"):
            zone("UTC").parse(np.array(ends, dtype=np.int64), np.zeros(4, dtype=np.uint8))
