"""Segments that a read does not touch: which, why, and that the answers stay what they were."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.data import Delete, Insert, Upsert
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import Load
from elanus.engine.search import Queries, Query, Search
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.query.plan import bind_filter
from elanus.query.prune import prune
from elanus.segment.sealed import SealedSegment

C = CollectionName("default", "c")
FLAT = (("index_type", "FLAT"), ("metric_type", "L2"))
TENANT = Field(id=0, name="tenant", type=DataType.VARCHAR, params=(("max_length", "64"),), is_partition_key=True)
PRICE = Field(id=0, name="price", type=DataType.INT64, nullable=True)
NAME = Field(id=0, name="name", type=DataType.VARCHAR, params=(("max_length", "100"),), nullable=True)
DAY = Field(id=0, name="day", type=DataType.INT32, is_clustering_key=True)


class Shop:
    """A collection, what is put into it, and what reads of it look at."""

    def __init__(self, house, *fields: Field, **options: object) -> None:
        self.house = house
        house.create("c", *fields, **options)
        house.run(CreateIndex(C, "v", "", FLAT))
        house.run(Load(C))

    @property
    def collection(self):
        return self.house.instance.collection(C)

    def put(self, kind: type = Insert, **values: list) -> None:
        schema = self.collection.manifest.schema
        values["v"] = [[float(key)] * 4 if isinstance(key, int) else [0.0] * 4 for key in values["id"]]
        columns = [Column(schema[name], pa.array(given, arrow_type(schema[name]))) for name, given in values.items()]
        self.house.run(kind(C, columns, len(values["id"])))

    def seal(self, **values: list) -> None:
        """Put rows into files, a segment for each partition that they go to."""
        self.put(**values)
        self.collection.flush()

    def skipped(self, text: str) -> list[str]:
        """Return why each segment is passed over, the sealed ones first; empty for those that are read."""
        collection = self.collection
        view = collection.view
        at = [collection.published(shard) for shard in range(view.manifest.shards)]
        where = bind_filter(view.manifest, text, {})
        return ["" if one.skip is None else str(one.skip) for one in prune(view, at, where.pruner)]

    def query(self, text: str, **options: object) -> list:
        answer = self.house.run(Query(collection=C, filter=text, output_fields=("id",), **options))
        return answer.columns[0].column.data.to_pylist()


@pytest.fixture
def shop(house) -> Callable[..., Shop]:
    return lambda *fields, **options: Shop(house, *fields, **options)


@pytest.fixture
def touched(monkeypatch) -> Iterator[set[tuple[int, str]]]:
    """Return the columns that are asked of sealed segments from now on: (first key of the segment, field)."""
    seen: set[tuple[int, str]] = set()
    plain = SealedSegment.column

    def column(self: SealedSegment, field_id: int) -> Column:
        seen.add((self.info.low, self.schema.by_id(field_id).name))
        return plain(self, field_id)

    monkeypatch.setattr(SealedSegment, "column", column)
    return seen


# --- partition key ---


@pytest.fixture
def tenants(shop) -> Shop:
    """Return four tenants, each alone in a partition, with keys from 0, 100, 200 and 300 on."""
    made = shop(TENANT, PRICE, num_partitions=64)
    for place, name in enumerate("abcd"):
        keys = [100 * place + key for key in range(3)]
        made.seal(id=keys, tenant=[name] * 3, price=[10, 20, 30])
    assert len({segment.partition for segment in made.collection.view.all_sealed()}) == 4
    return made


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('tenant == "b"', "b"),
        ('tenant in ["b", "d"]', "bd"),
        ('tenant == "b" or tenant == "d"', "bd"),
        ('tenant == "b" and price > 10', "b"),
        ('(tenant == "b" and price > 10) or (tenant == "c" and price < 20)', "bc"),
        ('tenant in ["a", "b"] and tenant in ["b", "c"]', "b"),
        ('tenant == "nobody"', ""),
        ('tenant == "b" and tenant == "c"', ""),
        ('tenant == "b" or price > 20', "abcd"),
        ('tenant != "b"', "acd"),
        ('not (tenant != "b")', "b"),
        ('tenant > "a" or price > 0', "abcd"),
        ("price == 10", "abcd"),
    ],
)
def test_only_the_partitions_of_the_partition_key_are_read(tenants, text, read):
    reasons = tenants.skipped(text)
    by_tenant = dict(zip("abcd", reasons, strict=True))
    # What the hash leaves, the bounds of the keys may still rule out.
    assert {name for name, reason in by_tenant.items() if reason != "partition key"} >= set(read)
    assert [reason for name, reason in by_tenant.items() if name in read] == [""] * len(read)
    if read != "abcd":
        assert all(reason for name, reason in by_tenant.items() if name not in read)


def test_reads_of_one_tenant_touch_no_other_tenant(tenants, touched):
    tenants.house.reopen()
    assert tenants.query('tenant == "c" and price >= 20') == [201, 202]
    queries = Queries(DataType.FLOAT_VECTOR, 1, matrix=pa.array([0.0] * 4).to_numpy().astype("f4").reshape(1, 4))
    found = tenants.house.run(Search(collection=C, queries=queries, limit=5, filter='tenant == "c" and price < 30'))
    assert sorted(found.keys.to_pylist()) == [200, 201]
    assert {low for low, _ in touched} == {200}


def test_a_delete_by_tenant_touches_no_other_tenant(tenants, touched):
    tenants.house.reopen()
    tenants.house.run(Delete(C, 'tenant == "c" and price >= 20'))
    assert {low for low, field in touched if field == "price"} == {200}
    assert tenants.query("price > 0") == [0, 1, 2, 100, 101, 102, 200, 300, 301, 302]


def test_growing_rows_are_routed_as_sealed_ones(tenants):
    tenants.put(id=[400], tenant=["b"], price=[99])
    assert tenants.skipped('tenant == "b"')[4] == ""
    assert tenants.skipped('tenant == "c"')[4] == "partition key"
    assert tenants.query('tenant == "b"') == [100, 101, 102, 400]


def test_an_upsert_moves_a_row_to_another_tenant(tenants):
    tenants.put(Upsert, id=[101], tenant=["d"], price=[5])
    assert tenants.query('tenant == "b"') == [100, 102]
    assert tenants.query('tenant == "d"') == [101, 300, 301, 302]


def test_partitions_are_not_named_where_the_key_picks_them(tenants):
    with pytest.raises(InvalidParameter, match="not support manually specifying the partition names"):
        tenants.query('tenant == "b"', partitions=("_default_1",))


def test_integers_are_routed_too(shop):
    made = shop(replace(TENANT, type=DataType.INT64, params=()), num_partitions=16)
    made.seal(id=list(range(60)), tenant=[key % 6 for key in range(60)])
    for tenant in range(6):
        assert made.query(f"tenant == {tenant}") == list(range(tenant, 60, 6))
        assert made.skipped(f"tenant == {tenant}").count("") == 1


# --- statistics and Bloom filters ---


def test_bounds_tell_which_segments_are_read(shop, touched):
    made = shop(PRICE, NAME)
    for first in (0, 100, 200):
        made.seal(id=[first, first + 1], price=[first, first + 10], name=[f"n{first}", None])
    made.put(id=[300], price=[5], name=["n300"])
    touched.clear()
    assert made.skipped("price < 100") == ["", "statistics of price", "statistics of price", ""]
    assert made.skipped('name == "n100"') == ["statistics of name", "", "statistics of name", ""]
    assert made.skipped("price is null") == ["statistics of price"] * 3 + [""]
    assert made.skipped("price < 0 or price > 210") == ["statistics of price"] * 3 + [""]
    assert made.skipped("") == [""] * 4
    assert made.query("price < 100") == [0, 1, 300]
    assert {low for low, _ in touched} == {0}


def test_a_key_is_looked_for_where_its_filter_has_it(shop, touched):
    made = shop()
    for first in range(3):
        made.seal(id=list(range(first, 5000, 3)))
    made.house.reopen()
    touched.clear()
    assert made.skipped("id in [1003, 1006]") == ["bloom of id", "", "bloom of id"]
    assert made.skipped("id in [1003, 1004]") == ["bloom of id", "", ""]
    assert made.query("id in [1003, 1006]") == [1003, 1006]
    assert {low for low, _ in touched} == {1}
    assert made.skipped("id == 5000") == ["statistics of id"] * 3


def test_writes_look_for_their_keys_where_the_filters_have_them(shop, touched):
    made = shop()
    for first in range(3):
        made.seal(id=list(range(first, 5000, 3)))
    made.house.reopen()
    touched.clear()
    made.put(Upsert, id=[1003, 1006])
    assert {low for low, _ in touched} == {1}
    made.house.run(Delete(C, "id == 1008"))
    assert {low for low, _ in touched} == {0, 1}
    assert made.query("1002 <= id <= 1009") == [1002, 1003, 1004, 1005, 1006, 1007, 1009]


def test_the_shard_of_a_key_is_the_only_one_that_is_read(shop):
    made = shop(shards=4)
    made.seal(id=list(range(100)))
    reasons = made.skipped("id == 42")
    assert reasons.count("shard of the primary key") == 3
    assert made.query("id == 42") == [42]
    assert made.query("id in [1, 2, 3, 50]") == [1, 2, 3, 50]
    assert made.skipped("id > 42").count("shard of the primary key") == 0


def test_deleted_rows_leave_the_statistics_loose(shop):
    made = shop(PRICE)
    made.seal(id=[1, 2, 3], price=[1, 2, 1000])
    made.house.run(Delete(C, "id == 3"))
    made.collection.flush()
    assert made.skipped("price > 500") == [""]
    assert made.query("price > 500") == []


def test_a_merged_segment_has_statistics_of_its_own(shop, house):
    made = shop(PRICE, DAY)
    for first in range(4):
        made.seal(id=[first], price=[first * 10], day=[first])
    house.settle(C)
    (info,) = made.collection.manifest.segments
    bounds = {one.field: (one.nulls, one.low, one.high) for one in info.statistics}
    schema = made.collection.manifest.schema
    assert bounds == {schema["id"].id: (0, 0, 3), schema["price"].id: (0, 0, 30), schema["day"].id: (0, 0, 3)}
    assert made.skipped("price > 30") == ["statistics of price"]
    assert made.skipped("day == 4") == ["statistics of day"]
    assert made.query("day in [0, 3]") == [0, 3]


def test_expired_segments_are_passed_over(shop):
    made = shop()
    made.seal(id=[1])
    view = made.collection.view
    (segment,) = view.all_sealed()
    at = [made.collection.published(0)]
    assert [str(one.skip) for one in prune(view, at, None, expired=segment.info.last)] == ["time to live"]
    assert [one.skip for one in prune(view, at, None, expired=segment.info.last - 1)] == [None]


def test_vectors_of_stored_keys_are_fetched_from_their_segment_only(shop, touched):
    made = shop()
    for first in (0, 100):
        made.seal(id=[first, first + 1, first + 50])
    made.house.reopen()
    touched.clear()
    found = made.house.run(Search(collection=C, ids=pa.array([150]), queries=None, limit=1, filter="id > 60"))
    assert found.keys.to_pylist() == [150]
    assert {low for low, _ in touched} == {100}


# --- what lies on disk ---


def test_statistics_and_filters_come_back_after_a_restart(shop, house):
    made = shop(PRICE, NAME)
    made.seal(id=[1, 2], price=[5, None], name=["x" * 90, "a"])
    before = made.collection.manifest.segments
    house.reopen()
    assert made.collection.manifest.segments == before
    assert [file for file in house.files() if file.endswith("/blooms")]
    assert made.skipped('name == "q"') == ["bloom of name"]
    assert made.skipped("price > 5") == ["statistics of price"]
    assert made.query(f'name == "{"x" * 90}"') == [1]


def test_segments_of_manifests_without_statistics_are_read(shop, house):
    made = shop(PRICE)
    made.seal(id=[1, 2], price=[5, 6])
    made.seal(id=[11, 12], price=[7, None])
    made.collection.commit(
        lambda manifest: replace(
            manifest, segments=tuple(replace(one, statistics=(), blooms=None) for one in manifest.segments)
        )
    )
    house.reopen()
    assert [one.blooms for one in made.collection.manifest.segments] == [None, None]
    assert not [file for file in house.files() if file.endswith("/blooms")]
    assert made.skipped("price > 100") == ["", ""]
    assert made.skipped("id == 11") == ["statistics of id", ""]
    assert made.query("price > 5") == [2, 11]
    made.put(Upsert, id=[2, 12], price=[50, 60])
    assert made.query("price > 5") == [2, 11, 12]
    # A merge writes what was missing.
    made.seal(id=[21], price=[1])
    made.seal(id=[31], price=[1])
    house.settle(C)
    assert made.skipped("price > 100") == ["statistics of price"]


@pytest.mark.parametrize("damage", ["changed", "missing", "newer"])
def test_a_damaged_filter_file_is_done_without(shop, house, caplog, damage):
    made = shop(NAME)
    made.seal(id=[1, 1000], name=["a", "z"])
    (info,) = made.collection.manifest.segments
    path = house.store.local_path(f"collections/{made.collection.id}/{info.blooms.key}")
    data = path.read_bytes()
    house.close()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:4] + b"\x09" + data[5:] if damage == "newer" else data[:-1] + b"\xff")
    house.open()
    with caplog.at_level(logging.ERROR, "elanus.segment"):
        assert made.skipped('name == "q"') == [""]
        assert made.query('name == "q"') == []
        assert made.query("id in [1, 2]") == [1]
        made.put(Upsert, id=[1], name=["b"])
        assert made.query('name < "z"') == [1]
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
