"""Every operation is a command: a frozen dataclass that says what is wanted, answered by ``Engine.execute``.

A handler is registered beside its command with ``@handles``. Front ends, access control and a cluster all
speak in commands, so an operation is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Command(Generic[R]):
    """Base of all commands; ``R`` is what the handler returns."""

    __slots__ = ()


class Engine(Protocol):
    """Answers commands."""

    def execute(self, command: Command[R]) -> R:
        """Run the command's handler; raises ElanusError when the answer is no."""


class CollectionName(NamedTuple):
    """A collection (or its alias) within a database."""

    database: str
    name: str


@dataclass(frozen=True, slots=True)
class Handler:
    """The function that answers one kind of command; it takes the instance and the command."""

    command: type[Command[Any]]
    run: Callable[[Any, Any], Any]


HANDLERS: dict[type[Command[Any]], Handler] = {}

H = TypeVar("H", bound=Callable[[Any, Any], Any])


def handles(command: type[Command[Any]]) -> Callable[[H], H]:
    """Register the decorated function as the command's handler."""

    def register(run: H) -> H:
        if command in HANDLERS:
            raise ValueError(f"{command.__name__} has two handlers")
        HANDLERS[command] = Handler(command, run)
        return run

    return register
