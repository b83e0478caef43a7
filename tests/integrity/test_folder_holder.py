"""One server a folder: the second is refused and told who holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from elanus.model.errors import DataFolderLocked
from serve_process import ServeProcess
from serving import LocalServer, settings_for


def test_second_server_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ServeProcess(folder) as server:
        with pytest.raises(DataFolderLocked) as caught:
            LocalServer(settings_for(folder))
        assert f"process {server.process.pid} on " in str(caught.value)
        assert str(server.port) in str(caught.value)
        with pytest.raises(RuntimeError, match=f"process {server.process.pid} on "):
            ServeProcess(folder)
        server.kill()
    with LocalServer(settings_for(folder)):
        pass
