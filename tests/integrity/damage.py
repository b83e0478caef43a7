"""A data folder as a killed server leaves it, to be damaged: two collections, in files and in the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pymilvus import DataType, MilvusClient

from elanus.storage.files import map_file
from elanus.storage.wal_record import HEADER_BYTES, Header, decode_header
from serve_process import ServeProcess

DIM = 8
SEALED = 300
LOGGED = 20
HURT, WHOLE = "hurt", "whole"
NAMES = (HURT, WHOLE)
ENVIRONMENT = {"ELANUS_JOBS_INDEX_MIN_ROWS": "64", "ELANUS_WAL_STREAMS": "1"}


def vector(key: int) -> list[float]:
    """Return the vector of a key; no two are alike."""
    return np.random.default_rng(key).normal(size=DIM).astype(np.float32).tolist()


def build(folder: Path) -> None:
    """Fill a folder and kill its server: sealed rows with tombstones and an index, newer rows in the log."""
    with ServeProcess(folder, env=ENVIRONMENT) as server, closing(MilvusClient(server.uri)) as client:
        for name in NAMES:
            schema = client.create_schema()
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("text", DataType.VARCHAR, max_length=32)
            schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
            params = client.prepare_index_params()
            params.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
            client.create_collection(name, schema=schema, index_params=params, consistency_level="Strong")
            client.insert(name, [row(key) for key in range(SEALED)])
            client.flush(name)
            client.delete(name, ids=[0, 1])
            client.flush(name)
            wait_for_index(client, name)
        # Records of both, one after the other, so that damage to one lies between those of the other.
        for key in range(SEALED, SEALED + LOGGED):
            for name in NAMES:
                client.insert(name, [row(key)])
        server.kill()


def row(key: int) -> dict[str, object]:
    return {"id": key, "text": f"text {key}", "v": vector(key)}


def wait_for_index(client: MilvusClient, name: str) -> None:
    """Return when the index covers every sealed row."""
    while True:
        state = client.describe_index(name, "v")
        if state["state"] == "Finished" and state["pending_index_rows"] == 0:
            return


def check_whole(client: MilvusClient, name: str, last: int = SEALED + LOGGED) -> None:
    """Check that a collection has every row below ``last``, by query and by search."""
    found = client.query(name, "id >= 0", output_fields=["text", "v"])
    assert [dict(one) for one in found] == [row(key) for key in range(2, last)]
    asked = list(range(2, last, 17))
    answers = client.search(name, [vector(key) for key in asked], limit=3, search_params={"params": {"ef": 300}})
    assert [hits[0]["id"] for hits in answers] == asked


def home(folder: Path, name: str, client_ids: dict[str, int]) -> Path:
    """Return the folder of a collection's files."""
    return folder / "store" / "collections" / str(client_ids[name])


def flip(path: Path, offset: int) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


class Place(NamedTuple):
    """A record of the log."""

    file: Path
    offset: int
    header: Header


def records(folder: Path, collection: int) -> Iterator[Place]:
    """Yield a collection's log records in order."""
    for path in sorted((folder / "wal").rglob("*.log")):
        data = map_file(path)
        offset = 0
        while offset < len(data):
            header = decode_header(data[offset : offset + HEADER_BYTES])
            assert header is not None
            if header.shard.collection == collection:
                yield Place(path, offset, header)
            offset += header.size
