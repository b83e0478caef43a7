"""What a collection does by itself: merge small segments, then build the indexes that its segments lack."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elanus.collection.compaction import choose, merge
from elanus.collection.properties import ISOLATION, flag
from elanus.index import INDEX_KINDS, BuildStopped, build_params, indexed_operand, is_built, is_current
from elanus.index.base import GroupedIndex, ScalarIndex, VectorIndex
from elanus.index.dense.graph import grouped_fields
from elanus.model.errors import ElanusError
from elanus.model.ids import IndexId, SegmentId
from elanus.model.manifest import FileInfo, IndexFile, IndexInfo
from elanus.model.types import DataType, IndexState
from elanus.segment.sealed import SealedSegment

if TYPE_CHECKING:
    from elanus.collection.collection import Collection

log = logging.getLogger("elanus.collection")


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far an index is built over the rows that are in files."""

    state: IndexState
    total_rows: int
    indexed_rows: int
    fail_reason: str = ""


class Maintenance:
    """Background work of one collection; ``run`` is one job at a time."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._failed: dict[tuple[SegmentId, IndexId], str] = {}
        self._unmerged: set[SegmentId] = set()
        self._sealing = 0

    def run(self) -> None:
        """Work until nothing is left to do."""
        while not self._collection.closed:
            if not (self._merge_one() or self._build_one()):
                return

    # --- merge ---

    def _merge_one(self) -> bool:
        collection = self._collection
        for shard in range(len(collection.view.sealed)):
            if not self._chosen(shard):
                continue
            with collection.flushing:
                chosen = self._chosen(shard)
                if chosen and not collection.closed:
                    self._try_merge(shard, chosen)
                    return True
        return False

    def _chosen(self, shard: int) -> list[SealedSegment]:
        sealed = [one for one in self._collection.view.sealed[shard] if one.id not in self._unmerged]
        return choose(sealed, self._collection.services.settings.segment)

    def _try_merge(self, shard: int, segments: list[SealedSegment]) -> None:
        """Merge; segments that can't be, such as damaged ones, stay as they are and hold up nothing else."""
        try:
            self._merge(shard, segments)
        except Exception as error:
            self._unmerged.update(segment.id for segment in segments)
            log.error("segments not merged: collection=%s inputs=%d: %s", self._collection.id, len(segments), error)

    def _merge(self, shard: int, segments: list[SealedSegment]) -> None:
        collection = self._collection
        begun = time.perf_counter()
        segment_id = SegmentId(collection.services.clock.now())
        at = collection.published(shard)
        try:
            merged = merge(segments, at, collection.manifest.schema, segment_id, collection.writer)
        except BaseException:
            collection.writer.discard([segment_id])
            raise
        collection.replace_segments(shard, segments, merged)
        log.info(
            "segments merged: collection=%s inputs=%d rows=%d seconds=%.2f",
            collection.id, len(segments), merged.info.num_rows if merged else 0, time.perf_counter() - begun,
        )  # fmt: skip

    # --- build ---

    def _missing(self) -> Iterator[tuple[SealedSegment, IndexInfo]]:
        view = self._collection.view
        for segment in view.all_sealed():
            have = {file.index for file in segment.info.indexes if is_current(file)}
            for index in view.manifest.indexes:
                if index.id not in have and self._is_built(segment, index):
                    yield segment, index

    def _is_built(self, segment: SealedSegment, index: IndexInfo) -> bool:
        """Whether the segment gets an index file at all, rather than an exact scan."""
        enough = segment.num_rows >= self._collection.services.settings.jobs.index_min_rows
        return enough and is_built(segment.schema.by_id(index.field), index)

    def _build_one(self) -> bool:
        for segment, index in self._missing():
            if (segment.id, index.id) in self._failed:
                continue
            try:
                self._build(segment, index)
            except BuildStopped:
                log.info("index no longer wanted: collection=%s index=%s", self._collection.id, index.name)
            except Exception as error:  # an index library raises what it likes; clients wait until they hear of it
                self._failed[segment.id, index.id] = str(error) or type(error).__name__
                log.error("index not built: collection=%s index=%s: %s", self._collection.id, index.name, error)
            return True
        return False

    def _build(self, segment: SealedSegment, index: IndexInfo) -> None:
        begun = time.perf_counter()
        kind = INDEX_KINDS[index.kind]
        built = self._built(segment, index)
        files = self._save(segment, index, built)
        file = IndexFile(
            index=index.id,
            field=index.field,
            kind=kind.name,
            version=kind.version,
            rows=built.num_rows,
            files=files,
            name=index.name,
            json_path=index.json_path,
        )
        self._collection.add_index_file(segment.id, file)
        log.info(
            "index built: collection=%s index=%s kind=%s rows=%d seconds=%.2f",
            self._collection.id, index.name, kind.name, segment.num_rows, time.perf_counter() - begun,
        )  # fmt: skip

    def _built(self, segment: SealedSegment, index: IndexInfo) -> VectorIndex | ScalarIndex:
        kind, field = INDEX_KINDS[index.kind], segment.schema.by_id(index.field)
        if kind.build is not None and index.metric is not None:
            in_lists = field.type is DataType.ARRAY_OF_VECTOR
            built = kind.build(
                segment.elements(field).vectors if in_lists else segment.base(field),
                index.metric.of_vectors,
                build_params(index),
                keep=None if in_lists else segment.valid(field),
                threads=self._threads,
                stop=lambda: self._is_unwanted(index),
            )
            if in_lists or not isinstance(built, GroupedIndex):
                return built  # columns have a value a row, not one an element
            return self._with_columns(built, segment, index)
        if kind.build_scalar is None:
            raise ElanusError(f"index type {kind.name} builds nothing over {field.type.label}")
        operand = indexed_operand(segment.schema, index.field, index.json_path)
        try:
            return kind.build_scalar(operand, segment, build_params(index))
        finally:
            if segment.partition not in self._collection.manifest.loaded:
                segment.cool()  # nobody else reads the column that was read for this

    def _with_columns(self, built: GroupedIndex, segment: SealedSegment, index: IndexInfo) -> VectorIndex:
        """Return a graph with the column graphs that its creator, or the isolation of partition keys, asks for."""
        properties = dict(self._collection.manifest.properties)
        fields = grouped_fields(segment.schema, build_params(index), partition_key=flag(properties, ISOLATION))
        columns = {field.id: segment.column(field.id).data for field in fields}
        if columns and segment.partition not in self._collection.manifest.loaded:
            segment.cool()  # nobody else reads the columns that were read for this
        field = segment.schema.by_id(index.field)
        return built.with_columns(
            segment.base(field),
            columns,
            keep=segment.valid(field),
            threads=self._threads,
            stop=lambda: self._is_unwanted(index),
        )

    @property
    def _threads(self) -> int:
        """How many threads a build takes."""
        asked = self._collection.services.settings.jobs.build_threads
        return asked if asked > 0 else max(1, (os.cpu_count() or 1) // 2)

    def _is_unwanted(self, index: IndexInfo) -> bool:
        """Whether nobody waits for an index any more: it was dropped, or its collection closed."""
        collection = self._collection
        return collection.closed or all(other.id != index.id for other in collection.manifest.indexes)

    def _save(self, segment: SealedSegment, index: IndexInfo, built: VectorIndex | ScalarIndex) -> tuple[FileInfo, ...]:
        build = self._collection.services.clock.now()
        prefix = f"index/{segment.id}/{index.field}/{build}"
        scratch = Path(tempfile.mkdtemp(prefix="index-", dir=self._collection.services.scratch))
        try:
            built.save(scratch)
            return tuple(
                self._collection.store.put_file(f"{prefix}/{path.name}", path) for path in sorted(scratch.iterdir())
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    # --- progress ---

    def seal_soon(self) -> None:
        """Write growing rows that deserve an index to files; progress counts them until that is done."""
        self._sealing += 1
        self._collection.services.jobs.submit((self._collection.id, "seal"), self._seal)

    def _seal(self) -> None:
        try:
            self._collection.flush()
        finally:
            self._sealing = 0

    def retry(self) -> None:
        """Forget what failed, so that it is tried again."""
        self._failed.clear()
        self._unmerged.clear()
        self._collection.nudge()

    def progress(self, index: IndexInfo) -> IndexProgress:
        """Return how far one index is."""
        view = self._collection.view
        total = sum(segment.num_rows for segment in view.all_sealed())
        waiting = [segment for segment, wanted in self._missing() if wanted.id == index.id]
        missing = sum(segment.num_rows for segment in waiting)
        growing = sum(segment.num_rows for segment in view.all_growing()) if self._sealing else 0
        failed = next((why for one in waiting if (why := self._failed.get((one.id, index.id)))), "")
        if failed:
            return IndexProgress(IndexState.FAILED, total, total - missing, failed)
        state = IndexState.IN_PROGRESS if missing or self._sealing else IndexState.FINISHED
        return IndexProgress(state, total + growing, total - missing)
