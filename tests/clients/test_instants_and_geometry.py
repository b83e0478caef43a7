"""TIMESTAMPTZ and GEOMETRY through a stock client: growing, flushed, and after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from serving import LocalServer, settings_for

ROWS: list[dict[str, Any]] = [
    {"id": 1, "ts": "2025-07-01 12:00:00.5", "g": "POINT(1 1)", "v": [0.0, 0.0]},
    {"id": 2, "ts": None, "g": None, "v": [0.0, 1.0]},
    {
        "id": 3,
        "ts": "1969-12-31T23:59:59.123456789Z",
        "made": "2020-01-01T00:00:00Z",
        "g": "POLYGON((0 0,2 0,2 2,0 0))",
        "home": "LINESTRING(0 0, 1 1.50)",
        "v": [1.0, 1.0],
    },
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(settings_for(tmp_path_factory.mktemp("times"))) as running:
        create(running.connect())
        yield running


def create(client: MilvusClient) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("ts", DataType.TIMESTAMPTZ, nullable=True)
    schema.add_field("made", DataType.TIMESTAMPTZ, default_value="2024-02-29 00:00:00")
    schema.add_field("g", DataType.GEOMETRY, nullable=True)
    schema.add_field("home", DataType.GEOMETRY, default_value="POINT (7 8)")
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection("c", schema=schema, index_params=index, properties={"timezone": "Europe/Berlin"})
    # A client sends columns: rows with and without a field go separately.
    client.insert("c", ROWS[:2])
    client.insert("c", ROWS[2:])


def column(client: MilvusClient, name: str, text: str = "id > 0", **options: Any) -> list[Any]:
    found = client.query("c", text, output_fields=[name], **options)
    return [row[name] for row in sorted(found, key=lambda row: row["id"])]


def check(client: MilvusClient) -> None:
    """Check everything that a stage must answer."""
    assert column(client, "ts") == ["2025-07-01T12:00:00.5+02:00", None, "1970-01-01T00:59:59.123456+01:00"]
    assert column(client, "ts", timezone="UTC") == ["2025-07-01T10:00:00.5Z", None, "1969-12-31T23:59:59.123456Z"]
    assert column(client, "made", timezone="Asia/Tokyo") == ["2024-02-29T08:00:00+09:00"] * 2 + [
        "2020-01-01T09:00:00+09:00"
    ]
    assert column(client, "g") == ["POINT (1 1)", None, "POLYGON ((0 0, 2 0, 2 2, 0 0))"]
    assert column(client, "home") == ["POINT (7 8)", "POINT (7 8)", "LINESTRING (0 0, 1 1.5)"]
    assert column(client, "ts", time_fields="year, month day hour microsecond") == [
        [2025, 7, 1, 12, 500_000],
        None,
        [1970, 1, 1, 0, 123_456],
    ]
    noon = 'ts > ISO "2025-07-01 11:00:00"'
    assert column(client, "id", noon) == [1]
    assert column(client, "id", noon, timezone="America/New_York") == []
    assert column(client, "id", "ts < {at}", filter_params={"at": 0}) == [3]
    assert column(client, "id", 'st_within(g, "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))")') == [1, 3]
    assert column(client, "id", "st_intersects(g, {where})", filter_params={"where": "POINT (0.5 0.25)"}) == [3]
    asked: dict[str, Any] = {"filter": noon, "limit": 3, "output_fields": ["ts", "g"], "timezone": "Asia/Tokyo"}
    (near,) = client.search("c", [[0.0, 0.0]], **asked)
    assert [hit["entity"] for hit in near] == [{"ts": "2025-07-01T19:00:00.5+09:00", "g": "POINT (1 1)"}]
    (near,) = client.search("c", [[0.0, 0.0]], **asked, time_fields="hour")
    assert [hit["entity"] for hit in near] == [{"ts": [19], "g": "POINT (1 1)"}]


def test_the_same_answers_at_every_stage(server: LocalServer) -> None:
    check(server.connect())
    server.restart()
    check(server.connect())
    server.connect().flush("c")
    check(server.connect())
    server.restart()
    check(server.connect())


def test_describe_shows_defaults_and_the_zone(server: LocalServer) -> None:
    described = server.connect().describe_collection("c")
    fields = {field["name"]: field for field in described["fields"]}
    assert fields["ts"]["type"] is DataType.TIMESTAMPTZ
    assert fields["g"]["type"] is DataType.GEOMETRY
    assert fields["made"]["default_value"].string_data == "2024-02-29T00:00:00+01:00"
    assert fields["home"]["default_value"].string_data == "POINT (7 8)"
    assert described["properties"] == {"timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ts": "soon"}, "got invalid timestamptz string 'soon': invalid timestamp string: 'soon'"),
        ({"ts": "2025-03-01T00:00:00+16:00"}, "UTC offset hour 16 is out of the valid range [-12, 14]"),
        ({"g": "POINT ("}, "invalid Geometry data, transform to wkb failed: 'POINT (' is no geometry"),
        ({"g": "GEOMETRYCOLLECTION (" * 100_000}, "more than 32 geometry collections"),
    ],
)
def test_a_bad_value_is_refused_with_field_and_row(server: LocalServer, values: dict[str, str], reason: str) -> None:
    row = {"ts": "2025-01-01T00:00:00Z", "g": "POINT (0 0)", "v": [0.0, 0.0]}
    with pytest.raises(MilvusException) as caught:
        server.connect().insert("c", [{"id": 8, **row}, {"id": 9, **row, **values}])
    assert caught.value.code == 1100
    assert reason in caught.value.message
    assert f"field: {next(iter(values))}, row: 1" in caught.value.message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"timezone": "Mars/Base"}, "unknown or invalid IANA Time Zone ID: Mars/Base"),
        ({"time_fields": "year, week"}, "unsupported field for extraction: week"),
    ],
)
def test_a_bad_zone_or_part_is_refused(server: LocalServer, options: dict[str, str], reason: str) -> None:
    client = server.connect()
    with pytest.raises(MilvusException) as queried:
        client.query("c", "id > 0", output_fields=["ts"], **options)
    with pytest.raises(MilvusException) as searched:
        client.search("c", [[0.0, 0.0]], limit=1, output_fields=["ts"], **options)
    for caught in (queried, searched):
        assert (caught.value.code, reason in caught.value.message) == (1100, True)


def test_indexes_answer_what_the_rows_do(server: LocalServer) -> None:
    client = server.connect()
    index = client.prepare_index_params()
    index.add_index("ts", index_type="STL_SORT", index_name="by_time")
    index.add_index("g", index_type="RTREE", index_name="by_place")
    index.add_index("made", index_type="AUTOINDEX", index_name="auto_time")
    index.add_index("home", index_type="AUTOINDEX", index_name="auto_place")
    client.create_index("c", index)
    assert {"by_time", "by_place", "auto_time", "auto_place"} <= set(client.list_indexes("c"))
    check(client)
