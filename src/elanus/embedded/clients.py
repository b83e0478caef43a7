"""pymilvus' own clients, which open a database in a folder where others take an address."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

# gRPC reads it when the first channel is made: new clients then work after a fork too.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "true")

try:
    import grpc
    import pymilvus
    from pymilvus.client.connection_manager import ConnectionConfig
except ImportError as missing:
    raise ImportError(
        "elanus.MilvusClient needs pymilvus, which is not installed: pip install 'elanus[client]'"
    ) from missing

from elanus.embedded.attach import attached
from elanus.embedded.conditions import with_condition
from elanus.embedded.places import local_folder, socket_path

log = logging.getLogger("elanus.embedded")

DEFAULT_URI = "http://localhost:19530"
CHANNEL = {
    # An idle channel would close its connection, and with the last connection the owner of the folder ends.
    "grpc.client_idle_timeout_ms": 2**31 - 1,
    # Connections are not shared between channels, so that none outlives its client, nor crosses a fork.
    "grpc.use_local_subchannel_pool": 1,
}

ATTEMPTS = 5
"""How often a client tries to reach a folder's owner anew: one that is dying may still seem alive."""


class MilvusClient(pymilvus.MilvusClient):
    """``pymilvus.MilvusClient``; a path as its ``uri`` opens the embedded database in that folder.

        client = MilvusClient("./demo.db")

    All clients of a folder, in all processes, share one database process. It ends after the last of them is closed,
    and is started again when it died. Addresses (``http://``, ``unix:``, ``host:port``) go to pymilvus unchanged.

    raises  EmbeddedError when the folder can't be opened
    """

    def __init__(  # noqa: PLR0917 - pymilvus' own order
        self,
        uri: str | os.PathLike[str] = DEFAULT_URI,
        user: str = "",
        password: str = "",
        db_name: str = "",
        token: str = "",
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        folder = local_folder(uri)
        if folder is None:
            super().__init__(str(uri), user, password, db_name, token, timeout, **kwargs)
            return
        with attached(folder) as address:
            super().__init__(address, user, password, db_name, token, timeout, **_private(kwargs))
        handler = self._handler
        handler._on_rpc_error = _Recovery(folder, handler)
        _RELEASES.when_forgotten(self, self._manager, handler)

    def upsert(self, *args: Any, **kwargs: Any) -> Any:
        """Upsert as pymilvus does; ``if_match`` takes the versions that the stored rows must have."""
        return super().upsert(*args, **with_condition(kwargs))


class AsyncMilvusClient(pymilvus.AsyncMilvusClient):
    """``pymilvus.AsyncMilvusClient``, with paths as ``MilvusClient`` takes them; the first call opens the folder."""

    _config: Any
    _handler: Any

    def __init__(  # noqa: PLR0917 - pymilvus' own order
        self,
        uri: str | os.PathLike[str] = DEFAULT_URI,
        user: str = "",
        password: str = "",
        db_name: str = "",
        token: str = "",
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._folder = local_folder(uri)
        self._connecting = asyncio.Lock()
        if self._folder is None:
            super().__init__(str(uri), user, password, db_name, token, timeout, **kwargs)
            return
        address = f"unix:{socket_path(self._folder)}"
        super().__init__(address, user, password, db_name, token, timeout, **_private(kwargs))

    async def _connect(self) -> None:
        folder = self._folder
        if folder is None:
            await super()._connect()
            return
        async with self._connecting:
            if self._handler is not None:
                return
            async with _attached(folder) as address:
                self._config = replace(self._config, uri=address, address=_channel_target(address))
                await super()._connect()
            handler: Any = self._handler
            handler._on_rpc_error = _AsyncRecovery(folder, handler)

    async def upsert(self, *args: Any, **kwargs: Any) -> Any:
        """Upsert as pymilvus does; ``if_match`` takes the versions that the stored rows must have."""
        return await super().upsert(*args, **with_condition(kwargs))


class _Recovery:
    """What a connection does about an error: when its owner has gone, go to the next one, started if need be.

    Returns whether the call is worth another try, as pymilvus' own callback does, which makes the connection.
    """

    def __init__(self, folder: Path, handler: Any) -> None:
        self._folder = folder
        self._handler = handler
        self._recover = handler._on_rpc_error

    def __call__(self, error: Exception) -> bool:
        for attempt in range(ATTEMPTS if _is_gone(error) else 0):
            with attached(self._folder) as address:
                self._handler._address = _channel_target(address)
                try:
                    return bool(self._recover(error))
                except pymilvus.MilvusException:
                    if attempt == ATTEMPTS - 1:
                        raise
        return bool(self._recover(error))


class _AsyncRecovery(_Recovery):
    """The same for an asynchronous connection."""

    async def __call__(self, error: Exception) -> bool:  # type: ignore[override]
        for attempt in range(ATTEMPTS if _is_gone(error) else 0):
            async with _attached(self._folder) as address:
                self._handler._address = _channel_target(address)
                try:
                    return await self._reconnect(error)
                except pymilvus.MilvusException:
                    if attempt == ATTEMPTS - 1:
                        raise
        return await self._reconnect(error)

    async def _reconnect(self, error: Exception) -> bool:
        recovered = bool(await self._recover(error))
        # pymilvus closes the old channel in a task that the end of the event loop would cut short. The channel would
        # find the new owner by itself then, and keep it alive.
        await asyncio.gather(*self._handler._retired_channel_close_tasks)
        return recovered


@asynccontextmanager
async def _attached(folder: Path) -> AsyncIterator[str]:
    """``attached``, waiting in a thread of its own."""
    held = attached(folder)
    address = await asyncio.to_thread(held.__enter__)
    try:
        yield address
    finally:
        held.__exit__(None, None, None)


def _private(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a client's keyword arguments with a connection that is its own, closed with it."""
    return {**kwargs, "dedicated": True, "grpc_options": {**CHANNEL, **kwargs.get("grpc_options", {})}}


def _channel_target(uri: str) -> str:
    return str(ConnectionConfig.from_uri(uri).address)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE


class _Releases:
    """Closes the connections of clients that were forgotten, on a thread of its own.

    Garbage collection runs on any thread, one that holds pymilvus' lock or that it waits for among them, and closing
    takes that lock; so what is collected only goes into a queue that never blocks.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._queue: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()

    def when_forgotten(self, client: MilvusClient, manager: Any, handler: Any) -> None:
        """Release the handler once the client is garbage; a forked child leaves it to its parent."""
        if self._pid != os.getpid():
            self._pid, self._queue = os.getpid(), queue.SimpleQueue()
            threading.Thread(target=self._run, args=(self._queue,), name="elanus-releases", daemon=True).start()
        # The end of the process closes its connections anyway.
        weakref.finalize(client, self._queue.put, (manager, handler)).atexit = False

    @staticmethod
    def _run(forgotten: queue.SimpleQueue[tuple[Any, Any]]) -> None:
        while True:
            manager, handler = forgotten.get()
            try:
                manager.release(handler)
            except Exception:
                log.debug("closing a forgotten client's connection failed", exc_info=True)
            del manager, handler


_RELEASES = _Releases()
