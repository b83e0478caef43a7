"""A call's limits hold inside it, in its thread, and nowhere else."""

from __future__ import annotations

import threading

import pytest

from elanus._native.core import CallLimit
from elanus.model import deadline


def cancelled(remaining_s: float | None = None) -> CallLimit:
    limit = CallLimit(remaining_s)
    limit.cancel()
    return limit


def test_nothing_is_limited_outside_of_calls() -> None:
    assert deadline.current() is None
    assert deadline.remaining_s() is None
    deadline.check()


def test_a_call_without_a_deadline_may_take_any_time() -> None:
    with deadline.limited(CallLimit()):
        assert deadline.remaining_s() is None
        deadline.check()


def test_what_is_left_counts_down_to_zero() -> None:
    with deadline.limited(CallLimit(1_000.0)):
        first, second = deadline.remaining_s(), deadline.remaining_s()
        assert first is not None
        assert second is not None
        assert 0 < second <= first <= 1_000.0
        deadline.check()
    for remaining_s in (0.0, -3.0):
        with deadline.limited(CallLimit(remaining_s)):
            assert deadline.remaining_s() == 0.0
            with pytest.raises(deadline.Expired):
                deadline.check()


def test_a_deadline_beyond_the_clock_is_none() -> None:
    assert CallLimit(1e19).remaining_s is None
    for remaining_s in (float("nan"), float("inf"), 1e30):
        with pytest.raises(ValueError, match="seconds: "):
            CallLimit(remaining_s)


def test_a_cancelled_call_is_seen_when_it_is_asked_about() -> None:
    limit = CallLimit(1_000.0)
    with deadline.limited(limit):
        deadline.check()
        limit.cancel()
        assert limit.cancelled
        with pytest.raises(deadline.Cancelled):
            deadline.check()
    deadline.check()


def test_a_deadline_that_passed_is_told_from_a_caller_who_left() -> None:
    with deadline.limited(cancelled(0.0)), pytest.raises(deadline.Expired):
        deadline.check()


def test_limits_end_with_the_call_however_it_ends() -> None:
    with pytest.raises(ZeroDivisionError), deadline.limited(cancelled(0.0)):
        raise ZeroDivisionError
    deadline.check()


def test_work_that_outlives_its_call_is_not_limited() -> None:
    with deadline.limited(cancelled()):
        with deadline.limited(None):
            deadline.check()
        with pytest.raises(deadline.Cancelled):
            deadline.check()


def test_other_threads_have_their_own_limits() -> None:
    seen: list[float | None] = []
    with deadline.limited(CallLimit(0.0)):
        other = threading.Thread(target=lambda: seen.append(deadline.remaining_s()))
        other.start()
        other.join()
    assert seen == [None]
