"""A call's limits hold inside it, in its thread, and nowhere else."""

from __future__ import annotations

import threading

import pytest

from elanus.model import deadline


def test_nothing_is_limited_outside_of_calls() -> None:
    assert deadline.remaining_s() is None
    deadline.check()


def test_a_call_without_a_deadline_may_take_any_time() -> None:
    with deadline.limited(None, lambda: False):
        assert deadline.remaining_s() is None
        deadline.check()


def test_what_is_left_counts_down_to_zero() -> None:
    with deadline.limited(1_000.0, lambda: False):
        first, second = deadline.remaining_s(), deadline.remaining_s()
        assert first is not None
        assert second is not None
        assert 0 < second <= first <= 1_000.0
        deadline.check()
    with deadline.limited(0.0, lambda: False):
        assert deadline.remaining_s() == 0.0
        with pytest.raises(deadline.Expired):
            deadline.check()


def test_a_cancelled_call_is_seen_when_it_is_asked_about() -> None:
    gone = threading.Event()
    with deadline.limited(1_000.0, gone.is_set):
        deadline.check()
        gone.set()
        with pytest.raises(deadline.Cancelled):
            deadline.check()
    deadline.check()


def test_a_deadline_that_passed_is_told_from_a_caller_who_left() -> None:
    with deadline.limited(0.0, lambda: True), pytest.raises(deadline.Expired):
        deadline.check()


def test_limits_end_with_the_call_however_it_ends() -> None:
    with pytest.raises(ZeroDivisionError), deadline.limited(0.0, lambda: True):
        raise ZeroDivisionError
    deadline.check()


def test_other_threads_have_their_own_limits() -> None:
    seen: list[float | None] = []
    with deadline.limited(0.0, lambda: False):
        other = threading.Thread(target=lambda: seen.append(deadline.remaining_s()))
        other.start()
        other.join()
    assert seen == [None]
