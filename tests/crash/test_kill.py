"""A server is killed under mixed write load, again and again; what it acknowledged is there every time.

``CRASH_SEED`` and ``CRASH_ROUNDS`` draw other moments, and more of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from crash_writers import Collection, Load
from pymilvus import DataType, MilvusClient

from serve_process import ServeProcess

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("CRASH_SEED", "20"))

SMALL = {
    "ELANUS_SEGMENT_SEAL_BYTES": "40000",
    "ELANUS_SEGMENT_MERGE_BELOW_ROWS": "1500",
    "ELANUS_SEGMENT_MERGE_AT": "3",
    "ELANUS_JOBS_INDEX_MIN_ROWS": "200",
    "ELANUS_WAL_SEGMENT_BYTES": "100000",
    "ELANUS_WAL_STREAMS": "2",
}
"""Settings under which seconds of load seal, merge, index and turn log files over."""


def test_acknowledged_writes_survive_kills_and_nothing_comes_twice_or_back(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    collections = [
        Collection("numbers", DataType.INT64, shards=1, writers=2),
        Collection("texts", DataType.VARCHAR, shards=3, writers=2),
    ]
    data = tmp_path / "data"
    with ServeProcess(data, env=SMALL) as server, closing(MilvusClient(server.uri)) as client:
        for collection in collections:
            collection.create(client)
        server.stop()
    for number in range(ROUNDS):
        with ServeProcess(data, env=SMALL) as server:
            _check(server, collections)
            load = Load(server.uri.removeprefix("http://"), collections, seed=SEED * 1000 + number)
            load.start()
            load.wait_for(draw.randint(1, 120))
            server.kill()
            load.join()
    with ServeProcess(data, env=SMALL) as server:
        _check(server, collections)
        server.stop()
    with ServeProcess(data, env=SMALL) as server:
        _check(server, collections)
        complaints = [line for line in server.errors().splitlines() if "Traceback" in line or "ERROR" in line]
    assert not complaints, complaints[:5]


def _check(server: ServeProcess, collections: Sequence[Collection]) -> None:
    with closing(MilvusClient(server.uri)) as client:
        for collection in collections:
            collection.check(client)
