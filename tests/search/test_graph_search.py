"""Searches by graph through a server: every type, metric and filter; hints, ranges, null vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from search_cases import KINDS, LARGER_IS_NEARER, METRICS, make

from elanus.model.settings import JobSettings
from serving import LocalServer, settings_for

ROWS = 6_000
K = 10
INDEXED = [
    ("float", "HNSW", "L2"),
    ("float", "HNSW", "IP"),
    ("float", "HNSW_SQ", "COSINE"),
    ("float16", "HNSW", "COSINE"),
    ("bfloat16", "HNSW_SQ", "L2"),
    ("int8", "HNSW", "COSINE"),
    ("int8", "HNSW_SQ", "L2"),
    ("binary", "HNSW", "HAMMING"),
    ("binary", "HNSW", "JACCARD"),
]
FILTERS = {"": 1.0, "id % 2 == 0": 0.5, "id % 10 == 3": 0.1, "id % 1000 == 7": 0.001, "id < 0": 0.0}

Stored = tuple[str, str, str, np.ndarray, np.ndarray]
"""Collection, type, metric, rows, queries."""


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that gives every sealed segment its index."""
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("graphs") / "data", jobs=jobs)) as server:
        yield server


@pytest.fixture(scope="module")
def caller(eager: LocalServer) -> Iterator[MilvusClient]:
    connected = eager.connect()
    yield connected
    connected.close()


@pytest.fixture(scope="module", params=INDEXED, ids="-".join)
def stored(request: pytest.FixtureRequest, caller: MilvusClient) -> Iterator[Stored]:
    """One sealed, indexed collection a combination; the vector is null where the key is a multiple of 7."""
    kind_name, index, metric = request.param
    kind, name = KINDS[kind_name], f"graph_{kind_name}_{index.lower()}_{metric.lower()}"
    random = np.random.default_rng(11)
    rows, queries = kind.draw(random, ROWS), kind.draw(random, 8)
    schema = caller.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=64)
    kind.add_to(schema, "vector", nullable=True)
    make(caller, name, schema, [("vector", index, metric, {"M": 16, "efConstruction": 100})])
    for start in range(0, ROWS, 2_000):
        caller.insert(name, [entity(kind_name, rows, key) for key in range(start, start + 2_000)])
    caller.flush(name)
    while (state := caller.describe_index(name, "vector"))["state"] != "Finished" or state["pending_index_rows"]:
        assert state["state"] != "Failed", state
    yield name, kind_name, metric, rows, queries
    caller.drop_collection(name)


def entity(kind_name: str, rows: np.ndarray, key: int) -> dict[str, object]:
    return {"id": key, "text": f"text {key % 100}", "vector": KINDS[kind_name].send(rows[key]) if key % 7 else None}


def passing(text: str) -> np.ndarray:
    """Return the keys that a filter of ``FILTERS`` keeps and that have a vector."""
    keys = np.arange(ROWS)
    conditions = {"": keys >= 0, "id < 0": keys < 0}
    if text not in conditions:
        _, divisor, _, rest = text.removeprefix("id ").split()
        conditions[text] = keys % int(divisor) == int(rest)
    return keys[conditions[text] & (keys % 7 != 0)]


def scores_of(stored: Stored, query: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the exact scores, smaller is nearer."""
    scores = METRICS[stored[2]](query, stored[3][keys])
    return -scores if stored[2] in LARGER_IS_NEARER else scores


def ask(caller: MilvusClient, stored: Stored, text: str = "", limit: int = K, **params: object) -> list[list[dict]]:
    queries = [KINDS[stored[1]].ask(query) for query in stored[4]]
    return caller.search(stored[0], queries, filter=text, limit=limit, search_params={"params": params})


def recall(stored: Stored, answers: list[list[dict]], text: str, limit: int = K) -> float:
    """Return the share of hits no farther than the true last one; each must pass and be given its exact score."""
    keys, right, wanted = passing(text), 0, 0
    for query, hits in zip(stored[4], answers, strict=True):
        found = [hit["id"] for hit in hits]
        assert set(found) <= set(keys.tolist())
        assert len(set(found)) == len(hits) == min(limit, len(keys))
        if not found:
            continue
        true = scores_of(stored, query, np.array(found))
        sign = -1 if stored[2] in LARGER_IS_NEARER else 1
        np.testing.assert_allclose([sign * hit["distance"] for hit in hits], true, rtol=1e-4, atol=1e-4)
        last = np.sort(scores_of(stored, query, keys))[len(hits) - 1]
        right, wanted = right + int((true <= last + 1e-6 * abs(last)).sum()), wanted + len(hits)
    return right / wanted if wanted else 1.0


@pytest.mark.parametrize("text", FILTERS)
def test_every_filter_keeps_its_recall(caller: MilvusClient, stored: Stored, text: str) -> None:
    assert recall(stored, ask(caller, stored, text, ef=120), text) >= 0.95


@pytest.mark.parametrize("hint", ["iterative_filter", "disable", "scan", "plain", "alpha", "mix", "bridge"])
@pytest.mark.parametrize("text", ["id % 2 == 0", "id % 10 == 3", "id % 1000 == 7", ""])
def test_every_hint_answers_every_filter(caller: MilvusClient, stored: Stored, text: str, hint: str) -> None:
    assert recall(stored, ask(caller, stored, text, ef=200, hints=hint), text) >= 0.9


def test_targets_of_recall_are_reached_at_least(caller: MilvusClient, stored: Stored) -> None:
    for target in (0.9, 0.99):
        assert recall(stored, ask(caller, stored, target_recall=target), "") >= target - 0.05  # of 80 rows in all
    assert recall(stored, ask(caller, stored, level=5), "") >= 0.92
    assert recall(stored, ask(caller, stored, target_recall=1.0), "") == 1.0
    assert recall(stored, ask(caller, stored), "") >= 0.91


def test_a_range_holds_what_lies_in_it(caller: MilvusClient, stored: Stored) -> None:
    query, metric = stored[4][0], stored[2]
    keys = passing("id % 2 == 0")
    ordered = np.unique(np.sort(scores_of(stored, query, keys)).astype(np.float32))
    inner, outer = float(ordered[2]), float(ordered[min(20, len(ordered) - 2)])
    inner, outer = (
        np.nextafter(np.float32(inner), np.float32(-np.inf)),
        (outer + float(ordered[min(21, len(ordered) - 1)])) / 2,
    )
    sign = -1 if metric in LARGER_IS_NEARER else 1
    params = {"radius": sign * float(outer), "range_filter": sign * float(inner), "ef": 200}
    asked = [KINDS[stored[1]].ask(query)]
    (hits,) = caller.search(stored[0], asked, filter="id % 2 == 0", limit=1_000, search_params={"params": params})
    true = {int(key) for key in keys if inner * (1 - 1e-6) <= scores_of(stored, query, np.array([key]))[0] < outer}
    found = {hit["id"] for hit in hits}
    assert len(found & true) >= 0.95 * min(1_000, len(true))
    assert len(found - true) <= 0.02 * len(true) + 1, "scores in float32 may fall on either side of a bound"


def test_paging_is_one_search_in_parts(caller: MilvusClient, stored: Stored) -> None:
    queries = [KINDS[stored[1]].ask(stored[4][0])]
    (whole,) = caller.search(stored[0], queries, limit=40, search_params={"params": {"ef": 200}})
    (second,) = caller.search(stored[0], queries, limit=20, offset=20, search_params={"params": {"ef": 200}})
    assert [hit["id"] for hit in second] == [hit["id"] for hit in whole[20:]]


def test_describe_shows_what_the_user_set(caller: MilvusClient, stored: Stored) -> None:
    described = caller.describe_index(stored[0], "vector")
    assert (described["M"], described["efConstruction"], described["metric_type"]) == ("16", "100", stored[2])


def test_hints_that_nobody_knows_are_refused(caller: MilvusClient, stored: Stored) -> None:
    with pytest.raises(MilvusException, match="hints: fast not supported"):
        ask(caller, stored, hints="fast")


def test_a_dear_filter_is_asked_about_few_rows(caller: MilvusClient, stored: Stored) -> None:
    plain = ask(caller, stored, 'text like "%7%"', ef=200)
    first = ask(caller, stored, 'text like "%7%"', ef=200, hints="iterative_filter")
    same = [
        len({hit["id"] for hit in one} & {hit["id"] for hit in other}) for one, other in zip(plain, first, strict=True)
    ]
    assert np.mean(same) >= 0.9 * K
