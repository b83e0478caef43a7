"""The catalog of names: its rules, and that what it says is durable."""

import itertools
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from elanus.catalog.names import Catalog, CollectionEntry, DatabaseEntry
from elanus.model import limits
from elanus.model.errors import (
    AliasAlreadyExists,
    AliasNameConflict,
    AliasNotFound,
    CapacityExceeded,
    CollectionNotFound,
    DatabaseNotFound,
    InvalidParameter,
    StorageFailed,
    TooManyCollections,
    TooManyDatabases,
)
from elanus.model.ids import CollectionId, DatabaseId
from elanus.model.time import Timestamp


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.db"


@pytest.fixture
def catalog(path):
    opened = reopen(path)
    yield opened
    opened.close()


def reopen(path) -> Catalog:
    return Catalog.open(path, now=lambda: Timestamp(7))


def entry(number: int, name: str, database: str = "default", shards: int = 1, partitions: int = 1) -> CollectionEntry:
    return CollectionEntry(CollectionId(number), database, name, Timestamp(number), shards, partitions)


def database(number: int, name: str, *properties: tuple[str, str]) -> DatabaseEntry:
    return DatabaseEntry(DatabaseId(number), name, Timestamp(number), properties)


def test_a_new_catalog_has_the_default_database(catalog):
    assert catalog.databases() == (DatabaseEntry(DatabaseId(1), "default", Timestamp(7)),)


def test_everything_is_there_after_reopening(path):
    first = reopen(path)
    first.create_database(database(5, "other", ("timezone", "UTC"), ("x", "y")))
    first.create_collection(entry(10, "a", shards=3, partitions=2))
    first.create_collection(entry(11, "b", "other"))
    first.resize_collection(CollectionId(11), 4)
    first.create_alias("default", "second", "a")
    first.create_database(database(6, "gone"))
    first.drop_database("gone")
    first.close()
    again = reopen(path)
    assert [found.name for found in again.databases()] == ["default", "other"]
    assert again.database("other").properties == (("timezone", "UTC"), ("x", "y"))
    assert again.collections() == (entry(10, "a", shards=3, partitions=2), entry(11, "b", "other", partitions=4))
    assert again.resolve("default", "second") == 10
    assert again.aliases_of(CollectionId(10)) == ("second",)
    again.close()


def test_the_file_is_journaled_and_synced_at_every_commit(catalog, path):
    catalog.create_collection(entry(10, "a"))
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("SELECT name FROM collections").fetchall() == [("a",)]
    other.close()
    with catalog._engine.connect() as own:
        assert own.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_catalog_of_a_later_release_is_refused(catalog, path):
    catalog.close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE catalog_format SET version = 99")
    other.close()
    with pytest.raises(StorageFailed, match="format 99"):
        reopen(path)


def test_a_file_that_is_no_database_is_refused_by_name(path):
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageFailed, match=r"catalog\.db"):
        reopen(path)


# --- databases ---


def test_database_names_are_unique(catalog):
    catalog.create_database(database(5, "d"))
    with pytest.raises(InvalidParameter, match="database already exist: d"):
        catalog.create_database(database(6, "d"))


def test_the_65th_database_is_refused(catalog):
    for number in range(2, limits.DATABASES + 1):
        catalog.create_database(database(number, f"d{number}"))
    with pytest.raises(TooManyDatabases, match=r"\[limit=64\]"):
        catalog.create_database(database(1000, "more"))


def test_only_empty_databases_are_dropped(catalog):
    catalog.create_database(database(5, "d"))
    catalog.create_collection(entry(10, "a", "d"))
    with pytest.raises(InvalidParameter, match="database:d not empty, must drop all collections"):
        catalog.drop_database("d")
    catalog.drop_collection(CollectionId(10))
    catalog.drop_database("d")
    with pytest.raises(DatabaseNotFound, match=r"database not found\[database=d\]"):
        catalog.database("d")
    with pytest.raises(DatabaseNotFound):
        catalog.drop_database("d")


def test_the_default_database_stays(catalog):
    with pytest.raises(InvalidParameter, match="can not drop default database"):
        catalog.drop_database("default")


def test_altered_properties_are_kept(catalog, path):
    catalog.alter_database("default", lambda pairs: (*pairs, ("k", "v")))
    catalog.close()
    assert reopen(path).database("default").properties == (("k", "v"),)


# --- collections ---


def test_databases_separate_names(catalog):
    catalog.create_database(database(5, "d"))
    catalog.create_collection(entry(10, "a"))
    catalog.create_collection(entry(11, "a", "d"))
    assert catalog.resolve("default", "a") == 10
    assert catalog.resolve("d", "a") == 11
    assert [found.id for found in catalog.collections("d")] == [11]


def test_missing_names_say_what_is_missing(catalog):
    with pytest.raises(CollectionNotFound, match=r"collection not found\[database=default\]\[collection=a\]"):
        catalog.resolve("default", "a")
    with pytest.raises(DatabaseNotFound):
        catalog.resolve("d", "a")
    with pytest.raises(DatabaseNotFound):
        catalog.create_collection(entry(10, "a", "d"))


def test_a_taken_name_is_refused(catalog):
    catalog.create_collection(entry(10, "a"))
    with pytest.raises(InvalidParameter):
        catalog.create_collection(entry(11, "a"))
    catalog.create_alias("default", "x", "a")
    with pytest.raises(AliasNameConflict, match=r"conflict\[database=default\]\[alias=x\]"):
        catalog.create_collection(entry(12, "x"))
    assert len(catalog.collections()) == 1


def test_a_database_may_limit_its_collections(catalog):
    catalog.create_database(database(5, "d", ("database.max.collections", "1")))
    catalog.create_collection(entry(10, "a", "d"))
    with pytest.raises(TooManyCollections, match=r"collections\[dbName=d\]\[limit=1\]"):
        catalog.create_collection(entry(11, "b", "d"))


def test_partitions_times_shards_are_limited_over_all_collections(catalog):
    catalog.create_collection(entry(10, "a", shards=2, partitions=limits.GENERAL_CAPACITY // 2 - 2))
    catalog.create_collection(entry(11, "b", shards=4))
    with pytest.raises(CapacityExceeded):
        catalog.create_collection(entry(12, "c"))
    with pytest.raises(CapacityExceeded):
        catalog.resize_collection(CollectionId(11), 2)
    catalog.resize_collection(CollectionId(10), 5)
    catalog.resize_collection(CollectionId(11), 2)


def test_a_collection_with_aliases_is_not_dropped(catalog):
    catalog.create_collection(entry(10, "a"))
    catalog.create_alias("default", "x", "a")
    with pytest.raises(InvalidParameter, match=r"associated aliases.*remove all aliases"):
        catalog.drop_collection(CollectionId(10))
    catalog.drop_alias("default", "x")
    catalog.drop_collection(CollectionId(10))
    catalog.drop_collection(CollectionId(10))
    assert catalog.collections() == ()


def test_rename_keeps_id_and_aliases(catalog, path):
    catalog.create_collection(entry(10, "a"))
    catalog.create_alias("default", "x", "a")
    catalog.rename_collection(CollectionId(10), "default", "b")
    catalog.close()
    again = reopen(path)
    assert again.resolve("default", "b") == again.resolve("default", "x") == 10
    with pytest.raises(CollectionNotFound):
        again.resolve("default", "a")


def test_rename_needs_a_free_name(catalog):
    catalog.create_collection(entry(10, "a"))
    catalog.create_collection(entry(11, "b"))
    catalog.create_alias("default", "x", "b")
    phrase = "duplicated new collection name default:{} with other collection name or alias"
    with pytest.raises(InvalidParameter, match=phrase.format("b")):
        catalog.rename_collection(CollectionId(10), "default", "b")
    with pytest.raises(AliasNameConflict, match=phrase.format("x")):
        catalog.rename_collection(CollectionId(10), "default", "x")


def test_rename_across_databases_needs_no_aliases(catalog):
    catalog.create_database(database(5, "d"))
    catalog.create_collection(entry(10, "a"))
    catalog.create_alias("default", "x", "a")
    with pytest.raises(InvalidParameter, match="must drop all aliases of this collection before rename"):
        catalog.rename_collection(CollectionId(10), "d", "a")
    catalog.drop_alias("default", "x")
    catalog.rename_collection(CollectionId(10), "d", "a")
    assert catalog.resolve("d", "a") == 10
    with pytest.raises(DatabaseNotFound):
        catalog.rename_collection(CollectionId(10), "nowhere", "a")


# --- aliases ---


def test_aliases_resolve_like_names(catalog):
    catalog.create_collection(entry(10, "a"))
    catalog.create_alias("default", "x", "a")
    catalog.create_alias("default", "x", "a")
    assert catalog.resolve("default", "x") == 10
    assert catalog.find("default", "x") is None
    assert catalog.alias_target("default", "x").name == "a"
    assert catalog.aliases("default") == ("x",)


def test_an_alias_names_one_real_collection(catalog):
    catalog.create_collection(entry(10, "a"))
    catalog.create_collection(entry(11, "b"))
    catalog.create_alias("default", "x", "a")
    with pytest.raises(
        AliasAlreadyExists,
        match=r"x is alias to another collection: a: alias already exist\[database=default\]\[alias=x\]",
    ):
        catalog.create_alias("default", "x", "b")
    with pytest.raises(AliasNameConflict):
        catalog.create_alias("default", "b", "a")
    for missing in ("x", "nothing"):
        with pytest.raises(CollectionNotFound):
            catalog.create_alias("default", "y", missing)
    with pytest.raises(DatabaseNotFound):
        catalog.create_alias("d", "y", "a")


def test_alter_alias_moves_it(catalog):
    catalog.create_collection(entry(10, "a"))
    catalog.create_collection(entry(11, "b"))
    with pytest.raises(AliasNotFound, match=r"alias not found\[database=default\]\[alias=x\]"):
        catalog.alter_alias("default", "x", "b")
    catalog.create_alias("default", "x", "a")
    catalog.alter_alias("default", "x", "b")
    assert catalog.resolve("default", "x") == 11
    assert catalog.aliases_of(CollectionId(10)) == ()
    with pytest.raises(AliasNameConflict):
        catalog.alter_alias("default", "a", "b")


def test_dropping_a_missing_alias_is_fine(catalog):
    catalog.drop_alias("default", "x")
    with pytest.raises(AliasNotFound):
        catalog.alias_target("default", "x")


# --- concurrency and failures ---


def test_of_many_threads_creating_one_name_one_wins(catalog):
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        try:
            catalog.create_collection(entry(number, "a"))
        except InvalidParameter:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(10, 18))) == 1
    assert len(catalog.collections()) == 1


def test_readers_see_every_rename_whole(catalog):
    catalog.create_collection(entry(10, "a"))
    done = threading.Event()
    lost = []

    def look() -> None:
        while not done.is_set():
            found = [name for name in ("a", "b", "a") if catalog.find("default", name) is not None]
            if not found:
                lost.append(found)

    reader = threading.Thread(target=look)
    reader.start()
    for name in itertools.islice(itertools.cycle("ba"), 40):
        catalog.rename_collection(CollectionId(10), "default", name)
    done.set()
    reader.join()
    assert not lost


def test_what_sql_refuses_is_not_in_memory_either(catalog):
    catalog.create_collection(entry(10, "a"))
    with pytest.raises(StorageFailed, match="catalog"):
        catalog.create_collection(entry(10, "b"))
    assert catalog.find("default", "b") is None
    assert catalog.entry(CollectionId(10)).name == "a"
