"""Searches that wait for a service of somebody else, and those beside them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient

from rerank_service import Answer, Asked, RerankService, tei

WAITING = 6
LIMIT_S = 20.0


@pytest.fixture
def texts(client: MilvusClient, name: str) -> str:
    """A collection of a few texts with vectors."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=20)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    made = client.prepare_index_params()
    made.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=made, consistency_level="Strong")
    client.insert(name, [{"id": row, "text": f"text {row}", "v": [row, 1.0]} for row in range(5)])
    return name


@pytest.mark.parametrize("queries", [1, 3])
def test_searches_are_answered_while_more_than_there_are_workers_wait_for_a_model(
    client: MilvusClient, texts: str, queries: int
) -> None:
    """The service is called for each query of a search."""
    entered, release = threading.Semaphore(0), threading.Event()

    def held(asked: Asked) -> Answer:
        entered.release()
        return Answer(tei(asked).body, wait=release)

    def search(**options: object) -> list[list[int]]:
        found = client.search(texts, [[0.0, 1.0]] * queries, anns_field="v", limit=5, timeout=LIMIT_S, **options)
        return [[hit["id"] for hit in hits] for hits in found]

    with RerankService(held) as service, ThreadPoolExecutor(WAITING) as pool:
        params = {"reranker": "model", "provider": "tei", "endpoint": service.uri, "queries": ["4"] * queries}
        ranker = Function(name="model", function_type=FunctionType.RERANK, input_field_names=["text"], params=params)
        waiting = [pool.submit(search, ranker=ranker) for _ in range(WAITING)]
        try:
            for _ in range(WAITING * queries):
                assert entered.acquire(timeout=LIMIT_S)
            assert search() == [[0, 1, 2, 3, 4]] * queries
            assert not any(one.done() for one in waiting)
        finally:
            release.set()
        assert [one.result()[0][0] for one in waiting] == [4] * WAITING
