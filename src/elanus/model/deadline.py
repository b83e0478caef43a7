"""How long the call at hand may still take, and whether anybody waits for its answer.

The server says so before it runs a call; whoever works for long asks, and native searches look by themselves. Outside
of calls nothing is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class CallOver(Exception):  # noqa: N818  (nothing failed: the answer would reach nobody)
    """Nobody waits for the answer any more."""


class Expired(CallOver):
    """The caller's deadline has passed."""


class Cancelled(CallOver):
    """The caller has gone, or has cancelled the call."""


class Limit(Protocol):
    """What one call may take: the native ``CallLimit``, which searches read without the interpreter."""

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the caller's deadline, at least 0; None without one."""

    @property
    def cancelled(self) -> bool:
        """Whether the caller has given up."""

    def check(self) -> None:
        """Raise Expired or Cancelled when the call is over."""


_LIMIT: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited(limit: Limit | None) -> Iterator[None]:
    """Limit what runs in this context meanwhile; None lifts the limit, for work that outlives the call."""
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def current() -> Limit | None:
    """Return the limit of the call at hand, None outside of calls: what native searches are given."""
    return _LIMIT.get()


def remaining_s() -> float | None:
    """Return the seconds left, at least 0; None when nothing limits them."""
    limit = _LIMIT.get()
    return None if limit is None else limit.remaining_s


def check() -> None:
    """Raise Expired or Cancelled when the call is over; under a microsecond."""
    limit = _LIMIT.get()
    if limit is not None:
        limit.check()
