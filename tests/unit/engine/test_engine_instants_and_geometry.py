"""TIMESTAMPTZ and GEOMETRY fields in the engine: the log, files, expiry by a field, and time zones of databases."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elanus.collection.properties import TTL_SECONDS
from elanus.engine import CollectionName
from elanus.engine.collections import DescribeCollection
from elanus.engine.data import Delete, Insert, Upsert
from elanus.engine.databases import AlterDatabase, CreateDatabase
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import Load
from elanus.engine.search import Queries, Query, Search
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.geometry import wkb_from_wkt, wkb_of_text
from elanus.model.schema import Field
from elanus.model.types import DataType

C = CollectionName("default", "c")
TS = Field(id=0, name="ts", type=DataType.TIMESTAMPTZ, nullable=True)
G = Field(id=0, name="g", type=DataType.GEOMETRY, nullable=True)
NEW_YEAR = 1_735_689_600_000_000
PAST, FUTURE = 1, 250_000_000_000_000_000
INSTANTS = [NEW_YEAR, None, -1, NEW_YEAR + 1, -62_135_596_800_000_000]
SHAPES = ["POINT (1 1)", None, "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))", "LINESTRING (-1 1, 3 1)", "POINT EMPTY"]
FILTERS = {
    'ts >= ISO "2025-01-01T00:00:00Z"': [0, 3],
    'ts + INTERVAL "P1M" < ISO "2000-01-01T00:00:00Z"': [2, 4],
    "ts is null": [1],
    'st_intersects(g, "POINT (1 1)")': [0, 2, 3],
    'not st_intersects(g, "POINT (1 1)")': [4],
    'st_dwithin(g, "POINT (0 0)", 1)': [2],
    'ts < ISO "2025-01-01T00:00:00Z" and st_isvalid(g)': [2, 4],
}


def rows(house: Any, keys: list[int], **values: list) -> dict[str, Any]:
    schema = house.instance.collection(C).manifest.schema
    given = {"id": keys, "v": [[float(key)] * 4 for key in keys], **values}
    columns = [Column(schema[name], pa.array(column, arrow_type(schema[name]))) for name, column in given.items()]
    return {"collection": C, "columns": columns, "num_rows": len(keys)}


def ready(house: Any, *fields: Field, **options: Any) -> None:
    house.create("c", *fields, **options)
    house.run(CreateIndex(C, "v", "", (("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(C))


def shapes(*texts: str | None) -> list[bytes | None]:
    return [text and wkb_of_text(text) for text in texts]


def keys(house: Any, text: str, **options: Any) -> list[int]:
    found = house.run(Query(collection=C, filter=text, output_fields=("id",), **options))
    return found.columns[0].column.data.to_pylist()


def test_rows_and_filters_are_the_same_in_memory_in_the_log_and_in_files(house):
    ready(house, TS, G)
    house.run(Insert(**rows(house, [0, 1, 2, 3, 4], ts=INSTANTS, g=shapes(*SHAPES))))
    for stage in ("growing", "replayed", "sealed", "opened"):
        if stage == "sealed":
            house.instance.collection(C).flush()
        elif stage != "growing":
            house.reopen()
        assert {text: keys(house, text) for text in FILTERS} == FILTERS, stage
        found = house.run(Query(collection=C, filter="id >= 0", output_fields=("ts", "g")))
        _, ts, g = (output.column.data for output in found.columns)
        assert ts.to_pylist() == INSTANTS
        assert g.to_pylist() == shapes(*SHAPES)


def test_files_say_to_others_what_the_columns_are(house):
    ready(house, TS, G)
    house.run(Insert(**rows(house, [0, 1], ts=[NEW_YEAR, None], g=shapes("POINT (1 1)", None))))
    house.instance.collection(C).flush()
    (key,) = [key for key in house.files() if key.endswith(".parquet") and "scalars" in key]
    table = pq.read_table(house.folder / "store" / key)
    assert table.schema.field("ts").type == pa.timestamp("us", tz="UTC")
    assert table["ts"].to_pylist()[0].isoformat() == "2025-01-01T00:00:00+00:00"
    assert table["g"].to_pylist() == shapes("POINT (1 1)", None)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert (geo["primary_column"], geo["columns"]["g"]["encoding"]) == ("g", "WKB")


def test_writes_by_filter_and_key(house):
    ready(house, TS, G)
    house.run(Insert(**rows(house, [0, 1, 2, 3, 4], ts=INSTANTS, g=shapes(*SHAPES))))
    house.run(Upsert(**rows(house, [4], ts=[NEW_YEAR], g=shapes("POINT (9 9)"))))
    assert keys(house, 'st_equals(g, "POINT (9 9)")') == [4]
    assert house.run(Delete(C, 'st_within(g, "POLYGON ((8 8, 10 8, 10 10, 8 10, 8 8))")')).count == 1
    assert house.run(Delete(C, 'ts <= ISO "2025-01-01T00:00:00Z"')).count == 2
    assert keys(house, "id >= 0") == [1, 3]


def test_absent_columns_are_filled_with_defaults(house):
    ready(
        house,
        Field(id=0, name="ts", type=DataType.TIMESTAMPTZ, default="2025-01-01T00:00:00Z"),
        Field(id=0, name="g", type=DataType.GEOMETRY, default="POINT(1 1)"),
    )
    house.run(Insert(**rows(house, [0])))
    house.run(Insert(**rows(house, [1, 2], ts=[None, 5], g=shapes(None, "POINT (2 2)"))))
    assert keys(house, 'ts == ISO "2025-01-01T00:00:00Z" and st_equals(g, "POINT (1 1)")') == [0, 1]


ENDLESS = wkb_from_wkt(pa.array(["LINESTRING (0 0, inf 1)"], pa.large_string()))[0].as_py()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ts": [0, FUTURE * 2]}, "timestamptz field ts, row 1"),
        ({"ts": [0, -(2**63)]}, "timestamptz field ts, row 1"),
        ({"g": [*shapes("POINT (1 1)"), ENDLESS]}, "a coordinate is not finite, field: g, row: 1"),
    ],
)
def test_values_out_of_range_are_refused(house, values, reason):
    ready(house, TS, G)
    with pytest.raises(InvalidParameter, match=reason):
        house.run(Insert(**rows(house, [0, 1], **values)))


# --- rows that end ---


@pytest.fixture(params=["growing", "sealed"])
def ending(house, request):
    """Rows 0 (ended), 1 (has no end) and 2 (lives) in a collection whose rows end at ``ts``."""
    ready(house, TS, properties=(("ttl_field", "ts"),))
    house.run(Insert(**rows(house, [0, 1, 2], ts=[PAST, None, FUTURE])))
    if request.param == "sealed":
        house.instance.collection(C).flush()
    return house


def test_rows_end_at_the_instant_in_their_ttl_field(ending):
    assert keys(ending, "id >= 0") == [1, 2]
    assert keys(ending, "id in [0, 1]") == [1]
    assert keys(ending, "id == 0") == []
    assert keys(ending, "", limit=10) == [1, 2]
    assert ending.run(Query(collection=C, filter="", output_fields=("count(*)",))).count == 2


def test_ended_rows_are_not_found_near(ending):
    matrix = pa.array([0.0] * 4, pa.float32()).to_numpy().reshape(1, 4)
    found = ending.run(Search(collection=C, queries=Queries(DataType.FLOAT_VECTOR, 1, matrix), limit=3))
    assert found.keys.to_pylist() == [1, 2]
    by_key = Search(collection=C, queries=None, ids=pa.array([2]), limit=3)
    assert ending.run(by_key).keys.to_pylist() == [2, 1]
    with pytest.raises(InvalidParameter, match=r"missing IDs = \[0\]"):
        ending.run(Search(collection=C, queries=None, ids=pa.array([0]), limit=3))


def test_ended_rows_are_not_counted_by_a_delete(ending):
    assert ending.run(Delete(C, "id >= 0 and ts is not null")).count == 1
    assert keys(ending, "id >= 0") == [1]


def test_a_row_lives_again_with_a_later_end(ending):
    ending.run(Upsert(**rows(ending, [0], ts=[FUTURE])))
    assert keys(ending, "id >= 0") == [0, 1, 2]


def test_seconds_and_a_field_exclude_each_other(house):
    with pytest.raises(InvalidParameter, match="cannot be set at the same time"):
        house.create("c", TS, properties=(("ttl_field", "ts"), (TTL_SECONDS, "60")))


# --- time zones ---


def test_a_new_collection_takes_over_the_time_zone_of_its_database(house):
    house.run(CreateDatabase("far", (("timezone", "Asia/Tokyo"),)))
    far = CollectionName("far", "c")
    house.create("c", TS, database="far")
    assert house.run(DescribeCollection(far)).manifest.timezone == "Asia/Tokyo"
    house.run(AlterDatabase("far", (("timezone", "Europe/Berlin"),)))
    assert house.run(DescribeCollection(far)).manifest.timezone == "Asia/Tokyo"
    house.create("own", TS, database="far", properties=(("timezone", "UTC"),))
    assert house.run(DescribeCollection(CollectionName("far", "own"))).manifest.timezone == "UTC"
    for command in (CreateDatabase("bad", (("timezone", "Mars"),)), AlterDatabase("far", (("timezone", "Mars"),))):
        with pytest.raises(InvalidParameter, match="unknown or invalid IANA Time Zone ID: Mars"):
            house.run(command)


def test_filters_read_local_times_in_the_zone_of_request_or_collection(house):
    ready(house, TS, properties=(("timezone", "Asia/Shanghai"),))
    house.run(Insert(**rows(house, [0, 1], ts=[NEW_YEAR - 8 * 3_600_000_000, NEW_YEAR])))
    naive = 'ts == ISO "2025-01-01 00:00:00"'
    assert keys(house, naive) == [0]
    assert keys(house, naive, timezone="UTC") == [1]
    assert keys(house, naive) == [0]
    matrix = pa.array([0.0] * 4, pa.float32()).to_numpy().reshape(1, 4)
    near = {"collection": C, "queries": Queries(DataType.FLOAT_VECTOR, 1, matrix), "limit": 3, "filter": naive}
    assert [house.run(Search(**near, timezone=zone)).keys.to_pylist() for zone in ("", "UTC", "Asia/Shanghai", "")] == [
        [0],
        [1],
        [0],
        [0],
    ]
    house.run(Delete(C, naive))
    assert keys(house, "id >= 0") == [1]
