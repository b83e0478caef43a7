"""The open collections of one server or embedded engine, by name.

A collection is committed in two steps: its first manifest, then its name in the catalog. It is dropped the other
way round. So a name in the catalog always has its data, and data without a name is a remainder that is removed when
the instance is opened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from elanus.catalog.names import Catalog, CollectionEntry
from elanus.collection.collection import Collection, home
from elanus.collection.services import Services
from elanus.engine.base import CollectionName
from elanus.engine.iterators import Iterators
from elanus.engine.locks import KeyedLocks
from elanus.model.errors import CollectionNotFound, DataCorrupted, ElanusError, StorageFailed
from elanus.model.ids import CollectionId
from elanus.model.manifest import Manifest
from elanus.model.names import check_collection_name
from elanus.storage.manifest import ManifestLog
from elanus.storage.scoped import ScopedStore

log = logging.getLogger("elanus.engine")

HOMES = "collections/"


class Instance:
    """Names and the collections behind them. Safe from any thread.

    Locks, outermost first: names in order, then the collection's DDL lock, then the lock under which it is opened.
    Finding an open collection takes none.
    """

    def __init__(self, catalog: Catalog, services: Services) -> None:
        self.catalog = catalog
        self.services = services
        self.iterators = Iterators()
        self._open: dict[CollectionId, Collection] = {}
        self._names = KeyedLocks()
        self._changing = KeyedLocks()
        self._opening = KeyedLocks()
        self._sweep()

    # --- finding ---

    def collection(self, name: CollectionName) -> Collection:
        """Return a collection by its name or alias, opened when it isn't yet.

        raises  InvalidParameter for what can't be a name; DatabaseNotFound, CollectionNotFound
        """
        try:
            found = self.catalog.resolve(*name)
        except ElanusError:
            check_collection_name(name.name)
            raise
        return self._open.get(found) or self._open_once(found)

    def collection_of(self, entry: CollectionEntry) -> Collection:
        """Return the collection of a catalog entry; CollectionNotFound when it was dropped meanwhile."""
        return self._open.get(entry.id) or self._open_once(entry.id)

    def manifest_of(self, entry: CollectionEntry) -> Manifest:
        """Return a collection's newest manifest, read from the store without opening one that isn't open.

        raises  CollectionNotFound when it was dropped meanwhile; DataCorrupted, StorageFailed
        """
        opened = self._open.get(entry.id)
        if opened is not None:
            return opened.manifest
        # Nobody commits to or removes a closed collection under this lock.
        with self._opening.hold(entry.id):
            opened = self._open.get(entry.id)
            if opened is not None:
                return opened.manifest
            if self.catalog.entry(entry.id) is None:
                raise CollectionNotFound(collection=entry.id)
            return ManifestLog(ScopedStore(self.services.store, home(entry.id))).latest()

    def open_collections(self, database: str = "") -> list[Collection]:
        """Return the collections of a database (of all when it is empty) that may have rows outside files."""
        logged = {shard.collection for shard in self.services.wal.shards()}
        wanted = [
            entry
            for entry in self.catalog.collections(database or None)
            if entry.id in logged or entry.id in self._open
        ]
        return [found for entry in wanted if (found := self._open_if_there(entry)) is not None]

    def _open_if_there(self, entry: CollectionEntry) -> Collection | None:
        try:
            return self.collection_of(entry)
        except CollectionNotFound:
            return None
        except (DataCorrupted, StorageFailed):
            log.exception("collection %s.%s can't be opened, the others go on", entry.database, entry.name)
            return None

    def _open_once(self, collection: CollectionId) -> Collection:
        with self._opening.hold(collection):
            opened = self._open.get(collection)
            if opened is not None:
                return opened
            if self.catalog.entry(collection) is None:
                raise CollectionNotFound(collection=collection)
            opened = self._open[collection] = Collection.open(self.services, collection)
            return opened

    # --- changing ---

    @contextmanager
    def naming(self, *names: CollectionName) -> Iterator[None]:
        """Hold names, so that nobody else gives them to a collection or takes them away."""
        with ExitStack() as held:
            for name in sorted(set(names)):
                held.enter_context(self._names.hold(name))
            yield

    @contextmanager
    def changing(self, name: CollectionName) -> Iterator[Collection]:
        """Hold a collection for one DDL statement; others on the same collection wait, reads don't."""
        with ExitStack() as held:
            while True:
                collection = self.collection(name)
                held.enter_context(self._changing.hold(collection.id))
                if self.catalog.resolve(*name) == collection.id:
                    break
                held.close()
            yield collection

    def create(self, name: CollectionName, manifest: Manifest) -> Collection:
        """Make a collection under a free name; the caller holds the name."""
        collection = Collection.create(self.services, manifest)
        sizes = (manifest.shards, len(manifest.partitions))
        # Held, or whoever finds the name first would open the collection a second time.
        with self._opening.hold(manifest.id):
            try:
                self.catalog.create_collection(CollectionEntry(manifest.id, *name, manifest.created_at, *sizes))
            except BaseException:
                collection.drop_data()
                raise
            self._open[manifest.id] = collection
        return collection

    def drop(self, entry: CollectionEntry) -> None:
        """Forget a collection, then remove its data; from the first step on nobody finds it."""
        with self._changing.hold(entry.id):
            self.catalog.drop_collection(entry.id)
            self.iterators.drop(entry.id)
            with self._opening.hold(entry.id):
                opened = self._open.pop(entry.id, None)
                if opened is None:
                    self._remove(entry.id)
                else:
                    opened.drop_data()

    def _remove(self, collection: CollectionId) -> None:
        """Remove log records and files of a collection that isn't open."""
        self.services.wal.drop(collection)
        store = self.services.store
        store.delete([info.key for info in store.list(f"{HOMES}{collection}/")])

    def _sweep(self) -> None:
        """Remove what creations and drops left behind that were cut short.

        cost    one listing of the folders, whatever the number of files in them
        """
        store = self.services.store
        for stored in sorted(CollectionId(int(name)) for name in store.folders(HOMES) if name.isdecimal()):
            # An empty folder is no remains: a crash may leave one, and it holds nothing to remove.
            if self.catalog.entry(stored) is None and any(store.list(f"{home(stored)}/")):
                log.warning("removing the remains of a collection that is not in the catalog: %s", home(stored))
                self._remove(stored)
        # Records of a dropped collection stay in a log file as long as others need it; they must not pin it again.
        for logged in {shard.collection for shard in self.services.wal.shards()}:
            if self.catalog.entry(logged) is None:
                self.services.wal.drop(logged)

    def tick(self) -> None:
        """Tell the open collections that time has passed, and flush those that keep the log from shrinking."""
        self.iterators.expire()
        for collection in list(self._open.values()):
            collection.tick()
        for pinning in {shard.collection for shard in self.services.wal.pinning()}:
            entry = self.catalog.entry(pinning)
            if entry is not None and (found := self._open_if_there(entry)) is not None:
                found.flush_soon()

    def close(self) -> None:
        """Close every collection and the catalog; what is only in the log stays there."""
        for collection in list(self._open.values()):
            collection.close()
        self._open.clear()
        self.catalog.close()
