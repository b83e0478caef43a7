"""The server itself: who connects, what it is, what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Final

from elanus.engine.base import Command, handles
from elanus.engine.instance import Instance
from elanus.model.time import Timestamp

MILVUS: Final = "3.0.0"
"""The Milvus release whose protocol is spoken; clients gate features on it."""


@dataclass(frozen=True, slots=True)
class Connected:
    """What a client is told about the server."""

    identifier: int
    version: str


@dataclass(frozen=True, slots=True)
class Connect(Command[Connected]):
    """Open a session; the database must exist when one is named."""

    database: str = ""


@dataclass(frozen=True, slots=True)
class GetVersion(Command[str]):
    """Return the version that clients gate features on."""


@dataclass(frozen=True, slots=True)
class AllocateTimestamp(Command[Timestamp]):
    """Return a timestamp later than every write so far."""


# --- handlers ---


@handles(Connect)
def connect(instance: Instance, command: Connect) -> Connected:
    """Greet a client; DatabaseNotFound when it names a missing database."""
    if command.database:
        instance.catalog.database(command.database)
    return Connected(instance.services.clock.now(), server_version())


@handles(GetVersion)
def get_version(_instance: Instance, _command: GetVersion) -> str:
    """Return the version of protocol and server."""
    return server_version()


@handles(AllocateTimestamp)
def allocate_timestamp(instance: Instance, _command: AllocateTimestamp) -> Timestamp:
    """Return the next timestamp."""
    return instance.services.clock.now()


@cache
def server_version() -> str:
    """Return the Milvus version that is spoken, then our own, such as ``3.0.0-elanus-0.1.0``."""
    return f"{MILVUS}-elanus-{version('elanus')}"
