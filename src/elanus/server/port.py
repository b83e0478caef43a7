"""The native wire with Python worker threads on it: start, serve, drain.

Native I/O threads read requests and queue them in one of two lanes; the threads here take them one at a time, call the
dispatcher and hand its bytes back. The slow lane is for methods that may wait (load, flush): they never keep a search
from its worker. Nor does a call that waits for a service: another thread takes its place meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from elanus._native.core import WireCall, WireMetadata, WireServer
from elanus.model import deadline, waiting
from elanus.model.settings import ServerSettings
from elanus.server.rpc_status import GrpcCode, RpcAbort

__all__ = ["Dispatch", "Port", "PortAddress"]

Dispatch = Callable[[str, Mapping[str, str], bytes], bytes]
"""``(method path, metadata, request) -> response``; raises RpcAbort to end the call with a gRPC status."""

JOIN_LIMIT_S = 5.0
"""Longest wait for a worker thread to end once its calls are answered."""

MOST_SUBSTITUTES = 32
"""So many threads of a lane are replaced at most while they wait for what others do."""

log = logging.getLogger("elanus.server")

Mapping.register(WireMetadata)


@dataclass(frozen=True, slots=True)
class PortAddress:
    """Where the port listens: a host and a port, or a Unix socket."""

    host: str | None
    port: int | None
    uds: Path | None

    @property
    def target(self) -> str:
        """The address as gRPC clients take it: `host:port` or `unix:/path`."""
        if self.uds is not None:
            return f"unix:{self.uds.absolute()}"
        return f"[{self.host}]:{self.port}" if ":" in (self.host or "") else f"{self.host}:{self.port}"


@dataclass(slots=True)
class _Crew:
    """The worker threads of one lane: at most `limit` that work.

    threads  those there are; above `limit` while some of them wait for what others do, and until the spare ones notice
    idle     how many wait for calls, counted while the crew still grows
    waiting  how many wait in the middle of a call
    started  how many there ever were
    """

    lane: int
    name: str
    limit: int
    threads: list[threading.Thread] = field(default_factory=list)
    idle: int = 0
    waiting: int = 0
    started: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def most(self) -> int:
        """How many threads there may be at the moment."""
        return self.limit + min(self.waiting, MOST_SUBSTITUTES)


class Port:
    """Serves a dispatcher over gRPC on a TCP port or a Unix socket."""

    def __init__(self, dispatch: Dispatch, settings: ServerSettings, *, slow_methods: Collection[str] = ()) -> None:
        """Prepare a port; nothing is bound before `start`.

        dispatch      called on worker threads, several at once
        settings      address and limits; port 0 takes a free one; with `uds` there is no TCP port, and the file that a
                      dead server left there is replaced
        slow_methods  full paths (`/package.Service/Method`) of the methods that may wait
        """
        self._dispatch = dispatch
        self._settings = settings
        self._slow_methods = list(slow_methods)
        self._server: WireServer | None = None
        self._crews = (
            _Crew(WireServer.FAST_LANE, "fast", settings.workers),
            _Crew(WireServer.SLOW_LANE, "slow", settings.slow_workers),
        )

    def start(self) -> PortAddress:
        """Bind, start the workers and return the address; clients can connect from then on.

        raises   OSError when the address can't be bound, ValueError for a Unix path above 107 bytes,
                 RuntimeError when started before
        """
        if self._server is not None:
            raise RuntimeError("the port was started before")
        settings = self._settings
        self._server = WireServer(
            host=settings.host if settings.uds is None else None,
            port=settings.port,
            uds=None if settings.uds is None else str(settings.uds),
            slow_methods=self._slow_methods,
            io_threads=settings.io_threads,
            max_waiting=settings.queue,
            max_request_bytes=settings.message_bytes,
            max_response_bytes=settings.reply_bytes,
        )
        fast, slow = self._crews
        for crew, count in ((fast, fast.limit), (slow, 1)):
            with crew.lock:
                for _ in range(count):
                    self._add_worker(crew)
        return self.address

    @property
    def address(self) -> PortAddress:
        """The bound address."""
        host, port = self._running.tcp_address or (None, None)
        return PortAddress(host, port, self._settings.uds)

    def num_connections(self) -> int:
        """Return how many clients are connected."""
        return self._running.num_connections()

    def wait_until_unused(self, grace_s: float, first_timeout_s: float | None = None) -> bool:
        """Block until clients came and all have been gone for `grace_s`, or none came within `first_timeout_s`.

        returns  True when unused, False when the port was drained or closed meanwhile
        """
        return self._running.wait_until_unused(grace_s, first_timeout_s)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Refuse new connections, let calls in flight finish, then close; return whether all of them finished.

        timeout_s  longest wait, None for the settings' `drain_s`
        """
        if self._server is None:
            return True
        if timeout_s is None:
            timeout_s = self._settings.drain_s
        finished = self._server.drain(timeout_s)
        if not finished:
            log.warning("calls were cut off, they did not finish within %.1f s", timeout_s)
        self._join(JOIN_LIMIT_S if finished else 0.0)
        return finished

    def close(self) -> None:
        """Drop all connections and calls now; a handler that is running ends by itself, unheard."""
        if self._server is not None:
            self._server.close()
            self._join(JOIN_LIMIT_S)

    def __enter__(self) -> Self:
        """Start the port."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the port."""
        self.close()

    @property
    def _running(self) -> WireServer:
        if self._server is None:
            raise RuntimeError("the port has not been started")
        return self._server

    def _add_worker(self, crew: _Crew) -> None:
        """Start a thread; the crew's lock is held."""
        # Daemons: a handler that never returns must not keep the process from ending.
        name = f"elanus-{crew.name}-{crew.started}"
        worker = threading.Thread(target=self._work, args=(crew,), name=name, daemon=True)
        worker.start()
        crew.threads.append(worker)
        crew.started += 1
        crew.idle += 1

    def _work(self, crew: _Crew) -> None:
        server = self._running
        with waiting.substituted(lambda: self._substitute(crew)):
            while (call := server.next_request(crew.lane)) is not None:
                growing = len(crew.threads) < crew.limit
                if growing:
                    with crew.lock:
                        crew.idle -= 1
                        if crew.idle == 0 and len(crew.threads) < crew.limit:
                            self._add_worker(crew)
                self._answer(call)
                del call  # or its buffers would live until the next one comes
                if growing:
                    with crew.lock:
                        crew.idle += 1
                if len(crew.threads) > crew.limit and _leave(crew):
                    return

    @contextmanager
    def _substitute(self, crew: _Crew) -> Iterator[None]:
        """Have another thread work while this one waits; a crew that still grows has one anyway."""
        with crew.lock:
            crew.waiting += 1
        try:
            with crew.lock:
                if crew.limit <= len(crew.threads) < crew.most:
                    self._add_worker(crew)
            yield
        finally:
            with crew.lock:
                crew.waiting -= 1

    def _answer(self, call: WireCall) -> None:
        try:
            with deadline.limited(call.limit):
                response = self._dispatch(call.method, call.metadata, call.body)
            call.respond(response)
        except RpcAbort as abort:
            call.fail(abort.code, abort.message)
        except BaseException:  # a panic of native code is not an Exception, and must not end the worker
            log.exception("%s failed", call.method)
            call.fail(GrpcCode.INTERNAL, "internal error, see the server's log")

    def _join(self, limit_s: float) -> None:
        """Wait for the workers, all together `limit_s`; a handler that drains its own port does not wait for itself."""
        ends = time.monotonic() + limit_s
        for crew in self._crews:
            with crew.lock:
                threads = list(crew.threads)
            for thread in threads:
                if thread is not threading.current_thread():
                    thread.join(max(0.0, ends - time.monotonic()))


def _leave(crew: _Crew) -> bool:
    """Take this thread out of a crew that has too many; return whether it had."""
    with crew.lock:
        if len(crew.threads) <= crew.most:
            return False
        crew.threads.remove(threading.current_thread())
        return True
