"""Scalar indexes in a collection: built in the background, used, described, dropped, built anew when damaged."""

from __future__ import annotations

import json
import os
import threading

import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.data import Insert
from elanus.engine.indexes import CreateIndex, DescribeIndexes, DropIndex
from elanus.expr import Step, bind, select
from elanus.index.scalar import keyed
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter, MissingParameter, StorageFailed
from elanus.model.schema import DYNAMIC_FIELD, Field
from elanus.model.types import DataType, IndexState

ROWS = 64
C = CollectionName("default", "c")
FIELDS = (
    Field(id=0, name="i8", type=DataType.INT8, nullable=True),
    Field(id=0, name="f", type=DataType.FLOAT),
    Field(id=0, name="b", type=DataType.BOOL),
    Field(id=0, name="s", type=DataType.VARCHAR, params=(("max_length", "32"),)),
    Field(id=0, name="a", type=DataType.ARRAY, element_type=DataType.INT32, params=(("max_capacity", "9"),)),
    Field(id=0, name="doc", type=DataType.JSON),
    Field(id=0, name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True),
)
VALUES = {
    "i8": [None if row % 7 == 0 else row % 100 for row in range(ROWS)],
    "f": [row / 4 for row in range(ROWS)],
    "b": [row % 2 == 0 for row in range(ROWS)],
    "s": [f"name {row % 40}" for row in range(ROWS)],
    "a": [[row, row % 3] for row in range(ROWS)],
    "doc": [json.dumps({"k": {"n": row, "tags": [f"t{row % 5}"]}}).encode() for row in range(ROWS)],
    DYNAMIC_FIELD: [json.dumps({"color": f"c{row % 30}"}).encode() for row in range(ROWS)],
}
PATHS = [
    ("i8", {"index_type": "INVERTED"}, "i8 == 5"),
    ("i8", {"index_type": "STL_SORT"}, "i8 > 61"),
    ("f", {"index_type": "STL_SORT"}, "f < 0.5"),
    ("f", {}, "f == 0.25"),
    ("s", {"index_type": "Trie"}, 's like "name 3%"'),
    ("s", {"index_type": "marisa-trie"}, 's == "name 39"'),
    ("s", {"index_type": "BITMAP"}, 's in ["name 1", "nobody"]'),
    ("b", {"index_type": "AUTOINDEX"}, "b == true and i8 in [2, 4]"),
    ("a", {"index_type": "INVERTED"}, "array_contains_all(a, [5, 2])"),
    ("a", {"index_type": "AUTOINDEX"}, "array_contains(a, 63)"),
    ("s", {"index_type": "INVERTED", "json_cast_type": "ARRAY_DOUBLE"}, 's == "name 39"'),
    ("doc", {"json_path": 'doc["k"]["n"]', "json_cast_type": "double"}, 'doc["k"]["n"] < 3'),
    (
        "doc",
        {"index_type": "INVERTED", "json_path": "doc['k']['tags']", "json_cast_type": "ARRAY_VARCHAR"},
        'json_contains(doc["k"]["tags"], "t4")',
    ),
    ("color", {"index_type": "STL_SORT", "json_cast_type": "VARCHAR"}, 'color == "c29"'),
    ("color", {"index_type": "BITMAP", "json_path": '$meta["color"]', "json_cast_type": "VARCHAR"}, 'color == "c29"'),
]


@pytest.fixture
def filled(house):
    """A collection of one sealed segment."""
    house.create("c", *FIELDS)
    insert(house)
    house.instance.collection(C).flush()
    return house


def insert(house, first_key=0):
    fields = house.instance.collection(C).manifest.schema
    columns = [
        Column(fields["id"], pa.array(range(first_key, first_key + ROWS), pa.int64())),
        Column(fields["v"], pa.array([[float(row)] * 4 for row in range(ROWS)], arrow_type(fields["v"]))),
        *(Column(fields[name], pa.array(values, arrow_type(fields[name]))) for name, values in VALUES.items()),
    ]
    house.run(Insert(C, columns, ROWS, ""))


def create(house, field, name="by_it", **params):
    house.run(CreateIndex(C, field, name, tuple(params.items())))
    house.settle(C)


def described(house, name="by_it"):
    (found,) = house.run(DescribeIndexes(C, name))
    return found


def segments(house):
    return list(house.instance.collection(C).view.all_sealed())


def answered(house, text):
    """Return the rows that a filter selects in the first segment, and what answered each leaf."""
    segment, trace = segments(house)[0], Step(None)
    rows = select(bind(text, segment.schema), segment, None, trace).rows().tolist()
    steps = [trace, *trace.steps]
    return rows, [step.how for step in steps]


@pytest.mark.parametrize(("field", "params", "text"), PATHS, ids=str)
def test_an_index_is_built_used_kept_and_dropped(filled, field, params, text):
    expected, without = answered(filled, text)
    assert not any(how.startswith("index") for how in without)
    assert expected
    create(filled, field, **params)
    found = described(filled)
    assert (found.state, found.total_rows, found.indexed_rows) == (IndexState.FINISHED, ROWS, ROWS)
    assert dict(found.info.params).get("index_type", "AUTOINDEX") == params.get("index_type", "AUTOINDEX")
    for _ in range(2):
        rows, how = answered(filled, text)
        assert rows == expected
        assert f"index by_it ({found.info.kind})" in how
        filled.reopen()
    filled.run(DropIndex(C, field, "by_it"))
    assert answered(filled, text) == (expected, without)
    assert filled.files(f"collections/{filled.instance.collection(C).id}/index/") == []


def test_an_index_that_is_dropped_answers_those_who_hold_it(filled):
    create(filled, "i8", index_type="INVERTED")
    leaf = bind("i8 == 5", segments(filled)[0].schema)
    (held,) = segments(filled)[0].indexes(leaf.operand)
    filled.run(DropIndex(C, "i8", "by_it"))
    assert held.answer(leaf).truth().value.rows().tolist() == [5]
    assert list(segments(filled)[0].indexes(leaf.operand)) == []


def test_an_index_stays_open_while_other_indexes_come(filled):
    collection = filled.instance.collection(C)
    collection.load(collection.manifest.partitions_by_id)
    create(filled, "i8", "one", index_type="INVERTED")
    operand = bind("i8 == 5", segments(filled)[0].schema).operand
    before = segments(filled)[0].indexes(operand)
    create(filled, "s", "other", index_type="INVERTED")
    assert segments(filled)[0].indexes(operand) == before
    segments(filled)[0].cool()
    assert segments(filled)[0].indexes(operand)[0] is not before[0]


def test_readers_find_their_rows_while_indexes_come_and_go(filled, caplog):
    wrong, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                rows = answered(filled, "i8 == 5")[0]
            except Exception as error:
                rows = [repr(error)]
            wrong.extend([] if rows == [5] else [rows])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for round_ in range(8):
        create(filled, "i8", index_type=("INVERTED", "BITMAP")[round_ % 2])
        filled.run(DropIndex(C, "i8", "by_it"))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert "damaged" not in caplog.text


def test_an_index_answers_for_nothing_but_its_path(filled):
    create(filled, "doc", json_path='doc["k"]["n"]', json_cast_type="DOUBLE")
    for text in ('doc["k"] == 3', 'doc["n"] == 3', 'doc["k"]["n"] == "3"', 'exists doc["k"]["n"]', "i8 == 3"):
        assert not any(how.startswith("index") for how in answered(filled, text)[1])


def test_a_new_segment_and_a_merged_one_get_their_index(filled):
    create(filled, "i8", index_type="INVERTED")
    insert(filled, first_key=1_000)
    filled.instance.collection(C).flush()
    filled.settle(C)
    assert described(filled).indexed_rows == 2 * ROWS
    for segment in segments(filled):
        leaf = bind("i8 == 5", segment.schema)
        assert len(segment.indexes(leaf.operand)) == 1
        assert select(leaf, segment) == segment.indexes(leaf.operand)[0].answer(leaf).truth().value


@pytest.mark.parametrize("name", ["index.arrow", "header.json"])
@pytest.mark.parametrize("loss", ["changed", "cut", "gone"])
def test_a_damaged_index_is_scanned_around_and_built_anew(filled, name, loss, caplog):
    create(filled, "i8", index_type="INVERTED")
    collection = filled.instance.collection(C)
    (file,) = segments(filled)[0].info.indexes
    key = next(part.key for part in file.files if part.key.endswith(name))
    path = collection.store.local_path(key)
    whole = path.read_bytes()
    path.unlink()
    if loss != "gone":
        path.write_bytes(whole[:-9] if loss == "cut" else bytes([whole[0] ^ 1]) + whole[1:])
    filled.reopen()
    assert answered(filled, "i8 == 5")[0] == [5]
    assert os.fspath(path) in caplog.text
    filled.jobs.wait_idle()
    assert described(filled).state is IndexState.FINISHED
    (again,) = segments(filled)[0].info.indexes
    assert again.files != file.files
    assert answered(filled, "i8 == 5") == ([5], ["index by_it (INVERTED)"])


def test_a_build_that_fails_says_why_and_is_tried_again_when_asked(filled, monkeypatch):
    def full(*_args):
        raise StorageFailed("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(keyed, "write_sections", full)
        create(filled, "i8", index_type="INVERTED")
        found = described(filled)
        assert (found.state, found.indexed_rows) == (IndexState.FAILED, 0)
        assert "no space left on device" in found.fail_reason
        assert answered(filled, "i8 == 5")[0] == [5]
    create(filled, "i8", index_type="INVERTED")
    assert (described(filled).state, described(filled).indexed_rows) == (IndexState.FINISHED, ROWS)


def test_a_path_of_any_type_is_answered_by_typed_columns(filled):
    create(filled, "doc", index_type="INVERTED", json_path='doc["k"]', json_cast_type="JSON")
    assert described(filled).state is IndexState.FINISHED
    assert described(filled).answered_by == "typed columns of the JSON paths"
    assert segments(filled)[0].info.indexes == ()


def test_a_build_leaves_nothing_in_the_memory_of_a_released_collection(filled):
    create(filled, "i8", index_type="INVERTED")
    assert segments(filled)[0]._columns == {}


# --- what is refused ---

ARRAY_OF_DOUBLES = Field(
    id=0, name="d", type=DataType.ARRAY, element_type=DataType.DOUBLE, params=(("max_capacity", "9"),)
)
REFUSED = [
    ("id", {"index_type": "BITMAP"}, "create bitmap index on primary key not supported"),
    ("f", {"index_type": "BITMAP"}, "bitmap index are only supported on bool, int, string and array field"),
    ("d", {"index_type": "BITMAP"}, "bitmap index are only supported on bool, int, string"),
    ("b", {"index_type": "STL_SORT"}, "STL_SORT are only supported on numeric, varchar or timestamptz field, got Bool"),
    ("a", {"index_type": "STL_SORT"}, "STL_SORT are only supported on numeric, varchar or timestamptz field"),
    ("i8", {"index_type": "Trie"}, "TRIE are only supported on varchar field"),
    ("doc", {"index_type": "Trie", "json_cast_type": "VARCHAR"}, "TRIE are only supported on varchar field"),
    ("v", {"index_type": "INVERTED", "metric_type": "L2"}, "INVERTED are not supported on FloatVector field"),
    ("v", {"index_type": "marisa-trie", "metric_type": "L2"}, "marisa-trie are not supported on FloatVector field"),
    ("i8", {"index_type": "HYBRID"}, "invalid index type: HYBRID"),
    ("i8", {"index_type": "inverted"}, "invalid index type: inverted"),
    ("i8", {"bitmap_cardinality_limit": "0"}, "param 'bitmap_cardinality_limit' (0) should be in range [1, 1000]"),
    (
        "s",
        {"index_type": "BITMAP", "bitmap_cardinality_limit": "1001"},
        "param 'bitmap_cardinality_limit' (1001) should be in range [1, 1000]",
    ),
    ("s", {"index_type": "BITMAP", "indexoffsetcache.enabled": "x"}, "invalid indexoffsetcache.enabled value: x"),
    ("doc", {"json_cast_type": "INT64"}, "json_cast_type INT64 is not supported"),
    ("doc", {"index_type": "BITMAP", "json_cast_type": "DOUBLE"}, "json_cast_type DOUBLE is not supported for BITMAP"),
    ("doc", {"index_type": "STL_SORT", "json_cast_type": "BOOL"}, "json_cast_type BOOL is not supported for STL_SORT"),
    ("doc", {"json_cast_type": "ARRAY_DOUBLE"}, "json_cast_type ARRAY_DOUBLE is not supported for AUTOINDEX"),
    (
        "doc",
        {"json_cast_type": "DOUBLE", "json_cast_function": "STRING_TO_INT"},
        "json_cast_function STRING_TO_INT is not supported",
    ),
    (
        "doc",
        {"json_cast_type": "VARCHAR", "json_cast_function": "STRING_TO_DOUBLE"},
        "json_cast_function STRING_TO_DOUBLE is not supported for json_cast_type VARCHAR",
    ),
    *(
        ("doc", {"json_cast_type": "DOUBLE", "json_path": path}, "json_path")
        for path in ('doc["k"', "doc[k]", 'other["k"]', "i8", "doc == 1", "1", 'doc[-1]', "doc[]", "  ", "(" * 5_000)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("field", "params", "phrase"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_can_not_be_indexed_is_refused_in_milvus_words(house, field, params, phrase):
    house.create("c", *FIELDS, ARRAY_OF_DOUBLES)
    with pytest.raises(InvalidParameter) as caught:
        create(house, field, **params)
    assert phrase in caught.value.reason


def test_a_json_index_needs_a_type(house):
    house.create("c", *FIELDS)
    with pytest.raises(MissingParameter, match="json index must specify cast type"):
        create(house, "doc", index_type="INVERTED", json_path='doc["k"]')


def test_one_path_has_one_index_however_it_is_written(house):
    house.create("c", *FIELDS)
    create(house, "doc", "one", index_type="INVERTED", json_path='doc["k"]', json_cast_type="DOUBLE")
    create(house, "doc", "two", index_type="INVERTED", json_path='doc["k"]["n"]', json_cast_type="DOUBLE")
    with pytest.raises(InvalidParameter, match="creating multiple indexes on same field is not supported"):
        create(house, "doc", "three", index_type="INVERTED", json_path="doc['k']", json_cast_type="VARCHAR")
