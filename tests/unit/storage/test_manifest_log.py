"""Manifests: committed once a version, whole or not at all, and never silently an older one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_faults import FaultyStore, flip

from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.manifest import (
    FileInfo,
    IndexFile,
    IndexInfo,
    JsonFile,
    Manifest,
    PartitionInfo,
    SegmentInfo,
    VectorFile,
    VectorRun,
)
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, Level, Metric
from elanus.storage.local import LocalStore
from elanus.storage.manifest import BODY, OPENING, CommitConflict, ManifestLog, decode_manifest, encode_manifest
from elanus.storage.memory import MemoryStore
from elanus.storage.store import ObjectNotFound

SCHEMA = Schema((Field(id=100, name="id", type=DataType.INT64, is_primary=True),))
MANIFEST = Manifest(id=7, schema=SCHEMA, version=1)

ids = st.integers(0, 2**63 - 1)
texts = st.text(max_size=8)
pairs = st.lists(st.tuples(texts, texts), max_size=2).map(tuple)
some = lambda strategy: st.lists(strategy, max_size=2).map(tuple)  # noqa: E731
finite = st.floats(allow_nan=False, allow_infinity=False)
fields = st.builds(
    Field,
    id=ids,
    name=texts,
    type=st.sampled_from(DataType),
    element_type=st.sampled_from(DataType),
    dim=st.integers(0, 32768),
    nullable=st.booleans(),
    default=st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | texts,
    params=pairs,
)
infos = st.builds(FileInfo, key=texts, size=ids, crc32c=st.integers(0, 2**32 - 1))
vectors = st.builds(VectorFile, field=ids, file=infos, runs=some(st.builds(VectorRun, offset=ids, rows=ids)))
index_files = st.builds(IndexFile, index=ids, field=ids, kind=texts, version=ids, rows=ids, files=some(infos))
segments = st.builds(
    SegmentInfo,
    id=ids,
    partition=ids,
    shard=st.integers(0, 63),
    num_rows=ids,
    low=ids | texts,
    high=ids | texts,
    first=ids,
    last=ids,
    schema_version=ids,
    scalars=infos,
    vectors=some(vectors),
    deletes=st.none() | infos,
    indexes=some(index_files),
    json=some(st.builds(JsonFile, field=ids, file=infos)),
)
manifests = st.builds(
    Manifest,
    id=ids,
    schema=st.builds(Schema, fields=some(fields), description=texts, version=ids),
    version=ids,
    consistency=st.sampled_from(Level),
    properties=pairs,
    partitions=some(st.builds(PartitionInfo, id=ids, name=texts, created_at=ids, loaded=st.booleans())),
    indexes=some(
        st.builds(
            IndexInfo,
            id=ids,
            name=texts,
            field=ids,
            kind=texts,
            metric=st.none() | st.sampled_from(Metric),
            params=pairs,
        )
    ),
    segments=some(segments),
    checkpoints=some(ids),
)


@given(manifests)
@settings(max_examples=60, deadline=None)
def test_manifest_reads_back_as_it_was_written(manifest: Manifest) -> None:
    again = decode_manifest(encode_manifest(manifest), "file")
    assert again == manifest
    assert repr(again) == repr(manifest)


@given(segments)
@settings(max_examples=20, deadline=None)
def test_a_segment_of_an_older_release_has_no_typed_json(segment: SegmentInfo) -> None:
    document = orjson.loads(encode_manifest(replace(MANIFEST, segments=(segment,))))
    del document["crc32c"]
    del document["manifest"]["segments"][0]["json"]
    body = orjson.dumps(document)[1:]
    again = decode_manifest(OPENING + b'%08x",' % crc32c(body) + body, "file")
    assert again.segments == (replace(segment, json=()),)


def test_file_is_plain_json() -> None:
    document = orjson.loads(encode_manifest(MANIFEST))
    assert list(document) == ["crc32c", "format", "manifest"]
    assert document["manifest"]["schema"]["fields"][0]["name"] == "id"


def test_newest_version_is_the_latest_and_others_load() -> None:
    log = ManifestLog(MemoryStore(), "collections/7")
    for version in range(1, 12):
        log.commit(replace(MANIFEST, version=version))
    assert log.latest().version == 11
    assert log.load(3).version == 3
    assert log.versions() == list(range(1, 12))


def test_log_without_versions_says_so() -> None:
    with pytest.raises(ObjectNotFound, match="collections/7/manifest/"):
        ManifestLog(MemoryStore(), "collections/7").latest()


def test_version_that_is_taken_or_skipped_conflicts() -> None:
    log = ManifestLog(MemoryStore())
    log.commit(MANIFEST)
    for version in (1, 3, 0):
        with pytest.raises(CommitConflict):
            log.commit(replace(MANIFEST, version=version))


def test_pruned_version_cannot_be_committed_again() -> None:
    log = ManifestLog(MemoryStore())
    for version in range(1, 6):
        log.commit(replace(MANIFEST, version=version))
    log.prune(keep=2)
    assert log.versions() == [4, 5]
    with pytest.raises(CommitConflict):
        log.commit(replace(MANIFEST, version=3))
    log.prune(keep=0)
    assert log.versions() == [5]


def test_racing_writers_lose_no_update(tmp_path: Path) -> None:
    log = ManifestLog(LocalStore(tmp_path), "collections/7")
    log.commit(MANIFEST)
    barrier = threading.Barrier(3)

    def add(name: str) -> None:
        barrier.wait()
        for turn in range(10):
            while True:
                base = log.latest()
                added = (*base.properties, (name, str(turn)))
                try:
                    log.commit(replace(base, version=base.version + 1, properties=added))
                    break
                except CommitConflict:
                    continue

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, "abc"))
    final = log.latest()
    assert final.version == 31
    assert sorted(final.properties) == [(name, str(turn)) for name in "abc" for turn in range(10)]


def test_any_flipped_byte_of_the_newest_version_is_reported_and_no_older_one_served(tmp_path: Path) -> None:
    log = ManifestLog(LocalStore(tmp_path), "c")
    log.commit(MANIFEST)
    log.commit(replace(MANIFEST, version=2))
    path = tmp_path / "c" / "manifest" / f"{2:020d}.json"
    for offset in range(path.stat().st_size):
        for change in (0x01, 0x20):
            flip(path, offset, change)
            with pytest.raises(DataCorrupted, match=f"{2:020d}.json"):
                log.latest()
            flip(path, offset, change)
    assert log.latest().version == 2


def test_cut_file_is_reported_at_every_length() -> None:
    whole = encode_manifest(MANIFEST)
    for length in range(len(whole)):
        with pytest.raises(DataCorrupted, match="some file"):
            decode_manifest(whole[:length], "some file")


def test_file_under_another_versions_name_is_reported() -> None:
    store = MemoryStore()
    store.put(f"manifest/{9:020d}.json", encode_manifest(MANIFEST))
    with pytest.raises(DataCorrupted, match="holds version 1"):
        ManifestLog(store).latest()


def sealed(body: bytes) -> bytes:
    return OPENING + b'%08x",' % crc32c(body) + body


def test_newer_format_is_refused_by_name_and_number() -> None:
    with pytest.raises(StorageFailed, match="some file has format 2, this release reads up to 1"):
        decode_manifest(sealed(b'"format":2,"manifest":{"unheard":"of"}}\n'), "some file")


def test_values_of_the_wrong_type_are_refused() -> None:
    body = encode_manifest(MANIFEST)[BODY:].replace(b'"version":1', b'"version":"1"')
    with pytest.raises(DataCorrupted, match="some file is not a manifest"):
        decode_manifest(sealed(body), "some file")


def test_failed_commit_leaves_the_version_before() -> None:
    store = MemoryStore()
    ManifestLog(store).commit(MANIFEST)
    log = ManifestLog(FaultyStore(store, {"put": 0}))
    with pytest.raises(StorageFailed):
        log.commit(replace(MANIFEST, version=2))
    assert log.latest().version == 1
    log.commit(replace(MANIFEST, version=2))
    assert log.latest().version == 2
