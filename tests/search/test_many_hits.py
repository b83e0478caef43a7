"""Many queries for many hits: answered a part at a time as they would be together, refused when they can't fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, MilvusClient, MilvusException, RRFRanker
from pymilvus.client.embedding_list import EmbeddingList

from elanus.model.types import DataType as ModelType
from elanus.query import result_size, retrieve
from elanus.query.grouping import search as grouping
from elanus.query.request import Queries
from elanus.query.result_size import HIT_BYTES

NAME: Final = "many_hits"
ROWS: Final = 560
SEALED: Final = 400
LIVING: Final = 534
NQ: Final = 40
RANDOM: Final = np.random.default_rng(3)
ASKED: Final = RANDOM.normal(size=(NQ, 4)).astype(np.float32)
SPARSE: Final = [{int(at): 1.0 + place for place, at in enumerate(RANDOM.choice(9, 3, False))} for _ in range(NQ)]
TOO_LARGE: Final = r"search results exceed the maxOutputSize Limit \d+, got"


@pytest.fixture(scope="module", autouse=True)
def collection(client: MilvusClient) -> Iterator[None]:
    """Rows that grow, are sealed and are deleted; ``LIVING`` are left."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("kind", DataType.INT64)
    schema.add_field("text", DataType.VARCHAR, max_length=200)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("s", DataType.SPARSE_FLOAT_VECTOR)
    inner = client.create_struct_field_schema()
    inner.add_field("w", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("parts", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=inner, max_capacity=4)
    made = client.prepare_index_params()
    made.add_index("v", index_type="HNSW", metric_type="L2")
    made.add_index("s", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    made.add_index("parts[w]", index_type="HNSW", metric_type="MAX_SIM_L2")
    client.create_collection(NAME, schema=schema, index_params=made, consistency_level="Strong")
    rows = [row(key) for key in range(ROWS)]
    client.insert(NAME, rows[:SEALED])
    client.flush(NAME)
    client.insert(NAME, rows[SEALED:])
    client.delete(NAME, filter=f"id % 20 == 3 and id < {20 * (ROWS - LIVING)}")
    assert client.query(NAME, "", output_fields=["count(*)"])[0]["count(*)"] == LIVING
    yield
    client.drop_collection(NAME)


def row(key: int) -> dict[str, Any]:
    drawn = np.random.default_rng(key)
    return {
        "id": key,
        "kind": key % 7,
        "text": "x" * 100,
        "v": drawn.normal(size=4).astype(np.float32),
        "s": {int(at): float(value) for at, value in zip(drawn.choice(9, 3, False), drawn.random(3) + 1, strict=True)},
        "parts": [{"w": drawn.normal(size=4).astype(np.float32)} for _ in range(1 + key % 3)],
    }


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have no more than one query answered at a time; returns of how many each part was."""
    monkeypatch.setattr(retrieve, "MOST_HITS", 8)
    monkeypatch.setattr(grouping, "MOST_HITS", 8)
    sizes: list[int] = []
    search = retrieve.search_segments
    monkeypatch.setattr(retrieve, "search_segments", lambda *a: sizes.append(a[0].queries.nq) or search(*a))
    return sizes


def searched(client: MilvusClient, **options: Any) -> list[list[tuple[Any, ...]]]:
    asked: dict[str, Any] = {"data": list(ASKED), "anns_field": "v", "limit": 20, "output_fields": ["kind"], **options}
    return [[(hit["id"], hit["distance"], hit["entity"]) for hit in hits] for hits in client.search(NAME, **asked)]


WAYS: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "more than there are": {"limit": 2_000},
    "a page": {"offset": 7},
    "filtered": {"filter": "kind in [1, 3]"},
    "filtered late": {"filter": "kind in [1, 3]", "search_params": {"hints": "iterative_filter"}},
    "a range": {"search_params": {"params": {"radius": 3.0, "range_filter": 1.0}}},
    "no row": {"filter": "kind == 99"},
    "sparse": {"data": SPARSE, "anns_field": "s"},
    "ordered": {"order_by_fields": [{"field": "kind", "order": "desc"}]},
    "grouped": {"group_by_field": "kind", "group_size": 3, "strict_group_size": True, "limit": 5, "offset": 1},
}


@pytest.mark.parametrize("way", WAYS)
def test_queries_in_parts_find_what_they_find_together(
    client: MilvusClient, request: pytest.FixtureRequest, way: str
) -> None:
    together = searched(client, **WAYS[way])
    sizes = request.getfixturevalue("one_at_a_time")
    assert searched(client, **WAYS[way]) == together
    assert any(together) == (way != "no row")
    assert way in ("grouped", "filtered late") or sizes == [1] * NQ


def test_lists_in_parts_find_what_they_find_together(client: MilvusClient, request: pytest.FixtureRequest) -> None:
    lists = [EmbeddingList() for _ in range(6)]
    for number, vector in enumerate(ASKED):
        lists[number * number % 6].add(vector)
    lists = [one for one in lists if len(one)]
    together = searched(client, data=lists, anns_field="parts[w]")
    sizes = request.getfixturevalue("one_at_a_time")
    assert searched(client, data=lists, anns_field="parts[w]") == together
    assert sizes == [1] * len(lists)


def test_recalls_of_parts_stand_together(client: MilvusClient, one_at_a_time: list[int]) -> None:
    found = client.search(NAME, list(ASKED), anns_field="v", limit=5, search_params={"enable_recall_calculation": True})
    assert one_at_a_time == [1] * NQ
    assert len(found.recalls) == NQ


def test_more_hits_than_fit_are_refused_before_any_is_looked_for(
    client: MilvusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16,384 queries: 533 hits of each are just under 100 MB, 534 are not."""
    monkeypatch.setattr(retrieve, "search_segments", None)
    every = np.zeros((16_384, 4), np.float32)
    with pytest.raises(MilvusException, match=rf"{TOO_LARGE} {16_384 * LIVING * HIT_BYTES}") as caught:
        client.search(NAME, list(every), anns_field="v", limit=16_384)
    assert caught.value.code == 1100


@pytest.mark.parametrize(
    ("options", "hits"),
    [
        ({"limit": 30}, 30),
        ({"limit": 16_384}, LIVING),
        ({"limit": 16_000, "offset": 384}, LIVING - 384),
        ({"limit": 16_384, "filter": "id < 20"}, 19),
        ({"limit": 16_384, "filter": "id < 20", "search_params": {"hints": "iterative_filter"}}, 19),
        ({"limit": 7, "group_by_field": "kind", "group_size": 2, "strict_group_size": True}, 14),
    ],
)
def test_hits_are_refused_from_one_too_many_on(
    client: MilvusClient, one_at_a_time: list[int], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], hits: int
) -> None:
    options = {**options, "output_fields": []}
    monkeypatch.setattr(result_size, "RESULT_BYTES", NQ * hits * HIT_BYTES)
    assert [len(found) for found in searched(client, **options)] == [hits] * NQ
    monkeypatch.setattr(result_size, "RESULT_BYTES", NQ * hits * HIT_BYTES - 1)
    with pytest.raises(MilvusException, match=TOO_LARGE):
        searched(client, **options)


def test_hits_of_a_range_are_counted_as_they_are_found(
    client: MilvusClient, one_at_a_time: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"limit": 16_384, "search_params": {"params": {"radius": 3.0}}, "output_fields": []}
    counts = [len(found) for found in searched(client, **options)]
    assert 0 < sum(counts) < NQ * LIVING
    monkeypatch.setattr(result_size, "RESULT_BYTES", sum(counts) * HIT_BYTES)
    assert [len(found) for found in searched(client, **options)] == counts
    one_at_a_time.clear()
    monkeypatch.setattr(result_size, "RESULT_BYTES", sum(counts[:10]) * HIT_BYTES)
    with pytest.raises(MilvusException, match=TOO_LARGE):
        searched(client, **options)
    assert len(one_at_a_time) == 1 + next(at for at in range(10, NQ) if counts[at])


@pytest.mark.parametrize(("field", "size"), [("v", 16), ("text", 100)])
@pytest.mark.parametrize("times", [1, 3])
def test_output_fields_count(
    client: MilvusClient, monkeypatch: pytest.MonkeyPatch, field: str, size: int, times: int
) -> None:
    """Asked several times, a search takes a shorter way. Vectors are refused before they are read."""

    def found() -> list[int]:
        return [len(hits) for _ in range(times) for hits in client.search(NAME, **asked)]

    asked = {"data": list(ASKED), "anns_field": "v", "limit": 20, "output_fields": [field]}
    assert found() == [20] * NQ * times
    monkeypatch.setattr(result_size, "RESULT_BYTES", NQ * 20 * size - 1)
    if field == "v":
        monkeypatch.setattr(result_size, "fetch", None)
    with pytest.raises(MilvusException, match=TOO_LARGE):
        found()


def test_output_fields_of_hybrid_searches_and_queries_count(
    client: MilvusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [AnnSearchRequest(list(ASKED), "v", {}, 20), AnnSearchRequest(SPARSE, "s", {}, 20)]

    def hybrid(**options: Any) -> None:
        client.hybrid_search(NAME, routes, RRFRanker(), limit=20, **options)

    hybrid(output_fields=["text"])
    monkeypatch.setattr(result_size, "RESULT_BYTES", NQ * 20 * 100)
    hybrid()
    with pytest.raises(MilvusException, match=TOO_LARGE):
        hybrid(output_fields=["text"])
    monkeypatch.setattr(result_size, "RESULT_BYTES", LIVING * 100)
    assert len(client.query(NAME, "id >= 0", output_fields=["kind"])) == LIVING
    with pytest.raises(MilvusException, match=r"query results exceed the maxOutputSize Limit \d+, got"):
        client.query(NAME, "id >= 0", output_fields=["text"])


def test_routes_bring_no_more_hits_together_than_can_be_ranked(
    client: MilvusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [AnnSearchRequest(list(ASKED), "v", {}, 20)] * 3
    monkeypatch.setattr(result_size, "MOST_CANDIDATES", NQ * 60)
    client.hybrid_search(NAME, routes, RRFRanker(), limit=5)
    monkeypatch.setattr(result_size, "MOST_CANDIDATES", NQ * 60 - 1)
    with pytest.raises(MilvusException, match="hits of all routes"):
        client.hybrid_search(NAME, routes, RRFRanker(), limit=5)


def test_lists_are_sliced_with_their_values() -> None:
    queries = Queries(ModelType.FLOAT_VECTOR, 3, np.arange(12)[None], lists=np.array([0, 4, 6, 12]))
    part = queries.slice(1, 3)
    assert (part.nq, part.matrix.tolist(), part.lists.tolist()) == (2, [list(range(4, 12))], [0, 2, 8])
