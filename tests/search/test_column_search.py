"""Column graphs through a server: equality and IN beside growing rows and deletions, after restarts and damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException

from elanus.model.settings import JobSettings
from elanus.query import retrieve
from elanus.query.execute import SearchRun, search_segments
from elanus.query.explain.trace import Trace
from serving import LocalServer, settings_for

SEALED, GROWING, DIM, K = 9_000, 600, 16, 10
NAMES = ["ant", "bee", "cat", "dog", "eel"]
CENTRES = np.random.default_rng(20).normal(size=(30, DIM))
NAME, SHOPS = "animals", "shops"

FILTERS = {
    'animal == "ant"': lambda row: row["animal"] == "ant",
    'animal == "eel"': lambda row: row["animal"] == "eel",
    'animal in ["bee", "dog"]': lambda row: row["animal"] in ("bee", "dog"),
    'animal == "ant" and price < 30': lambda row: row["animal"] == "ant" and row["price"] < 30,
    'animal == "bee" and small == true': lambda row: row["animal"] == "bee" and row["small"],
    'animal == "cat" and price == 7 and small == true': lambda row: (
        (row["animal"], row["price"], row["small"]) == ("cat", 7, 1)
    ),
    "small == true": lambda row: row["small"],
    'animal == "ant" or animal == "emu"': lambda row: row["animal"] == "ant",
}
OTHERS = {
    'animal != "ant"': lambda row: row["animal"] not in ("ant", None),
    "animal is null": lambda row: row["animal"] is None,
    'animal == "ant" or price < 5': lambda row: row["animal"] == "ant" or row["price"] < 5,
}


def drawn(count: int, seed: int, first: int) -> list[dict[str, Any]]:
    """Return rows; every fortieth has no animal, every fiftieth no vector."""
    random = np.random.default_rng(seed)
    vectors = CENTRES[random.integers(30, size=count)] + 0.7 * random.normal(size=(count, DIM))
    animals = random.choice(NAMES, size=count, p=[0.3, 0.25, 0.25, 0.15, 0.05])
    return [
        {
            "id": first + row,
            "animal": None if row % 40 == 0 else str(animals[row]),
            "price": int(random.integers(100)),
            "small": bool(random.random() < 0.4),
            "v": None if row % 50 == 7 else vectors[row].astype(np.float32).tolist(),
        }
        for row in range(count)
    ]


class Stage:
    """A server with one collection, and what should be in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = LocalServer(settings_for(folder, jobs=JobSettings(index_min_rows=1_000)))
        self.rows: dict[int, dict[str, Any]] = {}

    def client(self) -> MilvusClient:
        return self.server.connect()

    def fill(self) -> None:
        with closing(self.client()) as client:
            schema = client.create_schema()
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("animal", DataType.VARCHAR, max_length=16, nullable=True)
            schema.add_field("price", DataType.INT64)
            schema.add_field("small", DataType.BOOL)
            schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM, nullable=True)
            index = client.prepare_index_params()
            params = {"M": 16, "efConstruction": 100, "column_graphs": "animal,small"}
            index.add_index("v", index_type="HNSW", metric_type="L2", params=params)
            client.create_collection(NAME, schema=schema, index_params=index, consistency_level="Strong")
            self.insert(client, drawn(SEALED, 1, 0))
            client.flush(NAME)
            wait_for_index(client, NAME)
            self.delete(client, [key for key, row in self.rows.items() if key % 9 == 4])
            self.insert(client, drawn(GROWING, 2, SEALED))

    def insert(self, client: MilvusClient, rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), 3_000):
            client.insert(NAME, rows[start : start + 3_000])
        self.rows |= {row["id"]: row for row in rows}

    def delete(self, client: MilvusClient, keys: list[int]) -> None:
        client.delete(NAME, ids=keys)
        for key in keys:
            del self.rows[key]

    def recall(self, client: MilvusClient, text: str, passes: Any, **params: Any) -> float:
        """Return the share of hits that are among the true ones; all must pass, and none may lack."""
        asked = np.stack([CENTRES[number] + 0.1 for number in range(12)]).astype(np.float32)
        passing = [row for row in self.rows.values() if row["v"] is not None and passes(row)]
        keys, vectors = np.array([row["id"] for row in passing]), np.array([row["v"] for row in passing], np.float32)
        right = 0
        count = min(K, len(passing))
        answers = client.search(
            NAME, list(asked), filter=text, limit=K, search_params={"params": {"ef": 100, **params}}
        )
        for query, hits in zip(asked, answers, strict=True):
            found = [hit["id"] for hit in hits]
            assert len(set(found)) == len(found) == count
            assert set(found) <= set(keys.tolist())
            right += len(set(found) & set(keys[np.argsort(((vectors - query) ** 2).sum(axis=1))[:K]].tolist()))
        return right / (count * len(asked))


def wait_for_index(client: MilvusClient, name: str) -> None:
    while (state := client.describe_index(name, "v"))["state"] != "Finished" or state["pending_index_rows"]:
        assert state["state"] != "Failed", state


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("columns") / "data")
    stage.fill()
    yield stage
    stage.server.close()


@pytest.fixture
def client(stage: Stage) -> Iterator[MilvusClient]:
    with closing(stage.client()) as connected:
        yield connected


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[Trace]:
    """What searches did, as they come."""
    traces: list[Trace] = []

    def search(run: SearchRun, pinned: Any) -> Any:
        traces.append(Trace())
        return search_segments(replace(run, trace=traces[-1]), pinned)

    monkeypatch.setattr(retrieve, "search_segments", search)
    return traces


def strategies(traces: list[Trace]) -> set[str]:
    """Return how rows were found, in any segment."""
    return {one.work.strategy for trace in traces for one in trace.segments.values() if one.work is not None}


@pytest.mark.parametrize("hints", ["column", ""])
@pytest.mark.parametrize("text", FILTERS)
def test_filters_on_values_find_what_a_scan_does(
    stage: Stage, client: MilvusClient, traced: list[Trace], text: str, hints: str
) -> None:
    assert stage.recall(client, text, FILTERS[text], hints=hints) >= 0.95
    if hints:
        assert "column" in strategies(traced)


@pytest.mark.parametrize("text", OTHERS)
def test_other_filters_go_their_way(stage: Stage, client: MilvusClient, traced: list[Trace], text: str) -> None:
    assert stage.recall(client, text, OTHERS[text], hints="column") >= 0.95
    assert "column" not in strategies(traced)


def test_describe_names_the_fields(client: MilvusClient, stage: Stage) -> None:
    assert client.describe_index(NAME, "v")["column_graphs"] == "animal,small"


@pytest.mark.parametrize("names", ["nothing", "v", "price,no"])
def test_fields_that_can_not_have_graphs_are_refused(client: MilvusClient, stage: Stage, names: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("price", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection("refused", schema=schema)
    for kind in ("HNSW", "AUTOINDEX"):
        index = client.prepare_index_params()
        index.add_index("v", index_type=kind, metric_type="L2", column_graphs=names)
        with pytest.raises(MilvusException, match="column_graphs: field"):
            client.create_index("refused", index)
    index = client.prepare_index_params()
    index.add_index("v", index_type="AUTOINDEX", metric_type="L2", column_graphs=["price"])
    client.create_index("refused", index)
    assert client.describe_index("refused", "v")["column_graphs"] == "price"
    client.drop_collection("refused")


def test_graphs_are_there_after_a_restart_and_anew_after_damage(stage: Stage, traced: list[Trace]) -> None:
    text = 'animal in ["ant", "cat"]'

    def ask() -> set[str]:
        traced.clear()
        with closing(stage.client()) as client:
            wait_for_index(client, NAME)
            passes = lambda row: row["animal"] in ("ant", "cat")  # noqa: E731
            assert stage.recall(client, text, passes, hints="column") >= 0.95
        return strategies(traced)

    stage.server.restart()
    assert "column" in ask()
    stage.server.close()
    files = list(stage.folder.rglob("index.arrow"))
    assert files
    for file in files:
        data = bytearray(file.read_bytes())
        data[len(data) * 3 // 4] ^= 0x40
        file.write_bytes(data)
    stage.server = LocalServer(stage.server.settings)
    ask()
    while "column" not in ask():
        pass
    assert not set(files) & set(stage.folder.rglob("index.arrow"))


@pytest.mark.parametrize("isolated", [True, False])
def test_isolated_partition_keys_have_graphs_by_themselves(
    client: MilvusClient, stage: Stage, traced: list[Trace], isolated: bool
) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.INT64, is_partition_key=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 40})
    client.create_collection(
        SHOPS, schema=schema, index_params=index, num_partitions=1, consistency_level="Strong",
        properties={"partitionkey.isolation": isolated},
    )  # fmt: skip
    vectors = np.random.default_rng(4).normal(size=(6_600, DIM)).astype(np.float32)
    for start in range(0, len(vectors), 3_300):
        rows = range(start, start + 3_300)
        client.insert(SHOPS, [{"id": row, "tenant": row % 3, "v": vectors[row].tolist()} for row in rows])
    client.flush(SHOPS)
    wait_for_index(client, SHOPS)
    params = {"params": {"ef": 200, "hints": "column"}}
    (hits,) = client.search(SHOPS, [vectors[1].tolist()], filter="tenant == 1", limit=K, search_params=params)
    own = np.arange(1, len(vectors), 3)
    true = own[np.argsort(((vectors[own] - vectors[1]) ** 2).sum(axis=1))[:K]]
    assert len({hit["id"] for hit in hits} & set(true.tolist())) >= 9
    assert ("column" in strategies(traced)) == isolated
    client.drop_collection(SHOPS)
