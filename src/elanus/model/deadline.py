"""How long the call at hand may still take, and whether anybody waits for its answer.

The server says so before it runs a call; whoever works for long asks. Outside of calls nothing is limited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class CallOver(Exception):  # noqa: N818  (nothing failed: the answer would reach nobody)
    """Nobody waits for the answer any more."""


class Expired(CallOver):
    """The caller's deadline has passed."""


class Cancelled(CallOver):
    """The caller has gone, or has cancelled the call."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """What one call may take; ``ends`` is on the monotonic clock, None for no end."""

    ends: float | None
    cancelled: Callable[[], bool]


_LIMIT: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited(remaining_s: float | None, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Limit what runs in this context meanwhile.

    remaining_s  seconds until the caller's deadline, None without one
    cancelled    whether the caller has given up; may be called from this thread at any time
    """
    token = _LIMIT.set(_Limit(None if remaining_s is None else time.monotonic() + remaining_s, cancelled))
    try:
        yield
    finally:
        _LIMIT.reset(token)


def remaining_s() -> float | None:
    """Return the seconds left, at least 0; None when nothing limits them."""
    limit = _LIMIT.get()
    return None if limit is None or limit.ends is None else max(0.0, limit.ends - time.monotonic())


def check() -> None:
    """Raise Expired or Cancelled when the call is over; under a microsecond."""
    limit = _LIMIT.get()
    if limit is None:
        return
    if limit.ends is not None and time.monotonic() >= limit.ends:
        raise Expired("the call's deadline has passed")
    if limit.cancelled():
        raise Cancelled("the call was cancelled")
