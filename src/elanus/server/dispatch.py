"""The one way from a request's bytes to a reply's: find the RPC, parse, run, and say in the status what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from elanus.engine.base import Engine
from elanus.model.deadline import Cancelled, Expired
from elanus.model.errors import ElanusError
from elanus.server.grpc import (  # noqa: F401  (each registers its RPCs)
    aliases,
    collections,
    connection,
    data,
    databases,
    explain,
    flush,
    hybrid,
    indexes,
    load,
    partitions,
    query,
    search,
    status,
)
from elanus.server.grpc import messages as pb
from elanus.server.grpc.rpc import RPCS, Call, Rpc
from elanus.server.rpc_status import GrpcCode, RpcAbort

log = logging.getLogger("elanus.server")

_DECLARED = pb.method_names()


class Dispatcher:
    """Answers calls with an engine; safe to call from several threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def slow_methods(self) -> tuple[str, ...]:
        """Paths of the methods that may wait for long."""
        return tuple(path for path, found in RPCS.items() if found.slow)

    def __call__(self, method: str, metadata: Mapping[str, str], body: bytes) -> bytes:
        """Return the reply to one call.

        method  path of the RPC, ``/package.Service/Method``
        raises  RpcAbort for an unknown method, bytes that are no such request, and once nobody waits for the answer
        """
        found = _find(method)
        request = _parse(found, body)
        reply = self._run(found, request, Call(self._engine, metadata))
        return reply if isinstance(reply, bytes) else bytes(reply.SerializeToString(deterministic=True))

    def _run(self, found: Rpc, request: Any, call: Call) -> Any:
        try:
            reply = found.run(request, call)
        except RpcAbort:
            raise
        except Expired as error:
            raise RpcAbort(GrpcCode.DEADLINE_EXCEEDED, str(error)) from None
        except Cancelled as error:
            raise RpcAbort(GrpcCode.CANCELLED, str(error)) from None
        except ElanusError as error:
            return _failure(found, request, error)
        except Exception:
            log.exception("%s failed", found.name)
            return _failure(found, request, ElanusError())
        return reply if isinstance(reply, bytes) else status.succeed(reply)


def _find(method: str) -> Rpc:
    found = RPCS.get(method)
    if found is not None:
        return found
    service, _, name = method.removeprefix("/").partition("/")
    if service == pb.SERVICE and name in _DECLARED:
        raise RpcAbort(GrpcCode.UNIMPLEMENTED, f"method {name} is not served yet")
    raise RpcAbort(GrpcCode.UNIMPLEMENTED, f"unknown method {name} of service {service}")


def _parse(found: Rpc, body: bytes) -> Any:
    try:
        return found.parse(body)
    except (DecodeError, ValueError) as error:
        raise RpcAbort(GrpcCode.INVALID_ARGUMENT, f"the request is no {found.name} message: {error}") from error


def _failure(found: Rpc, request: Any, error: ElanusError) -> pb.Message:
    reply = status.fail(found.reply(), error)
    found.failed(request, reply)
    return reply
