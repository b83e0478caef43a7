"""Waits for what others do: meanwhile the thread's owner may put another to work in its place.

Whoever waits for long without working says so; the server then answers other calls with one thread more. Outside of
the server nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Substitute: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Gives what is entered while a thread waits."""

_SUBSTITUTE: ContextVar[Substitute | None] = ContextVar("substitute", default=None)


@contextmanager
def substituted(substitute: Substitute) -> Iterator[None]:
    """Enter what ``substitute`` gives whenever this context waits meanwhile."""
    token = _SUBSTITUTE.set(substitute)
    try:
        yield
    finally:
        _SUBSTITUTE.reset(token)


@contextmanager
def waiting() -> Iterator[None]:
    """Say that this context only waits meanwhile.

    Waits inside of it are part of it, those in threads that copy the context as well.
    """
    substitute = _SUBSTITUTE.get()
    if substitute is None:
        yield
        return
    token = _SUBSTITUTE.set(None)
    try:
        with substitute():
            yield
    finally:
        _SUBSTITUTE.reset(token)
