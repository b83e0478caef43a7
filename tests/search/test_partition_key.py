"""A collection with a partition key through pymilvus: reads of one tenant touch that tenant's partition alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException

from elanus.model.columns import Column
from elanus.segment.sealed import SealedSegment
from serving import LocalServer, settings_for

TENANTS = [f"tenant {number}" for number in range(24)]
ROWS = 240
DIM = 4
NAME = "shops"


def tenant_of(key: int) -> str:
    return TENANTS[key % len(TENANTS)]


def keys_of(*tenants: str) -> list[int]:
    return [key for key in range(ROWS) if tenant_of(key) in tenants]


def vector(key: int) -> list[float]:
    return np.random.default_rng(key).normal(size=DIM).tolist()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder: Path = tmp_path_factory.mktemp("tenants") / "data"
    with LocalServer(settings_for(folder)) as running:
        with closing(running.connect()) as client:
            fill(client)
        running.restart()
        yield running


def fill(client: MilvusClient) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=32, is_partition_key=True)
    schema.add_field("price", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=index, num_partitions=64, consistency_level="Strong")
    client.insert(NAME, [{"id": key, "tenant": tenant_of(key), "price": key, "v": vector(key)} for key in range(ROWS)])
    client.flush(NAME)


@pytest.fixture
def client(server: LocalServer) -> Iterator[MilvusClient]:
    with closing(server.connect()) as connected:
        yield connected


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the partitions whose sealed segments are asked for a column from now on."""
    seen: set[int] = set()
    plain = SealedSegment.column

    def column(self: SealedSegment, field_id: int) -> Column:
        seen.add(self.partition)
        return plain(self, field_id)

    monkeypatch.setattr(SealedSegment, "column", column)
    return seen


def test_a_query_of_one_tenant_touches_one_partition(client: MilvusClient, touched: set[int]) -> None:
    for tenant in TENANTS:
        touched.clear()
        found = client.query(NAME, f'tenant == "{tenant}" and price > 100', output_fields=["tenant"])
        assert [row["id"] for row in found] == [key for key in keys_of(tenant) if key > 100]
        assert len(touched) == 1


def test_a_query_of_several_tenants_touches_their_partitions(client: MilvusClient, touched: set[int]) -> None:
    asked = TENANTS[3:6]
    found = client.query(NAME, "tenant in {t} and price >= 0", filter_params={"t": asked})
    assert [row["id"] for row in found] == keys_of(*asked)
    assert 1 < len(touched) <= 3


def test_a_count_of_an_unknown_tenant_touches_no_row(client: MilvusClient, touched: set[int]) -> None:
    (row,) = client.query(NAME, 'tenant == "nobody"', output_fields=["count(*)"])
    assert row["count(*)"] == 0
    assert not touched


def test_a_search_of_one_tenant_touches_one_partition(client: MilvusClient, touched: set[int]) -> None:
    (hits,) = client.search(NAME, [vector(7)], filter=f'tenant == "{tenant_of(7)}"', limit=ROWS)
    assert hits[0]["id"] == 7
    assert sorted(hit["id"] for hit in hits) == keys_of(tenant_of(7))
    assert len(touched) == 1


def test_a_range_of_tenants_is_pruned_by_its_bounds(client: MilvusClient, touched: set[int]) -> None:
    found = client.query(NAME, 'tenant >= "tenant 8"', output_fields=["tenant"])
    assert [row["id"] for row in found] == keys_of("tenant 8", "tenant 9")
    assert len(touched) < len(TENANTS) / 2


def test_partitions_are_not_named_beside_a_partition_key(client: MilvusClient) -> None:
    with pytest.raises(MilvusException, match="not support manually specifying the partition names"):
        client.query(NAME, 'tenant == "tenant 1"', partition_names=["_default_1"])


def test_rows_deleted_and_moved_are_found_where_they_are(client: MilvusClient, touched: set[int]) -> None:
    client.delete(NAME, filter=f'tenant == "{TENANTS[1]}" and price < 100')
    assert len(touched) == 1
    assert [row["id"] for row in client.query(NAME, f'tenant == "{TENANTS[1]}"')] == [
        key for key in keys_of(TENANTS[1]) if key >= 100
    ]
    client.upsert(NAME, [{"id": 2, "tenant": TENANTS[5], "price": 2, "v": vector(2)}])
    assert [row["id"] for row in client.query(NAME, f'tenant == "{TENANTS[2]}"')] == keys_of(TENANTS[2])[1:]
    assert [row["id"] for row in client.query(NAME, f'tenant == "{TENANTS[5]}"')] == [2, *keys_of(TENANTS[5])]
