"""Opening and closing a server in this process."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

import elanus
from elanus.configuration import SettingsError
from elanus.main import Server
from elanus.model.errors import DataFolderLocked
from elanus.model.settings import ServerSettings, Settings
from elanus.storage.folder_lock import FolderLock, read_holder


def test_a_server_says_where_it_listens_in_the_lock_of_its_folder(tmp_path: Path) -> None:
    with elanus.serve(tmp_path / "data") as server:
        holder = read_holder(tmp_path / "data")
        assert holder is not None
        assert holder.address == server.address.target
        with socket.create_connection(("127.0.0.1", server.address.port)):
            pass


def test_closing_gives_the_folder_and_the_port_back_and_may_be_repeated(tmp_path: Path) -> None:
    server = elanus.serve(tmp_path / "data")
    server.close()
    server.close()
    FolderLock(tmp_path / "data").close()
    again = elanus.serve(tmp_path / "data", port=server.address.port or 0)
    again.close()


def test_a_server_that_fails_to_start_leaves_nothing_held(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            elanus.serve(tmp_path / "data", port=taken.getsockname()[1])
    elanus.serve(tmp_path / "data").close()


def test_a_folder_that_is_held_is_refused_with_its_holder(tmp_path: Path) -> None:
    with elanus.serve(tmp_path / "data") as server:
        with pytest.raises(DataFolderLocked) as refusal:
            elanus.serve(tmp_path / "data")
        assert refusal.value.address == server.address.target


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "db.example.org"])
def test_addresses_that_others_reach_are_refused_unless_told(tmp_path: Path, host: str) -> None:
    settings = Settings(data=tmp_path / "data", server=ServerSettings(host=host, port=0))
    with pytest.raises(SettingsError, match="refusing to listen"):
        Server(settings)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_is_served(tmp_path: Path, host: str) -> None:
    elanus.serve(tmp_path / "data", host=host).close()


def test_told_so_it_serves_every_address(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", server=ServerSettings(host="0.0.0.0", port=0, insecure=True))
    Server(settings).close()


def test_scratch_files_of_a_crash_are_removed(tmp_path: Path) -> None:
    left = tmp_path / "data" / "scratch" / "index-x"
    left.mkdir(parents=True)
    elanus.serve(tmp_path / "data", settings=replace(Settings())).close()
    assert not left.exists()
