"""The log when disks fail, power goes and bits rot: nothing acknowledged is lost, nothing damaged is served."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from storage_faults import FaultyFiles, flip

from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.settings import WalSettings
from elanus.storage.files import FileOps
from elanus.storage.wal import RecordKind, ShardId, Wal

ONE = WalSettings(streams=1, segment_bytes=1 << 20)
A, B = ShardId(1, 0), ShardId(2, 0)
RECORD = 64 + 64


def filled(folder: Path, *writes: tuple[ShardId, int, bytes], segment_bytes: int = 1 << 20) -> Path:
    """Write a log of one stream and return its last file."""
    wal = Wal.open(folder, WalSettings(streams=1, segment_bytes=segment_bytes))
    for shard, at, payload in writes:
        wal.sync(wal.append(shard, at, RecordKind.INSERT, payload))
    wal.close()
    return max(folder.glob("0/*.log"))


def times(wal: Wal, shard: ShardId, after: int = 0) -> list[int]:
    return [record.at for record in wal.records(shard, after)]


# --- torn tails ---


def test_tail_torn_at_any_byte_is_cut_and_the_log_goes_on(tmp_path: Path) -> None:
    path = filled(tmp_path, (A, 1, b"first"), (B, 2, b"second"), (A, 3, b"third" * 20))
    whole = path.read_bytes()
    for length in range(2 * RECORD, len(whole)):
        path.write_bytes(whole[:length])
        wal = Wal.open(tmp_path, ONE)
        assert (times(wal, A), times(wal, B), wal.damage) == ([1], [2], [])
        wal.sync(wal.append(A, 4, RecordKind.INSERT, b"after"))
        wal.close()
        wal = Wal.open(tmp_path, ONE)
        assert (times(wal, A), times(wal, B), wal.damage) == ([1, 4], [2], [])
        wal.close()


@pytest.mark.parametrize("zeroed", [1, 64, 70, 600])
def test_tail_whose_size_reached_the_disk_before_its_bytes_is_cut(tmp_path: Path, zeroed: int) -> None:
    path = filled(tmp_path, (A, 1, b"first"), (A, 2, b"x" * 960))
    whole = path.read_bytes()
    kept = (len(whole) - zeroed) // 512 * 512
    path.write_bytes(whole[:kept] + bytes(len(whole) - kept))
    wal = Wal.open(tmp_path, ONE)
    assert (times(wal, A), wal.damage) == ([1], [])
    assert path.stat().st_size == RECORD
    wal.close()


def test_empty_and_zero_filled_files_are_no_damage(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(bytes(4096))
    wal = Wal.open(tmp_path, ONE)
    assert (wal.shards(), wal.damage, wal.num_bytes) == (set(), [], 0)
    wal.sync(wal.append(A, 1, RecordKind.INSERT, b"x"))
    assert times(wal, A) == [1]
    wal.close()


def test_power_loss_keeps_what_was_synced(tmp_path: Path) -> None:
    files = FaultyFiles()
    log = WalSettings(streams=1, segment_bytes=512)
    wal = Wal.open(tmp_path / "wal", log, files)
    for at in range(1, 20):
        wal.sync(wal.append(A, at, RecordKind.INSERT, b"x" * 90))
    for at in range(20, 22):
        wal.append(A, at, RecordKind.INSERT, b"not synced")
    wal.close()
    files.lose_power()
    wal = Wal.open(tmp_path / "wal", log)
    assert times(wal, A)[:19] == list(range(1, 20))
    assert wal.damage == []
    wal.close()


# --- damage ---


def test_flipped_byte_anywhere_in_a_file_is_reported_with_file_and_offset(tmp_path: Path) -> None:
    path = filled(tmp_path, (A, 1, b"first" * 9), (B, 2, b"second"), (A, 3, b"third"))
    for offset in range(path.stat().st_size):
        start = offset // RECORD * RECORD
        hit, other = (B, A) if start == RECORD else (A, B)
        flip(path, offset)
        wal = Wal.open(tmp_path, ONE)
        with pytest.raises(DataCorrupted, match=f"{path} at offset {start}"):
            times(wal, hit)
        assert times(wal, other), "the stream goes on"
        in_header = offset % RECORD < 64
        assert [(item.file, item.offset, item.shard) for item in wal.damage] == (
            [(path, start, hit)] if in_header else []
        )
        wal.sync(wal.append(other, 9, RecordKind.INSERT, b""))
        assert times(wal, other)[-1] == 9
        wal.close()
        path.write_bytes(path.read_bytes()[: 3 * RECORD])
        flip(path, offset)
    wal = Wal.open(tmp_path, ONE)
    assert (times(wal, A), times(wal, B)) == ([1, 3], [2])
    wal.close()


def destroy(path: Path, start: int, stop: int) -> None:
    data = bytearray(path.read_bytes())
    data[start:stop] = b"\xff" * (stop - start)
    path.write_bytes(data)


def test_header_beyond_repair_before_a_valid_record_hits_every_shard_that_needs_that_time(tmp_path: Path) -> None:
    path = filled(tmp_path, (A, 10, b"1"), (B, 20, b"2"), (A, 30, b"3"))
    destroy(path, RECORD, RECORD + 64)
    wal = Wal.open(tmp_path, ONE)
    (damage,) = wal.damage
    assert (damage.file, damage.offset, damage.shard, damage.high) == (path, RECORD, None, 30)
    for shard in (A, B, ShardId(99, 0)):
        with pytest.raises(DataCorrupted, match=f"{path} at offset {RECORD}"):
            wal.records(shard, 5)
    assert times(wal, A, after=30) == []
    wal.sync(wal.append(ShardId(99, 0), 40, RecordKind.INSERT, b"later"))
    assert times(wal, ShardId(99, 0), after=35) == [40]
    wal.close()


def test_lost_end_of_an_older_file_is_damage_and_not_a_torn_tail(tmp_path: Path) -> None:
    filled(tmp_path, (A, 1, b"x" * 40), (B, 2, b"x" * 40), (A, 3, b"x"), (B, 4, b"x"), segment_bytes=2 * RECORD)
    older, newer = sorted(tmp_path.glob("0/*.log"))
    older.write_bytes(older.read_bytes()[: RECORD + 100])
    wal = Wal.open(tmp_path, ONE)
    assert [(item.file, item.offset, item.shard) for item in wal.damage] == [(older, RECORD, B)]
    assert times(wal, A) == [1, 3]
    with pytest.raises(DataCorrupted, match=str(older)):
        wal.records(B, 0)
    assert times(wal, B, after=2) == [4]
    wal.close()
    older.write_bytes(older.read_bytes()[: RECORD + 10])
    wal = Wal.open(tmp_path, ONE)
    assert [(item.offset, item.shard, item.high) for item in wal.damage] == [(RECORD, None, 3)]
    assert older.stat().st_size == RECORD + 10, "nothing is cut before a valid record"
    assert newer.exists()
    wal.close()


def test_damaged_file_stays_until_the_damage_is_of_no_account(tmp_path: Path) -> None:
    filled(tmp_path, (A, 1, b"x"), (B, 2, b"x"), (A, 3, b"x"), segment_bytes=2 * RECORD)
    older = min(tmp_path.glob("0/*.log"))
    flip(older, RECORD + 9)
    wal = Wal.open(tmp_path, ONE)
    wal.release(A, 3)
    assert older.exists()
    wal.drop(B.collection)
    assert not older.exists()
    assert wal.damage == []
    wal.close()


# --- failing disks ---


def failing(tmp_path: Path, operation: str, **more: int) -> tuple[Wal, FaultyFiles]:
    files = FaultyFiles(**more)
    wal = Wal.open(tmp_path, ONE, files)
    wal.sync(wal.append(A, 1, RecordKind.INSERT, b"acknowledged"))
    files.schedule[operation] = files.calls[operation]
    return wal, files


def test_failed_sync_ends_the_stream_for_good(tmp_path: Path) -> None:
    wal, files = failing(tmp_path, "sync")
    ticket = wal.append(A, 2, RecordKind.INSERT, b"never acknowledged")
    for _ in range(2):
        with pytest.raises(StorageFailed, match=f"cannot sync {tmp_path}/0/{0:020d}.log"):
            wal.sync(ticket)
    files.schedule.clear()
    with pytest.raises(StorageFailed, match="cannot sync"):
        wal.sync(ticket)
    with pytest.raises(StorageFailed, match="cannot sync"):
        wal.append(B, 3, RecordKind.INSERT, b"x")
    assert times(wal, A)[0] == 1
    wal.close()


def test_failed_sync_reaches_every_waiter(tmp_path: Path) -> None:
    wal, _ = failing(tmp_path, "sync")
    tickets = [wal.append(A, at, RecordKind.INSERT, b"x") for at in range(2, 8)]

    def outcome(ticket: object) -> str:
        try:
            wal.sync(ticket)
        except StorageFailed as error:
            return str(error)
        return "acknowledged"

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(outcome, tickets))
    assert len(answers) == 1
    assert "cannot sync" in answers.pop()
    wal.close()


def test_failed_write_ends_the_stream_and_its_half_record_is_cut_on_opening(tmp_path: Path) -> None:
    wal, files = failing(tmp_path, "write")
    with pytest.raises(StorageFailed, match=f"cannot append to {tmp_path}/0/{0:020d}.log"):
        wal.append(A, 2, RecordKind.INSERT, b"x" * 100)
    files.schedule.clear()
    with pytest.raises(StorageFailed, match="cannot append to"):
        wal.append(B, 3, RecordKind.INSERT, b"x")
    wal.close()
    wal = Wal.open(tmp_path, ONE)
    assert (times(wal, A), times(wal, B), wal.damage) == ([1], [], [])
    wal.sync(wal.append(B, 3, RecordKind.INSERT, b"x"))
    wal.close()


class InterruptedFiles(FileOps):
    """Raises KeyboardInterrupt in the middle of the second record."""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, fd: int, buffers: list[memoryview]) -> int:
        self.writes += 1
        taken = super().write(fd, buffers[:1])
        if self.writes == 3:
            raise KeyboardInterrupt
        return taken


def test_interrupted_write_ends_the_stream(tmp_path: Path) -> None:
    wal = Wal.open(tmp_path, ONE, InterruptedFiles())
    wal.append(A, 1, RecordKind.INSERT, b"")
    with pytest.raises(KeyboardInterrupt):
        wal.append(A, 2, RecordKind.INSERT, b"x")
    with pytest.raises(StorageFailed, match="interrupted"):
        wal.append(A, 3, RecordKind.INSERT, b"x")
    wal.close()
    wal = Wal.open(tmp_path, ONE)
    assert times(wal, A) == [1]
    wal.close()


@pytest.mark.parametrize("operation", ["create", "sync", "sync_folder"])
def test_failed_rotation_loses_nothing_acknowledged(tmp_path: Path, operation: str) -> None:
    files = FaultyFiles()
    small = WalSettings(streams=1, segment_bytes=256)
    wal = Wal.open(tmp_path, small, files)
    for at in (1, 2):
        wal.sync(wal.append(A, at, RecordKind.INSERT, b"x" * 64))
    files.schedule[operation] = files.calls[operation]
    with pytest.raises(StorageFailed, match=str(tmp_path)):
        wal.sync(wal.append(A, 3, RecordKind.INSERT, b"x" * 64))
    wal.close()
    files.lose_power()
    wal = Wal.open(tmp_path, small)
    assert times(wal, A)[:2] == [1, 2]
    assert wal.damage == []
    wal.sync(wal.append(A, 5, RecordKind.INSERT, b"x"))
    wal.close()


@pytest.mark.parametrize("operation", ["create", "sync_folder"])
def test_log_that_cannot_be_created_says_where(tmp_path: Path, operation: str) -> None:
    with pytest.raises(StorageFailed, match=str(tmp_path)):
        Wal.open(tmp_path / "wal", ONE, FaultyFiles({operation: 0}))
    wal = Wal.open(tmp_path / "wal", ONE)
    wal.sync(wal.append(A, 1, RecordKind.INSERT, b"x"))
    wal.close()


def test_every_crash_point_of_a_busy_log_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    def run(files: FileOps, folder: Path, acknowledged: Callable[[int], None]) -> None:
        wal = Wal.open(folder, WalSettings(streams=1, segment_bytes=256), files)
        for at in range(1, 9):
            wal.sync(wal.append(A, at, RecordKind.INSERT, b"x" * 90))
            acknowledged(at)
            if at % 3 == 0:
                wal.release(A, at - 2)

    dry = FaultyFiles()
    run(dry, tmp_path / "dry", lambda _: None)
    for operation, count in dry.calls.items():
        for successes in range(count):
            folder = tmp_path / f"{operation}-{successes}"
            files, done = FaultyFiles({operation: successes}), [0]
            with pytest.raises(StorageFailed):
                run(files, folder, done.append)
            files.lose_power()
            wal = Wal.open(folder, WalSettings(streams=1, segment_bytes=256))
            kept = times(wal, A)
            assert wal.damage == []
            assert {at for at in range(1, done[-1] + 1) if at > done[-1] // 3 * 3 - 2} <= set(kept)
            wal.close()
