"""Statistics of segments: what is written says nothing wrong of the rows, and what is read is checked."""

import logging
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus._native.bloom import BloomFilter
from elanus._native.keys import hash_values
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.errors import DataCorrupted
from elanus.model.ids import FieldId, PartitionId, SegmentId
from elanus.model.manifest import ColumnStatistics, FileInfo, Manifest, SegmentInfo
from elanus.model.schema import Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment.statistics import (
    BLOOM_BYTES,
    BOUND_BYTES,
    SegmentStatistics,
    build_blooms,
    describe,
    describe_column,
)
from elanus.storage.blooms import MAGIC, decode_blooms, encode_blooms, read_blooms, write_blooms
from elanus.storage.manifest import decode_manifest, encode_manifest
from elanus.storage.memory import MemoryStore

KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)


def column(kind: DataType, values: list, element: DataType = DataType.NONE) -> Column:
    field = Field(id=FieldId(101), name="x", type=kind, element_type=element, nullable=True)
    return Column(field, pa.array(values, type=arrow_type(field)))


def bounds(kind: DataType, values: list, element: DataType = DataType.NONE) -> tuple:
    one = describe_column(column(kind, values, element))
    return one.nulls, one.low, one.high


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (DataType.BOOL, [True, None, True], (1, True, True)),
        (DataType.INT8, [3, -128, None], (1, -128, 3)),
        (DataType.INT64, [2**63 - 1, -(2**63)], (0, -(2**63), 2**63 - 1)),
        (DataType.FLOAT, [0.5, -1.5], (0, -1.5, 0.5)),
        (DataType.DOUBLE, [1.0, math.nan], (0, None, None)),
        (DataType.DOUBLE, [1.0, math.inf], (0, None, None)),
        (DataType.VARCHAR, ["b", "", "ab"], (0, "", "b")),
        (DataType.VARCHAR, [None, None], (2, None, None)),
        (DataType.JSON, [b"1", None], (1, None, None)),
    ],
)
def test_bounds_are_the_least_and_the_largest_value(kind, values, expected):
    found = bounds(kind, values)
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


def test_bounds_of_arrays_are_those_of_their_elements():
    lists = [[3, 5], None, [], [-1]]
    assert bounds(DataType.ARRAY, lists, DataType.INT32) == (1, -1, 5)
    assert bounds(DataType.ARRAY, [["b"], ["a", "c"]], DataType.VARCHAR) == (0, "a", "c")
    sliced = column(DataType.ARRAY, lists, DataType.INT32).slice(0, 2)
    assert (describe_column(sliced).low, describe_column(sliced).high) == (3, 5)


LONG = st.builds(
    lambda char, count, tail: char * count + tail,
    st.sampled_from(["a", "é", "中", "😀", "\ud7ff", "\U0010ffff"]),
    st.integers(0, 80),
    st.text(max_size=3),
)


@given(st.lists(LONG, min_size=1, max_size=5))
def test_cut_text_bounds_still_hold(values):
    _, low, high = bounds(DataType.VARCHAR, values)
    assert low <= min(values)
    assert len(low.encode()) <= BOUND_BYTES
    if high is not None:
        assert high >= max(values)
        assert len(high.encode()) <= BOUND_BYTES
    if len(max(values).encode()) <= BOUND_BYTES:
        assert high == max(values)


def test_a_cut_upper_bound_is_the_next_prefix():
    assert bounds(DataType.VARCHAR, ["a" * 100]) == (0, "a" * 64, "a" * 63 + "b")
    assert bounds(DataType.VARCHAR, ["a" * 63 + "\U0010ffff" * 2])[2] == "a" * 62 + "b"
    assert bounds(DataType.VARCHAR, ["a" * 61 + "\ud7ff" + "x"])[2] == "a" * 61 + "\ue000"
    assert bounds(DataType.VARCHAR, ["\U0010ffff" * 17])[2] is None


# --- Bloom filters ---


def blooms(*columns: Column) -> dict[FieldId, BloomFilter]:
    return build_blooms(ColumnBatch({one.field.id: one for one in columns}, len(columns[0])))


def test_texts_and_scattered_integers_have_a_filter_and_others_none():
    assert blooms(column(DataType.VARCHAR, ["a", None]))
    assert blooms(column(DataType.INT32, [1, 1000]))
    assert blooms(column(DataType.ARRAY, [["a"], None], DataType.VARCHAR))
    assert not blooms(column(DataType.INT64, [5, 3, 4, 6]))
    assert not blooms(column(DataType.DOUBLE, [1.0, 2.0]))
    assert not blooms(column(DataType.BOOL, [True]))
    assert not blooms(column(DataType.VARCHAR, [None]))
    assert not blooms(column(DataType.JSON, [b"{}"]))


def test_a_filter_has_ten_bits_a_different_value_and_a_limit(monkeypatch):
    (one,) = blooms(column(DataType.VARCHAR, [str(n % 1000) for n in range(5000)])).values()
    assert len(one.blocks) == 40 * 32
    assert one.contains(hash_values(pa.array([str(n) for n in range(1000)], pa.large_string()))).all()
    assert len(one.blocks) < BLOOM_BYTES
    monkeypatch.setattr("elanus.segment.statistics.BLOOM_BYTES", 39 * 32)
    assert not blooms(column(DataType.VARCHAR, [str(n) for n in range(1000)]))


def a_filter(*texts: str, blocks: int = 1) -> BloomFilter:
    return BloomFilter.build(hash_values(pa.array(texts, pa.large_string())), 32 * blocks)


def test_filters_come_back_from_their_file():
    filters = {FieldId(100): a_filter("a"), FieldId(7): a_filter("b", "c", blocks=3)}
    store = MemoryStore()
    file = write_blooms(store, "segments/1/blooms", filters)
    found = read_blooms(store, file)
    assert {field: one.blocks.tobytes() for field, one in found.items()} == {
        field: one.blocks.tobytes() for field, one in filters.items()
    }
    assert file.size == len(memoryview(store.get(file.key)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:8],
        lambda data: b"XXXX" + data[4:],
        lambda data: MAGIC + (2).to_bytes(4, "little") + data[8:],
        lambda data: data[:8] + (10**6).to_bytes(4, "little") + data[12:],
        lambda data: data[:20] + (2**63).to_bytes(8, "little") + data[28:],
        lambda data: data[:28] + (33).to_bytes(8, "little") + data[36:],
        lambda data: data[:-64],
    ],
)
def test_a_file_of_another_format_is_refused(damage):
    data = encode_blooms({FieldId(1): a_filter("a")})
    assert decode_blooms(memoryview(data))
    with pytest.raises(ValueError, match=r"bytes|format|fit"):
        decode_blooms(memoryview(damage(data)))
    store = MemoryStore()
    store.put("blooms", damage(data))
    with pytest.raises(DataCorrupted, match="holds no Bloom filters"):
        read_blooms(store, FileInfo("blooms", 0, 0))


# --- what is known of a segment ---


def info(schema: Schema, batch: ColumnBatch, **changes: object) -> SegmentInfo:
    plain = SegmentInfo(
        id=SegmentId(1),
        partition=PartitionId(1),
        shard=0,
        num_rows=batch.num_rows,
        low=1,
        high=9,
        first=Timestamp(1),
        last=Timestamp(2),
        schema_version=0,
        scalars=FileInfo("scalars", 1, 1),
        statistics=describe(batch),
    )
    return replace(plain, **changes)


def known(schema: Schema, one: SegmentInfo, open_blooms=dict) -> SegmentStatistics:
    return SegmentStatistics(one, schema, open_blooms)


KEYS = ColumnBatch({100: Column(KEY, pa.array([1, 9]))}, 2)


def test_a_field_added_later_is_all_default_or_all_null():
    def later(number: int, kind: DataType, **options: object) -> Field:
        return Field(id=FieldId(number), name=f"f{number}", type=kind, nullable=True, **options)

    schema = Schema(
        (
            KEY,
            later(101, DataType.INT64),
            later(102, DataType.FLOAT, default=0.1),
            later(103, DataType.VARCHAR, default="x" * 70),
            later(104, DataType.JSON, is_dynamic=True),
            later(105, DataType.FLOAT_VECTOR, dim=2),
        )
    )
    statistics = known(schema, info(schema, KEYS))
    assert statistics.column(100) == ColumnStatistics(FieldId(100), 0, 1, 9)
    assert statistics.column(101) == ColumnStatistics(FieldId(101), 2)
    assert statistics.column(102) == ColumnStatistics(FieldId(102), 0, float(np.float32(0.1)), float(np.float32(0.1)))
    assert statistics.column(103) == ColumnStatistics(FieldId(103), 0, "x" * 64, "x" * 63 + "y")
    assert statistics.column(104) == ColumnStatistics(FieldId(104), 0)
    assert statistics.column(105) is None


def test_of_segments_without_statistics_the_keys_are_known():
    schema = Schema((KEY, Field(id=FieldId(101), name="x", type=DataType.INT64, nullable=True)))
    statistics = known(schema, info(schema, KEYS, statistics=()))
    assert statistics.column(100) == ColumnStatistics(FieldId(100), 0, 1, 9)
    assert statistics.column(101) is None
    assert statistics.bloom(100) is None


def test_filters_that_cannot_be_read_are_reported_once_and_done_without(caplog):
    schema = Schema((KEY,))

    def refuse() -> dict[int, BloomFilter]:
        raise DataCorrupted("segments/1/blooms has another checksum than when it was written")

    statistics = known(schema, info(schema, KEYS, blooms=FileInfo("segments/1/blooms", 1, 1)), refuse)
    with caplog.at_level(logging.ERROR, "elanus.segment"):
        assert [statistics.bloom(100), statistics.bloom(101)] == [None, None]
    (record,) = caplog.records
    assert "segment 1 is read without them: segments/1/blooms has another checksum" in record.getMessage()


def test_statistics_come_back_from_a_manifest():
    schema = Schema((KEY,))
    statistics = (
        ColumnStatistics(FieldId(100), 0, -(2**63), 2**63 - 1),
        ColumnStatistics(FieldId(101), 1, 5.0, 1e300),
        ColumnStatistics(FieldId(102), 0, False, True),
        ColumnStatistics(FieldId(103), 0, "", 'é\n"中'),
        ColumnStatistics(FieldId(104), 7),
    )
    one = info(schema, KEYS, statistics=statistics, blooms=FileInfo("segments/1/blooms", 96, 5))
    manifest = Manifest(id=1, schema=schema, version=1, segments=(one,))
    (found,) = decode_manifest(encode_manifest(manifest), "1.json").segments
    assert found == one
    assert [(type(c.low), type(c.high)) for c in found.statistics] == [(type(c.low), type(c.high)) for c in statistics]
    assert FileInfo("segments/1/blooms", 96, 5) in found.files
