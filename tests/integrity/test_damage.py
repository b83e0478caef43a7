"""Changed bytes at rest: an error names the file, nothing wrong is ever served, and everything else goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import HURT, LOGGED, SEALED, WHOLE, build, check_whole, flip, home, records, wait_for_index
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from elanus.model.settings import JobSettings
from elanus.storage.wal_record import HEADER_BYTES
from serving import LocalServer, settings_for

CORRUPTED = 1009


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """Return a folder to copy, and the ids of its collections."""
    folder = tmp_path_factory.mktemp("template") / "data"
    build(folder)
    copy = tmp_path_factory.mktemp("ids") / "data"
    shutil.copytree(folder, copy)
    with LocalServer(settings_for(copy)) as server:
        client = server.connect()
        ids = {name: client.describe_collection(name)["collection_id"] for name in (HURT, WHOLE)}
        client.close()
    return folder, ids


@pytest.fixture
def folder(template: tuple[Path, dict[str, int]], tmp_path: Path) -> Path:
    shutil.copytree(template[0], tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def ids(template: tuple[Path, dict[str, int]]) -> dict[str, int]:
    return template[1]


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[], MilvusClient]]:
    """Return a function that serves the folder as it is then; building starts again for 64 rows."""
    running: list[tuple[LocalServer, MilvusClient]] = []

    def open_folder() -> MilvusClient:
        server = LocalServer(settings_for(folder, jobs=JobSettings(index_min_rows=64)))
        running.append((server, server.connect()))
        return running[-1][1]

    yield open_folder
    for server, client in running:
        client.close()
        server.close()


def assert_refused_by_name(client: MilvusClient, file: Path) -> None:
    """Check that reading every row of the damaged collection fails with the file's name."""
    for read in (
        lambda: client.query(HURT, "id >= 0", output_fields=["text", "v"]),
        lambda: client.query(HURT, "id >= 0", output_fields=["text", "v"]),
    ):
        with pytest.raises(MilvusException) as caught:
            read()
        assert file.name in str(caught.value)
        assert caught.value.code == CORRUPTED


def files_below(folder: Path) -> set[Path]:
    """Return the files there; folders may vanish meanwhile."""
    return {Path(parent) / name for parent, _, names in os.walk(folder) for name in names}


def test_folder_of_a_killed_server_is_whole(opened: Callable[[], MilvusClient]) -> None:
    client = opened()
    check_whole(client, HURT)
    check_whole(client, WHOLE)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_changed_manifest_is_named_and_the_rest_serves(
    folder: Path, ids: dict[str, int], opened: Callable[[], MilvusClient], place: float
) -> None:
    newest = max((home(folder, HURT, ids) / "manifest").iterdir())
    flip(newest, int(place * newest.stat().st_size))
    client = opened()
    assert_refused_by_name(client, newest)
    check_whole(client, WHOLE)
    assert set(client.list_collections()) == {HURT, WHOLE}


@pytest.mark.parametrize("pattern", ["scalars.parquet", "vectors.*.parquet", "deletes/*/*.parquet"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_changed_column_file_is_named_and_the_rest_serves(
    folder: Path, ids: dict[str, int], opened: Callable[[], MilvusClient], pattern: str, place: float
) -> None:
    where = home(folder, HURT, ids)
    (file,) = where.glob(pattern) if "/" in pattern else where.rglob(pattern)
    flip(file, int(place * file.stat().st_size))
    client = opened()
    assert_refused_by_name(client, file)
    check_whole(client, WHOLE)


@pytest.mark.parametrize("pattern", ["scalars.parquet", "vectors.*.parquet"])
def test_missing_column_file_is_named_and_the_rest_serves(
    folder: Path, ids: dict[str, int], opened: Callable[[], MilvusClient], pattern: str
) -> None:
    (file,) = home(folder, HURT, ids).rglob(pattern)
    file.unlink()
    client = opened()
    assert_refused_by_name(client, file)
    check_whole(client, WHOLE)


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_changed_index_is_reported_scanned_around_and_built_anew(
    folder: Path,
    ids: dict[str, int],
    opened: Callable[[], MilvusClient],
    caplog: pytest.LogCaptureFixture,
    place: float,
) -> None:
    where = home(folder, HURT, ids) / "index"
    before = files_below(where)
    for file in before:
        flip(file, int(place * file.stat().st_size))
    client = opened()
    check_whole(client, HURT)
    reported = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any(file.name in message and str(where) in message for message in reported for file in before)
    after: set[Path] = set()
    while not after or after & before:
        wait_for_index(client, HURT)
        after = files_below(where)
    check_whole(client, HURT)
    check_whole(client, WHOLE)


@pytest.mark.parametrize("inside", ["header", "payload"])
def test_changed_log_record_is_named_and_the_rest_serves(
    folder: Path, ids: dict[str, int], opened: Callable[[], MilvusClient], inside: str
) -> None:
    record = list(records(folder, ids[HURT]))[-LOGGED // 2]
    flip(record.file, record.offset + (9 if inside == "header" else HEADER_BYTES + record.header.length // 2))
    client = opened()
    assert_refused_by_name(client, record.file)
    check_whole(client, WHOLE)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_torn_tail_of_the_log_is_cut_and_everything_before_it_is_there(
    folder: Path, ids: dict[str, int], opened: Callable[[], MilvusClient], cut: int
) -> None:
    """The last record of all is one of ``whole``: its write counts as never acknowledged."""
    last = list(records(folder, ids[WHOLE]))[-1]
    size = last.offset + last.header.size
    assert last.file.stat().st_size == size
    with last.file.open("r+b") as file:
        file.truncate(size - cut)
    client = opened()
    check_whole(client, WHOLE, last=SEALED + LOGGED - 1)
    check_whole(client, HURT)
