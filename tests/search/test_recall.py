"""The WordNet slice: recall of indexes with and without filters, exactness of FLAT, search during a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from search_cases import METRICS, make

from wordnet_slice import WordNet, load

FILTERS = ("all", "f50", "f10", "f1", "f01", "c50", "c10", "c1", "c01", "own")
K = 10
HNSW = {"M": 16, "efConstruction": 200}
IVF = {"nlist": 64}


@pytest.fixture(scope="module")
def slice_of_wordnet() -> WordNet:
    return load()


@pytest.fixture(scope="module")
def filled(client: MilvusClient, slice_of_wordnet: WordNet) -> Iterator[Callable[[str, dict[str, int]], str]]:
    """Return a function that makes a collection of the slice, sealed, under an index type, once for each type."""
    made: dict[str, str] = {}

    def fill(kind: str, params: dict[str, int]) -> str:
        if kind not in made:
            made[kind] = create(client, f"wordnet_{kind.lower()}", slice_of_wordnet, (kind, "COSINE", params))
            for start in range(0, 5_000, 1_000):
                client.insert(made[kind], entities(slice_of_wordnet, start, start + 1_000))
            client.flush(made[kind])
            wait_for_index(client, made[kind])
        return made[kind]

    yield fill
    for name in made.values():
        client.drop_collection(name)


def create(client: MilvusClient, name: str, wordnet: WordNet, index: tuple[str, str, dict[str, int]]) -> str:
    """Make an empty collection for the slice; the index is a type, a metric and build parameters."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("lexname", DataType.VARCHAR, max_length=64)
    schema.add_field("u", DataType.DOUBLE)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=wordnet.dim)
    make(client, name, schema, [("vector", *index)])
    return name


def entities(wordnet: WordNet, start: int, stop: int) -> list[dict[str, object]]:
    wanted = ("id", "lexname", "u", "vector")
    return [{key: row[key] for key in wanted} for row in wordnet.entities(start, stop)]


def wait_for_index(client: MilvusClient, name: str) -> None:
    """Return when the index covers every row."""
    while not is_built(client, name):
        pass


def is_built(client: MilvusClient, name: str) -> bool:
    state = client.describe_index(name, "vector")
    assert state["state"] != "Failed", state
    return state["state"] == "Finished" and state["pending_index_rows"] == 0


def recall(client: MilvusClient, name: str, wordnet: WordNet, filter_name: str, params: dict[str, int]) -> float:
    """Return recall@10 over the slice's queries; every hit has to pass the filter."""
    options = {"limit": K, "search_params": {"params": params}}
    if filter_name == "own":
        answers = [
            client.search(name, [query], filter=wordnet.filter_of("own", number), **options)[0]
            for number, query in enumerate(wordnet.queries)
        ]
    else:
        answers = client.search(name, list(wordnet.queries), filter=wordnet.filter_of(filter_name, 0), **options)
    return wordnet.recall(filter_name, [[hit["id"] for hit in hits] for hits in answers], K)


@pytest.mark.parametrize("filter_name", FILTERS)
def test_hnsw_reaches_its_recall_under_every_filter(
    client: MilvusClient, filled: Callable[..., str], slice_of_wordnet: WordNet, filter_name: str
) -> None:
    name = filled("HNSW", HNSW)
    assert recall(client, name, slice_of_wordnet, filter_name, {"ef": 64}) >= 0.95


@pytest.mark.parametrize("filter_name", FILTERS)
def test_filtered_hits_pass_the_filter(
    client: MilvusClient, filled: Callable[..., str], slice_of_wordnet: WordNet, filter_name: str
) -> None:
    name = filled("HNSW", HNSW)
    text = slice_of_wordnet.filter_of(filter_name, 0)
    passing = {row["id"] for row in client.query(name, text or "id >= 0", output_fields=["id"])}
    answers = client.search(
        name, list(slice_of_wordnet.queries[:20]), filter=text, limit=50, search_params={"params": {"ef": 64}}
    )
    for hits in answers:
        assert len(hits) == min(50, len(passing))
        assert {hit["id"] for hit in hits} <= passing
        distances = [hit["distance"] for hit in hits]
        assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("filter_name", ["all", "f10", "c10"])
def test_ivf_reaches_its_recall(
    client: MilvusClient, filled: Callable[..., str], slice_of_wordnet: WordNet, filter_name: str
) -> None:
    name = filled("IVF_FLAT", IVF)
    assert recall(client, name, slice_of_wordnet, filter_name, {"nprobe": 32}) >= 0.95
    assert recall(client, name, slice_of_wordnet, filter_name, {"nprobe": 64}) == 1.0


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_flat_equals_brute_force_on_real_vectors(
    client: MilvusClient, name: str, slice_of_wordnet: WordNet, metric: str
) -> None:
    create(client, name, slice_of_wordnet, ("FLAT", metric, {}))
    for start in range(0, 5_000, 2_500):
        client.insert(name, entities(slice_of_wordnet, start, start + 2_500))
        if start == 0:
            client.flush(name)
    answers = client.search(name, list(slice_of_wordnet.queries[:50]), limit=100)
    for query, hits in zip(slice_of_wordnet.queries, answers, strict=False):
        scores = METRICS[metric](query, slice_of_wordnet.vectors)
        ranked = np.sort(scores if metric == "L2" else -scores)[:100]
        best = ranked if metric == "L2" else -ranked
        np.testing.assert_allclose([hit["distance"] for hit in hits], best, rtol=1e-6, atol=1e-7)
        for hit in hits:
            assert hit["distance"] == pytest.approx(scores[hit["id"]], rel=1e-6, abs=1e-7)
        assert len({hit["id"] for hit in hits}) == 100
    client.drop_collection(name)


@pytest.mark.parametrize("kind", ["HNSW", "IVF_FLAT"])
def test_search_is_right_before_during_and_after_a_build(
    client: MilvusClient, name: str, slice_of_wordnet: WordNet, kind: str
) -> None:
    build, params = (HNSW, {"ef": 64}) if kind == "HNSW" else (IVF, {"nprobe": 32})
    create(client, name, slice_of_wordnet, (kind, "COSINE", build))
    client.insert(name, entities(slice_of_wordnet, 0, 2_500))
    client.insert(name, entities(slice_of_wordnet, 2_500, 5_000))
    assert recall(client, name, slice_of_wordnet, "all", params) == 1.0, "rows in memory are scanned"
    client.flush(name)
    assert recall(client, name, slice_of_wordnet, "all", params) >= 0.95
    while not is_built(client, name):
        assert recall(client, name, slice_of_wordnet, "all", params) >= 0.95
    assert recall(client, name, slice_of_wordnet, "all", params) >= 0.95
    client.delete(name, filter="u < 0.5")
    left = client.query(name, "id >= 0", output_fields=["id"])
    (hits,) = client.search(name, [slice_of_wordnet.queries[0]], limit=50, search_params={"params": {"ef": 64}})
    assert {hit["id"] for hit in hits} <= {row["id"] for row in left}
    client.drop_collection(name)
