"""Typed JSON columns through a collection's life: flush, restart, merge, release, drop."""

import orjson
import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.collections import DropCollection
from elanus.engine.data import Delete, Insert
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import Load, Release
from elanus.engine.search import Query
from elanus.model.columns import Column, arrow_type
from elanus.model.schema import Field
from elanus.model.settings import SegmentSettings
from elanus.model.types import DataType

C = CollectionName("default", "c")
ENOUGH = SegmentSettings().typed_json_rows
FILTERS = {
    'j["n"] % 3 == 0': lambda value: value["n"] % 3 == 0,
    'j["deep"]["s"] like "t1%"': lambda value: value["deep"]["s"].startswith("t1"),
    'json_contains(j["tags"], 4)': lambda value: 4 in value["tags"],
    'j["tags"][0] == 4': lambda value: value["tags"][0] == 4,
    'exists j["rare"]': lambda value: "rare" in value,
    'exists j["none"]': lambda value: False,
}


@pytest.fixture
def filled(house):
    house.create("c", Field(id=0, name="j", type=DataType.JSON))
    house.run(CreateIndex(C, "v", "v", (("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(C))
    return house


def value(key: int) -> dict:
    plain = {"n": key, "deep": {"s": f"t{key}"}, "tags": [key % 5, key % 7]}
    return plain | ({"rare": 1} if key % 500 == 3 else {})


def put(house, keys: range) -> None:
    fields = house.instance.collection(C).manifest.schema
    given = {"id": keys, "v": [[0.0] * 4] * len(keys), "j": [orjson.dumps(value(key)) for key in keys]}
    columns = [Column(fields[name], pa.array(values, arrow_type(fields[name]))) for name, values in given.items()]
    house.run(Insert(C, columns, len(keys)))


def check(house, keys: range) -> None:
    for text, wanted in FILTERS.items():
        found = house.run(Query(collection=C, filter=text, output_fields=("id",)))
        assert found.columns[0].column.data.to_pylist() == [key for key in keys if wanted(value(key))], text


def typed_files(house) -> list[str]:
    return [key for key in house.files() if "/json." in key]


def test_filters_find_the_same_rows_growing_sealed_and_after_a_restart(filled):
    house = filled
    put(house, range(ENOUGH))
    check(house, range(ENOUGH))
    house.instance.collection(C).flush()
    assert len(typed_files(house)) == 1
    check(house, range(ENOUGH))
    house.reopen()
    check(house, range(ENOUGH))
    assert len(typed_files(house)) == 1


def test_a_merge_of_small_segments_writes_typed_columns(filled):
    house = filled
    each = ENOUGH // 3
    for number in range(4):
        put(house, range(number * each, (number + 1) * each))
        house.instance.collection(C).flush()
        if number == 1:
            house.run(Delete(C, f"id < {each // 2}"))
    house.settle(C)
    (info,) = house.instance.collection(C).manifest.segments
    assert [typed.file.key for typed in info.json] == [f"segments/{info.id}/json.{info.json[0].field}.parquet"]
    check(house, range(each // 2, 4 * each))


def test_release_lets_go_of_typed_values(filled):
    house = filled
    put(house, range(ENOUGH))
    house.instance.collection(C).flush()
    check(house, range(ENOUGH))
    assert house.services.json_cache.num_bytes
    house.run(Release(C))
    assert not house.services.json_cache.num_bytes
    house.run(Load(C))
    check(house, range(ENOUGH))


def test_a_dropped_collection_leaves_no_typed_columns(filled):
    house = filled
    put(house, range(ENOUGH))
    house.instance.collection(C).flush()
    house.run(DropCollection(C))
    house.jobs.wait_idle()
    assert typed_files(house) == []


def test_a_request_may_ask_for_the_texts(filled):
    house = filled
    put(house, range(ENOUGH))
    house.instance.collection(C).flush()
    for wanted, kept in ((False, False), (True, True)):
        asked = {"expr_use_json_stats": wanted}
        found = house.run(Query(collection=C, filter='j["n"] < 3', values=asked, output_fields=("id",)))
        assert found.columns[0].column.data.to_pylist() == [0, 1, 2]
        assert bool(house.services.json_cache.num_bytes) is kept
