import os
import tempfile
import threading
from pathlib import Path

import pytest

from elanus.embedded.places import EmbeddedError, attaching, local_folder, make_private, prepare, socket_path


@pytest.mark.parametrize("uri", ["./demo.db", "demo.db", "data", "/var/lib/demo", "~/demo.db", "a:b", Path("x")])
def test_paths_are_folders(uri: str | Path) -> None:
    found = local_folder(uri)
    assert found is not None
    assert found.is_absolute()
    assert "~" not in str(found)


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:19530",
        "https://x/db",
        "tcp://h:1",
        "unix:/a/b.sock",
        "localhost:19530",
        "10.0.0.1:1/db",
        "",
        None,
    ],
)
def test_addresses_are_none(uri: str | None) -> None:
    assert local_folder(uri) is None


def test_one_folder_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert local_folder(tmp_path / "link") == local_folder(f"{tmp_path}/x/../real")


def test_socket_paths_are_short_however_deep_the_folder_or_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 120)))
    path = socket_path(Path("/" + "d" * 4000))
    assert len(os.fsencode(path)) <= 107
    assert path != socket_path(Path("/other"))


def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    make_private(tmp_path / "mine")
    make_private(tmp_path / "mine")
    (tmp_path / "mine").chmod(0o755)
    with pytest.raises(EmbeddedError, match="nobody else can enter"):
        make_private(tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(EmbeddedError, match="remove it"):
        make_private(tmp_path / "link")


def test_a_folder_is_made_one_level_deep(tmp_path: Path) -> None:
    prepare(tmp_path / "demo.db")
    prepare(tmp_path / "demo.db")
    assert (tmp_path / "demo.db").is_dir()
    with pytest.raises(EmbeddedError, match="there is no folder"):
        prepare(tmp_path / "a" / "b")


def test_one_at_a_time_is_attaching_and_a_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    entered = threading.Event()

    def wait_for_it() -> None:
        with attaching(tmp_path):
            entered.set()

    other = threading.Thread(target=wait_for_it)
    reader, writer = os.pipe()
    with attaching(tmp_path):
        other.start()
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        assert not entered.is_set()
    assert entered.wait(20)
    os.close(writer)
    os.waitpid(child, 0)
    os.close(reader)
    other.join()
