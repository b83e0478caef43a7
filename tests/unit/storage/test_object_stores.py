"""What every object store promises, and what LocalStore adds: durability and whole files only."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from storage_faults import FaultyFiles, flip

from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.storage.local import LocalStore
from elanus.storage.memory import MemoryStore
from elanus.storage.scoped import ScopedStore
from elanus.storage.store import AlreadyExists, ObjectInfo, ObjectNotFound, ObjectStore, Span, verify


@pytest.fixture(params=["local", "memory", "scoped"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    local = LocalStore(tmp_path / "data" / "store")
    return local if request.param == "local" else ScopedStore(local, "collections/7")


def test_object_reads_back_whole_and_by_span(store: ObjectStore) -> None:
    store.put("a/b.bin", b"0123456789")
    assert bytes(store.get("a/b.bin")) == b"0123456789"
    assert bytes(store.get("a/b.bin", Span(3, 4))) == b"3456"


def test_missing_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match=r"no/such\.bin"):
        store.get("no/such.bin")


def test_put_if_absent_refuses_a_taken_key_and_keeps_the_object(store: ObjectStore) -> None:
    store.put("k", b"first", if_absent=True)
    with pytest.raises(AlreadyExists, match="k"):
        store.put("k", b"second", if_absent=True)
    assert bytes(store.get("k")) == b"first"
    store.put("k", b"third")
    assert bytes(store.get("k")) == b"third"


def test_list_is_by_prefix_ascending_and_shows_sizes(store: ObjectStore) -> None:
    for key in ("b/2", "a/x", "b/10", "b2"):
        store.put(key, key.encode())
    assert list(store.list("b/")) == [ObjectInfo("b/10", 4), ObjectInfo("b/2", 3)]
    assert [info.key for info in store.list("b")] == ["b/10", "b/2", "b2"]
    assert [info.key for info in store.list("")] == ["a/x", "b/10", "b/2", "b2"]
    assert list(store.list("none/")) == []


def test_folders_are_those_of_one_place_ascending(store: ObjectStore) -> None:
    for key in ("b/2/x/y", "b/2/z", "b/10/x", "b/file", "bc/1/x", "a/1/x", "top"):
        store.put(key, b"1")
    assert list(store.folders("b/")) == ["10", "2"]
    assert list(store.folders("b/1")) == ["10"]
    assert list(store.folders("b")) == ["b", "bc"]
    assert list(store.folders("")) == ["a", "b", "bc"]
    assert list(store.folders("b/2/x/")) == list(store.folders("none/")) == list(store.folders("top/")) == []
    store.delete(["b/10/x"])
    assert list(store.folders("b/")) == ["2"]


def test_delete_removes_objects_and_passes_over_missing_ones(store: ObjectStore) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"2")
    store.delete(["a/b/c", "a/nothing", "e/f"])
    assert [info.key for info in store.list("")] == ["a/d"]
    store.put("a/b/c", b"again", if_absent=True)
    assert bytes(store.get("a/b/c")) == b"again"


def test_new_file_is_the_object_once_committed(store: ObjectStore) -> None:
    with store.new_file("seg/file.bin") as draft:
        draft.path.write_bytes(b"123456789")
        info = draft.commit()
    assert (info.key, info.size, info.crc32c) == ("seg/file.bin", 9, 0xE3069283)
    assert not draft.path.exists()
    assert bytes(verify(store, info)) == b"123456789"
    with store.new_file("seg/file.bin") as draft:
        draft.path.write_bytes(b"other")
        with pytest.raises(AlreadyExists):
            draft.commit()


def test_new_file_leaves_nothing_when_it_is_not_committed(store: ObjectStore) -> None:
    with suppress(RuntimeError), store.new_file("seg/file.bin") as draft:
        draft.path.write_bytes(b"half")
        raise RuntimeError
    assert not draft.path.exists()
    assert list(store.list("")) == []


def test_put_file_takes_a_finished_file_over(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "finished"
    path.write_bytes(b"")
    info = store.put_file("empty", path)
    assert (info.size, info.crc32c) == (0, 0)
    assert bytes(verify(store, info)) == b""
    assert not path.exists()


def test_of_threads_that_put_the_same_absent_key_one_wins(store: ObjectStore) -> None:
    barrier = threading.Barrier(4)

    def attempt(name: int) -> list[int]:
        won = []
        for turn in range(20):
            barrier.wait()
            try:
                store.put(f"commit/{turn}", b"%d" % name, if_absent=True)
                won.append(turn)
            except AlreadyExists:
                pass
        return won

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(4)))
    assert sorted(turn for won in results for turn in won) == list(range(20))
    assert all(bytes(store.get(f"commit/{turn}")) == b"%d" % name for name, won in enumerate(results) for turn in won)


def test_puts_and_deletes_that_share_folders_do_not_disturb_each_other(store: ObjectStore) -> None:
    def work(name: int) -> None:
        for turn in range(40):
            store.put(f"shared/{turn}/{name}", b"x")
            store.delete([f"shared/{turn}/{name}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(store.list("")) == []


# --- verification ---


def test_any_flipped_byte_is_reported_with_the_files_name(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.new_file("seg/data.bin") as draft:
        draft.path.write_bytes(bytes(range(200)))
        info = draft.commit()
    for offset in range(info.size):
        flip(tmp_path / "seg/data.bin", offset)
        with pytest.raises(DataCorrupted, match=r"seg/data\.bin"):
            verify(store, info)
        flip(tmp_path / "seg/data.bin", offset)
    verify(store, info)


def test_missing_or_cut_file_is_reported_with_its_name(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.new_file("seg/data.bin") as draft:
        draft.path.write_bytes(b"123")
        info = draft.commit()
    (tmp_path / "seg/data.bin").write_bytes(b"12")
    with pytest.raises(DataCorrupted, match=r"seg/data\.bin has 2 bytes instead of 3"):
        verify(store, info)
    store.delete(["seg/data.bin"])
    with pytest.raises(DataCorrupted, match=r"seg/data\.bin is missing"):
        verify(store, info)


# --- the local store ---


def test_leftovers_of_a_crash_are_swept_on_open(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("kept", b"1")
    (tmp_path / ".drafts" / "1-1").write_bytes(b"half")
    assert [info.key for info in LocalStore(tmp_path).list("")] == ["kept"]
    assert list((tmp_path / ".drafts").iterdir()) == []


def test_emptied_folders_go(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("collections/1/manifest/1.json", b"1")
    store.put("collections/2/manifest/1.json", b"1")
    store.delete(["collections/1/manifest/1.json"])
    assert [path.name for path in (tmp_path / "collections").iterdir()] == ["2"]


@pytest.mark.parametrize("key", ["../out", "/abs", "a//b", "", "a/../../b", ".drafts/1-1"])
def test_key_that_leaves_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        LocalStore(tmp_path).put(key, b"")


def test_put_object_survives_power_loss(tmp_path: Path) -> None:
    files = FaultyFiles()
    store = LocalStore(tmp_path / "new" / "store", files)
    store.put("a/b/c.json", b"committed", if_absent=True)
    store.put("a/b/d.json", b"committed")
    files.lose_power()
    again = LocalStore(tmp_path / "new" / "store")
    assert [(info.key, again.get(info.key)) for info in again.list("")] == [
        ("a/b/c.json", b"committed"),
        ("a/b/d.json", b"committed"),
    ]


@pytest.mark.parametrize("operation", ["create", "write", "append_to", "sync", "link", "sync_folder"])
def test_failed_put_names_the_file_and_never_leaves_half_an_object(tmp_path: Path, operation: str) -> None:
    LocalStore(tmp_path).put("a/earlier", b"1")
    files = FaultyFiles()
    store = LocalStore(tmp_path, files)
    files.schedule[operation] = files.calls[operation]
    with pytest.raises(StorageFailed, match=str(tmp_path)):
        store.put("a/object", b"x" * 100_000, if_absent=True)
    files.lose_power()
    again = LocalStore(tmp_path)
    assert [info.key for info in again.list("")] == ["a/earlier"]
    again.put("a/object", b"ok", if_absent=True)


def test_write_goes_on_after_a_short_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, FaultyFiles(short=7))
    store.put("k", bytes(range(100)))
    assert store.get("k") == bytes(range(100))
