"""Collections that come and go leave nothing behind: no memory, files, descriptors or threads."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from damage import wait_for_index
from pymilvus import DataType, MilvusClient

from serve_process import ServeProcess

WARM_UP = 4
ROUNDS = 20
ROWS, DIM = 1_500, 64
MEMORY_KB = 16_384
"""What 20 rounds may add: a twentieth of what they wrote and built, were nothing given back."""


@dataclass(frozen=True)
class Footprint:
    """What a server holds."""

    memory_kb: int
    threads: int
    descriptors: int
    files: int

    @classmethod
    def of(cls, server: ServeProcess) -> Footprint:
        process = Path(f"/proc/{server.process.pid}")
        status = (process / "status").read_text()
        found = {key: int(re.search(rf"{key}:\s+(\d+)", status)[1]) for key in ("RssAnon", "Threads")}  # type: ignore[index]
        files = sum(path.is_file() for path in server.data.rglob("*"))
        return cls(found["RssAnon"], found["Threads"], len(list((process / "fd").iterdir())), files)


def live_once(client: MilvusClient, vectors: np.ndarray) -> None:
    """Make a collection, fill, flush, index, load and search it, and drop it."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection("passing", schema=schema, num_shards=2, consistency_level="Strong")
    client.insert("passing", [{"id": key, "text": f"text {key}", "v": vectors[key]} for key in range(ROWS)])
    client.flush("passing")
    params = client.prepare_index_params()
    params.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 16, "efConstruction": 64})
    client.create_index("passing", params, sync=False)
    wait_for_index(client, "passing")
    client.load_collection("passing")
    (hits,) = client.search("passing", [vectors[7]], limit=3, filter='text like "text 7%"', output_fields=["*"])
    assert hits[0]["id"] == 7
    client.upsert("passing", [{"id": 7, "text": "again", "v": vectors[8]}])
    client.release_collection("passing")
    client.drop_collection("passing")


def test_collections_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(ROWS, DIM)).astype(np.float32)
    settings = {"ELANUS_JOBS_INDEX_MIN_ROWS": "200"}
    with ServeProcess(tmp_path / "data", env=settings) as server, closing(MilvusClient(server.uri)) as client:
        for _ in range(WARM_UP):
            live_once(client, vectors)
        before = Footprint.of(server)
        for _ in range(ROUNDS):
            live_once(client, vectors)
        after = Footprint.of(server)
    assert after.memory_kb <= before.memory_kb + MEMORY_KB
    assert after.threads <= before.threads + 1
    assert after.descriptors <= before.descriptors + 1
    assert after.files <= before.files + 1
