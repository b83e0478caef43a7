"""Partitions, what of them is loaded, and the indexes that loading needs."""

from dataclasses import replace

import pytest

from elanus.engine import CollectionName
from elanus.engine.collections import CollectionStatistics, CreateCollection, DescribeCollection
from elanus.engine.data import Flush
from elanus.engine.indexes import CreateIndex, DescribeIndexes, DropIndex
from elanus.engine.partitions import (
    CreatePartition,
    DropPartition,
    GetLoadState,
    HasPartition,
    ListPartitions,
    Load,
    LoadingProgress,
    PartitionStatistics,
    Release,
)
from elanus.model import errors, limits
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, IndexState, LoadState

C = CollectionName("default", "c")
KEYED = Field(id=0, name="tenant", type=DataType.INT64, is_partition_key=True)
SECOND = Field(id=0, name="w", type=DataType.FLOAT_VECTOR, params=(("dim", "4"),))
SCALAR = Field(id=0, name="n", type=DataType.INT32, is_clustering_key=True)
L2 = (("index_type", "HNSW"), ("metric_type", "L2"))


def refusal(run, command) -> errors.ElanusError:
    with pytest.raises(errors.ElanusError) as caught:
        run(command)
    return caught.value


def names(house, **options):
    return [one.name for one in house.run(ListPartitions(C, **options))]


def index(house, *fields):
    for field in fields or ("v",):
        house.run(CreateIndex(C, field, "", L2))


def state(house, *partitions):
    return house.run(GetLoadState(C, partitions))


# --- partitions ---


def test_partitions_come_and_go(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    house.run(CreatePartition(C, "p"))
    assert names(house) == ["_default", "p"]
    assert house.run(HasPartition(C, "p"))
    house.run(DropPartition(C, "p"))
    house.run(DropPartition(C, "p"))
    assert names(house) == ["_default"]
    assert not house.run(HasPartition(C, "p"))


def test_the_catalog_counts_partitions_and_shards(house):
    house.create("c", shards=3)
    for command in (CreatePartition(C, "p"), CreatePartition(C, "q"), DropPartition(C, "p")):
        house.run(command)
    house.reopen()
    (entry,) = house.catalog.collections()
    assert (entry.shards, entry.partitions) == (3, 2)


def test_partitions_do_not_change_the_schema_stamp(house):
    house.create("c")
    before = house.run(DescribeCollection(C)).manifest.updated_at
    house.run(CreatePartition(C, "p"))
    index(house)
    house.run(Load(C))
    assert house.run(DescribeCollection(C)).manifest.updated_at == before


def test_dropped_partitions_take_their_rows_along(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    house.insert(C, 3, "p")
    house.run(Flush("default", ("c",)))
    house.insert(C, 2, "p")
    house.insert(C, 4)
    assert house.run(PartitionStatistics(C, "p")) == 5
    house.run(DropPartition(C, "p"))
    assert house.run(CollectionStatistics(C)) == 4
    house.reopen()
    assert house.run(CollectionStatistics(C)) == 4


@pytest.mark.parametrize(
    ("command", "code", "phrase"),
    [
        (CreatePartition(C, ""), 1100, "Partition name should not be empty."),
        (CreatePartition(C, "a b"), 1100, "Partition name can only contain"),
        (DropPartition(C, "_default"), 1100, "default partition cannot be deleted"),
        (HasPartition(C, "!"), 1100, "Invalid partition name: !."),
        (PartitionStatistics(C, "x"), 200, "partition not found[partition=x]"),
        (ListPartitions(C, ("x",)), 200, "partition not found[partition=x]"),
        (ListPartitions(C, ("_default",), loaded_only=True), 201, "partition not loaded[partition=_default]"),
        (Load(C, ("x",)), 200, "partition not found[partition=x]"),
        (Load(C, ()), 1100, "due to no partition specified"),
        (Release(C, ("x",)), 200, "partition not found"),
        (GetLoadState(C, ("x",)), 200, "partition not found"),
        (LoadingProgress(C), 101, "collection not loaded[collection=c]"),
        (LoadingProgress(C, ("_default",)), 201, "partition not loaded[partition=_default]"),
        (CreatePartition(CollectionName("default", "x"), "p"), 100, "collection not found"),
    ],
)
def test_partition_refusals(house, command, code, phrase):
    house.create("c")
    error = refusal(house.run, command)
    assert (error.code, phrase in str(error)) == (code, True), error


def test_the_number_of_partitions_is_limited(house):
    house.create("c")
    collection = house.instance.collection(C)
    collection.commit(
        lambda manifest: replace(
            manifest,
            partitions=tuple(
                replace(manifest.partitions[0], id=manifest.partitions[0].id + n, name=f"p{n}" if n else "_default")
                for n in range(limits.PARTITIONS - 1)
            ),
        )
    )
    house.run(CreatePartition(C, "last"))
    error = refusal(house.run, CreatePartition(C, "more"))
    assert "partition number (1025) exceeds max configuration (1024), collection: c" in str(error)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (CreatePartition(C, "p"), "create partition"),
        (DropPartition(C, "p"), "drop partition"),
        (Load(C, ("_default_0",)), "load partitions"),
        (Release(C, ("_default_0",)), "release partitions"),
    ],
)
def test_partition_key_mode_forbids_partition_ddl(house, command, what):
    house.create("c", KEYED, num_partitions=3)
    error = refusal(house.run, command)
    assert f"disable {what} if partition key mode is used" in str(error)
    assert names(house) == ["_default_0", "_default_1", "_default_2"]


# --- load and release ---


def test_load_and_release_the_whole_collection(house):
    house.create("c")
    index(house)
    assert state(house) is LoadState.NOT_LOADED
    house.run(Load(C))
    house.run(Load(C))
    assert state(house) is LoadState.LOADED
    assert house.run(LoadingProgress(C)) == 100
    house.reopen()
    assert state(house) is LoadState.LOADED
    house.run(Release(C))
    house.run(Release(C))
    assert state(house) is LoadState.NOT_LOADED


def test_load_some_partitions(house):
    house.create("c")
    house.run(CreatePartition(C, "p"))
    index(house)
    house.run(Load(C, ("p",)))
    assert (state(house), state(house, "p")) == (LoadState.LOADED, LoadState.LOADED)
    assert state(house, "p", "_default") is LoadState.NOT_LOADED
    assert names(house, loaded_only=True) == ["p"]
    house.run(CreatePartition(C, "q"))
    assert state(house, "q") is LoadState.NOT_LOADED
    assert "partition is loaded, please release it first" in str(refusal(house.run, DropPartition(C, "p")))
    house.run(Release(C, ("p",)))
    assert state(house) is LoadState.NOT_LOADED
    house.run(DropPartition(C, "p"))


def test_a_partition_made_while_the_collection_is_loaded_is_loaded(house):
    house.create("c")
    index(house)
    house.run(Load(C))
    house.run(CreatePartition(C, "p"))
    assert state(house, "p") is LoadState.LOADED


def test_the_state_of_a_missing_collection_is_that_it_is_missing(run):
    assert run(GetLoadState(C)) is LoadState.NOT_EXIST
    assert refusal(run, LoadingProgress(C)).code == 100


def test_load_needs_every_vector_field_indexed(house):
    house.create("c", SECOND, SCALAR)
    error = refusal(house.run, Load(C))
    assert (error.code, "index not found[collection=c]" in str(error)) == (700, True)
    index(house)
    error = refusal(house.run, Load(C))
    assert "there is no vector index on field: [w], please create index firstly" in str(error)
    house.run(Load(C, load_fields=("id", "v", "n")))
    house.run(Release(C))
    index(house, "w")
    house.run(Load(C))


@pytest.mark.parametrize(
    ("options", "code", "phrase"),
    [
        ({"replicas": 2}, 12, "when load 2 replica count: service resource insufficient"),
        ({"resource_groups": ("rg",)}, 300, "resource group not found[rg=rg]"),
        ({"resource_groups": ("a", "b")}, 1100, "resource group num can only be 0, 1 or same as replica number"),
        ({"load_fields": ("v", "n")}, 1100, "does not contain primary key field id"),
        ({"load_fields": ("id", "n")}, 1100, "does not contain vector field"),
        ({"load_fields": ("id", "v")}, 1100, "does not contain clustering key field n"),
        ({"load_fields": ("id", "v", "n", "x")}, 1700, "field not found[field=x]"),
    ],
)
def test_load_options_are_checked(house, options, code, phrase):
    house.create("c", SCALAR)
    index(house)
    error = refusal(house.run, Load(C, **options))
    assert (error.code, phrase in str(error)) == (code, True), error
    house.run(Load(C, resource_groups=("__default_resource_group",)))


def test_load_fields_must_hold_the_partition_key(house):
    house.create("c", KEYED)
    index(house)
    error = refusal(house.run, Load(C, load_fields=("id", "v")))
    assert "does not contain partition key field tenant" in str(error)


# --- indexes ---


def test_an_index_is_described_as_it_was_asked_for(house):
    house.create("c")
    index(house)
    index(house)
    (found,) = house.run(DescribeIndexes(C))
    assert (found.info.name, found.field, found.info.params) == ("v", "v", L2)
    assert (found.state, found.total_rows, found.indexed_rows) == (IndexState.FINISHED, 0, 0)
    assert "HNSW" in found.answered_by
    assert house.run(DescribeIndexes(C, "v")) == (found,)


def test_an_index_is_found_by_its_name_and_by_its_field(house):
    house.create("c", SECOND)
    house.run(CreateIndex(C, "v", "first", L2))
    house.run(CreateIndex(C, "w", "second", L2))
    by_name = house.run(DescribeIndexes(C, "first"))
    assert by_name == house.run(DescribeIndexes(C, "v"))
    assert [one.info.name for one in house.run(DescribeIndexes(C))] == ["first", "second"]


def test_index_refusals(house):
    house.create("c")
    cases = [
        (DescribeIndexes(C), 700, "index not found[collection=c]"),
        (DescribeIndexes(C, "x"), 700, "index not found[indexName=x]"),
        (CreateIndex(C, "x", "", L2), 1100, "cannot create index on non-exist field: x"),
        (CreateIndex(C, "v", "1", L2), 1100, "Invalid index name: 1"),
    ]
    for command, code, phrase in cases:
        error = refusal(house.run, command)
        assert (error.code, phrase in str(error)) == (code, True), error
    index(house)
    other = (("index_type", "FLAT"), ("metric_type", "L2"))
    error = refusal(house.run, CreateIndex(C, "v", "v", other))
    assert "at most one distinct index is allowed per field" in str(error)
    error = refusal(house.run, CreateIndex(C, "v", "w", other))
    assert "creating multiple indexes on same field is not supported" in str(error)


def test_rows_in_files_and_in_memory_get_the_index(house):
    house.create("c")
    house.insert(C, 20)
    house.run(Flush("default", ("c",)))
    house.run(CreateIndex(C, "v", "", L2))
    house.settle(C)
    (found,) = house.run(DescribeIndexes(C))
    assert (found.state, found.total_rows, found.indexed_rows) == (IndexState.FINISHED, 20, 20)
    assert any("/index/" in key for key in house.files())


def test_rows_that_are_only_in_memory_are_written_so_that_they_get_the_index(house):
    house.create("c")
    house.insert(C, 20)
    index(house)
    house.settle(C)
    (found,) = house.run(DescribeIndexes(C))
    assert (found.state, found.total_rows, found.indexed_rows) == (IndexState.FINISHED, 20, 20)


def test_a_dropped_index_is_gone_with_its_files(house):
    house.create("c")
    house.insert(C, 20)
    house.run(Flush("default", ("c",)))
    index(house)
    house.settle(C)
    house.run(Load(C))
    error = refusal(house.run, DropIndex(C, "", "v"))
    assert "vector index cannot be dropped on loaded collection" in str(error)
    house.run(Release(C))
    house.run(DropIndex(C, "v", "v"))
    house.run(DropIndex(C, "v", "v"))
    assert refusal(house.run, DescribeIndexes(C)).code == 700
    assert not any("/index/" in key for key in house.files())


def test_of_several_indexes_one_must_be_named_to_be_dropped(house):
    house.create("c", SECOND)
    index(house, "v", "w")
    assert refusal(house.run, DropIndex(C, "", "")).code == 702
    house.run(DropIndex(C, "w", ""))
    house.run(DropIndex(C, "", ""))
    assert refusal(house.run, DescribeIndexes(C)).code == 700


def test_a_scalar_index_may_be_dropped_while_loaded(house):
    house.create("c", replace(SCALAR, is_clustering_key=False))
    index(house)
    house.run(CreateIndex(C, "n", "", (("index_type", "AUTOINDEX"),)))
    house.run(Load(C))
    house.run(DropIndex(C, "n", "n"))
    assert [one.info.name for one in house.run(DescribeIndexes(C))] == ["v"]


def test_the_numbers_of_a_definition_are_the_engines_own(house):
    odd = Schema(tuple(replace(field, id=7) for field in house_fields()))
    house.run(CreateCollection(C, odd))
    assert [field.id for field in house.run(DescribeCollection(C)).manifest.schema] == [100, 101]


def house_fields():
    return (
        Field(id=0, name="id", type=DataType.INT64, is_primary=True),
        Field(id=0, name="v", type=DataType.FLOAT_VECTOR, params=(("dim", "4"),)),
    )
