"""``make install`` says in one line what a machine lacks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "check-machine"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with everything that is wanted, as the only place where programs are found."""
    for name in ("cut", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    make_program(tmp_path / "cc", "true")
    make_program(tmp_path / "cargo", "true")
    make_program(tmp_path / "rustc", "echo 'rustc 1.95.0 (f2d3ce0bd 2026-03-21)'")
    return tmp_path


def make_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def check(tools: Path, python: str = sys.executable) -> tuple[int, str]:
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), python],
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.count("\n") <= 1
    return done.returncode, done.stderr


def test_a_machine_that_has_everything_passes(tools: Path) -> None:
    assert check(tools) == (0, "")


@pytest.mark.parametrize(
    ("program", "advice"), [("cc", "apt install build-essential"), ("cargo", "rustup.rs"), ("rustc", "rustup.rs")]
)
def test_a_missing_program_is_named_with_its_cure(tools: Path, program: str, advice: str) -> None:
    (tools / program).unlink()
    code, text = check(tools)
    assert code == 1
    assert "missing" in text
    assert advice in text


def test_an_old_rust_is_named(tools: Path) -> None:
    make_program(tools / "rustc", "echo 'rustc 1.75.0 (82e1608df 2023-12-21)'")
    code, text = check(tools)
    assert code == 1
    assert "this is 1.75.0: rustup update stable" in text


def test_a_missing_or_old_python_is_named(tools: Path) -> None:
    assert "Python 3.11 or later is missing" in check(tools, "python-none")[1]
    make_program(tools / "python3", 'test "$1" = -V && echo Python 3.9.2 && exit 0; exit 1')
    assert "python3 is 3.9.2" in check(tools, "python3")[1]


def test_a_python_without_venv_is_named(tools: Path) -> None:
    make_program(tools / "python3", 'case "$2" in *ensurepip*) exit 1;; esac; exit 0')
    assert "apt install python3-venv" in check(tools, "python3")[1]
