"""The log while nothing fails: order, group commit, release, rotation, reopening."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_faults import FaultyFiles

from elanus.model.errors import StorageFailed
from elanus.model.settings import WalSettings
from elanus.storage.wal import RecordKind, ShardId, Ticket, Wal

SMALL = WalSettings(streams=2, segment_bytes=1024, pin_bytes=4096)
A, B, C = ShardId(1, 0), ShardId(2, 0), ShardId(2, 1)


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[Wal]:
    log = Wal.open(tmp_path / "wal", SMALL)
    yield log
    log.close()


def contents(wal: Wal, shard: ShardId, after: int = 0) -> list[tuple[RecordKind, int, bytes]]:
    return [(record.kind, record.at, bytes(record.payload)) for record in wal.records(shard, after)]


def put(wal: Wal, shard: ShardId, at: int, payload: bytes) -> Ticket:
    ticket = wal.append(shard, at, RecordKind.INSERT, payload)
    wal.sync(ticket)
    return ticket


def reopened(wal: Wal, tmp_path: Path) -> Wal:
    wal.close()
    return Wal.open(tmp_path / "wal", SMALL)


def test_records_come_back_by_shard_in_order(wal: Wal) -> None:
    wal.append(A, 1, RecordKind.INSERT, b"one")
    wal.append(B, 2, RecordKind.INSERT, [b"two ", memoryview(b"parts"), b""])
    wal.append(A, 3, RecordKind.DELETE, b"")
    assert contents(wal, A) == [(RecordKind.INSERT, 1, b"one"), (RecordKind.DELETE, 3, b"")]
    assert contents(wal, B) == [(RecordKind.INSERT, 2, b"two parts")]
    assert contents(wal, A, after=1) == [(RecordKind.DELETE, 3, b"")]
    assert contents(wal, C) == []
    assert wal.shards() == {A, B}


def test_payload_is_aligned_for_arrow(wal: Wal, tmp_path: Path) -> None:
    put(wal, A, 1, b"x")
    put(wal, A, 2, b"payload")
    (path,) = [path for path in tmp_path.glob("wal/*/*.log") if path.stat().st_size]
    assert path.read_bytes().index(b"payload") % 64 == 0


shards = st.sampled_from([A, B, C, ShardId(-5, 3), ShardId(2**62, 2**31)])
writes = st.lists(
    st.tuples(shards, st.sampled_from(RecordKind), st.lists(st.binary(max_size=300), max_size=3)), max_size=30
)


@given(writes, st.integers(1, 4), st.integers(64, 2048), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_log_is_the_same_after_reopening(
    tmp_path_factory: pytest.TempPathFactory, records: list, streams: int, segment_bytes: int, split: int
) -> None:
    folder = tmp_path_factory.mktemp("wal")
    settings = WalSettings(streams=streams, segment_bytes=segment_bytes)
    expected: dict[ShardId, list] = {}
    for part in (records[:split], records[split:]):
        wal = Wal.open(folder, settings)
        for shard, kind, payload in part:
            at = sum(map(len, expected.values())) + 1
            wal.sync(wal.append(shard, at, kind, payload))
            expected.setdefault(shard, []).append((kind, at, b"".join(payload)))
        assert wal.shards() == set(expected)
        wal.close()
    wal = Wal.open(folder, settings)
    assert {shard: contents(wal, shard) for shard in wal.shards()} == expected
    assert wal.damage == []
    wal.close()


def test_release_removes_whole_files_that_nobody_needs(wal: Wal, tmp_path: Path) -> None:
    for at in range(1, 21):
        put(wal, A, at, b"x" * 400)
    files = sorted(tmp_path.glob("wal/*/*.log"))
    before = wal.num_bytes
    wal.release(A, 12)
    assert contents(wal, A)[-1][1] == 20
    assert [record[1] for record in contents(wal, A, after=12)] == list(range(13, 21))
    assert wal.num_bytes < before
    assert len(list(tmp_path.glob("wal/*/*.log"))) < len(files)
    wal.release(A, 20)
    assert wal.shards() == set()
    assert wal.num_bytes <= 2 * SMALL.segment_bytes
    assert contents(wal, A, after=20) == []


def test_file_stays_while_another_shard_needs_it(tmp_path: Path) -> None:
    wal = Wal.open(tmp_path / "wal", WalSettings(streams=1, segment_bytes=1024))
    put(wal, B, 1, b"idle")
    for at in range(2, 20):
        put(wal, A, at, b"x" * 400)
    wal.release(A, 19)
    assert contents(wal, B) == [(RecordKind.INSERT, 1, b"idle")]
    wal.release(B, 1)
    assert wal.shards() == set()
    assert len(list(tmp_path.glob("wal/*/*.log"))) == 1
    wal.close()


def test_sequence_goes_on_after_everything_was_released_and_reopened(wal: Wal, tmp_path: Path) -> None:
    first = [put(wal, A, at, b"x" * 600) for at in range(1, 6)]
    wal.release(A, 5)
    wal = reopened(wal, tmp_path)
    assert put(wal, A, 6, b"y").sequence == first[-1].sequence + 1
    wal = reopened(wal, tmp_path)
    assert contents(wal, A, after=5) == [(RecordKind.INSERT, 6, b"y")]
    wal.close()


def test_released_records_that_share_a_file_are_offered_again_after_reopening(wal: Wal, tmp_path: Path) -> None:
    put(wal, A, 1, b"x")
    wal.release(A, 1)
    assert wal.shards() == set()
    wal = reopened(wal, tmp_path)
    assert wal.shards() == {A}
    assert contents(wal, A, after=1) == []
    wal.close()


def test_dropped_collection_leaves_with_all_its_shards(wal: Wal) -> None:
    for shard in (A, B, C):
        put(wal, shard, 1, b"x")
    wal.drop(2)
    assert wal.shards() == {A}


def test_shards_that_hold_the_oldest_files_are_named_once_the_log_is_too_large(tmp_path: Path) -> None:
    wal = Wal.open(tmp_path / "wal", WalSettings(streams=1, segment_bytes=1024, pin_bytes=8192))
    put(wal, B, 1, b"idle")
    for at in range(2, 12):
        put(wal, A, at, b"x" * 400)
        assert wal.pinning() == []
    for at in range(12, 40):
        put(wal, A, at, b"x" * 400)
    assert wal.pinning() == [A, B]
    wal.release(A, 39)
    wal.release(B, 1)
    assert wal.pinning() == []
    assert wal.pinning(0) == []
    wal.close()


def test_number_of_streams_stays_what_it_was_when_the_log_was_made(tmp_path: Path) -> None:
    wal = Wal.open(tmp_path, WalSettings(streams=3))
    for number in range(8):
        put(wal, ShardId(number, 0), 1, b"x")
    wal.close()
    wal = Wal.open(tmp_path, WalSettings(streams=7))
    for number in range(8):
        assert len(contents(wal, ShardId(number, 0))) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
    wal.close()


def test_closed_log_refuses(wal: Wal) -> None:
    ticket = put(wal, A, 1, b"x")
    wal.close()
    wal.sync(ticket)
    with pytest.raises(StorageFailed, match="closed"):
        wal.append(A, 2, RecordKind.INSERT, b"x")


class GatedFiles(FaultyFiles):
    """Holds the first sync until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def sync(self, fd: int) -> None:
        self.entered.set()
        self.gate.wait()
        super().sync(fd)


def test_one_sync_serves_all_that_wait(tmp_path: Path) -> None:
    files = GatedFiles()
    wal = Wal.open(tmp_path, WalSettings(streams=1), files)
    first = wal.append(A, 1, RecordKind.INSERT, b"x")
    with ThreadPoolExecutor(9) as pool:
        leader = pool.submit(wal.sync, first)
        files.entered.wait()
        tickets = [wal.append(A, at, RecordKind.INSERT, b"x") for at in range(2, 10)]
        followers = [pool.submit(wal.sync, ticket) for ticket in tickets]
        files.gate.set()
        for future in (leader, *followers):
            future.result()
    assert files.calls["sync"] == 2
    wal.close()


def test_eight_writers_lose_nothing_while_files_rotate(tmp_path: Path) -> None:
    files = FaultyFiles(short=100)
    log = WalSettings(streams=2, segment_bytes=4096)
    wal = Wal.open(tmp_path, log, files)

    def write(number: int) -> None:
        shard = ShardId(number, 0)
        for at in range(1, 41):
            wal.sync(wal.append(shard, at, RecordKind.INSERT, b"%d:%d" % (number, at) * 20))
            if at % 16 == 0:
                assert len(contents(wal, shard, after=at - 16)) == 16
                wal.release(shard, at - 8)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    files.lose_power()
    again = Wal.open(tmp_path, log)
    assert again.damage == []
    for number in range(8):
        expected = [(RecordKind.INSERT, at, b"%d:%d" % (number, at) * 20) for at in range(25, 41)]
        assert contents(again, ShardId(number, 0), after=24) == expected
    again.close()
