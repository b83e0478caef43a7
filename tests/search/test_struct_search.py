"""Searches and queries for elements of struct arrays through a stock client, against brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, MilvusClient, RRFRanker, WeightedRanker
from search_cases import KINDS, LARGER_IS_NEARER
from struct_rows import (
    ALL_LISTS,
    FIELDS,
    K,
    Stored,
    best_elements,
    check_hits,
    draw,
    embedding_list,
    is_exact,
    search_in,
    store,
)

from elanus.model.settings import JobSettings
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
def elements(caller: MilvusClient) -> Stored:
    """Sub-fields whose elements are searched."""
    return store(caller, "by_elements", "")


@pytest.fixture(scope="module")
def mixed(caller: MilvusClient) -> Stored:
    """Sub-fields of which only ``f_cos`` is searched by lists."""
    return store(caller, "by_both", "", by_lists={"f_cos"})


ELEMENT_FILTERS: dict[str, Callable[[int, int], bool]] = {
    "": lambda key, number: True,
    "id % 3 == 1": lambda key, number: key % 3 == 1,
    "element_filter(s, $[n] > 6)": lambda key, number: number > 6,
    "id >= 230 and element_filter(s, $[n] in [2, 3])": lambda key, number: key >= 230 and number in (2, 3),
    "id in [7, 8, 9, 250] and element_filter(s, $[n] < 8)": lambda key, number: key in (7, 8, 9, 250) and number < 8,
    "element_filter(s, $[n] > 100)": lambda key, number: False,
}


@pytest.mark.parametrize("field", FIELDS)
def test_elements_are_found_by_the_nearest_vectors(elements: Stored, field: str) -> None:
    queries, ask = draw(field, 3), KINDS[FIELDS[field][0]].ask
    for text, passes in ELEMENT_FILTERS.items():
        found = elements.client.search(
            elements.name,
            [ask(vector) for vector in queries],
            anns_field=f"s[{field}]",
            limit=K,
            filter=text,
            search_params=ALL_LISTS,
        )
        for hits, vector in zip(found, queries, strict=True):
            counted = [one for one in elements.elements(field) if passes(one[0], one[2])]
            expected = best_elements(elements, field, vector, passes)[:K] if counted else []
            check_hits(hits, expected, exact=is_exact(field))


@pytest.mark.parametrize("field", ["f_l2", "f_cos", "x_ham"])
def test_elements_within_a_range_are_found(elements: Stored, field: str) -> None:
    (vector,) = draw(field, 1)
    every = best_elements(elements, field, vector)
    near, far = every[3][0], every[40][0]
    found = elements.client.search(
        elements.name,
        [KINDS[FIELDS[field][0]].ask(vector)],
        anns_field=f"s[{field}]",
        limit=100,
        search_params={"params": {"radius": far, "range_filter": near}},
    )
    inside = (
        (lambda score: far < score <= near) if FIELDS[field][2] in LARGER_IS_NEARER else (lambda s: near <= s < far)
    )
    # The bounds themselves are rounded on the way.
    clear = {hit[1:] for hit in every if inside(hit[0]) and min(abs(hit[0] - near), abs(hit[0] - far)) > 1e-5}
    got = {(hit["id"], hit["offset"]) for hit in found[0]}
    if is_exact(field):
        assert got == {hit[1:] for hit in every if inside(hit[0])}
    assert clear <= got <= {hit[1:] for hit in every[: 41 + 1]}


def test_elements_come_in_pages_with_their_structs(elements: Stored) -> None:
    ask = {"anns_field": "s[x_ham]", "output_fields": ["s[n]"]}
    asked = [KINDS["binary"].ask(draw("x_ham", 1)[0])]
    whole = elements.client.search(elements.name, asked, limit=30, **ask)[0]
    assert len({(hit["id"], hit["offset"]) for hit in whole}) == 30
    pages = [elements.client.search(elements.name, asked, limit=10, offset=at, **ask)[0] for at in (0, 10, 20)]
    assert [(hit["id"], hit["offset"]) for page in pages for hit in page] == [
        (hit["id"], hit["offset"]) for hit in whole
    ]
    for hit in whole:
        assert hit["entity"]["s"] == [{"n": number} for number, _ in elements.rows[hit["id"]]]


@pytest.mark.parametrize(
    ("text", "passes"),
    [(text, passes) for text, passes in ELEMENT_FILTERS.items() if "element_filter" in text],
    ids=[text for text in ELEMENT_FILTERS if "element_filter" in text],
)
def test_queries_return_the_elements_that_pass(elements: Stored, text: str, passes: Callable[[int, int], bool]) -> None:
    every = [(key, place, number) for key, place, number, _ in elements.elements("f_l2") if passes(key, number)]
    ask = {"output_fields": ["id", "s[n]"]}
    found = elements.client.query(elements.name, text, **ask)
    assert [(row["id"], row["offset"]) for row in found] == [one[:2] for one in every]
    assert [row["s"][row["offset"]]["n"] for row in found] == [one[2] for one in every]
    for offset, limit in ((0, 5), (3, 7), (len(every) - 2, 50)):
        if every:
            page = elements.client.query(elements.name, text, offset=offset, limit=limit, **ask)
            assert [(row["id"], row["offset"]) for row in page] == [one[:2] for one in every[offset : offset + limit]]


# --- beside other ways of searching ---


def test_elements_are_grouped_by_their_rows(elements: Stored) -> None:
    (vector,) = draw("f_l2", 1)
    found = search_in(elements, [vector], limit=5, group_by_field="id", group_size=2, strict_group_size=True)
    best: dict[int, list[tuple[int, int]]] = {}
    for _, key, place in best_elements(elements, "f_l2", vector):
        best.setdefault(key, []).append((key, place))
    expected = [hit for hits in list(best.values())[:5] for hit in hits[:2]]
    assert [(hit["id"], hit["offset"]) for hit in found[0]] == expected


def test_elements_come_one_page_after_the_other(elements: Stored) -> None:
    (vector,) = draw("x_jac", 1)
    pages = elements.client.search_iterator(
        elements.name, [KINDS["binary"].ask(vector)], batch_size=37, anns_field="s[x_jac]", filter="id > 20"
    )
    found = []
    while page := pages.next():
        found += [(hit["id"], hit["offset"]) for hit in page]
    pages.close()
    expected = best_elements(elements, "x_jac", vector, lambda key, _: key > 20)
    assert found == [hit[1:] for hit in expected]


def test_routes_over_one_struct_array_rank_its_elements(elements: Stored) -> None:
    (vector,) = draw("f_ip", 1)
    routes = [AnnSearchRequest([vector], f"s[{field}]", {"params": {}}, limit=30) for field in ("f_ip", "f_cos")]
    found = elements.client.hybrid_search(elements.name, routes, RRFRanker(60), limit=10)
    scores: dict[tuple[int, int], float] = {}
    for field in ("f_ip", "f_cos"):
        for rank, (_, *hit) in enumerate(best_elements(elements, field, vector)[:30], 1):
            scores[tuple(hit)] = scores.get(tuple(hit), 0.0) + 1 / (60 + rank)
    best = sorted(scores.items(), key=lambda item: (-np.float32(item[1]), item[0]))[:10]
    assert [(hit["id"], hit["offset"]) for hit in found[0]] == [hit for hit, _ in best]


@pytest.mark.parametrize("strategy", ["max", "sum", "avg", "topk_sum"])
def test_elements_become_rows_beside_a_route_that_finds_rows(mixed: Stored, strategy: str) -> None:
    (vector,) = draw("f_ip", 1)
    collapse = {"strategy": strategy, **({"topk": 2} if strategy.startswith("topk") else {})}
    params = {"params": {"element_scope": {"collapse": collapse}}}
    routes = [
        AnnSearchRequest([vector], "s[f_ip]", params, limit=1_000),
        AnnSearchRequest([embedding_list("f_cos", vector[None, :])], "s[f_cos]", {"params": {}}, limit=5),
    ]
    found = mixed.client.hybrid_search(mixed.name, routes, WeightedRanker(1.0, 0.0, norm_score=False), limit=1_000)
    of_rows: dict[int, list[float]] = {}
    for score, key, _ in best_elements(mixed, "f_ip", vector):
        of_rows.setdefault(key, []).append(score)
    collapsed = {"max": max, "sum": sum, "avg": np.mean, "topk_sum": lambda scores: sum(scores[:2])}
    expected = {key: float(collapsed[strategy](scores)) for key, scores in of_rows.items()}
    assert {hit["id"] for hit in found[0]} == set(expected)
    assert all("offset" not in hit for hit in found[0])
    for hit in found[0]:
        assert hit["distance"] == pytest.approx(expected[hit["id"]], rel=1e-4, abs=1e-4)
