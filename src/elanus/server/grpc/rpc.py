"""The table of RPCs: an RPC is a function from a request and its call to a reply.

    @rpc("HasPartition", pb.HasPartitionRequest, pb.BoolResponse)
    def has_partition(request, call):
        command = partitions.HasPartition(call.collection(request), request.partition_name)
        return pb.BoolResponse(value=call.run(command))

The dispatcher parses, runs, and turns what was raised into the reply's status; nothing of that is said again here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from elanus.engine.base import CollectionName, Command, Engine
from elanus.server.grpc import messages as pb

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DATABASE = "default"


@dataclass(frozen=True, slots=True)
class Call:
    """One call in progress: who answers it and what was sent beside the request.

    metadata  the headers, lower-case names
    """

    engine: Engine
    metadata: Mapping[str, str]

    def run(self, command: Command[R]) -> R:
        """Run a command of the engine."""
        return self.engine.execute(command)

    def database(self, named: str = "") -> str:
        """Return the database that a request names, or that its header names, or the default one."""
        return named or self.metadata.get("dbname") or DEFAULT_DATABASE

    def collection(self, request: pb.Message) -> CollectionName:
        """Return the collection that a request names."""
        return CollectionName(self.database(request.db_name), request.collection_name)


def _ignore(request: Any, reply: pb.Message) -> None:
    """Add nothing to a failed reply."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC.

    reply   class of the reply
    run     (request, call) -> reply message, or its bytes
    parse   bytes -> what ``run`` takes; ValueError or protobuf's DecodeError when it is no such message
    failed  adds what a failed reply carries besides its status
    slow    whether it may wait for long: it gets a worker of its own lane
    """

    name: str
    reply: Callable[[], pb.Message]
    run: Callable[[Any, Call], Any]
    parse: Callable[[bytes], Any]
    failed: Callable[[Any, pb.Message], None] = _ignore
    slow: bool = False
    service: str = pb.SERVICE

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.service}/{self.name}"


RPCS: dict[str, Rpc] = {}


def rpc(
    name: str,
    request: pb.Message,
    reply: pb.Message,
    *,
    parse: Callable[[bytes], Any] | None = None,
    failed: Callable[[Any, pb.Message], None] = _ignore,
    slow: bool = False,
    service: str = pb.SERVICE,
) -> Callable[[F], F]:
    """Register the decorated function as the RPC of that name; the arguments are the attributes of ``Rpc``."""

    def register(run: F) -> F:
        made = Rpc(name, reply, run, parse or request.FromString, failed, slow, service)
        if made.path in RPCS:
            raise ValueError(f"{name} is registered twice")
        RPCS[made.path] = made
        return run

    return register
