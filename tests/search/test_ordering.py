"""Searches and queries in the order of fields equal plain Python, over growing, sealed and deleted rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    AsyncMilvusClient,
    DataType,
    Function,
    FunctionType,
    MilvusClient,
    MilvusException,
    RRFRanker,
)
from search_cases import make
from table_rows import DIM, Key, Row, document, dynamic, fill, in_order, nearest, plain

from serving import LocalServer, settings_for

ORDERS: dict[str, list[Key]] = {
    "flag:asc": [(plain("flag"), False, False)],
    "flag:desc": [(plain("flag"), True, True)],
    "tiny": [(plain("tiny"), False, False)],
    "small:DESC": [(plain("small"), True, True)],
    "number:desc:nulls_last,price:asc:nulls_first": [(plain("number"), True, False), (plain("price"), False, True)],
    "large:desc,id:desc": [(plain("large"), True, True), (plain("id"), True, True)],
    "ratio,color:desc": [(plain("ratio"), False, False), (plain("color"), True, True)],
    "price:desc": [(plain("price"), True, True)],
    "color:asc:NULLS_FIRST,moment:desc": [(plain("color"), False, True), (plain("moment"), True, True)],
    "moment:asc": [(plain("moment"), False, False)],
    'doc["k"]:asc,small': [(document, False, False), (plain("small"), False, False)],
    'doc["k"]:desc:nulls_last': [(document, True, False)],
    "mood:desc": [(dynamic, True, True)],
    '$meta["mood"]:asc , color:asc': [(dynamic, False, False), (plain("color"), False, False)],
}
PRICE: Key = (plain("price"), False, False)
QUERIES = np.random.default_rng(8).integers(-3, 4, (2, DIM)).astype(np.float32)


@dataclass
class Collection:
    """The collection, and the rows that are in it, by key."""

    server: LocalServer
    client: MilvusClient
    rows: list[Row]
    name: str = "rows"

    def search(self, order: str, queries: Any = QUERIES, **options: Any) -> list[list[int]]:
        found = self.client.search(self.name, queries.tolist(), anns_field="v", order_by_fields=order, **options)
        return [[hit["id"] for hit in hits] for hits in found]

    def query(self, order: str, where: str = "", **options: Any) -> list[int]:
        return [row["id"] for row in self.client.query(self.name, where, order_by=order, **options)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with LocalServer(settings_for(tmp_path_factory.mktemp("order"))) as server:
        client = server.connect()
        yield Collection(server, client, fill(client, "rows"))
        client.close()


def keys_of(rows: list[Row]) -> list[int]:
    return [row["id"] for row in rows]


# --- searches ---


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("offset", "limit"), [(0, 40), (13, 20)])
def test_the_best_hits_are_ordered_and_then_cut(kept: Collection, order: str, offset: int, limit: int) -> None:
    expected = [
        keys_of(in_order(nearest(kept.rows, query)[: offset + limit], ORDERS[order])[offset:]) for query in QUERIES
    ]
    for _ in range(3):  # what was asked before takes a shorter way
        assert kept.search(order, limit=limit, offset=offset) == expected


def test_scores_and_fields_stay_with_their_rows(kept: Collection) -> None:
    order = [{"field": "price", "order": "desc:nulls_last"}, {"field": "color"}]
    hits = kept.client.search(
        kept.name, QUERIES[:1].tolist(), anns_field="v", limit=30, order_by_fields=order, output_fields=["price"]
    )[0]
    by_key = {row["id"]: row for row in kept.rows}
    for hit in hits:
        row = by_key[hit["id"]]
        assert hit["entity"]["price"] == row["price"]
        assert hit["distance"] == ((row["drawn"] - QUERIES[0]) ** 2).sum()
    assert [hit["id"] for hit in hits] == keys_of(
        in_order(nearest(kept.rows, QUERIES[0])[:30], [(plain("price"), True, False), (plain("color"), False, False)])
    )


def test_an_order_goes_with_filters_partitions_and_more_than_there_is(kept: Collection) -> None:
    wanted = [row for row in kept.rows if row["part"] == "second" and row["small"] > 0]
    found = kept.search("price", filter="small > 0", partition_names=["second"], limit=500)
    assert len(wanted) < 500
    assert found == [keys_of(in_order(nearest(wanted, query), [PRICE])) for query in QUERIES]
    assert kept.search("price", filter="small > 9999", limit=5) == [[], []]


@pytest.mark.parametrize("offset", [0, 2])
def test_groups_are_ordered_by_their_best_rows(kept: Collection, offset: int) -> None:
    found = kept.search(
        "price:desc:nulls_last", group_by_field="small", group_size=2, strict_group_size=True, limit=5, offset=offset
    )
    for query, hits in zip(QUERIES, found, strict=True):
        groups: dict[int, list[Row]] = {}
        for row in nearest(kept.rows, query):
            groups.setdefault(row["small"], []).append(row)
        tops = in_order([group[0] for group in list(groups.values())[: 5 + offset]], [(plain("price"), True, False)])
        assert hits == [row["id"] for top in tops[offset:] for row in groups[top["small"]][:2]]


def reciprocal(kept: Collection, limit: int) -> list[Row]:
    """Return the rows that two routes find, by the sum of their reciprocal ranks."""
    scores: dict[int, float] = {}
    for query in QUERIES:
        for rank, row in enumerate(nearest(kept.rows, query)[:25], start=1):
            scores[row["id"]] = float(np.float32(scores.get(row["id"], 0.0) + 1 / (60 + rank)))
    by_key = {row["id"]: row for row in kept.rows}
    return [by_key[key] for key in sorted(scores, key=lambda key: (-scores[key], key))[:limit]]


@pytest.mark.parametrize("order", ["price:desc", 'doc["k"]:asc,small', "mood:desc"])
def test_a_hybrid_search_is_ordered_after_its_hits_are_ranked(kept: Collection, order: str) -> None:
    routes = [AnnSearchRequest([query.tolist()], "v", {}, 25) for query in QUERIES]
    found = kept.client.hybrid_search(kept.name, routes, RRFRanker(), limit=12, offset=3, order_by_fields=order)
    assert [hit["id"] for hit in found[0]] == keys_of(in_order(reciprocal(kept, 15), ORDERS[order])[3:])


def test_the_groups_of_a_hybrid_search_are_ordered(kept: Collection) -> None:
    routes = [AnnSearchRequest([QUERIES[0].tolist()], "v", {}, 6) for _ in range(2)]
    found = kept.client.hybrid_search(
        kept.name, routes, RRFRanker(), limit=6, group_by_field="small", order_by_fields="price"
    )
    tops: dict[int, Row] = {}
    for row in nearest(kept.rows, QUERIES[0]):
        tops.setdefault(row["small"], row)
    assert [hit["id"] for hit in found[0]] == keys_of(in_order(list(tops.values())[:6], [PRICE]))


def test_reranked_hits_are_ordered(kept: Collection) -> None:
    decay = {"reranker": "decay", "function": "linear", "origin": 0, "scale": 2000, "offset": 0, "decay": 0.001}
    ranker = Function("near", input_field_names=["small"], function_type=FunctionType.RERANK, params=decay)
    plainly = kept.client.search(kept.name, [QUERIES[0].tolist()], anns_field="v", limit=20, ranker=ranker)
    by_key = {row["id"]: row for row in kept.rows}
    best = [by_key[hit["id"]] for hit in plainly[0]]
    found = kept.search("price:desc", QUERIES[:1], limit=20, ranker=ranker)
    assert found[0] == keys_of(in_order(best, ORDERS["price:desc"]))
    assert found[0] != keys_of(best)


def test_asynchronous_clients_order_as_well(kept: Collection) -> None:
    async def ask() -> Any:
        client = AsyncMilvusClient(kept.server.uri)
        try:
            searched = await client.search(
                kept.name, [QUERIES[0].tolist()], anns_field="v", limit=20, order_by_fields="price:desc"
            )
            return searched, await client.query(kept.name, "id > 0", limit=20, order_by="price:desc")
        finally:
            await client.close()

    searched, queried = asyncio.run(ask())
    keys = ORDERS["price:desc"]
    assert [hit["id"] for hit in searched[0]] == keys_of(in_order(nearest(kept.rows, QUERIES[0])[:20], keys))
    assert [row["id"] for row in queried] == keys_of(in_order(kept.rows, keys)[:20])


# --- queries ---


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("offset", "limit"), [(0, 7), (95, 60), (600, 100)])
def test_a_query_is_ordered_and_then_cut(kept: Collection, order: str, offset: int, limit: int) -> None:
    expected = keys_of(in_order(kept.rows, ORDERS[order])[offset : offset + limit])
    assert kept.query(order, limit=limit, offset=offset) == expected


def test_an_ordered_query_goes_with_filters_and_partitions(kept: Collection) -> None:
    wanted = [row for row in kept.rows if row["part"] == "second" and row["flag"]]
    found = kept.query("price", "flag == true", partition_names=["second"], limit=1000, output_fields=["price"])
    assert found == keys_of(in_order(wanted, [PRICE]))
    chosen = [row for row in kept.rows if row["id"] in (5, 555, 333, 1)]
    assert kept.query("price", "id in [5, 555, 333, 1, 9]", limit=3) == keys_of(in_order(chosen, [PRICE])[:3])
    assert kept.query("price", "small > 9999", limit=5) == []


def test_an_order_may_be_a_list_of_names_and_directions(kept: Collection) -> None:
    found = kept.client.query(
        kept.name,
        "",
        limit=30,
        order_by=["flag:desc:nulls_last", {"field": "price", "order": "asc"}],
        output_fields=["id"],
    )
    keys = [(plain("flag"), True, False), PRICE]
    assert [row["id"] for row in found] == keys_of(in_order(kept.rows, keys)[:30])


def test_rows_keyed_by_text_are_equal_in_the_order_of_their_keys(kept: Collection) -> None:
    client = kept.client
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=9)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("n", DataType.INT8)
    make(client, "texts", schema, [("v", "FLAT", "L2", {})])
    rows = [{"id": f"k{key * 37 % 101}", "v": [0.0] * DIM, "n": key % 3} for key in range(100)]
    client.insert("texts", rows[:60])
    client.flush("texts")
    client.insert("texts", rows[60:])
    expected = keys_of(sorted(rows, key=lambda row: (-row["n"], row["id"])))
    found = client.query("texts", "", order_by="n:desc", limit=50, offset=20)
    assert [row["id"] for row in found] == expected[20:70]
    hits = client.search("texts", [[0.0] * DIM], limit=100, order_by_fields="n:desc")[0]
    assert [hit["id"] for hit in hits] == expected


def test_hits_that_are_elements_stand_as_their_rows_do(kept: Collection) -> None:
    client = kept.client
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    inner = MilvusClient.create_struct_field_schema()
    inner.add_field("w", DataType.FLOAT_VECTOR, dim=2)
    inner.add_field("k", DataType.INT64)
    schema.add_field("s", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=inner, max_capacity=4)
    make(client, "elements", schema, [("s[w]", "HNSW", "L2", {})])
    places = [(key, place) for key in range(20) for place in range(3)]
    rows = [
        {"id": key, "n": -(key % 4), "s": [{"w": [key, place], "k": place} for place in range(3)]} for key in range(20)
    ]
    client.insert("elements", rows[:12])
    client.flush("elements")
    client.insert("elements", rows[12:])
    hits = client.search("elements", [[0.0, 0.0]], anns_field="s[w]", limit=30, order_by_fields="n:desc")[0]
    best = sorted(places, key=lambda at: (at[0] ** 2 + at[1] ** 2, *at))[:30]
    assert [(hit["id"], hit["offset"]) for hit in hits] == sorted(best, key=lambda at: at[0] % 4)
    with pytest.raises(MilvusException, match="ORDER BY with element_filter is not supported"):
        client.query("elements", "element_filter(s, $[k] > 1)", order_by="n", limit=3)
    with pytest.raises(MilvusException, match="order_by field 's\\[k\\]' has unsortable type Array"):
        client.query("elements", "", order_by="s[k]", limit=3)
