"""What a collection is at one version: definition, partitions, indexes, segments and log checkpoints.

A manifest is immutable. Every change, from a new partition to a flushed segment, makes the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from elanus.model.ids import CollectionId, FieldId, IndexId, PartitionId, SegmentId
from elanus.model.schema import FIRST_FIELD_ID, DefaultValue, Field, Pairs, Schema
from elanus.model.time import NEVER, Timestamp
from elanus.model.types import Level, Metric

FORMAT_VERSION = 1
DEFAULT_PARTITION = "_default"
TIMEZONE = "timezone"
TTL_FIELD = "ttl_field"
UTC = "UTC"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of the collection: its key below the collection's folder, its size in bytes and its CRC32C."""

    key: str
    size: int
    crc32c: int


@dataclass(frozen=True, slots=True)
class VectorRun:
    """Contiguous vectors inside a Parquet file: ``rows`` of them from byte ``offset``."""

    offset: int
    rows: int


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The Parquet file of one dense vector column and where its runs lie."""

    field: FieldId
    file: FileInfo
    runs: tuple[VectorRun, ...]


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is known of one column of a segment without reading it; rows deleted since make it loose, never wrong.

    nulls      rows without a value
    low, high  every value lies between them, both included; of an ARRAY every element. None where nothing is known.
               Texts are cut to a prefix, so they need not be values that occur
    """

    field: FieldId
    nulls: int
    low: DefaultValue | None = None
    high: DefaultValue | None = None


@dataclass(frozen=True, slots=True)
class JsonFile:
    """The Parquet file with the typed columns of one JSON field."""

    field: FieldId
    file: FileInfo


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A built index of one segment; ``kind`` and ``version`` pick the loader, ``rows`` is what it covers.

    name, json_path  as the index was created with
    """

    index: IndexId
    field: FieldId
    kind: str
    version: int
    rows: int
    files: tuple[FileInfo, ...]
    name: str = ""
    json_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInfo:
    """One sealed segment: rows sorted by primary key, of one shard and one partition.

    low, high       smallest and largest primary key
    first, last     smallest and largest row timestamp
    deletes         tombstones flushed so far (rows and timestamps), None without any
    schema_version  version of the schema that the rows were written under
    statistics      of every field that isn't a vector; none at all in segments of older releases
    blooms          Bloom filters of some columns, None without any
    json            typed columns of JSON fields; none of fields without frequent paths, nor in segments of few rows
    """

    id: SegmentId
    partition: PartitionId
    shard: int
    num_rows: int
    low: int | str
    high: int | str
    first: Timestamp
    last: Timestamp
    schema_version: int
    scalars: FileInfo
    vectors: tuple[VectorFile, ...] = ()
    deletes: FileInfo | None = None
    num_deleted: int = 0
    indexes: tuple[IndexFile, ...] = ()
    statistics: tuple[ColumnStatistics, ...] = ()
    blooms: FileInfo | None = None
    json: tuple[JsonFile, ...] = ()

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """Every file that the segment names."""
        own = (self.scalars, *(vector.file for vector in self.vectors), *(typed.file for typed in self.json))
        optional = tuple(file for file in (self.deletes, self.blooms) if file is not None)
        return (*own, *optional, *(file for index in self.indexes for file in index.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionInfo:
    """One partition."""

    id: PartitionId
    name: str
    created_at: Timestamp
    loaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexInfo:
    """One index as its creator described it.

    kind     the registered kind that builds it; AUTOINDEX is resolved here, ``params`` still says AUTOINDEX
    metric   None for a scalar index
    params   what the user passed, echoed by describe
    """

    id: IndexId
    name: str
    field: FieldId
    kind: str
    metric: Metric | None = None
    params: Pairs = ()
    json_path: str = ""
    created_at: Timestamp = NEVER


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A collection at one version.

    checkpoints  for each shard the timestamp up to which its log is contained in ``segments``
    updated_at   stamp of the schema, which clients send back with their writes
    next_field   the next field id; ids of dropped fields are never given out again
    """

    id: CollectionId
    schema: Schema
    version: int = 0
    format: int = FORMAT_VERSION
    shards: int = 1
    consistency: Level = Level.BOUNDED
    properties: Pairs = ()
    created_at: Timestamp = NEVER
    updated_at: Timestamp = NEVER
    next_field: FieldId = FIRST_FIELD_ID
    partitions: tuple[PartitionInfo, ...] = ()
    indexes: tuple[IndexInfo, ...] = ()
    segments: tuple[SegmentInfo, ...] = ()
    checkpoints: tuple[Timestamp, ...] = ()

    @cached_property
    def partitions_by_name(self) -> Mapping[str, PartitionInfo]:
        """The partitions, by name."""
        return {partition.name: partition for partition in self.partitions}

    @cached_property
    def partitions_by_id(self) -> Mapping[PartitionId, PartitionInfo]:
        """The partitions, by id."""
        return {partition.id: partition for partition in self.partitions}

    @cached_property
    def loaded(self) -> frozenset[PartitionId]:
        """The loaded partitions."""
        return frozenset(partition.id for partition in self.partitions if partition.loaded)

    @property
    def is_loaded(self) -> bool:
        """Whether any partition is loaded."""
        return bool(self.loaded)

    @cached_property
    def property_map(self) -> Mapping[str, str]:
        """The properties, by key."""
        return dict(self.properties)

    @property
    def timezone(self) -> str:
        """The time zone in which instants are written and read that name no offset."""
        return self.property_map.get(TIMEZONE, UTC)

    def index_on(self, field: Field) -> IndexInfo | None:
        """Return the first index on a field, None without one."""
        return next((index for index in self.indexes if index.field == field.id), None)

    def index_named(self, name: str) -> IndexInfo | None:
        """Return the index of that name, None when there is none."""
        return next((index for index in self.indexes if index.name == name), None)

    def with_partitions(self, change: Callable[[PartitionInfo], PartitionInfo | None]) -> Manifest:
        """Return the manifest with every partition changed; None drops one, together with its segments."""
        changed = tuple(new for new in map(change, self.partitions) if new is not None)
        kept = {partition.id for partition in changed}
        segments = tuple(segment for segment in self.segments if segment.partition in kept)
        return replace(self, partitions=changed, segments=segments)

    def with_segment(self, segment: SegmentInfo) -> Manifest:
        """Return the manifest with one segment added, or replaced where its id is already there."""
        others = tuple(other for other in self.segments if other.id != segment.id)
        return replace(self, segments=(*others, segment))
