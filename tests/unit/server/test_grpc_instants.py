"""TIMESTAMPTZ and GEOMETRY columns as a stock client sends and reads them."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from pymilvus.grpc_gen import schema_pb2

from elanus._native.codec import decode_field_data
from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.server.grpc.codecs import decode_column, encode_column
from elanus.server.grpc.instants import MAX_TIME_FIELDS, TimeFormat, parse_instants, parse_time_fields

TS = Field(id=FieldId(101), name="ts", type=DataType.TIMESTAMPTZ, nullable=True)
G = Field(id=FieldId(102), name="g", type=DataType.GEOMETRY, nullable=True)
HOUR = 3_600_000_000
NEW_YEAR = 1_735_689_600_000_000


def message(field: Field, arm: str, values: list, valid: list[bool] | None = None) -> bytes:
    data = schema_pb2.FieldData(field_name=field.name, type=int(field.type), valid_data=valid or [])
    getattr(data.scalars, arm).data.extend(values)
    return data.SerializeToString()


def decoded(field: Field, arm: str, values: list, valid: list[bool] | None = None) -> Column:
    body = message(field, arm, values, valid)
    return decode_column(field, decode_field_data(body, 0, len(body)))


def read(values: list, valid: list[bool] | None = None, timezone: str = "UTC", arm: str = "string_data") -> Column:
    return parse_instants(decoded(TS, arm, values, valid), timezone)


def reply(column: Column) -> schema_pb2.FieldData:
    return schema_pb2.FieldData.FromString(encode_column(column))


# --- instants ---


def test_texts_are_read_in_the_zone() -> None:
    texts = ["2025-01-01 00:00:00", "2025-01-01T00:00:00Z", "2024-12-31T16:00:00-08:00"]
    assert read(texts).data.to_pylist() == [NEW_YEAR] * 3
    found = read(texts, [False, True, True, False, True], "Asia/Tokyo")
    assert found.data.type == pa.int64()
    assert found.data.to_pylist() == [None, NEW_YEAR - 9 * HOUR, NEW_YEAR, None, NEW_YEAR]


def test_microseconds_are_taken_as_they_are() -> None:
    column = read([-1, NEW_YEAR], [True, False, True], arm="timestamptz_data")
    assert column.data.to_pylist() == [-1, None, NEW_YEAR]


def test_a_bad_text_is_named_with_its_row_among_all_rows() -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(["2025-01-01T00:00:00Z", "soon"], [False, True, False, True])
    assert "got invalid timestamptz string 'soon': invalid timestamp string: 'soon'" in str(caught.value)
    assert "field: ts, row: 3" in str(caught.value)


def test_other_payloads_and_bytes_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="timestamptz field 'ts' is illegal"):
        decoded(TS, "long_data", [1])
    body = message(TS, "string_data", ["2025"]).replace(b"2025", b"\xff\xfe\xff\xfe")
    with pytest.raises(InvalidParameter, match="input of field ts should be utf-8 format, but row: 0 is not"):
        decode_column(TS, decode_field_data(body, 0, len(body)))


def test_instants_are_shown_in_a_zone() -> None:
    column = Column(TS, pa.array([NEW_YEAR + 500_000, None, -1, 0]))
    sent = reply(TimeFormat("Europe/Berlin").show(column))
    assert list(sent.scalars.string_data.data) == [
        "2025-01-01T01:00:00.5+01:00",
        "1970-01-01T01:00:00+01:00",
        "1970-01-01T00:59:59.999999+01:00",
        "1970-01-01T01:00:00+01:00",
    ]
    assert list(sent.valid_data) == [True, False, True, True]
    assert sent.type == DataType.TIMESTAMPTZ


def test_parts_of_instants_are_lists() -> None:
    column = Column(TS, pa.array([0, NEW_YEAR + 90 * 60_000_000 + 1_000_007, None, -1]).slice(1, 3))
    parts = parse_time_fields("Year,month day, hour minute  second,microsecond")
    sent = reply(TimeFormat("Asia/Kolkata", parts).show(column))
    assert [list(row.long_data.data) for row in sent.scalars.array_data.data] == [
        [2025, 1, 1, 7, 0, 1, 7],
        [],
        [1970, 1, 1, 5, 29, 59, 999_999],
    ]
    assert (sent.type, sent.scalars.array_data.element_type) == (DataType.ARRAY, DataType.INT64)
    assert list(sent.valid_data) == [True, False, True]


def test_a_part_that_there_is_not_is_refused() -> None:
    assert parse_time_fields(" ") == ()
    with pytest.raises(InvalidParameter, match="unsupported field for extraction: week"):
        parse_time_fields("year, week")


def test_more_parts_than_any_reply_should_hold_are_refused() -> None:
    assert parse_time_fields("year " * MAX_TIME_FIELDS) == ("year",) * MAX_TIME_FIELDS
    with pytest.raises(InvalidParameter, match=r"time_fields names 100000 parts, at most 32"):
        parse_time_fields("year " * 100_000)


def test_no_rows() -> None:
    empty = Column(TS, pa.array([], pa.int64()))
    assert list(reply(TimeFormat("Asia/Tokyo").show(empty)).scalars.string_data.data) == []
    assert not reply(TimeFormat("Asia/Tokyo", ("year",)).show(empty)).scalars.array_data.data


# --- geometries ---


def test_geometries_are_read_from_text_and_wkb_and_returned_as_text() -> None:
    line = shapely.to_wkb(shapely.from_wkt("LINESTRING (0 0, 1 1.5)"), byte_order=0)
    for column in (
        decoded(G, "geometry_wkt_data", ["POINT(1 1)", "LINESTRING(0 0,1 1.50)"], [True, False, True]),
        decoded(G, "geometry_data", [struct.pack("<BIdd", 1, 1, 1, 1), line], [True, False, True]),
    ):
        assert column.data.type == pa.large_binary()
        assert column.data.null_count == 1
        sent = reply(column)
        assert list(sent.scalars.geometry_wkt_data.data) == ["POINT (1 1)", "", "LINESTRING (0 0, 1 1.5)"]
        assert list(sent.valid_data) == [True, False, True]


def nested(depth: int) -> bytes:
    return struct.pack("<BII", 1, 7, 1) * depth + struct.pack("<BIdd", 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("arm", "value", "reason"),
    [
        ("geometry_wkt_data", "POINT (0", "row: 2"),
        ("geometry_wkt_data", "GEOMETRYCOLLECTION (" * 100_000, "geometry collections"),
        ("geometry_data", b"\x01\x01", "the bytes end inside a geometry"),
        ("geometry_data", nested(100_000), "geometries are nested more than 64 deep"),
        ("geometry_data", b"\x01\x03\x00\x00\x00\xff\xff\xff\xff", "the bytes end inside a geometry"),
        ("geometry_data", struct.pack("<BIIIdddd", 1, 3, 1, 2, 0, 0, 1, 1), "row: 2"),
    ],
)
def test_damaged_geometries_are_refused(arm: str, value: str | bytes, reason: str) -> None:
    good = struct.pack("<BIdd", 1, 1, 1, 1) if arm == "geometry_data" else "POINT (1 1)"
    with pytest.raises(InvalidParameter) as caught:
        decoded(G, arm, [good, value], [True, False, True])
    assert "invalid Geometry data, transform to wkb failed: " in str(caught.value)
    assert reason in str(caught.value)
    assert "field: g" in str(caught.value)


def test_any_cut_of_a_geometry_is_refused() -> None:
    whole = shapely.to_wkb(shapely.from_wkt("GEOMETRYCOLLECTION (POINT (1 1), POLYGON ((0 0, 1 0, 1 1, 0 0)))"))
    for end in range(len(whole)):
        with pytest.raises(InvalidParameter):
            decoded(G, "geometry_data", [whole[:end]])


def test_any_damage_of_a_geometry_is_refused_or_read() -> None:
    whole = shapely.to_wkb(shapely.from_wkt("GEOMETRYCOLLECTION (POINT (1 1), POLYGON ((0 0, 1 0, 1 1, 0 0)))"))
    rng = np.random.default_rng(3)
    outcomes = []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        try:
            encode_column(decoded(G, "geometry_data", [bytes(damaged)]))
            outcomes.append("read")
        except InvalidParameter as error:
            outcomes.append("refused" if "field: g" in str(error) else "unclear")
    assert set(outcomes) == {"read", "refused"}
