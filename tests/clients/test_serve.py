"""``elanus serve`` as a process: what it says, whom it refuses, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymilvus import MilvusClient

import elanus
from serve_process import LIMIT_S, ServeProcess

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def served(data: Path) -> Iterator[ServeProcess]:
    with ServeProcess(data) as process:
        yield process


def refused(*options: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a server that does not start; return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "elanus", "serve", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stderr


def fill(uri: str, rows: int = 50) -> None:
    client = MilvusClient(uri)
    client.create_collection("c", dimension=4)
    client.insert("c", [{"id": number, "vector": [1.0, 2.0, 3.0, float(number)]} for number in range(rows)])
    client.close()


def count(uri: str) -> int:
    client = MilvusClient(uri, dedicated=True)
    found = client.query("c", output_fields=["count(*)"])[0]["count(*)"]
    client.close()
    return int(found)


def test_the_banner_says_version_address_and_folder(served: ServeProcess) -> None:
    assert elanus.__version__ in served.banner
    assert served.uri.startswith("http://127.0.0.1:")
    assert str(served.data) in served.banner


def test_a_stop_signal_ends_it_in_order_and_data_is_in_files(served: ServeProcess) -> None:
    fill(served.uri)
    assert served.stop() == 0
    assert list((served.data / "store").rglob("*.parquet"))
    with ServeProcess(served.data) as again:
        assert count(again.uri) == 50


def test_what_was_acknowledged_survives_a_kill(served: ServeProcess) -> None:
    fill(served.uri)
    served.kill()
    with ServeProcess(served.data) as again:
        assert count(again.uri) == 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(served: ServeProcess, number: signal.Signals) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as stuck:
        stuck.sendall(PREFACE)
        assert stuck.recv(1)
        served.process.send_signal(number)
        assert served.process.stdout is not None
        assert "stopping" in served.process.stdout.readline()
        served.process.send_signal(number)
        assert served.process.wait(LIMIT_S) == 130


def test_a_second_server_on_a_folder_is_told_who_holds_it(served: ServeProcess) -> None:
    code, text = refused("--data", str(served.data), "--port", "0")
    assert code == 1
    assert f"process {served.process.pid}" in text
    assert f"127.0.0.1:{served.port}" in text
    assert "--data" in text


def test_a_port_that_is_taken_is_named(served: ServeProcess, tmp_path: Path) -> None:
    code, text = refused("--data", str(tmp_path / "other"), "--port", str(served.port))
    assert code == 1
    assert f"127.0.0.1:{served.port}" in text
    assert "--port" in text


def test_others_are_served_only_when_told_so(data: Path) -> None:
    code, text = refused("--data", str(data), "--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "--insecure" in text
    with ServeProcess(data, "--host", "0.0.0.0", "--insecure") as process:
        fill(f"http://127.0.0.1:{process.port}")
        assert "no authentication" in process.errors()


def test_it_listens_on_a_unix_socket(data: Path) -> None:
    path = data.parent / "s"
    with ServeProcess(data, "--uds", str(path)) as process:
        assert process.uri == f"unix:{path}"
        fill(process.uri)
        assert process.stop() == 0
    assert not path.exists()


def test_a_settings_file_counts_and_options_are_stronger(data: Path) -> None:
    file = data.parent / "some.yaml"
    file.write_text("proxy:\n  port: 1\nlog:\n  form: json\n  level: debug\n")
    with ServeProcess(data, "--config", str(file)) as process:
        assert process.port != 1
        assert f"settings {file}" in process.banner


def test_settings_that_are_not_known_are_named(data: Path) -> None:
    file = data.parent / "elanus.yaml"
    file.write_text("server:\n  prot: 1\n")
    code, text = refused("--data", str(data), cwd=data.parent)
    assert (code, text) == (
        2,
        "elanus: unknown setting server.prot in file elanus.yaml; did you mean server.port?\n",
    )
    file.unlink()
    code, text = refused("--data", str(data), env={"ELANUS_SERVER_PROT": "1"})
    assert code == 2
    assert "ELANUS_SERVER_PORT" in text


def test_a_settings_file_that_is_missing_is_named(data: Path) -> None:
    code, text = refused("--config", str(data / "none.yaml"))
    assert code == 2
    assert "none.yaml can't be read" in text


def test_a_damaged_folder_gets_a_line_not_a_traceback(data: Path) -> None:
    data.mkdir()
    (data / "clock").write_bytes(b"no clock")
    code, text = refused("--data", str(data), "--port", "0")
    assert code == 1
    assert str(data / "clock") in text
    assert "Traceback" not in text


def test_the_version_is_said() -> None:
    done = subprocess.run([sys.executable, "-m", "elanus", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"elanus {elanus.__version__}\n"
