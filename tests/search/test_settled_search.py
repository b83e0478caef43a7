"""Searches that are asked again take a shorter way; nobody can tell but by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from search_cases import KINDS, make

from elanus.model.settings import JobSettings
from elanus.query.settled import REFRESHED, Settled
from serving import LocalServer, settings_for

ROWS, K, TIMES = 3_000, 5, 5
TYPES = [
    ("float", "HNSW", "L2"),
    ("float", "HNSW", "COSINE"),
    ("float", "HNSW_SQ", "IP"),
    ("float16", "HNSW", "COSINE"),
    ("bfloat16", "HNSW", "L2"),
    ("int8", "HNSW", "IP"),
    ("binary", "HNSW", "HAMMING"),
]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("settled") / "data", jobs=jobs)) as local:
        yield local


@pytest.fixture(scope="module")
def client(server: LocalServer) -> Iterator[MilvusClient]:
    connected = server.connect()
    yield connected
    connected.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry a search that tried the short way: whether it led to an answer."""
    answered: list[bool] = []
    run = Settled.run

    def counted(self: Settled, *args: Any) -> Any:
        answer = run(self, *args)
        answered.append(answer is not None)
        return answer

    monkeypatch.setattr(Settled, "run", counted)
    return answered


def filled(
    client: MilvusClient, name: str, kind_name: str = "float", index: str = "HNSW", metric: str = "L2", **options: Any
) -> np.ndarray:
    """Make a collection of sealed, indexed rows and return the vectors."""
    kind, text_keys = KINDS[kind_name], options.pop("text_keys", False)
    schema = client.create_schema()
    if text_keys:
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=16)
    else:
        schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("score", DataType.DOUBLE, nullable=True)
    kind.add_to(schema, "vector", nullable=True)
    make(client, name, schema, [("vector", index, metric, {"M": 16, "efConstruction": 100})], **options)
    rows = kind.draw(np.random.default_rng(5), ROWS)
    client.insert(
        name,
        [
            {
                "id": key_of(row, text_keys),
                "n": row % 10,
                "score": None if row % 3 == 0 else row / 2,
                "vector": kind.send(rows[row]) if row % 7 else None,
            }
            for row in range(ROWS)
        ],
    )
    settle(client, name)
    return rows


def key_of(row: int, text_keys: bool) -> int | str:
    return f"key {row:05}" if text_keys else row


def settle(client: MilvusClient, name: str) -> None:
    client.flush(name)
    while (state := client.describe_index(name, "vector"))["state"] != "Finished" or state["pending_index_rows"]:
        assert state["state"] != "Failed", state


def asker(client: MilvusClient, name: str, vectors: list[Any]) -> Ask:
    """Return a search for the vectors; ``long`` words it otherwise, so that it has not been asked before."""
    words = iter(range(1_000_000))

    def ask(*, long: bool = False, **options: Any) -> list[list[tuple[Any, float, Any]]]:
        given = {"limit": K, "search_params": {"params": {"ef": 64, **({"unknown": next(words)} if long else {})}}}
        found = client.search(name, data=vectors, anns_field="vector", **{**given, **options})
        return [[(hit["id"], hit["distance"], hit["entity"]) for hit in hits] for hits in found]

    return ask


@pytest.mark.parametrize(("kind", "index", "metric"), TYPES)
def test_both_ways_give_the_same_hits(client, short, kind: str, index: str, metric: str) -> None:
    name = f"same_{kind}_{index}_{metric}"
    rows = filled(client, name, kind, index, metric)
    ask = asker(client, name, [KINDS[kind].send(row) for row in rows[:3]])
    for options in (
        {},
        {"filter": "n < 4", "output_fields": ["score", "n"]},
        {"offset": 2, "output_fields": ["*"]},
        {"filter": "n == 99"},
    ):
        expected = ask(long=True, **options)
        assert [ask(**options) for _ in range(TIMES)] == [expected] * TIMES
    assert sum(short) >= 3 * (TIMES - 2)


def test_text_keys_and_partitions_take_the_short_way_too(client, short) -> None:
    rows = filled(client, "texts", text_keys=True)
    ask = asker(client, "texts", [rows[1], rows[2]])
    options = {"partition_names": ["_default"]}
    assert [ask(**options) for _ in range(TIMES)] == [ask(long=True, **options)] * TIMES
    assert sum(short) == TIMES - 2


def test_every_write_is_seen_at_once(client, short) -> None:
    rows = filled(client, "written")
    ask = asker(client, "written", [rows[1]])

    def settled_answer() -> list[Any]:
        answers = [ask() for _ in range(TIMES)]
        assert answers == [ask(long=True)] * TIMES
        return [hit[0] for hit in answers[-1][0]]

    assert settled_answer()[0] == 1
    client.delete("written", filter="id == 1")
    assert 1 not in settled_answer()
    client.upsert("written", [{"id": 2, "n": 0, "score": 1.0, "vector": rows[1]}])
    assert settled_answer()[0] == 2
    settle(client, "written")
    assert settled_answer()[0] == 2
    client.insert("written", [{"id": 90_000, "n": 0, "score": 1.0, "vector": rows[1]}])
    assert settled_answer()[:2] == [2, 90_000]
    client.delete("written", filter="n >= 0")
    assert settled_answer() == []
    assert any(short)


def test_a_released_or_dropped_collection_is_not_searched(client, short) -> None:
    rows = filled(client, "gone")
    ask = asker(client, "gone", [rows[1]])
    first = [ask() for _ in range(TIMES)][-1]
    assert any(short)
    client.release_collection("gone")
    with pytest.raises(MilvusException, match="not loaded"):
        ask()
    client.load_collection("gone")
    assert ask() == first
    client.drop_collection("gone")
    with pytest.raises(MilvusException, match="not found"):
        ask()
    filled(client, "gone", metric="COSINE")
    assert ask()[0][0][1] == pytest.approx(1.0, abs=1e-5)


def test_rows_that_end_by_the_clock_are_never_settled(client, short) -> None:
    rows = filled(client, "ending", properties={"collection.ttl.seconds": 3_600})
    ask = asker(client, "ending", [rows[1]])
    assert [ask() for _ in range(TIMES)] == [ask(long=True)] * TIMES
    assert not short


def test_wrong_vectors_get_the_error_that_they_always_get(client, short) -> None:
    rows = filled(client, "wrong")
    ask = asker(client, "wrong", [rows[1]])
    _ = [ask() for _ in range(TIMES)]
    tried = len(short)
    for wrong, error in ((rows[1][:-1], "dimension"), (np.full_like(rows[1], np.nan), "NaN|nan")):
        with pytest.raises(MilvusException, match=error):
            client.search("wrong", data=[wrong], anns_field="vector", limit=K, search_params={"params": {"ef": 64}})
    assert short[tried:] == [False, False]


def test_now_and_then_a_search_takes_the_long_way(client, short) -> None:
    """There recall is probed, and the width of walks adjusted."""
    rows = filled(client, "again")
    ask = asker(client, "again", [rows[1]])
    for _ in range(2 * REFRESHED + 4):
        ask()
    assert 0 < 2 * REFRESHED + 4 - len(short) < 8
