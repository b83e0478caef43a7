"""Reports and recalls of searches among the elements of struct arrays, and of searches by lists of vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.client.embedding_list import EmbeddingList
from pymilvus.client.prepare import Prepare

from elanus.model.settings import JobSettings
from elanus.server.grpc import messages as pb
from elanus.server.grpc.explain import SERVICE
from serving import LocalServer, settings_for

ROWS, EACH, DIM, K, NAME = 1_200, 3, 8, 5, "texts"
DRAW = np.random.default_rng(17)
VECTORS = DRAW.normal(size=(ROWS, EACH, DIM)).astype(np.float32)
ASKED = (2.0 * DRAW.normal(size=(4, DIM))).astype(np.float32)
RECALL = {"enable_recall_calculation": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    settings = settings_for(tmp_path_factory.mktemp("structs"), jobs=JobSettings(index_min_rows=100))
    with LocalServer(settings) as running, closing(running.connect()) as client:
        struct = client.create_struct_field_schema()
        struct.add_field("e", DataType.FLOAT_VECTOR, dim=DIM)
        struct.add_field("m", DataType.FLOAT_VECTOR, dim=DIM)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("s", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=struct, max_capacity=4)
        index = client.prepare_index_params()
        for field, metric in (("s[e]", "L2"), ("s[m]", "MAX_SIM_L2")):
            index.add_index(field, index_type="HNSW", metric_type=metric, params={"M": 6, "efConstruction": 30})
        client.create_collection(NAME, schema=schema, index_params=index, consistency_level="Strong")
        rows = [{"id": n, "s": [{"e": one.tolist(), "m": one.tolist()} for one in VECTORS[n]]} for n in range(ROWS)]
        client.insert(NAME, rows[: ROWS - 100])
        client.flush(NAME)
        while any(client.describe_index(NAME, field)["pending_index_rows"] for field in ("s[e]", "s[m]")):
            pass
        client.insert(NAME, rows[ROWS - 100 :])
        client.delete(NAME, ids=list(range(0, ROWS, 10)))
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[MilvusClient]:
    with closing(server.connect()) as connected:
        yield connected


def one_list() -> EmbeddingList:
    asked = EmbeddingList()
    for vector in ASKED[:2]:
        asked.add(vector)
    return asked


def report(server: LocalServer, field: str, data: Any, params: Any, **options: Any) -> dict[str, Any]:
    request = Prepare.search_requests_with_expr(NAME, field, params, K, data=data, **options)
    with grpc.insecure_channel(server.target) as channel:
        body = channel.unary_unary(f"/{SERVICE}/ExplainSearch")(request.SerializeToString(), timeout=30)
    told: dict[str, Any] = json.loads(pb.StringResponse.FromString(body).value)
    return told


def test_elements_are_counted_and_checked(server: LocalServer, client: MilvusClient) -> None:
    params = {"params": {**RECALL, "ef": 5, "hints": "plain"}}
    found = client.search(NAME, ASKED.tolist(), anns_field="s[e]", limit=K, search_params=params)
    living = np.array([n for n in range(ROWS) if n % 10])
    counted = []
    for query, hits in zip(ASKED, found, strict=True):
        distances = ((VECTORS[living].astype(np.float64) - query) ** 2).sum(axis=2)
        farthest = np.sort(distances.ravel())[K - 1]
        counted.append(sum(hit["distance"] <= farthest * (1 + 1e-6) for hit in hits) / K)
    assert found.recalls == pytest.approx(counted)
    sealed = report(server, "s[e]", ASKED.tolist(), params)["segments"][0]
    assert sealed["kept"] == EACH * np.count_nonzero(living < ROWS - 100)


def test_lists_are_found_by_their_elements_and_checked(server: LocalServer, client: MilvusClient) -> None:
    params = {"params": {**RECALL, "retrieval_ann_ratio": 1.0, "ef": 5, "hints": "plain"}}
    found = client.search(NAME, [one_list()], anns_field="s[m]", limit=K, search_params=params)
    living = np.array([n for n in range(ROWS) if n % 10])
    squares = ((VECTORS[living, :, None].astype(np.float64) - ASKED[:2]) ** 2).sum(axis=3)
    nearest = living[np.argsort(squares.min(axis=1).sum(axis=1))[:K]]
    assert found.recalls == pytest.approx([len({hit["id"] for hit in found[0]} & set(nearest.tolist())) / K])
    told = report(server, "s[m]", [one_list().to_flat_array()], params, is_embedding_list=True)
    by_state = {one["state"]: one for one in told["segments"]}
    assert by_state["sealed"]["why"] == "the index finds elements, their rows are measured"
    assert by_state["growing"]["strategy"] == "scan"


def test_distances_that_are_guessed_are_not_checked(client: MilvusClient) -> None:
    params = {"params": {**RECALL, "emb_list_rerank": False}}
    with pytest.raises(MilvusException, match="emb_list_rerank must not be false"):
        client.search(NAME, [one_list()], anns_field="s[m]", limit=K, search_params=params)
