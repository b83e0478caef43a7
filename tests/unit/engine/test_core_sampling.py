"""``random_sample`` in queries, counts, searches and deletes; primary keys with further conditions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.data import Delete, Insert
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import Load
from elanus.engine.search import Queries, Query, Search
from elanus.expr.bound import Compare
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import Wrapped
from elanus.model.schema import Field
from elanus.model.time import NEVER
from elanus.model.types import DataType
from elanus.query.explain.filter import explain_filter
from elanus.query.plan import bind_filter, plan_query
from elanus.query.snapshot import Snapshot

C = CollectionName("default", "c")
PRICE = Field(id=0, name="price", type=DataType.INT64, nullable=True)


def put(house, first: int, count: int) -> None:
    fields = house.instance.collection(C).manifest.schema
    ids = list(range(first, first + count))
    columns = [
        Column(fields["id"], pa.array(ids, pa.int64())),
        Column(fields["v"], pa.array([[float(key)] * 4 for key in ids], arrow_type(fields["v"]))),
        Column(fields["price"], pa.array([None if key % 10 == 0 else key % 4 for key in ids], pa.int64())),
    ]
    house.run(Insert(C, columns, count))


@pytest.fixture
def shop(house):
    """Return a house with 100 rows: 40 and 25 in files, 35 in memory."""
    house.create("c", PRICE)
    house.run(CreateIndex(C, "v", "", (("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(C))
    for first, count in ((0, 40), (40, 25)):
        put(house, first, count)
        house.instance.collection(C).flush()
    put(house, 65, 35)
    return house


def ids(house, text: str, **options) -> list[int]:
    answer = house.run(Query(collection=C, filter=text, output_fields=("id",), **options))
    return answer.columns[0].column.data.to_pylist()


def count(house, text: str) -> int:
    return house.run(Query(collection=C, filter=text, output_fields=("count(*)",))).count


def test_a_sample_is_of_all_segments_together(shop):
    passing = set(ids(shop, "price > 0"))
    for _ in range(5):
        drawn = ids(shop, "price > 0 and random_sample(0.3)")
        assert len(drawn) == len(set(drawn)) == int(0.3 * len(passing))
        assert set(drawn) <= passing
    assert len(ids(shop, "random_sample(0.5)")) == 50
    assert len(ids(shop, "price == 3 and random_sample(0.0001)")) == 1
    assert ids(shop, "price == 9 and random_sample(0.5)") == []
    assert len(ids(shop, "id in [1, 2, 50, 70] and random_sample(0.5)")) == 2
    assert len(ids(shop, "id in [1, 2, 3, 6] and price > 1 and random_sample(0.99)")) == 2


def test_every_call_draws_anew(shop):
    assert len({tuple(ids(shop, "random_sample(0.5)")) for _ in range(5)}) == 5


def test_a_page_is_cut_from_the_sample(shop):
    assert len(ids(shop, "random_sample(0.5)", limit=20)) == 20
    assert len(ids(shop, "random_sample(0.1)", limit=20)) == 10


def test_a_count_of_a_sample_is_its_size(shop):
    assert count(shop, "random_sample(0.25)") == 25
    assert count(shop, "price >= 0 and random_sample(0.1)") == 9


def test_a_search_looks_at_the_sample_alone(shop):
    queries = Queries(DataType.FLOAT_VECTOR, 2, matrix=np.zeros((2, 4), dtype=np.float32))
    found = shop.run(Search(collection=C, queries=queries, filter="random_sample(0.1)", limit=100, output_fields=()))
    assert found.counts.tolist() == [10, 10]
    first, second = found.keys.to_pylist()[:10], found.keys.to_pylist()[10:]
    assert first == second


def test_a_sample_can_be_deleted(shop):
    assert shop.run(Delete(C, "price is null and random_sample(0.5)")).count == 5
    assert count(shop, "price is null") == 5
    assert shop.run(Delete(C, "id in [1, 2, 3, 4] and random_sample(0.5)")).count == 2
    assert count(shop, "") == 93
    with pytest.raises(Wrapped, match="failed to create delete plan"):
        shop.run(Delete(C, "random_sample(0.5) and id == 1"))


def test_a_seed_fixes_the_sample(shop):
    collection = shop.instance.collection(C)
    where = bind_filter(collection.manifest, "price > 0 and random_sample(0.3)", {})
    view = collection.view
    at = [collection.published(shard) for shard in range(view.manifest.shards)]

    def drawn(seed):
        pinned = Snapshot(view, at, NEVER, 0).readers(where, np.random.default_rng(seed))
        return [rows.rows().tolist() for _, rows in pinned]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


# --- primary keys and more ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id == 5 and price == 1", [5]),
        ("id == 5 and price == 2", []),
        ("price > 1 and id in [2, 3, 4, 66, 67, 1000]", [2, 3, 66, 67]),
        ("id in [0, 10, 11] and price is null", [0, 10]),
        ("id in [0, 10, 11] and not (price > 5)", [11]),
        ("id in [1, 2, 3] and id in [2, 3, 4] and id != 3", [2]),
        ("id == 1 and id == 2", []),
        ("id in [31, 52, 71] and (price > 2 or price == 0)", [31, 52, 71]),
    ],
)
def test_keys_with_further_conditions_find_what_a_scan_finds(shop, text, expected):
    assert ids(shop, text) == expected
    assert ids(shop, f"({text}) or price == 99") == expected


def test_only_the_rows_of_the_keys_are_looked_at(shop):
    collection = shop.instance.collection(C)
    plan = plan_query(collection.manifest, Query(collection=C, filter="id in [3, 41, 42] and price > 0"))
    assert isinstance(plan.where.rest, Compare)
    view = collection.view
    at = [collection.published(shard) for shard in range(view.manifest.shards)]
    report = explain_filter("c", "", plan.where, Snapshot(view, at, NEVER, 0))
    assert dict(report.tree.how) == {"primary key": len([one for one in report.segments if not one.skipped])}
    (inner,) = report.tree.nodes
    assert (inner.text, inner.rows_in, inner.rows_out) == ("price > 0", 3, 3)


def test_keys_with_further_conditions_delete_what_they_select(shop):
    assert shop.run(Delete(C, "id in [1, 2, 3] and price > 1")).count == 2
    assert ids(shop, "id in [1, 2, 3]") == [1]


def test_an_older_version_of_a_key_is_not_found_by_its_condition(shop):
    put(shop, 5, 1)
    assert ids(shop, "id == 5 and price == 1") == [5]
    assert shop.run(Delete(C, "id == 5")).count == 1
    assert ids(shop, "id == 5 and price == 1") == []
