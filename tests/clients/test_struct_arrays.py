"""Arrays of structs through a stock client: written, read in every form, filtered, replaced, flushed, reopened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient
from pymilvus.exceptions import DataNotMatchException, MilvusException

from serving import LocalServer, settings_for

NAME = "films"
DIM = 4


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that the tests of this file restart."""
    folder: Path = tmp_path_factory.mktemp("structs") / "data"
    with LocalServer(settings_for(folder)) as running:
        yield running


def _clip(number: int, text: str) -> dict:
    return {
        "frame": number,
        "text": text,
        "on": number % 2 == 1,
        "emb": [float(number), 0.5],
        "half": np.array([number, 0.25], dtype=np.float16),
        "bits": bytes([number, 255]),
    }


ROWS = [
    {"id": 1, "v": [0.0] * DIM, "clips": [_clip(1, "a"), _clip(5, "b"), _clip(9, "a")]},
    {"id": 2, "v": [1.0] * DIM, "clips": []},
    {"id": 3, "v": [2.0] * DIM, "clips": None},
    {"id": 4, "v": [3.0] * DIM, "clips": [_clip(7, "z")], "seen": 5},
    {"id": 5, "v": [4.0] * DIM},
]

FILTERS = {
    "match_any(clips, $[frame] > 8)": [1],
    "match_all(clips, $[frame] > 4)": [2, 3, 4, 5],
    "match_least(clips, $[text] == 'a', threshold=2)": [1],
    "match_most(clips, $[frame] > 4, threshold=1)": [2, 3, 4, 5],
    "match_exact(clips, 1 < $[frame] < 9, threshold=1)": [1, 4],
    "id > 1 and element_filter(clips, $[on] == true && $[frame] > 1)": [4],
    "match_any(clips, $[frame] in {frames})": [1, 4],
    "clips[0][frame] == 1": [1],
    "clips[1][text] like 'b%'": [1],
    "array_length(clips) == 0": [2],
    "array_length(clips[emb]) == 3": [1],
    "array_contains(clips[text], 'z')": [4],
    "not array_contains(clips[text], 'z')": [1, 2],
    "clips is null": [3, 5],
    "clips is not null": [1, 2, 4],
    "seen == 5 and match_any(clips, $[text] == 'z')": [4],
}


def _create(client: MilvusClient, name: str, *, nullable: bool = True) -> None:
    clip = MilvusClient.create_struct_field_schema()
    clip.add_field("frame", DataType.INT64)
    clip.add_field("text", DataType.VARCHAR, max_length=20)
    clip.add_field("on", DataType.BOOL)
    clip.add_field("emb", DataType.FLOAT_VECTOR, dim=2)
    clip.add_field("half", DataType.FLOAT16_VECTOR, dim=2)
    clip.add_field("bits", DataType.BINARY_VECTOR, dim=16)
    schema = MilvusClient.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field(
        "clips",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=clip,
        max_capacity=4,
        nullable=nullable,
    )
    params = client.prepare_index_params()
    params.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=params)


def _read(clip: dict) -> dict:
    """Return a clip as pymilvus reads it: a binary vector in a list, half precision as numpy values."""
    half = [np.float16(value) for value in clip["half"]]
    return {**clip, "half": half, "bits": [clip["bits"]]}


def _expected(number: int) -> list[dict] | None:
    clips = ROWS[number - 1].get("clips")
    return None if clips is None else [_read(clip) for clip in clips]


def _check_reads(client: MilvusClient) -> None:
    for text, ids in FILTERS.items():
        found = client.query(NAME, text, output_fields=["id"], filter_params={"frames": [5, 7]})
        assert [row["id"] for row in found] == ids, text
    everything = client.query(NAME, "id > 0", output_fields=["*"])
    assert [row["clips"] for row in everything] == [_expected(number) for number in range(1, 6)]
    assert [row.get("seen") for row in everything] == [None, None, None, 5, None]
    whole = client.query(NAME, "id in [1, 3]", output_fields=["clips"])
    assert [dict(row) for row in whole] == [{"id": 1, "clips": _expected(1)}, {"id": 3, "clips": None}]
    one = client.query(NAME, "id in [1, 2, 3]", output_fields=["clips[text]"])
    assert [row["clips"] for row in one] == [[{"text": "a"}, {"text": "b"}, {"text": "a"}], [], None]
    two = client.query(NAME, "id == 4", output_fields=["clips[emb]", "clips[frame]", "seen"])
    assert [dict(row) for row in two] == [{"id": 4, "clips": [{"emb": [7.0, 0.5], "frame": 7}], "seen": 5}]
    assert client.get(NAME, [4])[0]["clips"] == _expected(4)
    hits = client.search(
        NAME, [[0.0] * DIM], limit=5, output_fields=["clips"], filter="match_any(clips, $[on] == true)"
    )
    assert [(hit["id"], hit["entity"]["clips"]) for hit in hits[0]] == [(1, _expected(1)), (4, _expected(4))]


def test_structs_stay_what_they_are_from_memory_to_files_and_back(own: LocalServer) -> None:
    client = own.connect()
    _create(client, NAME)
    assert client.insert(NAME, ROWS)["insert_count"] == len(ROWS)
    _check_reads(client)
    own.restart()
    client = own.connect()
    _check_reads(client)
    client.flush(NAME)
    _check_reads(client)
    own.restart()
    client = own.connect()
    _check_reads(client)
    changed = {"id": 2, "v": [1.0] * DIM, "clips": [_clip(3, "new")]}
    client.upsert(NAME, [changed, {"id": 4, "v": [3.0] * DIM}])
    found = client.query(NAME, "id in [2, 4]", output_fields=["clips"])
    assert [row["clips"] for row in found] == [[_read(_clip(3, "new"))], None]
    assert client.delete(NAME, filter="match_any(clips, $[frame] == 9)")["delete_count"] == 1
    client.flush(NAME)
    assert [row["id"] for row in client.query(NAME, "id > 0", output_fields=["id"])] == [2, 3, 4, 5]
    assert [row["id"] for row in client.query(NAME, "match_any(clips, $[text] == 'new')")] == [2]
    client.drop_collection(NAME)
    client.close()


async def _asynchronous(uri: str, name: str) -> list:
    client = AsyncMilvusClient(uri)
    try:
        await client.insert(name, [ROWS[0]])
        return await client.query(name, "match_any(clips, $[frame] == 5)", output_fields=["clips[frame]"])
    finally:
        await client.close()


def test_async_clients_write_and_read_structs(server: LocalServer, client: MilvusClient, name: str) -> None:
    import asyncio

    _create(client, name)
    (row,) = asyncio.run(_asynchronous(server.uri, name))
    assert row["clips"] == [{"frame": 1}, {"frame": 5}, {"frame": 9}]


def test_describe_tells_structs_as_they_were_declared(client: MilvusClient, name: str) -> None:
    _create(client, name)
    described = client.describe_collection(name)
    shown = next(field for field in described["fields"] if field["name"] == "clips")
    assert (shown["type"], shown["element_type"], shown["nullable"]) == (DataType.ARRAY, DataType.STRUCT, True)
    assert shown["params"] == {"max_capacity": 4}
    assert [(sub["name"], sub["type"], sub.get("params")) for sub in shown["struct_fields"]] == [
        ("frame", DataType.INT64, None),
        ("text", DataType.VARCHAR, {"max_length": 20}),
        ("on", DataType.BOOL, None),
        ("emb", DataType.FLOAT_VECTOR, {"dim": 2}),
        ("half", DataType.FLOAT16_VECTOR, {"dim": 2}),
        ("bits", DataType.BINARY_VECTOR, {"dim": 16}),
    ]
    ids = [field["field_id"] for field in described["fields"]]
    assert ids == [100, 101, 103]


def _without(clip: dict, key: str) -> dict:
    return {name: value for name, value in clip.items() if name != key}


@pytest.mark.parametrize(
    ("clips", "phrase"),
    [
        ([_without(_clip(1, "a"), "emb")], "missing required fields"),
        ([{**_clip(1, "a"), "other": 1}], "unexpected fields"),
        ([{**_clip(1, "a"), "frame": None}], "cannot be None"),
        ([{**_clip(1, "a"), "text": 5}], "should be a struct array"),
        (None, "Expected list, got NoneType"),
        ([_clip(number, "a") for number in range(5)], "exceeds max capacity (4)"),
        ([{**_clip(1, "a"), "text": "x" * 21}], "exceeds max length"),
        ([{**_clip(1, "a"), "emb": [float("inf"), 0.0]}], "value '+Inf' is not a number or infinity"),
    ],
)
def test_structs_that_do_not_suit_are_refused(client: MilvusClient, name: str, clips: list | None, phrase: str) -> None:
    _create(client, name, nullable=False)
    with pytest.raises((MilvusException, DataNotMatchException)) as caught:
        client.insert(name, [{"id": 1, "v": [0.0] * DIM, "clips": clips}])
    assert phrase in str(caught.value)
    client.insert(name, [{"id": 2, "v": [0.0] * DIM, "clips": [_clip(1, "a")]}])
    assert [row["id"] for row in client.query(name, "id > 0")] == [2]


@pytest.mark.parametrize(
    ("call", "phrase"),
    [
        (lambda client, name: client.query(name, "id > 0", output_fields=["clips[no]"]), "clips[no]"),
        (lambda client, name: client.query(name, "clips[no] == 1"), "field clips[no] not exist"),
        (lambda client, name: client.query(name, "clips == 1"), "cannot parse expression"),
        (
            lambda client, name: client.query(name, "element_filter(clips, $[frame] > 1) and id > 0"),
            "element filter expression can only be the last expression",
        ),
        (
            lambda client, name: client.search(name, [[0.0, 0.0]], anns_field="clips[emb]"),
            "there is no vector index on field: [clips[emb]]",
        ),
        (lambda client, name: _index(client, name, "clips"), "cannot create index on non-exist field: clips"),
        (lambda client, name: _index(client, name, "clips[no]"), "cannot create index on non-exist field: clips[no]"),
    ],
)
def test_reads_and_indexes_that_cannot_be_are_refused(client: MilvusClient, name: str, call, phrase: str) -> None:
    _create(client, name)
    with pytest.raises(MilvusException) as caught:
        call(client, name)
    assert phrase in str(caught.value)


def _index(client: MilvusClient, name: str, field: str) -> None:
    params = client.prepare_index_params()
    params.add_index(field, index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 32})
    client.create_index(name, params)


def test_structs_can_be_named_among_the_fields_to_load(client: MilvusClient, name: str) -> None:
    _create(client, name)
    client.insert(name, ROWS)
    client.release_collection(name)
    client.load_collection(name, load_fields=["id", "v", "clips"])
    assert [row["id"] for row in client.query(name, "match_any(clips, $[frame] == 9)")] == [1]
    with pytest.raises(MilvusException, match="clip"):
        client.load_collection(name, load_fields=["id", "v", "clip"])


def test_a_collection_may_have_its_vectors_in_structs_only(client: MilvusClient, name: str) -> None:
    clip = MilvusClient.create_struct_field_schema()
    clip.add_field("frame", DataType.INT64)
    clip.add_field("emb", DataType.FLOAT_VECTOR, dim=2)
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("clips", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=clip, max_capacity=4)
    client.create_collection(name, schema=schema)
    client.insert(name, [{"id": 1, "clips": [{"frame": 5, "emb": [0.5, 1.0]}]}, {"id": 2, "clips": []}])
    client.load_collection(name)
    (found,) = client.query(name, "match_any(clips, $[frame] == 5)", output_fields=["clips"])
    assert found["clips"] == [{"frame": 5, "emb": [0.5, 1.0]}]
    with pytest.raises(MilvusException, match=r"there is no vector index on field: \[clips\[emb\]\]"):
        client.search(name, [[0.0, 0.0]])
