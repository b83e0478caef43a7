"""Partial updates, array operators and deletes through a stock client, on rows in files, in memory and deleted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymilvus import AsyncMilvusClient, DataType, FieldOp, MilvusClient
from pymilvus.exceptions import MilvusException
from write_collection import DELETED, LIVING, VECTORS, create, row, rows, vector

from elanus.collection.writes import Writes
from elanus.segment.sealed import SealedSegment
from serving import LocalServer, settings_for

Update = Callable[[MilvusClient, str], Any]


@pytest.mark.parametrize("kinds", [("f32", "f16", "sparse"), ("bf16", "i8", "bits")])
def test_fields_that_are_absent_keep_their_bits(client: MilvusClient, name: str, kinds: tuple[str, ...]) -> None:
    assert set(kinds) <= VECTORS.keys()
    create(client, name, kinds)
    before = rows(client, name)
    client.upsert(name, [{"id": key, "n": -key} for key in LIVING], partial_update=True)
    client.flush(name)
    assert rows(client, name) == {key: {**before[key], "n": -key} for key in LIVING}


def test_each_kind_of_field_changes_alone(client: MilvusClient, name: str) -> None:
    create(client, name)
    expected = rows(client, name)
    changes: list[dict[str, Any]] = [
        {"n": None},
        {"text": "new"},
        {"tags": []},
        {"tags": None},
        {"scores": [1.0]},
        {"parts": [{"label": "y", "size": 1}, {"label": "z", "size": 2}]},
        {"f32": vector("f32", 77)},
    ]
    for change in changes:
        client.upsert(name, [{"id": key, **change} for key in LIVING], partial_update=True)
        expected = {key: {**expected[key], **change} for key in LIVING}
        assert rows(client, name) == expected


def test_a_row_that_is_not_there_needs_all_that_an_insert_does(client: MilvusClient, name: str) -> None:
    create(client, name)
    for missing, phrase in (("f32", r"fieldSchema(f32) has no"), ("scores", r"fieldSchema(scores) has no")):
        change = {key: value for key, value in row(DELETED[0]).items() if key != missing}
        with pytest.raises(MilvusException) as caught:
            client.upsert(name, [change, {**change, "id": 0}, {**change, "id": 4}], partial_update=True)
        assert caught.value.code == 1100
        assert f"{phrase} corresponding fieldData pass in" in caught.value.message
    assert rows(client, name)[0]["text"] == "t0"
    needed = {"f32": vector("f32", 5), "scores": []}
    client.upsert(name, [{"id": key, **needed} for key in (*DELETED, 0, 500)], partial_update=True)
    found = rows(client, name)
    for key in (*DELETED, 500):
        assert found[key] == {"id": key, "n": None, "text": "none", "tags": None, "parts": None, **needed}
    assert found[0]["colour"] == {"r": 0}
    assert found[0]["scores"] == []


def test_dynamic_keys_are_merged_one_by_one(client: MilvusClient, name: str) -> None:
    create(client, name)
    client.upsert(name, [{"id": 1, "colour": None, "size": 9007199254740993}, {"id": 5}], partial_update=True)
    found = rows(client, name)
    assert (found[1]["colour"], found[1]["size"], found[1]["price"]) == (None, 9007199254740993, 1.5)
    assert (found[5]["colour"], found[5]["price"]) == ({"r": 5}, 1.5)
    client.upsert(name, [{"id": 1, "big": "x" * 40_000}], partial_update=True)
    with pytest.raises(MilvusException, match="of dynamic field exceeds max length"):
        client.upsert(name, [{"id": 1, "bigger": "x" * 40_000}], partial_update=True)


def test_array_elements_are_appended_and_removed(client: MilvusClient, name: str) -> None:
    create(client, name)
    client.upsert(name, [{"id": 2, "tags": None}, {"id": 6, "tags": None}], partial_update=True)
    keys = [0, 2, 4, 6]
    client.upsert(
        name,
        [{"id": key, "tags": ["b", "c"], "scores": [0.0, 7.0], "n": key} for key in keys],
        field_ops={"tags": FieldOp.array_append(), "scores": "array_remove"},
    )
    found = rows(client, name)
    assert [found[key]["tags"] for key in keys] == [["a", "b", "b", "c"], ["b", "c"]] * 2
    assert [found[key]["scores"] for key in keys] == [[0.5]] * 4
    assert [found[key]["n"] for key in keys] == keys
    client.upsert(name, [{"id": 0, "tags": ["b"]}, {"id": 2, "tags": []}], field_ops={"tags": "array_remove"})
    found = rows(client, name)
    assert (found[0]["tags"], found[2]["tags"], found[1]["tags"]) == (["a", "c"], ["b", "c"], ["a", "b"])
    # For a new row what came meets an empty array.
    new = {"f32": vector("f32", 1), "scores": [1.0], "tags": ["a"]}
    client.upsert(name, [{"id": 3, **new}], field_ops={"tags": "array_append", "scores": "array_remove"})
    found = rows(client, name)
    assert (found[3]["tags"], found[3]["scores"]) == (["a"], [])


@pytest.mark.parametrize(
    ("change", "ops", "phrase"),
    [
        ({"n": 1}, {"n": "array_append"}, 'op ARRAY_APPEND requires Array field, but field "n" is Int64'),
        ({"n": 1}, {"tags": "array_remove"}, 'op targets field "tags" not present in fields_data'),
        ({"n": 1}, {"nobody": "array_remove"}, 'op targets field "nobody" not present in fields_data'),
        ({"n": 1}, {"id": "array_append"}, 'field "id" is the primary key and cannot carry a partial-update op'),
        ({"tags": ["c"] * 3}, {"tags": "array_append"}, "array length 5 exceeds max_capacity 4"),
        ({"tags": ["c"] * 5}, {"tags": "array_append"}, "array length exceeds max capacity"),
        ({"parts": []}, {"parts": "array_append"}, "is not supported for struct field"),
        ({"parts": []}, {"parts[size]": "array_append"}, "use the whole struct field instead"),
    ],
)
def test_operators_that_cannot_be_applied_are_refused_and_change_nothing(
    client: MilvusClient, name: str, change: dict[str, Any], ops: dict[str, str], phrase: str
) -> None:
    create(client, name)
    before = rows(client, name)
    with pytest.raises(MilvusException) as caught:
        client.upsert(name, [{"id": 0, **change}, {"id": 5, **change}], field_ops=ops)
    assert caught.value.code == 1100
    assert phrase in caught.value.message
    assert rows(client, name) == before


def test_a_key_comes_once_in_a_batch_and_never_not_at_all(client: MilvusClient, name: str) -> None:
    create(client, name)
    with pytest.raises(MilvusException, match="duplicate primary keys are not allowed in the same batch"):
        client.upsert(name, [{"id": 0, "n": 1}, {"id": 0, "n": 2}], partial_update=True)
    with pytest.raises(MilvusException, match="must assign pk when upsert, primary field: id"):
        client.upsert(name, [{"n": 1}], partial_update=True)


def test_rows_stay_in_their_partition_unless_another_is_named(client: MilvusClient, name: str) -> None:
    create(client, name)
    client.create_partition(name, "p")
    client.insert(name, [row(100), row(101)], partition_name="p")
    client.upsert(name, [{"id": 100, "n": 1}, {"id": 0, "n": 1}], partial_update=True)
    client.upsert(name, [{"id": 4, "n": 2}], partition_name="p", partial_update=True)
    found = client.query(name, "id >= 0", output_fields=["n", "text"], partition_names=["p"])
    assert {one["id"]: (one["n"], one["text"]) for one in found} == {
        4: (2, "t4"),
        100: (1, "t100"),
        101: (1010, "t101"),
    }
    with pytest.raises(MilvusException) as caught:
        client.upsert(name, [{"id": 0, "n": 1}], partition_name="nobody", partial_update=True)
    assert caught.value.code == 200


def test_partition_keys_are_kept_or_move_their_row(client: MilvusClient, name: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=8, is_partition_key=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    client.insert(name, [{"id": key, "tenant": f"t{key}", "v": [key, 0]} for key in range(6)])
    client.flush(name)
    client.upsert(name, [{"id": 1, "v": [9, 9]}, {"id": 2, "v": [8, 8]}], partial_update=True)
    client.upsert(name, [{"id": 3, "tenant": "t1"}], partial_update=True)
    found = client.query(name, 'tenant == "t1"', output_fields=["v"])
    assert [(one["id"], list(one["v"])) for one in found] == [(1, [9, 9]), (3, [3, 0])]
    assert client.query(name, "", output_fields=["count(*)"])[0]["count(*)"] == 6


def test_automatic_keys_are_made_anew(client: MilvusClient, name: str) -> None:
    schema = client.create_schema(auto_id=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong", num_shards=3)
    old = client.insert(name, [{"n": n, "v": [n, 0.5]} for n in range(4)])["ids"]
    new = client.upsert(name, [{"id": old[1], "n": 11}, {"id": old[3], "n": 13}], partial_update=True)["ids"]
    found = client.query(name, "n >= 0", output_fields=["n", "v"])
    assert {one["id"]: (one["n"], list(one["v"])) for one in found} == {
        old[0]: (0, [0, 0.5]),
        old[2]: (2, [2, 0.5]),
        new[0]: (11, [1, 0.5]),
        new[1]: (13, [3, 0.5]),
    }


def test_rows_that_have_ended_are_new_ones(client: MilvusClient, name: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("ends", DataType.TIMESTAMPTZ, nullable=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, properties={"ttl_field": "ends"})
    ends = ["2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z", None]
    client.insert(name, [{"id": key, "ends": end, "v": [key, 0]} for key, end in enumerate(ends)])
    client.upsert(name, [{"id": 1, "ends": None}, {"id": 2, "ends": ends[1]}], partial_update=True)
    assert [one["id"] for one in client.query(name, "id >= 0")] == [1, 2]
    with pytest.raises(MilvusException, match=r"fieldSchema\(v\) has no corresponding fieldData pass in"):
        client.upsert(name, [{"id": 0, "ends": None}], partial_update=True)


def test_updates_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    with LocalServer(settings_for(tmp_path_factory.mktemp("updates"))) as server:
        client = server.connect()
        create(client, "c")
        client.upsert("c", [{"id": key, "n": -1, "new": key} for key in LIVING], partial_update=True)
        client.upsert("c", [{"id": key, "tags": ["z"]} for key in LIVING], field_ops={"tags": "array_append"})
        before = rows(client, "c", "*", "$version")
        client.close()
        server.restart()
        client = server.connect()
        assert rows(client, "c", "*", "$version") == before
        client.close()


def test_different_fields_of_a_row_change_beside_each_other(client: MilvusClient, name: str) -> None:
    create(client, name)
    last = 40

    def write(change: Callable[[int], dict[str, Any]]) -> None:
        for number in range(1, last + 1):
            client.upsert(name, [{"id": 1, **change(number)}, {"id": 5, **change(number)}], partial_update=True)

    changes: list[Callable[[int], dict[str, Any]]] = [
        lambda number: {"n": number},
        lambda number: {"text": str(number)},
        lambda number: {"first": number},
        lambda number: {"second": number},
    ]
    threads = [threading.Thread(target=write, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rows(client, name)
    for key in (1, 5):
        assert (found[key]["n"], found[key]["text"]) == (last, str(last))
        assert (found[key]["first"], found[key]["second"]) == (last, last)


def test_an_async_client_updates_and_deletes(server: LocalServer, client: MilvusClient, name: str) -> None:
    create(client, name)

    async def change() -> int:
        connected = AsyncMilvusClient(server.uri)
        await connected.upsert(name, [{"id": 0, "n": 5}, {"id": 4, "n": 5}], partial_update=True)
        await connected.upsert(name, [{"id": 1, "tags": ["x"]}], field_ops={"tags": FieldOp.array_append()})
        deleted = await connected.delete(name, filter="n in {gone}", filter_params={"gone": [20, 60]})
        await connected.close()
        return int(deleted["delete_count"])

    assert asyncio.run(change()) == 2
    found = rows(client, name)
    assert {key: one["n"] for key, one in found.items()} == {0: 5, 1: 10, 4: 5, 5: 50}
    assert found[1]["tags"] == ["a", "b", "x"]


@pytest.mark.parametrize(
    ("delete", "count", "left"),
    [
        (lambda client, name: client.delete(name, ids=[0, 4, 3, 99]), 4, (1, 2, 5, 6)),
        (
            lambda client, name: client.delete(name, filter="id in {ids}", filter_params={"ids": [0, 4, 99]}),
            3,
            (1, 2, 5, 6),
        ),
        (lambda client, name: client.delete(name, filter="n > {low}", filter_params={"low": 15}), 4, (0, 1)),
        (lambda client, name: client.delete(name, filter="text == {t}", filter_params={"t": "t5"}), 1, (0, 1, 2, 4, 6)),
        (lambda client, name: client.delete(name, filter='colour["r"] < 2'), 2, (2, 4, 5, 6)),
        (lambda client, name: client.delete(name, filter='id == 0 and text == "t1"'), 0, LIVING),
        (lambda client, name: client.delete(name, filter="n >= 0", partition_name="p"), 0, LIVING),
        (lambda client, name: client.delete(name, ids=[0, 4], partition_name="p"), 2, LIVING),
    ],
)
def test_deletes_say_how_many(
    client: MilvusClient, name: str, delete: Update, count: int, left: tuple[int, ...]
) -> None:
    create(client, name)
    client.create_partition(name, "p")
    assert delete(client, name).get("delete_count", 0) == count
    assert tuple(sorted(rows(client, name, "id"))) == left


@pytest.mark.parametrize(
    ("arguments", "code", "phrase"),
    [
        ({"filter": "id >"}, 1100, "failed to create delete plan: cannot parse expression"),
        ({"filter": "id >= {low}"}, 1100, "failed to create delete plan"),
        ({"filter": "n > 1", "partition_name": "no"}, 200, "partition not found[partition=no]"),
        ({"filter": "id > 1 or true"}, 1100, "delete plan can't be empty or always true"),
    ],
)
def test_deletes_that_cannot_be_are_refused(
    client: MilvusClient, name: str, arguments: dict[str, str], code: int, phrase: str
) -> None:
    create(client, name)
    with pytest.raises(MilvusException) as caught:
        client.delete(name, **arguments)
    assert phrase in caught.value.message
    assert caught.value.code == code
    assert tuple(sorted(rows(client, name, "id"))) == LIVING


def test_a_released_collection_loses_rows_by_key_only(client: MilvusClient, name: str) -> None:
    create(client, name)
    client.release_collection(name)
    with pytest.raises(MilvusException) as caught:
        client.delete(name, filter="n > 1")
    assert caught.value.code == 101
    assert client.delete(name, ids=[0])["delete_count"] == 1
    client.load_collection(name)
    assert 0 not in rows(client, name, "id")


def test_files_are_read_before_other_writes_have_to_wait(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    read, lock = SealedSegment._read_column, Writes.locked

    def reading(self: Any, field: Any) -> Any:
        events.append(field.name)
        return read(self, field)

    def locking(self: Any) -> Any:
        events.append("locked")
        return lock(self)

    with LocalServer(settings_for(tmp_path / "data")) as server:
        first = server.connect()
        create(first, name)
        first.close()
        server.restart()
        with monkeypatch.context() as patched, closing(server.connect()) as again:
            patched.setattr(SealedSegment, "_read_column", reading)
            patched.setattr(Writes, "locked", locking)
            again.upsert(name, [{"id": 0, "n": 5}], partial_update=True)
        assert {"text", "tags", "scores"} <= set(events[: events.index("locked")])
        assert set(events[events.index("locked") :]) == {"locked"}
