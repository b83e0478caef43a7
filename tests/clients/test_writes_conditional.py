"""Conditional writes through a stock client: versions as reads return them, and writes that hold to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc
from write_collection import DELETED, LIVING, create, row, rows

import elanus
from raw_columns import longs
from serving import LocalServer

Versions = Sequence[int | None]
Conditional = Callable[[MilvusClient, str, Sequence[dict[str, Any]], Versions], None]


def by_dynamic_key(client: MilvusClient, name: str, changes: Sequence[dict[str, Any]], versions: Versions) -> None:
    """Give each row its version as a key of its own."""
    expecting = [{**change, "$version": version} for change, version in zip(changes, versions, strict=True)]
    client.upsert(name, expecting, partial_update=True)


def by_operator(client: MilvusClient, name: str, changes: Sequence[dict[str, Any]], versions: Versions) -> None:
    """Give the versions of all rows as a list."""
    listed = ", ".join("null" if version is None else str(version) for version in versions)
    client.upsert(name, list(changes), field_ops={f"$version in [{listed}]": "array_append"})


def by_parameter(client: MilvusClient, name: str, changes: Sequence[dict[str, Any]], versions: Versions) -> None:
    """Give the versions to the client of ours."""
    ours = elanus.MilvusClient(client._config.uri)
    ours.upsert(name, list(changes), if_match=versions)
    ours.close()


async def by_parameter_async(uri: str, name: str, change: dict[str, Any], version: int) -> None:
    """Give the version of one row to the asynchronous client of ours."""
    ours = elanus.AsyncMilvusClient(uri)
    try:
        await ours.upsert(name, change, if_match=version)
    finally:
        await ours.close()


every_way = pytest.mark.parametrize("write", [by_dynamic_key, by_operator, by_parameter])


def versions_of(client: MilvusClient, name: str) -> dict[int, int]:
    return {key: one["$version"] for key, one in rows(client, name, "$version").items()}


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(MilvusException) as caught:
        call()
    assert caught.value.code == 1100
    return str(caught.value.message)


def test_a_version_is_returned_where_it_is_asked_for_and_stays_until_the_next_write(
    client: MilvusClient, name: str
) -> None:
    create(client, name)
    first = versions_of(client, name)
    assert first.keys() == set(LIVING)
    assert all(type(version) is int and version > 0 for version in first.values())
    assert not any("$version" in one for one in rows(client, name, "*").values())
    client.upsert(name, [{"id": 0, "n": 1}, {"id": 4, "n": 1}], partial_update=True)
    second = versions_of(client, name)
    assert {key for key in LIVING if second[key] != first[key]} == {0, 4}
    assert min(second[0], second[4]) > max(first.values())
    client.flush(name)
    assert versions_of(client, name) == second
    got = client.get(name, ids=list(LIVING), output_fields=["n", "$version"])
    assert {one["id"]: one["$version"] for one in got} == second
    (hits,) = client.search(name, [[0.0] * 8], limit=10, output_fields=["*", "$version"], anns_field="f32")
    assert {hit["id"]: hit["entity"]["$version"] for hit in hits} == second


@every_way
def test_a_write_happens_when_every_row_is_as_it_was_read(client: MilvusClient, name: str, write: Conditional) -> None:
    create(client, name)
    versions = versions_of(client, name)
    new = {key: value for key, value in row(500).items() if key != "id"}
    write(client, name, [{"id": key, **new} for key in (0, 5, DELETED[0], 501)], [versions[0], versions[5], 0, None])
    found = rows(client, name)
    assert [found[key]["text"] for key in (0, 5, DELETED[0], 501)] == ["t500"] * 4
    assert not any("$version" in one for one in found.values())


@every_way
@pytest.mark.parametrize(
    ("key", "off"),
    [(0, 1), (5, 1), (0, None), (DELETED[1], 1)],
)
def test_nothing_is_written_when_one_row_is_not(
    client: MilvusClient, name: str, write: Conditional, key: int, off: int | None
) -> None:
    create(client, name)
    before = rows(client, name, "*", "$version")
    versions = versions_of(client, name)
    actual = versions.get(key, 0)
    expected = None if off is None else actual + off
    changes = [{"id": one, "n": -1} for one in (1, key, 6)]
    message = refused(lambda: write(client, name, changes, [versions[1], expected, versions[6]]))
    assert "version conflict, nothing is written" in message
    assert f"primary keys: {key} (expected {_said(expected)}, actual {_said(actual)})" in message
    assert rows(client, name, "*", "$version") == before


def _said(version: int | None) -> str:
    return f"version {version}" if version else "no row"


def test_rows_without_a_version_are_written_in_any_case(client: MilvusClient, name: str) -> None:
    create(client, name)
    versions = versions_of(client, name)
    client.upsert(name, [{"id": 0, "n": 1, "$version": versions[0]}, {"id": 4, "n": 1}], partial_update=True)
    assert refused(
        lambda: client.upsert(
            name, [{"id": 0, "n": 2, "$version": versions[0]}, {"id": 4, "n": 2}], partial_update=True
        )
    )
    assert {key: one["n"] for key, one in rows(client, name).items()} == {0: 1, 1: 10, 2: 20, 4: 1, 5: 50, 6: 60}


def test_whole_rows_are_replaced_and_inserted_on_condition(client: MilvusClient, name: str) -> None:
    create(client, name)
    versions = versions_of(client, name)
    client.upsert(name, [{**row(9), "id": 0, "$version": versions[0]}])
    found = rows(client, name)[0]
    assert (found["text"], found["n"], found["colour"]) == ("t9", 90, {"r": 9})
    assert "0 (expected" in refused(lambda: client.upsert(name, [{**row(9), "id": 0, "$version": versions[0]}]))
    client.insert(name, [{**row(key), "$version": 0} for key in (DELETED[0], 900)])
    told = refused(lambda: client.insert(name, [{**row(key), "$version": 0} for key in (901, DELETED[0], 1, 2, 5)]))
    assert "3 (expected no row" in told
    assert told.count("expected") == 3
    assert "and 1 more" in told
    assert 901 not in rows(client, name)
    assert "duplicate primary keys" in refused(lambda: client.insert(name, [{**row(902), "$version": 0}] * 2))


@pytest.mark.parametrize(
    ("version", "phrase"),
    [
        ("7", "$version of row 0 is not an integer"),
        (1.5, "$version of row 0 is not an integer"),
        (-1, "$version of row 0 is -1; a version is never negative"),
    ],
)
def test_what_is_no_version_is_refused(client: MilvusClient, name: str, version: object, phrase: str) -> None:
    create(client, name)
    assert phrase in refused(lambda: client.upsert(name, [{"id": 0, "$version": version}], partial_update=True))


@pytest.mark.parametrize("listed", ["[1, 2]", "[]", "[x]", "[1.5]", '["1"]', "[99999999999999999999]"])
def test_a_list_that_does_not_fit_the_rows_is_refused(client: MilvusClient, name: str, listed: str) -> None:
    create(client, name)
    change = [{"id": 0, "n": 1}]
    assert "$version" in refused(
        lambda: client.upsert(name, change, field_ops={f"$version in {listed}": "array_append"})
    )


def test_a_collection_without_dynamic_field_and_with_automatic_keys_takes_conditions(
    client: MilvusClient, name: str
) -> None:
    schema = client.create_schema(auto_id=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    (old,) = client.insert(name, [{"n": 1, "v": [1, 2]}])["ids"]
    versions = versions_of(client, name)
    by_operator(client, name, [{"id": old, "n": 2}], [versions[old]])
    (new,) = client.query(name, "n == 2", output_fields=["v", "$version"])
    assert (new["id"] != old, list(new["v"])) == (True, [1, 2])
    assert "actual no row" in refused(lambda: by_operator(client, name, [{"id": old, "n": 3}], [versions[old]]))


def test_the_wire_takes_versions_as_a_column(server: LocalServer, client: MilvusClient, name: str) -> None:
    create(client, name)
    versions = versions_of(client, name)

    def change(n: int, expected: list[int]) -> Any:
        columns = [longs("id", [0, 5]), longs("n", [n, n]), longs("$version", expected)]
        with grpc.insecure_channel(server.target) as channel:
            return milvus_pb2_grpc.MilvusServiceStub(channel).Upsert(
                milvus_pb2.UpsertRequest(collection_name=name, fields_data=columns, num_rows=2, partial_update=True)
            )

    assert change(7, [versions[0], versions[5]]).status.code == 0
    refusal = change(8, [versions[0], versions[5]])
    assert (refusal.status.code, list(refusal.err_index)) == (1100, [0, 1])
    assert "version conflict" in refusal.status.reason
    assert [rows(client, name)[key]["n"] for key in (0, 5)] == [7, 7]


def test_our_asynchronous_client_takes_a_condition(server: LocalServer, client: MilvusClient, name: str) -> None:
    create(client, name)
    version = versions_of(client, name)[5]
    asyncio.run(by_parameter_async(server.uri, name, {"id": 5, "n": 1}, version))
    assert "5 (expected" in refused(
        lambda: asyncio.run(by_parameter_async(server.uri, name, {"id": 5, "n": 2}, version))
    )
    assert rows(client, name)[5]["n"] == 1


def test_no_increment_is_lost_between_threads(client: MilvusClient, name: str) -> None:
    create(client, name)
    each, counter = 25, 5
    client.upsert(name, [{"id": counter, "n": 0}], partial_update=True)
    conflicts: list[str] = []

    def count() -> None:
        for _ in range(each):
            while True:
                (read,) = client.get(name, ids=[counter], output_fields=["n", "$version"])
                try:
                    by_dynamic_key(client, name, [{"id": counter, "n": read["n"] + 1}], [read["$version"]])
                    break
                except MilvusException as error:
                    conflicts.append(error.message)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(client, name)[counter]["n"] == 4 * each
    assert all("version conflict" in message for message in conflicts)


def test_one_of_many_inserts_of_a_key_wins(server: LocalServer, client: MilvusClient, name: str) -> None:
    create(client, name)

    async def insert_all() -> list[object]:
        connected = AsyncMilvusClient(server.uri)
        rows_of_one_key = [{**row(1000), "text": str(number), "$version": 0} for number in range(8)]
        done = await asyncio.gather(*(connected.insert(name, [one]) for one in rows_of_one_key), return_exceptions=True)
        await connected.close()
        return list(done)

    done = asyncio.run(insert_all())
    (winner,) = [number for number, answer in enumerate(done) if not isinstance(answer, Exception)]
    assert rows(client, name)[1000]["text"] == str(winner)
