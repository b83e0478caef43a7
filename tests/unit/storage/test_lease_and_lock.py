"""The clock's ceiling on disk and the lock on the data folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from storage_faults import FaultyFiles, flip

from elanus.model.errors import DataCorrupted, DataFolderLocked, StorageFailed
from elanus.model.time import Clock
from elanus.storage.folder_lock import FolderLock, current_holder, read_holder
from elanus.storage.lease import ClockFile


def test_timestamps_go_on_after_a_restart_even_when_the_clock_was_set_back(tmp_path: Path) -> None:
    file = ClockFile(tmp_path / "state" / "clock")
    assert file.load() == 0
    before = Clock(file.store, file.load(), unix_ms=lambda: 1_000_000).now()
    after = Clock(file.store, file.load(), unix_ms=lambda: 5).now()
    assert after > before


def test_changed_or_cut_clock_file_is_reported_by_name(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    ClockFile(path).store(123 << 18)
    for offset in range(16):
        flip(path, offset)
        with pytest.raises(DataCorrupted, match=str(path)):
            ClockFile(path).load()
        flip(path, offset)
    assert ClockFile(path).load() == 123 << 18
    path.write_bytes(path.read_bytes()[:15])
    with pytest.raises(DataCorrupted, match=str(path)):
        ClockFile(path).load()


@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace", "sync_folder"])
def test_failed_lease_keeps_a_ceiling_and_issues_nothing_above_it(tmp_path: Path, operation: str) -> None:
    files = FaultyFiles()
    file = ClockFile(tmp_path / "clock", files)
    file.store(7)
    files.schedule[operation] = files.calls[operation]
    with pytest.raises(StorageFailed, match=str(tmp_path / "clock")):
        Clock(file.store, file.load()).now()
    kept = ClockFile(tmp_path / "clock").load()
    assert kept == 7 or operation == "sync_folder"
    ClockFile(tmp_path / "clock").store(9)
    assert ClockFile(tmp_path / "clock").load() == 9


def test_second_owner_is_told_who_has_the_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "data")
    lock.announce("unix:/tmp/socket")
    with pytest.raises(DataFolderLocked, match=f"held by process {os.getpid()} on .*unix:/tmp/socket") as caught:
        FolderLock(tmp_path / "data")
    assert caught.value.address == "unix:/tmp/socket"
    lock.close()
    again = FolderLock(tmp_path / "data", "127.0.0.1:19530")
    holder = read_holder(tmp_path / "data")
    assert holder is not None
    assert (holder.pid, holder.address) == (os.getpid(), "127.0.0.1:19530")
    again.close()


def test_holder_that_wrote_nothing_is_another_process(tmp_path: Path) -> None:
    assert read_holder(tmp_path) is None
    lock = FolderLock(tmp_path)
    lock.path.write_bytes(b"")
    with pytest.raises(DataFolderLocked, match="held by another process"):
        FolderLock(tmp_path)
    lock.close()


HOLD = "import sys, pathlib; from elanus.storage.folder_lock import FolderLock; "
HOLD += "lock = FolderLock(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    with pytest.raises(DataFolderLocked, match=f"process {child.pid}"):
        FolderLock(tmp_path)
    child.kill()
    child.wait()
    FolderLock(tmp_path).close()
    child.stdin.close()
    child.stdout.close()


def test_forked_child_does_not_keep_the_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(DataFolderLocked):
        FolderLock(tmp_path)
    lock.close()
    FolderLock(tmp_path).close()
    os.write(go[1], b"x")
    os.waitpid(pid, 0)
    for end in (*ready, *go):
        os.close(end)


def test_current_holder_is_nobody_once_the_lock_is_free(tmp_path: Path) -> None:
    assert current_holder(tmp_path) is None
    lock = FolderLock(tmp_path, "127.0.0.1:1")
    held = current_holder(tmp_path)
    assert held is not None
    assert (held.pid, held.address) == (os.getpid(), "127.0.0.1:1")
    lock.close()
    assert current_holder(tmp_path) is None
    assert read_holder(tmp_path) == held
