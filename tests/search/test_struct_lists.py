"""Searches for lists of vectors in struct arrays through a stock client, against brute force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import AsyncMilvusClient, MilvusClient
from search_cases import LARGER_IS_NEARER
from struct_rows import (
    ALL_LISTS,
    FIELDS,
    SEALED,
    K,
    Stored,
    best_lists,
    check_hits,
    draw,
    embedding_list,
    is_exact,
    search_in,
    store,
)

from elanus.model.settings import JobSettings
from elanus.query.structs import embedding_lists
from serving import LocalServer, settings_for


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that gives every sealed segment its index."""
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("structs") / "data", jobs=jobs)) as server:
        yield server


@pytest.fixture(scope="module")
def caller(eager: LocalServer) -> Iterator[MilvusClient]:
    connected = eager.connect()
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def lists(caller: MilvusClient) -> Stored:
    """Sub-fields that are searched by lists."""
    return store(caller, "by_lists", "MAX_SIM_")


ROW_FILTERS: dict[str, Callable[[int], bool]] = {
    "": lambda key: True,
    "id % 3 == 1": lambda key: key % 3 == 1,
    "id >= 230": lambda key: key >= 230,
    "id in [7, 8, 9, 250]": lambda key: key in (7, 8, 9, 250),
    "id < 0": lambda key: False,
}


@pytest.mark.parametrize("field", FIELDS)
def test_rows_are_found_by_the_lists_nearest_to_a_list(lists: Stored, field: str) -> None:
    queries = [draw(field, count, seed) for seed, count in enumerate((1, 3, 20))]
    asked = [embedding_list(field, vectors) for vectors in queries]
    for text, passes in ROW_FILTERS.items():
        found = lists.client.search(
            lists.name, asked, anns_field=f"s[{field}]", limit=K, filter=text, search_params=ALL_LISTS
        )
        for hits, vectors in zip(found, queries, strict=True):
            check_hits(hits, best_lists(lists, field, vectors, passes)[:K], exact=is_exact(field))


def test_every_row_with_elements_is_found_and_no_other(lists: Stored) -> None:
    (vectors,) = (draw("f_l2", 2),)
    found = lists.client.search(lists.name, [embedding_list("f_l2", vectors)], anns_field="s[f_l2]", limit=1_000)
    assert sorted(hit["id"] for hit in found[0]) == sorted(key for key, owned in lists.rows.items() if owned)


def test_lists_come_in_pages_with_their_structs(lists: Stored) -> None:
    asked = [embedding_list("f_cos", draw("f_cos", 4))]
    ask = {"anns_field": "s[f_cos]", "output_fields": ["s[n]", "id"]}
    whole = lists.client.search(lists.name, asked, limit=20, **ask)[0]
    pages = [lists.client.search(lists.name, asked, limit=5, offset=first, **ask)[0] for first in (0, 5, 10, 15)]
    assert [hit["id"] for page in pages for hit in page] == [hit["id"] for hit in whole]
    for hit in whole:
        assert hit["entity"]["s"] == [{"n": number} for number, _ in lists.rows[hit["id"]]]


def test_async_clients_search_by_lists(eager: LocalServer, lists: Stored) -> None:
    vectors = draw("f_ip", 3)

    async def ask() -> Any:
        client = AsyncMilvusClient(eager.uri)
        try:
            return await client.search(lists.name, [embedding_list("f_ip", vectors)], anns_field="s[f_ip]", limit=K)
        finally:
            await client.close()

    check_hits(asyncio.run(ask())[0], best_lists(lists, "f_ip", vectors, lambda _: True)[:K], exact=False)


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have indexes asked even where measuring every row costs less; returns how many candidates each list had."""
    candidates: list[int] = []
    ask = embedding_lists._by_elements

    def noted(*arguments: Any) -> Any:
        found = ask(*arguments)
        if found is not None:
            candidates.append(len(found[0]))
        return found

    monkeypatch.setattr(embedding_lists, "WALK", 0)
    monkeypatch.setattr(embedding_lists, "_by_elements", noted)
    return candidates


@pytest.mark.parametrize("ratio", [1.0, 3.0, None])
@pytest.mark.parametrize("field", ["f_l2", "f_cos", "h_l2", "i_cos", "x_ham"])
def test_candidates_of_an_index_are_measured_exactly(
    lists: Stored, by_index: list[int], field: str, ratio: float | None
) -> None:
    vectors = draw(field, 2)
    params = {} if ratio is None else {"retrieval_ann_ratio": ratio}
    for text in ("", "id % 5 != 0"):
        found = search_in(lists, [embedding_list(field, vectors)], f"s[{field}]", limit=4, filter=text, params=params)
        every = best_lists(lists, field, vectors, lambda key, text=text: not text or key % 5 != 0)
        truth = {key: score for score, key, _ in every}
        assert len(found[0]) == 4
        np.testing.assert_allclose([hit["distance"] for hit in found[0]], [truth[hit["id"]] for hit in found[0]], 2e-5)
        if ratio is None:
            check_hits(found[0], every[:4], exact=is_exact(field))
    assert by_index
    assert max(by_index) < SEALED


def test_rows_are_not_missing_where_some_own_several_of_the_nearest_elements(
    lists: Stored, by_index: list[int]
) -> None:
    every = {"limit": K, "filter": f"id < {SEALED}", "params": {"retrieval_ann_ratio": 1.0}}
    for seed in range(20):
        found = search_in(lists, [embedding_list("f_l2", draw("f_l2", 1, seed))], **every)
        assert len(found[0]) == K
    assert by_index


@pytest.mark.parametrize("field", ["f_l2", "f_cos", "x_ham"])
def test_candidates_that_are_not_measured_are_no_nearer_than_they_seem(
    lists: Stored, by_index: list[int], field: str
) -> None:
    vectors = draw(field, 2)
    found = search_in(
        lists, [embedding_list(field, vectors)], f"s[{field}]", limit=4, params={"emb_list_rerank": False}
    )
    truth = {key: score for score, key, _ in best_lists(lists, field, vectors, lambda _: True)}
    sign = -1 if FIELDS[field][2] in LARGER_IS_NEARER else 1
    assert by_index
    assert len(found[0]) == 4
    assert all(sign * hit["distance"] <= sign * truth[hit["id"]] + 1e-5 for hit in found[0])
