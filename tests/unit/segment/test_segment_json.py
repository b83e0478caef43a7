"""JSON of segments: written as typed columns at seal, kept in bounds, extended as rows come."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from elanus._native.json import Kind
from elanus.expr import BatchSource, JsonValues, extract_json, select
from elanus.expr import bind as bind_filter
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.manifest import SegmentInfo
from elanus.model.schema import Field, Schema
from elanus.model.settings import SegmentSettings
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment import growing_json
from elanus.segment.buffers import GrowingArray
from elanus.segment.files import SegmentFiles
from elanus.segment.growing import GrowingSegment
from elanus.segment.json_columns import ENTRY_BYTES, JsonCache, Place
from elanus.segment.sealed import SealedSegment
from elanus.segment.writer import Rows, SegmentWriter
from elanus.storage.local import LocalStore

KEY = Field(id=100, name="id", type=DataType.INT64, is_primary=True)
JSON = Field(id=101, name="j", type=DataType.JSON, nullable=True)
META = Field(id=102, name="$meta", type=DataType.JSON, is_dynamic=True)
LATER = Field(id=103, name="later", type=DataType.JSON, nullable=True)
SCHEMA = Schema((KEY, JSON, META))
PATHS: list[tuple[str | int, ...]] = [(), ("n",), ("s",), ("o", "d"), ("a",), ("a", 1), ("mixed",), ("absent", "x")]


def document(key: int) -> dict[str, object]:
    mixed = [1, 1.5, "x", True, None, [1], {"y": 1}][key % 7]
    return {"n": key, "s": f"t{key % 3}", "o": {"d": key / 2}, "a": [key, str(key)], "mixed": mixed}


def batch(first: int, rows: int) -> ColumnBatch:
    """Return rows of every kind of value; the keys descend, so that sealing turns them round."""
    keys = list(range(first + rows, first, -1))
    texts = [None if key % 5 == 0 else json.dumps(document(key)) for key in keys]
    given = {KEY: keys, JSON: texts, META: [f'{{"color":"c{key % 4}"}}' for key in keys]}
    columns = {field.id: Column(field, pa.array(values).cast(arrow_type(field))) for field, values in given.items()}
    return ColumnBatch(columns, rows)


def sealed_file(folder: Path, rows: int, settings: SegmentSettings | None = None) -> tuple[LocalStore, SegmentInfo]:
    store = LocalStore(folder)
    writer = SegmentWriter(store, settings or SegmentSettings(typed_json_rows=1))
    info, _ = writer.write(7, 1, 0, SCHEMA, Rows(batch(0, rows), np.arange(1, rows + 1, dtype=np.uint64)))
    return store, info


def opened(store: LocalStore, info: SegmentInfo, cache: JsonCache | None = None, schema: Schema = SCHEMA):
    return SealedSegment(info, schema, SegmentFiles(store), json_cache=cache)


def assert_same(found: JsonValues, expected: JsonValues) -> None:
    for part, wanted in zip(found.extracted, expected.extracted, strict=True):
        np.testing.assert_array_equal(part, wanted)


# --- sealed ---


def test_a_sealed_segment_names_a_file_for_each_json_field(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 50)
    assert [(typed.field, typed.file.key) for typed in info.json] == [
        (JSON.id, "segments/7/json.101.parquet"),
        (META.id, "segments/7/json.102.parquet"),
    ]
    assert {typed.file for typed in info.json} <= set(info.files)
    assert {item.key for item in store.list("segments/7/")} == {file.key for file in info.files}


def test_small_segments_have_no_typed_columns(tmp_path: Path) -> None:
    _, info = sealed_file(tmp_path, 50, SegmentSettings(typed_json_rows=51))
    assert info.json == ()


def test_typed_columns_say_what_the_texts_say(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 200)
    typed, raw = opened(store, info), opened(store, replace(info, json=()))
    for path in PATHS:
        assert typed.holds_json(JSON.id, path) is (path != ("a", 1))
        assert not raw.holds_json(JSON.id, path)
        assert_same(typed.json_values(JSON.id, path), raw.json_values(JSON.id, path))
        assert typed.holds_json(JSON.id, path)
        assert raw.holds_json(JSON.id, path)


@pytest.mark.parametrize(
    "text", ["j['n'] > 20 and j['o']['d'] < 60", "j['mixed'] == 1.5", "exists j['s']", "color == 'c1'"]
)
def test_filters_read_no_text(tmp_path: Path, text: str) -> None:
    store, info = sealed_file(tmp_path, 200)
    bound = bind_filter(text, SCHEMA)
    segment = opened(store, info)
    expected = select(bound, BatchSource(batch(0, 200)))
    assert sorted(199 - row for row in expected.rows()) == select(bound, segment).rows().tolist()
    assert expected.count()
    assert not segment._columns


def test_a_field_that_was_added_later_is_missing_everywhere(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 20)
    segment = opened(store, info, schema=Schema((*SCHEMA.fields, LATER)))
    assert not segment.holds_json(LATER.id, ("n",))
    assert set(segment.json_values(LATER.id, ("n",)).extracted.kinds) == {Kind.MISSING}


@pytest.mark.parametrize("hurt", ["changed", "gone"])
def test_a_damaged_file_costs_time_only(tmp_path: Path, hurt: str, caplog: pytest.LogCaptureFixture) -> None:
    store, info = sealed_file(tmp_path, 50)
    path = tmp_path / info.json[0].file.key
    if hurt == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    segment = opened(store, info)
    assert not segment.holds_json(JSON.id, ("n",))
    assert_same(segment.json_values(JSON.id, ("n",)), extract_json(segment.column(JSON.id), ("n",)))
    assert segment.holds_json(META.id, ("color",))
    assert [record.getMessage() for record in caplog.records if "json.101.parquet" in record.getMessage()]


# --- what is kept in memory ---


def test_values_are_kept_up_to_a_number_of_bytes(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 100)
    each = opened(store, info).json_values(JSON.id, ("n",)).nbytes + ENTRY_BYTES
    cache = JsonCache(2 * each)
    first, second = opened(store, info, cache), opened(store, info, cache)
    kept = first.json_values(JSON.id, ("n",))
    second.json_values(JSON.id, ("n",))
    assert first.json_values(JSON.id, ("n",)) is kept
    second.json_values(JSON.id, ("o", "d"))
    assert cache.num_bytes == 2 * each
    assert first.json_values(JSON.id, ("n",)) is kept, "it was used last"
    second.json_values(JSON.id, ())
    second.json_values(JSON.id, ("n",))
    assert first.json_values(JSON.id, ("n",)) is not kept


def test_values_of_segments_that_are_gone_are_let_go_of(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 100)
    cache = JsonCache()
    gone, cooled, stays = (opened(store, info, cache) for _ in range(3))
    for segment in (gone, cooled, stays):
        segment.json_values(JSON.id, ("n",))
    each = stays.json_values(JSON.id, ("n",)).nbytes + ENTRY_BYTES
    cooled.cool()
    assert cache.num_bytes == 2 * each
    del gone, segment
    gc.collect()
    stays.json_values(JSON.id, ("o", "d"))
    assert cache.num_bytes == 2 * each


def test_a_large_path_is_kept_alone(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 100)
    segment = opened(store, info, JsonCache(1))
    assert segment.json_values(JSON.id, ("n",)) is segment.json_values(JSON.id, ("n",))


def test_values_of_few_rows_count_with_what_keeps_them(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 1)
    cache = JsonCache(50 * ENTRY_BYTES)
    segment = opened(store, info, cache)
    values = [weakref.ref(segment.json_values(JSON.id, (f"k{number}",))) for number in range(200)]
    gc.collect()
    assert 40 < sum(one() is not None for one in values) < 50


def test_elements_that_were_read_of_arrays_count_too() -> None:
    rows = pa.array([b'{"l": [1, 2, 3, 4, 5, 6, 7, 8]}'] * 1_000, type=pa.large_binary())
    values = extract_json(Column(JSON, rows), ("l",))
    cache, place = JsonCache(), Place(0, JSON.id, ("l",))
    cache.put(place, values)
    before = cache.num_bytes
    values.lists()
    assert cache.get(place) is values
    assert cache.num_bytes > before + 8 * 1_000 * 8
    cache.forget(0)
    assert cache.num_bytes == 0


def test_a_segment_that_nobody_asked_leaves_the_cache_alone(tmp_path: Path) -> None:
    store, info = sealed_file(tmp_path, 10)
    cache = JsonCache()
    opened(store, info, cache)
    gc.collect()
    segment = opened(store, info, cache)
    assert segment.json_values(JSON.id, ("n",)) is segment.json_values(JSON.id, ("n",))


# --- growing ---


def grown(counts: Sequence[int]) -> GrowingSegment:
    segment = GrowingSegment(1, 1, SCHEMA)
    first = 0
    for at, count in enumerate(counts, start=1):
        segment.append(batch(first, count), Timestamp(at))
        first += count
    return segment


def test_a_reader_sees_the_values_of_its_rows() -> None:
    segment = grown([3])
    earlier = segment.reader(Timestamp(1))
    before = {path: earlier.json_values(JSON.id, path) for path in PATHS}
    for at, count in enumerate([1, 40, 200], start=2):
        segment.append(batch(1000 * at, count), Timestamp(at))
        reader = segment.reader(Timestamp(at))
        for path in PATHS:
            assert reader.holds_json(JSON.id, path)
            assert_same(reader.json_values(JSON.id, path), extract_json(reader.column(JSON.id), path))
    for path in PATHS:
        assert_same(before[path], extract_json(earlier.column(JSON.id), path))
        assert_same(earlier.json_values(JSON.id, path), before[path])


def test_rows_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(column: Column, path: tuple[str | int, ...]) -> JsonValues:
        read.append(len(column))
        return extract_json(column, path)

    monkeypatch.setattr(growing_json, "extract_json", counted)
    segment = grown([30])
    for at in range(2, 6):
        segment.reader(Timestamp(at)).json_values(JSON.id, ("n",))
        segment.append(batch(100 * at, at), Timestamp(at))
    assert read == [30, 2, 3, 4]


def test_a_growing_segment_keeps_a_bounded_number_of_paths() -> None:
    reader = grown([10]).reader(Timestamp(1))
    for number in range(2 * growing_json.MAX_PATHS):
        reader.json_values(JSON.id, (f"k{number}",))
    assert [reader.holds_json(JSON.id, (f"k{number}",)) for number in (0, 31, 32, 63)] == [False, False, True, True]


def test_a_growing_segment_keeps_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = grown([100])
    reader = segment.reader(Timestamp(1))
    each = reader.json_values(JSON.id, ("n",)).nbytes
    monkeypatch.setattr(growing_json, "MAX_BYTES", 3 * each)
    for key in ("k0", "k1", "k2"):
        reader.json_values(JSON.id, (key,))
    assert [reader.holds_json(JSON.id, (key,)) for key in ("n", "k0", "k1", "k2")] == [False, True, True, True]
    segment.append(batch(100, 300), Timestamp(2))
    later = segment.reader(Timestamp(2))
    assert_same(later.json_values(JSON.id, ("k2",)), extract_json(later.column(JSON.id), ("k2",)))
    assert [later.holds_json(JSON.id, (key,)) for key in ("k0", "k1", "k2")] == [False, False, True]


def test_values_that_find_no_memory_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = GrowingArray.reserve

    def refuse(array: GrowingArray, size: int) -> None:
        if array._values.dtype == np.uint8:
            raise MemoryError
        reserve(array, size)

    reader = grown([30]).reader(Timestamp(1))
    monkeypatch.setattr(GrowingArray, "reserve", refuse)
    with pytest.raises(MemoryError):
        reader.json_values(JSON.id, ("s",))
    monkeypatch.undo()
    assert_same(reader.json_values(JSON.id, ("s",)), extract_json(reader.column(JSON.id), ("s",)))


def test_readers_beside_a_writer_see_whole_values() -> None:
    segment = grown([10])
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                reader = segment.reader(segment.last_at)
                assert_same(reader.json_values(JSON.id, ("s",)), extract_json(reader.column(JSON.id), ("s",)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at in range(2, 120):
        segment.append(batch(100 * at, 17), Timestamp(at))
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
