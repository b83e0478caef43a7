"""Embedded databases as programs use them: shared, attached to, forked, abandoned, killed."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pymilvus
import pytest

import elanus
from elanus.embedded.places import EmbeddedError, attaching, socket_path
from elanus.model.errors import DataFolderLocked
from elanus.storage.folder_lock import FolderLock, read_holder

LIMIT_S = 60
FREE_LIMIT_S = 120
DIM = 4


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "demo.db"
    yield path
    if path.exists():
        wait_until_free(path)


def is_free(folder: Path) -> bool:
    try:
        FolderLock(folder).close()
    except DataFolderLocked:
        return False
    return True


def wait_until_free(folder: Path) -> None:
    deadline = time.monotonic() + FREE_LIMIT_S
    while not is_free(folder):
        gc.collect()  # a traceback that pymilvus caught may hold a client, and its connection, in a cycle
        assert time.monotonic() < deadline, f"held by {read_holder(folder)}; its log:\n{owners_log(folder)}"
        time.sleep(0.02)


def owners_log(folder: Path) -> str:
    path = folder / "embedded.log"
    return path.read_text() if path.exists() else ""


def owner(folder: Path) -> int:
    holder = read_holder(folder)
    assert holder is not None
    return holder.pid


def fill(client: pymilvus.MilvusClient, name: str = "c", rows: int = 10) -> None:
    client.create_collection(name, dimension=DIM)
    vectors = np.eye(rows, DIM, dtype=np.float32) + 1
    client.insert(name, [{"id": number, "vector": vector} for number, vector in enumerate(vectors)])


def count(client: pymilvus.MilvusClient, name: str = "c") -> int:
    return int(client.query(name, output_fields=["count(*)"])[0]["count(*)"])


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_path_opens_a_database_of_pymilvus_own_client_class(folder: Path) -> None:
    with closing(elanus.MilvusClient(str(folder))) as client:
        assert isinstance(client, pymilvus.MilvusClient)
        fill(client)
        hits = client.search("c", [[2.0, 1.0, 1.0, 1.0]], limit=1)
        assert hits[0][0]["id"] == 0


def test_data_is_there_when_the_folder_is_opened_again(folder: Path) -> None:
    with closing(elanus.MilvusClient(folder)) as client:
        fill(client)
    wait_until_free(folder)
    with closing(elanus.MilvusClient(folder)) as client:
        assert count(client) == 10


def test_clients_of_one_folder_share_one_process(folder: Path) -> None:
    with (
        closing(elanus.MilvusClient(folder)) as first,
        closing(elanus.MilvusClient(f"{folder}/../{folder.name}")) as second,
    ):
        fill(first)
        assert count(second) == 10
        assert owner(folder) != os.getpid()


def test_another_process_attaches_to_the_running_owner(folder: Path) -> None:
    code = """
import sys, elanus
client = elanus.MilvusClient(sys.argv[1])
print(client.query("c", output_fields=["count(*)"])[0]["count(*)"])
"""
    with closing(elanus.MilvusClient(folder)) as client:
        fill(client)
        before = owner(folder)
        assert run_python(code, str(folder)) == "10"
        assert owner(folder) == before
        assert count(client) == 10


def test_many_processes_that_open_a_new_folder_at_once_share_one_owner(folder: Path) -> None:
    code = """
import sys, elanus
from elanus.storage.folder_lock import read_holder
from pathlib import Path
client = elanus.MilvusClient(sys.argv[1])
client.list_collections()
print(read_holder(Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    owners = {process.stdout.readline() for process in started if process.stdout is not None}
    for process in started:
        process.communicate(timeout=LIMIT_S)
    assert len(owners) == 1


def test_the_owner_stops_after_the_last_connection_and_writes_its_files(folder: Path) -> None:
    first, second = elanus.MilvusClient(folder), elanus.MilvusClient(folder)
    fill(first)
    first.close()
    assert count(second) == 10
    second.close()
    wait_until_free(folder)
    assert not socket_path(folder).exists()
    assert list((folder / "store").rglob("*.parquet"))


def test_a_forgotten_client_lets_the_owner_go(folder: Path) -> None:
    client = elanus.MilvusClient(folder)
    fill(client)
    del client
    wait_until_free(folder)


def test_forgetting_a_client_never_waits_for_one_that_connects(folder: Path) -> None:
    forgotten = [elanus.MilvusClient(folder)]
    connecting = forgotten[0]._manager._lock  # held by pymilvus until the server has answered
    with connecting:
        collector = threading.Thread(target=forgotten.clear, daemon=True)
        collector.start()
        collector.join(LIMIT_S)
        assert not collector.is_alive()
    wait_until_free(folder)


def test_the_owner_outlives_the_process_that_started_it_and_stops_after_its_crash(folder: Path) -> None:
    code = """
import os, signal, sys, elanus
client = elanus.MilvusClient(sys.argv[1])
client.create_collection("c", dimension=4)
client.insert("c", [{"id": 1, "vector": [1.0, 2.0, 3.0, 4.0]}])
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == "ready"
    client = elanus.MilvusClient(folder)
    before = owner(folder)
    parent.communicate("die\n", timeout=LIMIT_S)
    assert count(client) == 1
    assert owner(folder) == before
    client.close()
    wait_until_free(folder)


def test_new_clients_work_after_a_fork(folder: Path) -> None:
    code = """
import os, sys, elanus
client = elanus.MilvusClient(sys.argv[1])
client.create_collection("c", dimension=4)
child = os.fork()
if child == 0:
    mine = elanus.MilvusClient(sys.argv[1])
    mine.insert("c", [{"id": 1, "vector": [1.0, 2.0, 3.0, 4.0]}])
    mine.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
count = client.query("c", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
print(status, count)
"""
    assert run_python(code, str(folder)) == "0 1"


def test_an_owner_that_was_killed_is_started_again(folder: Path) -> None:
    with closing(elanus.MilvusClient(folder)) as client:
        fill(client)
        os.kill(owner(folder), signal.SIGKILL)
        assert count(client) == 10


def test_a_folder_that_a_server_holds_is_reached_through_the_server(folder: Path) -> None:
    with elanus.serve(folder) as server:
        client = elanus.MilvusClient(folder)
        fill(client)
        plain = pymilvus.MilvusClient(f"http://{server.address.target}")
        assert plain.list_collections() == ["c"]
        client.close()


def test_the_address_of_a_dead_holder_does_not_lead_to_another_database(folder: Path, tmp_path: Path) -> None:
    elanus.serve(folder).close()
    with elanus.serve(tmp_path / "other") as server:
        fill(pymilvus.MilvusClient(f"http://{server.address.target}"), "elsewhere")
        (folder / "LOCK").write_bytes((tmp_path / "other" / "LOCK").read_bytes())
        with closing(elanus.MilvusClient(folder)) as client:
            assert client.list_collections() == []


def test_async_clients_open_folders_too(folder: Path) -> None:
    async def use() -> list[int]:
        async with elanus.AsyncMilvusClient(folder) as client:
            assert isinstance(client, pymilvus.AsyncMilvusClient)
            await client.create_collection("c", dimension=DIM)
            await client.insert("c", [{"id": 1, "vector": [1.0, 0.0, 0.0, 0.0]}])
            lists = await asyncio.gather(*(client.query("c", filter="id >= 0") for _ in range(3)))
            return [row["id"] for rows in lists for row in rows]

    assert asyncio.run(use()) == [1, 1, 1]


def test_first_calls_of_an_async_client_may_run_at_once(folder: Path) -> None:
    async def use() -> int:
        client = elanus.AsyncMilvusClient(folder)
        lists = await asyncio.gather(*(client.list_collections() for _ in range(4)))
        await client.close()
        return len(lists)

    assert asyncio.run(use()) == 4
    wait_until_free(folder)


def test_an_async_client_outlives_a_killed_owner(folder: Path) -> None:
    async def use() -> list[str]:
        client = elanus.AsyncMilvusClient(folder)
        await client.create_collection("c", dimension=DIM)
        os.kill(owner(folder), signal.SIGKILL)
        names = await client.list_collections()
        await client.close()
        return list(names)

    assert asyncio.run(use()) == ["c"]


def test_modules_in_the_working_folder_do_not_pass_for_those_of_the_owner(folder: Path) -> None:
    (folder.parent / "logging.py").write_text("raise RuntimeError('not this one')")
    code = """
import sys
sys.path.remove("")
import elanus
print(elanus.MilvusClient(sys.argv[1]).list_collections())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=folder.parent,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_client_waits_for_an_owner_that_is_stopping(folder: Path) -> None:
    with closing(elanus.MilvusClient(folder)) as client:
        fill(client)
        first = owner(folder)
    # The owner has to pass this lock before it stops; whoever attaches under it keeps it alive or starts the next one.
    with attaching(folder):
        os.kill(first, 0)
    with closing(elanus.MilvusClient(folder)) as client:
        assert count(client) == 10


def test_a_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "lite.db"
    path.write_bytes(b"SQLite format 3\0")
    with pytest.raises(EmbeddedError, match="is a file"):
        elanus.MilvusClient(str(path))


def test_a_missing_parent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="there is no folder"):
        elanus.MilvusClient(str(tmp_path / "no" / "demo.db"))


def test_a_damaged_folder_says_what_is_wrong(folder: Path) -> None:
    folder.mkdir()
    (folder / "clock").write_bytes(b"not a clock")
    with pytest.raises(EmbeddedError, match="clock"):
        elanus.MilvusClient(folder)


def test_a_holder_that_can_not_be_reached_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elanus.embedded.attach.HELD_LIMIT_S", 0.0)
    folder.mkdir()
    lock = FolderLock(folder)
    with pytest.raises(EmbeddedError, match=f"process {os.getpid()}"):
        elanus.MilvusClient(folder)
    lock.close()


def test_settings_reach_the_owner_through_the_environment(folder: Path) -> None:
    code = "import sys, elanus; elanus.MilvusClient(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "ELANUS_SERVER_WORKERZ": "3"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert "ELANUS_SERVER_WORKERS" in done.stderr


def test_the_log_of_the_owner_lies_in_the_folder_and_can_be_json(folder: Path) -> None:
    code = """
import sys, elanus
client = elanus.MilvusClient(sys.argv[1])
client.create_collection("c", dimension=4)
client.insert("c", [{"id": n, "vector": [1.0, 2.0, 3.0, 4.0]} for n in range(2000)])
client.flush("c")
"""
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "ELANUS_LOG_FORM": "json", "ELANUS_LOG_LEVEL": "debug"},
        timeout=LIMIT_S,
        check=True,
    )
    wait_until_free(folder)
    lines = (folder / "embedded.log").read_text().splitlines()
    assert all(json.loads(line)["topic"].startswith("elanus.") for line in lines)
