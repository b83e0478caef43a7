"""A collection: its manifest, its shards, its view. Every change commits a manifest and swaps the view.

Rows come in by ``Collection.writes``; what is here turns them into files, and files into others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from elanus.collection.compaction import Merged
from elanus.collection.maintenance import IndexProgress, Maintenance
from elanus.collection.probe import RecallProbe, recall_estimate
from elanus.collection.services import Services
from elanus.collection.sweep import sweep_replaced, sweep_unnamed
from elanus.collection.writes import Writes
from elanus.ingest.flush import FlushOutcome, write_frozen
from elanus.ingest.shard import Shard
from elanus.model.errors import CollectionNotFound, StorageFailed
from elanus.model.ids import CollectionId, PartitionId, SegmentId
from elanus.model.manifest import IndexFile, IndexInfo, Manifest, SegmentInfo
from elanus.model.time import Timestamp, physical_ms
from elanus.query.cache import PlanCache
from elanus.query.hybrid import HybridPlan
from elanus.query.plan import SearchPlan
from elanus.query.settled import SettledSearches
from elanus.segment.deletes import Tombstones
from elanus.segment.files import SegmentFiles
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment
from elanus.segment.view import View, ViewCell
from elanus.segment.writer import SegmentWriter
from elanus.storage.manifest import CommitConflict, ManifestLog
from elanus.storage.scoped import ScopedStore
from elanus.storage.store import ObjectStore
from elanus.storage.wal import ShardId

log = logging.getLogger("elanus.collection")

FLUSH_AGAIN_AFTER_S = 10.0
"""How long the background waits before it writes again what could not be written."""


def home(collection_id: CollectionId) -> str:
    """Return the folder of a collection in the store."""
    return f"collections/{collection_id}"


@dataclass(frozen=True, slots=True)
class Flushed:
    """The sealed segments after a flush, and the timestamp up to which everything is in files."""

    segments: tuple[SegmentId, ...]
    at: Timestamp


class Collection:
    """One open collection.

    Locks, outermost first: ``_flushing`` (one flush or merge at a time), ``_committing`` (one manifest commit at a
    time), then the shards' locks in order. Readers take none.
    """

    def __init__(self, services: Services, manifest: Manifest) -> None:
        self.id = manifest.id
        self.services = services
        self.store: ObjectStore = ScopedStore(services.store, home(manifest.id))
        self.writer = SegmentWriter(self.store, services.settings.segment)
        self._log = ManifestLog(self.store)
        self._flushing = threading.RLock()
        self._committing = threading.RLock()
        self._closing = self._closed = False
        self._flush_after = 0.0
        self.search_plans: PlanCache[SearchPlan] = PlanCache()
        self.settled = SettledSearches()
        self.hybrid_plans: PlanCache[HybridPlan] = PlanCache()
        self._cell = ViewCell(self._view_of(manifest), self.settled.clear)
        self._shards = tuple(self._shard(number) for number in range(manifest.shards))
        self.writes = Writes(self._shards, self._cell, services.clock, self._flush_when_full)
        self.maintenance = Maintenance(self)
        self.probe = RecallProbe(str(manifest.id), recall_estimate(services.metrics))

    @classmethod
    def create(cls, services: Services, manifest: Manifest) -> Self:
        """Commit the first version of a new collection and return it open."""
        first = replace(manifest, version=1, checkpoints=(manifest.created_at,) * manifest.shards)
        ManifestLog(ScopedStore(services.store, home(manifest.id))).commit(first)
        return cls(services, first)

    @classmethod
    def open(cls, services: Services, collection_id: CollectionId) -> Self:
        """Open a collection at its newest manifest and apply what the log holds beyond its checkpoints."""
        manifest = ManifestLog(ScopedStore(services.store, home(collection_id))).latest()
        collection = cls(services, manifest)
        sweep_unnamed(collection.store, manifest)
        for shard in collection._shards:
            checkpoint = manifest.checkpoints[shard.id.number]
            shard.replay(checkpoint)
            # The log forgets at a restart what was released before.
            services.wal.release(shard.id, checkpoint)
        collection.nudge()
        return collection

    def _shard(self, number: int) -> Shard:
        published = self._cell.view.manifest.checkpoints[number]
        return Shard(ShardId(self.id, number), self._cell, self.services.wal, self.services.clock, published)

    def _view_of(self, manifest: Manifest) -> View:
        shards = range(manifest.shards)
        sealed = tuple(
            tuple(self.seal(info, manifest) for info in manifest.segments if info.shard == shard) for shard in shards
        )
        return View(manifest, growing=((),) * manifest.shards, sealed=sealed)

    def seal(self, info: SegmentInfo, manifest: Manifest, tombstones: Tombstones | None = None) -> SealedSegment:
        """Return the runtime of a sealed segment."""
        files, cache = SegmentFiles(self.store), self.services.json_cache
        return SealedSegment(info, manifest.schema, files, tombstones, self.discard_index_file, json_cache=cache)

    # --- what readers and handlers look at ---

    @property
    def manifest(self) -> Manifest:
        """The current manifest."""
        return self._cell.view.manifest

    @property
    def view(self) -> View:
        """The current view."""
        return self._cell.view

    def published(self, shard: int) -> Timestamp:
        """Return up to where reads of a shard see its writes."""
        return self._shards[shard].published

    def stored_rows(self, partition: PartitionId | None = None) -> int:
        """Return how many rows are stored, deleted ones included until they are compacted away."""
        view = self._cell.view
        segments: tuple[GrowingSegment | SealedSegment, ...] = (*view.all_growing(), *view.all_sealed())
        return sum(segment.num_rows for segment in segments if partition in (None, segment.partition))

    def _flush_when_full(self) -> None:
        growing = sum(segment.nbytes for segment in self._cell.view.all_growing() if not segment.frozen)
        if growing >= self.services.settings.segment.seal_bytes:
            self.flush_soon()

    # --- commits ---

    def commit(self, change: Callable[[Manifest], Manifest]) -> Manifest:
        """Apply a change to the newest manifest, make it durable, and let readers see it."""
        return self._commit(change, lambda view: view)

    def _commit(self, change: Callable[[Manifest], Manifest], install: Callable[[View], View]) -> Manifest:
        with self._committing:
            if self._closed:
                raise CollectionNotFound(collection=self.id)
            current = self.manifest
            changed = change(current)
            if changed == current:
                return current
            manifest = replace(changed, version=current.version + 1)
            try:
                self._log.commit(manifest)
            except CommitConflict as error:
                raise StorageFailed(f"cannot commit to collection {self.id}: {error}") from error
            with self.writes.locked():
                before = self._cell.view
                self._cell.swap(lambda view: self._under(install(view), manifest))
        try:
            sweep_replaced(self.store, self.services.jobs, current, manifest, before)
            self._log.prune()
        except StorageFailed as error:
            # The change is made and stays; what nobody names is removed when the collection is opened next.
            log.warning("files of collection %s are not removed yet: %s", self.id, error)
        self.nudge()
        return manifest

    def _under(self, view: View, manifest: Manifest) -> View:
        """Return the view under a new manifest: segments it no longer names are gone, others learn of their files."""
        infos = {info.id: info for info in manifest.segments}
        kept = frozenset(manifest.partitions_by_id)
        view = replace(view, manifest=manifest).without_partitions_but(kept)
        sealed = tuple(tuple(s for s in shard if s.id in infos) for shard in view.sealed)
        for segment in (segment for shard in sealed for segment in shard):
            if segment.info != infos[segment.id]:
                segment.update(infos[segment.id])
        return replace(view, sealed=sealed)

    # --- flush ---

    def flush(self) -> Flushed:
        """Write everything acknowledged so far to files."""
        with self._flushing:
            if not self._closed:
                for shard in self._shards:
                    self._flush_shard(shard)
            manifest = self.manifest
        return Flushed(tuple(info.id for info in manifest.segments), min(manifest.checkpoints))

    def _flush_shard(self, shard: Shard) -> None:
        sealed = self._cell.view.sealed[shard.id.number]
        frozen = shard.freeze()
        try:
            outcome = write_frozen(shard, frozen, sealed, self.writer, lambda: SegmentId(self.services.clock.now()))
            manifest = self._commit_flush(outcome)
        except BaseException:
            shard.thaw(frozen)
            self._flush_after = time.monotonic() + FLUSH_AGAIN_AFTER_S
            raise
        self.services.wal.release(shard.id, manifest.checkpoints[outcome.shard])

    def _commit_flush(self, outcome: FlushOutcome) -> Manifest:
        manifest = self.manifest
        if not outcome.written and not outcome.deletes and outcome.frozen.at <= manifest.checkpoints[outcome.shard]:
            return manifest
        manifest = self._commit(outcome.apply, lambda view: self._install(view, outcome))
        named = {info.id for info in manifest.segments}
        # Their partition was dropped meanwhile.
        self.writer.discard(written.info.id for written in outcome.written if written.info.id not in named)
        return manifest

    def _install(self, view: View, outcome: FlushOutcome) -> View:
        """Put sealed segments in the place of the growing ones; tombstones that came meanwhile move along."""
        done = set(outcome.frozen.segments)
        sealed = []
        for written in outcome.written:
            times = written.growing.tombstones.times(written.info.num_rows)[written.order]
            dead = np.flatnonzero(times).astype(np.int64, copy=False)
            sealed.append(self.seal(written.info, view.manifest, Tombstones.of(dead, times[dead])))
        view = view.with_growing(outcome.shard, lambda old: (s for s in old if s not in done))
        return view.with_sealed(outcome.shard, lambda old: (*old, *sealed))

    # --- truncate, load, close ---

    def truncate(self) -> None:
        """Remove every row."""
        with self._flushing, self._committing, self.writes.locked():
            at = self.services.clock.now()
            self._commit(
                lambda manifest: replace(manifest, segments=(), checkpoints=(at,) * manifest.shards),
                lambda view: replace(view, growing=((),) * len(view.growing), sealed=((),) * len(view.sealed)),
            )
            for shard in self._shards:
                shard.publish(at)
                self.services.wal.release(shard.id, at)

    def load(self, partitions: Iterable[PartitionId]) -> None:
        """Make partitions readable; what searches need is open when it returns."""
        wanted = frozenset(partitions)
        self.warm(wanted)
        self._set_loaded(wanted, loaded=True)

    def release(self, partitions: Iterable[PartitionId]) -> None:
        """Make partitions unreadable and let go of their memory."""
        released = frozenset(partitions)
        self._set_loaded(released, loaded=False)
        for segment in self._cell.view.all_sealed():
            if segment.partition in released:
                segment.cool()

    def _set_loaded(self, partitions: frozenset[PartitionId], *, loaded: bool) -> None:
        self.commit(
            lambda manifest: manifest.with_partitions(
                lambda partition: replace(partition, loaded=loaded) if partition.id in partitions else partition
            )
        )

    def warm(self, partitions: frozenset[PartitionId]) -> None:
        """Open and verify the files of some partitions."""
        indexes = self.manifest.indexes
        for segment in self._cell.view.all_sealed():
            if segment.partition in partitions:
                segment.warm(indexes)

    # --- background ---

    def tick(self) -> None:
        """Look at the time: have growing rows coded, or written when many and old enough, and recall checked."""
        settings = self.services.settings
        oldest_ms = time.time() * 1000 - settings.segment.seal_after_s * 1000
        if self.probe.due():
            self.services.jobs.submit((self.id, "probe"), lambda: self.probe.run(lambda: self.closed), long=True)
        for segment in self._cell.view.all_growing():
            if segment.lacks_codes:
                self.services.jobs.submit((self.id, "codes", segment.id), segment.extend_codes)
            if segment.lacks_links:
                self.services.jobs.submit((self.id, "links"), self._extend_links, long=True)
            due = physical_ms(segment.first_at) <= oldest_ms
            if due and not segment.frozen and segment.num_rows >= settings.jobs.index_min_rows:
                self.flush_soon()

    def _extend_links(self) -> None:
        for segment in self._cell.view.all_growing():
            if segment.lacks_links:
                segment.extend_links(partial(self._has_lost, segment))

    def _has_lost(self, segment: GrowingSegment) -> bool:
        return self.closed or all(other is not segment for other in self._cell.view.all_growing())

    def flush_soon(self) -> None:
        """Have the background write what is in memory to files; not again right after that failed."""
        if time.monotonic() >= self._flush_after:
            self.services.jobs.submit((self.id, "flush"), self.flush)

    def nudge(self) -> None:
        """Have the background look for segments to merge and indexes to build."""
        self.services.jobs.submit((self.id, "maintain"), self.maintenance.run, long=True)

    def add_index_file(self, segment: SegmentId, file: IndexFile) -> None:
        """Name a built index in the manifest; when its segment or index is gone meanwhile, its files go too."""

        def change(manifest: Manifest) -> Manifest:
            wanted = any(index.id == file.index for index in manifest.indexes)
            info = next((info for info in manifest.segments if info.id == segment), None)
            if info is None or not wanted:
                return manifest
            others = tuple(other for other in info.indexes if other.index != file.index)
            return manifest.with_segment(replace(info, indexes=(*others, file)))

        if file not in (f for info in self.commit(change).segments for f in info.indexes):
            self.store.delete([part.key for part in file.files])

    def discard_index_file(self, segment: SegmentId, file: IndexFile) -> None:
        """Take a damaged index file out of the manifest, so that it is built anew."""

        def change(manifest: Manifest) -> Manifest:
            info = next((info for info in manifest.segments if info.id == segment), None)
            if info is None or file not in info.indexes:
                return manifest
            return manifest.with_segment(replace(info, indexes=tuple(other for other in info.indexes if other != file)))

        self.services.jobs.submit((self.id, "discard", file.index, segment), lambda: self._change(change))

    def _change(self, change: Callable[[Manifest], Manifest]) -> None:
        if not self._closed:
            self.commit(change)

    def replace_segments(self, shard: int, old: Sequence[SealedSegment], merged: Merged | None) -> None:
        """Put one merged segment (None when no row is left) in the place of several."""
        gone = {segment.id for segment in old}

        def change(manifest: Manifest) -> Manifest:
            kept = tuple(info for info in manifest.segments if info.id not in gone)
            manifest = replace(manifest, segments=kept)
            dropped = merged is None or merged.info.partition not in manifest.partitions_by_id
            return manifest if merged is None or dropped else manifest.with_segment(merged.info)

        def install(view: View) -> View:
            new = [] if merged is None else [self.seal(merged.info, view.manifest, merged.tombstones())]
            return view.with_sealed(shard, lambda all_: (*(s for s in all_ if s.id not in gone), *new))

        manifest = self._commit(change, install)
        if merged is not None and merged.info not in manifest.segments:
            self.writer.discard([merged.info.id])

    def index_progress(self, index: IndexInfo) -> IndexProgress:
        """Return how far an index is built."""
        return self.maintenance.progress(index)

    @property
    def closed(self) -> bool:
        """Whether the collection takes no more background work."""
        return self._closing

    @property
    def flushing(self) -> threading.RLock:
        """Held by whoever replaces segments: a flush, a merge, a truncate."""
        return self._flushing

    def close(self) -> None:
        """Stop background work; nothing is written that isn't in the log."""
        self._closing = True
        # What runs may still commit: it ends in order rather than with an error.
        for job in ("maintain", "flush", "seal", "probe", "links"):
            self.services.jobs.forget((self.id, job))
        for segment in self._cell.view.all_growing():
            self.services.jobs.forget((self.id, "codes", segment.id))
        self.probe.close()
        with self._committing:
            self._closed = True
        for shard in self._shards:
            shard.close()

    def drop_data(self) -> None:
        """Remove all files and log records of a collection that the catalog has forgotten."""
        self.close()
        self.services.wal.drop(self.id)
        with self._flushing:  # a client's flush that still runs writes no more files once this is held
            self.store.delete([item.key for item in self.store.list("")])
