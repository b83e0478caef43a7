"""Composition root: builds every part, hands each its collaborators, and takes them down in order."""

from __future__ import annotations

import ipaddress
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from elanus.catalog.names import Catalog
from elanus.collection.jobs import Jobs
from elanus.collection.services import Services
from elanus.configuration import SettingsError, read_settings
from elanus.engine import Instance, LocalEngine
from elanus.model.settings import Settings
from elanus.model.time import Clock
from elanus.segment.json_columns import JsonCache
from elanus.server.dispatch import Dispatcher
from elanus.server.port import Port, PortAddress
from elanus.storage.folder_lock import FolderLock
from elanus.storage.lease import ClockFile
from elanus.storage.local import LocalStore
from elanus.storage.wal import Wal

log = logging.getLogger("elanus.main")

TICK_S = 1.0


class Server:
    """A database that is open and served, from construction until ``close``.

    settings  `server.port` 0 takes a free port; `address` tells which
    raises    SettingsError for an address that must not be served, DataFolderLocked naming the holder,
              OSError when the address can't be bound, StorageFailed or DataCorrupted naming the file
    """

    def __init__(self, settings: Settings) -> None:
        check_exposure(settings)
        self._closing = threading.Lock()
        self._closed = False
        with ExitStack() as parts:
            self._lock = FolderLock(settings.data)
            parts.callback(self._lock.close)
            self._instance = parts.enter_context(open_instance(settings))
            dispatch = Dispatcher(LocalEngine(self._instance))
            self.port = Port(dispatch, settings.server, slow_methods=dispatch.slow_methods)
            self.address: PortAddress = self.port.start()
            parts.callback(self.port.close)
            self._lock.announce(self.address.target)
            self._ticker = Ticker(self._instance)
            parts.callback(self._ticker.close)
            self._parts = parts.pop_all()

    def settle(self) -> None:
        """Write what is in memory to files and wait for the background work that follows; calls go on meanwhile."""
        flush(self._instance)
        self._instance.services.jobs.wait_idle()

    def close(self) -> None:
        """Finish the calls in flight, write what is in memory to files, close everything. The second time does nothing.

        Background work that runs is finished, that which waits is left to the next start.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
            with self._parts:
                self.port.drain()
                self._ticker.close()
                self._instance.services.jobs.close()
                flush(self._instance)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the server."""
        self.close()


def serve(data: Path | str, *, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None) -> Server:
    """Serve a data folder from this process; returns once clients can connect. Close it, or use it with ``with``.

    port      0 takes a free one
    settings  everything else
    raises    as ``Server``
    """
    settings = settings or read_settings()
    network = replace(settings.server, host=host, port=port)
    return Server(replace(settings, data=Path(data), server=network))


@contextmanager
def open_instance(settings: Settings) -> Iterator[Instance]:
    """Open the database in a folder that the caller holds the lock of; all of it is closed at the end."""
    folder = settings.data
    scratch = folder / "scratch"
    with ExitStack() as parts:
        lease = ClockFile(folder / "clock")
        clock = Clock(lease.store, lease.load())
        store = LocalStore(folder / "store")
        wal = Wal.open(folder / "wal", settings.wal)
        parts.callback(wal.close)
        for damage in wal.damage:
            log.error("damage in the log: %s", damage)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        jobs = Jobs(settings.jobs.builders)
        parts.callback(jobs.close)
        catalog = Catalog.open(folder / "catalog.db", now=clock.now)
        json_cache = JsonCache(settings.segment.json_cache_bytes)
        instance = Instance(catalog, Services(store, wal, clock, jobs, settings, scratch, json_cache))
        parts.callback(instance.close)
        yield instance


def flush(instance: Instance) -> None:
    """Write the rows in memory to files; what can't be written stays in the log, and the next start has it."""
    for collection in instance.open_collections():
        try:
            collection.flush()
        except Exception:  # whatever it is, the other collections are flushed and everything is closed
            log.exception("collection %s is not flushed, its rows stay in the log", collection.id)


def check_exposure(settings: Settings) -> None:
    """Refuse to serve without authentication where others can reach it, unless told to."""
    server = settings.server
    if server.uds is None and not server.insecure and not _is_loopback(server.host):
        raise SettingsError(
            f"refusing to listen on {server.host}: there is no authentication yet, anybody who reaches this address "
            "could read and change everything. Listen on 127.0.0.1, or say server.insecure (--insecure) if the "
            "network is yours alone"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Ticker:
    """Tells the instance once a second that time has passed."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="elanus-ticker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_S):
            try:
                self._instance.tick()
            except Exception:
                log.exception("looking at the time failed")

    def close(self) -> None:
        """Stop; returns when the last tick has ended."""
        self._stopped.set()
        self._thread.join()
