"""Creating, dropping, describing, listing, renaming and truncating collections; databases and aliases."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from elanus.engine import HANDLERS, CollectionName, Instance, LocalEngine, system
from elanus.engine.aliases import AlterAlias, CreateAlias, DescribeAlias, DropAlias, ListAliases
from elanus.engine.collections import (
    CollectionStatistics,
    CreateCollection,
    DescribeCollection,
    DropCollection,
    HasCollection,
    ListCollections,
    Listed,
    RenameCollection,
    TruncateCollection,
)
from elanus.engine.databases import AlterDatabase, CreateDatabase, DescribeDatabase, DropDatabase, ListDatabases
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import CreatePartition, GetLoadState, Load
from elanus.model import errors
from elanus.model.schema import Field
from elanus.model.time import physical_ms
from elanus.model.types import DataType, LoadState
from elanus.storage.local import LocalStore
from elanus.storage.store import ObjectInfo

SCALAR = Field(id=0, name="n", type=DataType.INT32)
C = CollectionName("default", "c")
D = CollectionName("default", "d")


def refusal(run, command) -> errors.ElanusError:
    with pytest.raises(errors.ElanusError) as caught:
        run(command)
    return caught.value


def described(house, name=C):
    return house.run(DescribeCollection(name))


def damage(house, prefix: str = "collections/") -> None:
    for key in house.files(prefix):
        house.store.put(key, b"damaged")


class ListedStore(LocalStore):
    """A store that remembers what was listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.listed: list[str] = []

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.listed.append(prefix)
        return super().list(prefix)


# --- create ---


def test_creating_the_same_again_changes_nothing(house):
    house.create("c", SCALAR)
    first = described(house)
    house.create("c", SCALAR)
    assert described(house) == first


def test_creating_another_under_the_name_is_refused(house):
    house.create("c")
    command = CreateCollection(C, described(house).manifest.schema, shards=2)
    error = refusal(house.run, command)
    assert "create duplicate collection with different parameters, collection: c" in str(error)
    assert error.code == 1100


def test_an_alias_takes_the_name_too(house):
    house.create("c")
    house.run(CreateAlias(D, "c"))
    error = refusal(house.run, CreateCollection(D, described(house).manifest.schema))
    assert "alias and collection name conflict[database=default][alias=d]" in str(error)
    assert error.code == 1601
    assert len(house.instance.catalog.collections()) == 1


def test_a_missing_database_is_named(house):
    house.create("c")
    error = refusal(house.run, CreateCollection(CollectionName("x", "c"), described(house).manifest.schema))
    assert error.code == 800
    assert len({key.split("/")[1] for key in house.files()}) == 1


def test_a_collection_that_finds_no_room_leaves_nothing_behind(house):
    house.run(CreateDatabase("small", (("database.max.collections", "1"),)))
    house.create("a", database="small")
    before = house.files()
    with pytest.raises(errors.TooManyCollections):
        house.create("b", database="small")
    assert house.files() == before


def test_of_many_creations_at_once_one_collection_comes(house):
    start = threading.Barrier(6)

    def create(_: int) -> None:
        start.wait()
        house.create("c", SCALAR)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(create, range(6)))
    assert len({key.split("/")[1] for key in house.files()}) == 1


def test_collections_are_there_after_reopening(house):
    house.create("c", SCALAR, properties=(("k", "v"),))
    before = described(house)
    house.reopen()
    assert described(house) == before


# --- drop ---


def test_a_dropped_collection_is_gone_with_its_files(house):
    house.create("c")
    house.insert(C, 3)
    house.run(DropCollection(C))
    assert not house.run(HasCollection(C))
    assert house.files() == []
    assert house.wal.shards() == set()
    house.run(DropCollection(C))


def test_a_collection_that_is_not_open_is_dropped_all_the_same(house):
    house.create("c")
    house.insert(C, 3)
    house.reopen()
    house.run(DropCollection(C))
    assert house.files() == []
    assert house.wal.shards() == set()


def test_a_collection_whose_manifest_is_damaged_can_be_dropped(house):
    house.create("c")
    damage(house)
    house.reopen()
    house.run(DropCollection(C))
    assert house.files() == []


def test_drop_goes_by_the_own_name_only(house):
    house.create("c")
    house.run(CreateAlias(D, "c"))
    assert "cannot drop the collection via alias = d" in str(refusal(house.run, DropCollection(D)))
    error = refusal(house.run, DropCollection(C))
    assert "has associated aliases" in str(error)
    assert "remove all aliases" in str(error)
    house.run(DropAlias(D))
    house.run(DropCollection(C))


def test_dropping_from_a_missing_database_is_fine(run):
    run(DropCollection(CollectionName("x", "c")))


def test_a_recreated_collection_has_another_stamp(house):
    house.create("c")
    before = described(house).manifest
    house.run(DropCollection(C))
    house.create("c")
    after = described(house).manifest
    assert after.updated_at > before.updated_at
    assert after.id > before.id


def test_what_a_crash_left_of_a_creation_is_removed_at_the_next_start(house):
    house.create("c")
    house.store.put("collections/123/00000000000000000001.json", b"half a collection")
    house.reopen()
    kept = described(house).manifest.id
    assert {key.split("/")[1] for key in house.files()} == {str(kept)}


def test_an_empty_folder_that_a_crash_left_is_no_remains(house, caplog):
    house.create("c")
    (house.folder / "store/collections/123/manifest").mkdir(parents=True)
    house.reopen()
    assert "remains" not in caplog.text
    assert described(house).name == "c"


def test_starting_lists_no_files_of_the_collections_that_are_there(house):
    house.create("c")
    house.store.put("collections/123/manifest/1.json", b"half a collection")
    store = ListedStore(house.folder / "store")
    Instance(house.catalog, replace(house.services, store=store))
    assert set(store.listed) == {"collections/123/"}


def test_what_a_crash_left_of_a_drop_is_removed_at_the_next_start(house):
    house.create("c")
    house.insert(C, 3)
    house.catalog.drop_collection(described(house).manifest.id)
    house.reopen()
    assert house.files() == []
    assert house.wal.shards() == set()


# --- describe, list, count ---


def test_describe_finds_by_name_alias_and_id(house):
    house.create("c")
    house.run(CreateAlias(D, "c"))
    by_name = described(house)
    assert (by_name.name, by_name.database, by_name.database_id, by_name.aliases) == ("c", "default", 1, ("d",))
    assert described(house, D) == by_name
    assert house.run(DescribeCollection(CollectionName("default", ""), by_name.manifest.id)) == by_name


@pytest.mark.parametrize("command", [DescribeCollection(C), DescribeCollection(CollectionName("default", ""), 5)])
def test_describe_has_its_own_words_for_what_is_missing(run, command):
    error = refusal(run, command)
    assert "can't find collection[database=default][collection=" in str(error)
    assert (error.code, error.legacy) == (100, 4)


@pytest.mark.parametrize(
    "command",
    [HasCollection, DescribeCollection, DropCollection, CollectionStatistics, TruncateCollection, GetLoadState],
)
def test_a_name_that_can_not_be_is_refused_before_it_is_looked_up(run, command):
    error = refusal(run, command(CollectionName("nowhere", "1c")))
    assert "Invalid collection name: 1c." in str(error)


def test_has_is_false_for_a_missing_collection_and_refuses_a_missing_database(run):
    assert run(HasCollection(C)) is False
    assert refusal(run, HasCollection(CollectionName("x", "c"))).code == 800


def test_list_shows_collections_of_the_database_by_age_without_aliases(house):
    house.run(CreateDatabase("other"))
    house.create("b")
    house.create("a")
    house.create("z", database="other")
    house.run(CreateAlias(D, "b"))
    assert [one.name for one in house.run(ListCollections("default"))] == ["b", "a"]
    assert [one.name for one in house.run(ListCollections("default", names=("a",)))] == ["a"]
    assert refusal(house.run, ListCollections("x")).code == 800


def test_list_of_loaded_collections(house):
    loaded(house, house.create("a"))
    house.create("b")
    assert [one.name for one in house.run(ListCollections("default", loaded_only=True))] == ["a"]
    error = refusal(house.run, ListCollections("default", loaded_only=True, names=("b",)))
    assert error.code == 101


def test_list_is_answered_without_opening_a_collection(house):
    house.create("a", shards=2)
    house.create("b")
    expected = []
    for name, shards in (("a", 2), ("b", 1)):
        manifest = described(house, CollectionName("default", name)).manifest
        expected.append(Listed(manifest.id, name, manifest.created_at, shards))
    damage(house)
    house.reopen()
    assert house.run(ListCollections("default")) == tuple(expected)
    assert house.run(ListCollections("default", names=("b",))) == (expected[1],)


def test_list_of_loaded_collections_opens_none(house):
    loaded(house, house.create("a"))
    house.create("b")
    house.reopen()
    assert [one.name for one in house.run(ListCollections("default", loaded_only=True))] == ["a"]
    assert house.instance.open_collections() == []


@pytest.mark.parametrize(("how", "kind"), [("damaged", errors.DataCorrupted), ("missing", errors.StorageFailed)])
def test_list_of_loaded_collections_leaves_out_an_unreadable_one(house, caplog, how, kind):
    for name in "ab":
        loaded(house, house.create(name))
    bad = f"collections/{described(house, CollectionName('default', 'a')).manifest.id}/"
    house.close()
    if how == "damaged":
        damage(house, bad)
    else:
        house.store.delete(house.files(bad))
    house.open()
    assert [one.name for one in house.run(ListCollections("default", loaded_only=True))] == ["b"]
    assert "leaving collection a out" in caplog.text
    assert isinstance(refusal(house.run, ListCollections("default", loaded_only=True, names=("a", "b"))), kind)


def test_statistics_count_rows_until_truncated(house):
    house.create("c")
    house.insert(C, 5)
    assert house.run(CollectionStatistics(C)) == 5
    house.run(TruncateCollection(C))
    assert house.run(CollectionStatistics(C)) == 0
    house.reopen()
    assert house.run(CollectionStatistics(C)) == 0
    assert refusal(house.run, CollectionStatistics(D)).code == 100


def test_truncate_keeps_everything_but_the_rows(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    house.run(CreateAlias(D, "c"))
    loaded(house, C)
    house.insert(C, 5)
    before = described(house)
    house.run(TruncateCollection(D))
    after = described(house)
    assert after.aliases == before.aliases
    kept = ("schema", "partitions", "indexes", "updated_at", "properties")
    assert [getattr(after.manifest, name) for name in kept] == [getattr(before.manifest, name) for name in kept]


# --- rename ---


def test_rename_keeps_data_aliases_and_load_state(house):
    house.create("c")
    house.run(CreateAlias(CollectionName("default", "x"), "c"))
    loaded(house, C)
    house.insert(C, 5)
    before = described(house)
    house.run(RenameCollection(C, D))
    assert described(house, D) == replace(before, name="d")
    assert house.run(CollectionStatistics(D)) == 5
    assert house.run(GetLoadState(C)) is LoadState.NOT_EXIST
    assert house.run(DescribeAlias(CollectionName("default", "x"))) == "d"


def test_rename_moves_to_another_database(house):
    house.run(CreateDatabase("other"))
    house.create("c")
    house.run(RenameCollection(C, CollectionName("other", "c")))
    assert described(house, CollectionName("other", "c")).database == "other"


def test_rename_refusals(house):
    house.create("c")
    house.create("d")
    alias = CollectionName("default", "x")
    house.run(CreateAlias(alias, "d"))
    phrase = "duplicated new collection name default:{} with other collection name or alias"
    cases = [
        (C, C, 1100, "collection name or database name should be different"),
        (C, D, 1100, phrase.format("d")),
        (C, alias, 1601, phrase.format("x")),
        (alias, CollectionName("default", "y"), 1100, "unsupported use an alias to rename collection, alias:x"),
        (CollectionName("default", "y"), CollectionName("default", "z"), 100, "collection not found"),
        (C, CollectionName("nowhere", "c"), 800, "database not found[database=nowhere]"),
        (C, CollectionName("default", "1"), 1100, "Invalid collection name: 1."),
    ]
    for old, new, code, words in cases:
        error = refusal(house.run, RenameCollection(old, new))
        assert (error.code, words in str(error)) == (code, True), (old, new, error)


# --- databases ---


def test_databases_come_and_go(run):
    run(CreateDatabase("d", (("timezone", "Europe/Berlin"),)))
    info = run(DescribeDatabase("d"))
    assert (info.name, info.properties) == ("d", (("timezone", "Europe/Berlin"),))
    assert [(one.id, one.name) for one in run(ListDatabases())] == [(1, "default"), (info.id, "d")]
    run(DropDatabase("d"))
    assert refusal(run, DescribeDatabase("d")).code == 800


@pytest.mark.parametrize(
    ("command", "code", "phrase"),
    [
        (CreateDatabase("default"), 1100, "database already exist: default"),
        (CreateDatabase("1"), 802, "invalid database name[database=1]"),
        (CreateDatabase("d", (("timezone", "Nowhere"),)), 1100, "unknown or invalid IANA Time Zone ID: Nowhere"),
        (CreateDatabase("d", (("database.max.collections", "x"),)), 1100, "database.max.collections"),
        (DropDatabase("default"), 1100, "can not drop default database"),
        (DropDatabase("x"), 800, "database not found[database=x]"),
        (AlterDatabase("default"), 1100, "alter database with empty properties and delete keys"),
        (AlterDatabase("default", (("a", "b"),), ("c",)), 1100, "cannot provide both DeleteKeys and ExtraParams"),
        (AlterDatabase("x", (("a", "b"),)), 800, "database not found"),
        (AlterDatabase("default", (("cipher.key", "b"),)), 1100, "cipher.key can't be altered"),
    ],
)
def test_database_refusals(run, command, code, phrase):
    error = refusal(run, command)
    assert (error.code, phrase in str(error)) == (code, True), error


def test_database_properties_are_set_and_deleted(run):
    run(AlterDatabase("default", (("a", "1"), ("b", "2"))))
    run(AlterDatabase("default", (("a", "3"),)))
    run(AlterDatabase("default", delete_keys=("b", "missing")))
    assert run(DescribeDatabase("default")).properties == (("a", "3"),)


# --- aliases ---


def test_aliases_come_move_and_go(house):
    house.create("c")
    house.create("d")
    alias = CollectionName("default", "x")
    house.run(CreateAlias(alias, "c"))
    house.run(CreateAlias(alias, "c"))
    assert house.run(DescribeAlias(alias)) == "c"
    house.run(AlterAlias(alias, "d"))
    assert house.run(ListAliases(D)) == ("x",)
    assert house.run(ListAliases(C)) == ()
    assert house.run(ListAliases(CollectionName("default", ""))) == ("x",)
    assert refusal(house.run, ListAliases(alias)).code == 100
    house.run(DropAlias(alias))
    house.run(DropAlias(alias))
    assert refusal(house.run, DescribeAlias(alias)).code == 1600


def test_alias_names_are_checked(run):
    error = refusal(run, CreateAlias(CollectionName("default", "1x"), "c"))
    assert "Invalid collection alias: 1x." in str(error)
    assert refusal(run, CreateAlias(CollectionName("default", "x"), "missing")).code == 100


# --- the system ---


def test_connect_needs_the_database_that_it_names(run):
    one, two = run(system.Connect()), run(system.Connect("default"))
    assert two.identifier > one.identifier > 0
    assert one.version == run(system.GetVersion())
    assert one.version.startswith("3.0.0-elanus")
    assert refusal(run, system.Connect("x")).code == 800


def test_timestamps_follow_every_write(house):
    house.create("c")
    house.insert(C, 1)
    later = house.run(system.AllocateTimestamp())
    assert later > house.instance.collection(C).published(0)
    assert physical_ms(later) > 0


def test_every_command_has_one_handler(house):
    assert isinstance(house.engine, LocalEngine)
    assert len(HANDLERS) >= 30


def loaded(house, name):
    house.run(CreateIndex(name, "v", "", (("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(name))
