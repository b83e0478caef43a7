"""Indexes on vectors in struct arrays: kept, described, dropped; and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.client.embedding_list import EmbeddingList
from search_cases import DIM
from struct_rows import (
    K,
    Stored,
    add_index,
    await_indexes,
    best_elements,
    check_hits,
    draw,
    draw_row,
    embedding_list,
    insert_rows,
    make_collection,
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
def lists(caller: MilvusClient) -> Stored:
    """Sub-fields that are searched by lists."""
    return store(caller, "by_lists", "MAX_SIM_")


@pytest.fixture(scope="module")
def elements(caller: MilvusClient) -> Stored:
    """Sub-fields whose elements are searched."""
    return store(caller, "by_elements", "")


def test_indexes_on_structs_outlive_a_restart_and_are_dropped(tmp_path: Any) -> None:
    random = np.random.default_rng(8)
    rows = {key: draw_row(random, key) for key in range(120)}
    vectors = draw("f_l2", 3)
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path / "data", jobs=jobs)) as server:
        client = server.connect()
        make_collection(client, "kept", {"f_l2": ("HNSW", "MAX_SIM_L2")})
        insert_rows(client, "kept", rows, range(120))
        client.flush("kept")
        await_indexes(client, "kept")
        ask = {"anns_field": "s[f_l2]", "limit": K}
        before = client.search("kept", [embedding_list("f_l2", vectors)], **ask)
        described = client.describe_index("kept", "s[f_l2]")
        assert (described["field_name"], described["index_type"], described["metric_type"]) == (
            "s[f_l2]",
            "HNSW",
            "MAX_SIM_L2",
        )
        client.close()
        server.restart()
        client = server.connect()
        assert client.search("kept", [embedding_list("f_l2", vectors)], **ask) == before
        client.release_collection("kept")
        client.drop_index("kept", "s[f_l2]")
        add_index(client, "kept", "s[f_l2]", "HNSW", "L2")
        client.load_collection("kept")
        await_indexes(client, "kept")
        alive = {key: owned for key, owned in rows.items() if owned is not None}
        found = client.search("kept", [vectors[0]], **ask)
        check_hits(found[0], best_elements(Stored(client, "kept", alive), "f_l2", vectors[0])[:K], exact=False)
        client.close()


def test_the_plain_name_of_max_sim_means_cosine(client: MilvusClient, name: str) -> None:
    make_collection(client, name, {"f_cos": ("HNSW", "MAX_SIM"), "f_l2": ("AUTOINDEX", "")})
    assert client.describe_index(name, "s[f_cos]")["metric_type"] == "MAX_SIM"
    assert client.describe_index(name, "s[f_l2]")["metric_type"] == "MAX_SIM_COSINE"
    asked = [embedding_list("f_cos", draw("f_cos", 2))]
    for metric in ("MAX_SIM", "MAX_SIM_COSINE"):
        params = {"metric_type": metric}
        assert client.search(name, asked, anns_field="s[f_cos]", search_params=params)[0] == []


ONE = [0.5] * DIM
A_LIST = EmbeddingList([np.array(ONE, dtype=np.float32)])
OTHER_STRUCT = "element_filter is only supported for element-level search on vector sub-fields of the same struct array"


@pytest.mark.parametrize(
    ("by_lists", "ask", "phrase"),
    [
        (True, lambda stored: search_in(stored, [ONE]), "it is searched by lists of vectors, not by vectors"),
        (False, lambda stored: search_in(stored, [A_LIST]), "a search by lists of vectors needs an index of a MAX_SIM"),
        (
            True,
            lambda stored: search_in(stored, [A_LIST], params={"radius": 1.0}),
            "range search is not supported for multi-search-multi on embedding list fields",
        ),
        (True, lambda stored: search_in(stored, [A_LIST], filter="element_filter(s, $[n] > 1)"), OTHER_STRUCT),
        (
            True,
            lambda stored: search_in(stored, [EmbeddingList([np.zeros(DIM + 1, dtype=np.float32)])]),
            "vector dimension mismatch",
        ),
        (False, lambda stored: search_in(stored, [[0.5] * (DIM + 1)]), "vector dimension mismatch"),
        (True, lambda stored: search_in(stored, [A_LIST], "s[i_cos]"), "vector type must be the same"),
        (
            True,
            lambda stored: search_in(stored, [A_LIST], search_params={"metric_type": "MAX_SIM_IP"}),
            "metric type not match",
        ),
        (
            True,
            lambda stored: search_in(stored, [A_LIST], params={"retrieval_ann_ratio": 0}),
            "retrieval_ann_ratio",
        ),
        (
            False,
            lambda stored: stored.client.search(stored.name, ids=[7], anns_field="s[f_l2]"),
            "array of vector is not supported for search by IDs",
        ),
        (True, lambda stored: search_in(stored, [A_LIST], "s[no]"), "not found"),
    ],
)
def test_searches_that_cannot_be_are_refused(
    lists: Stored, elements: Stored, by_lists: bool, ask: Callable[[Stored], Any], phrase: str
) -> None:
    with pytest.raises(MilvusException) as caught:
        ask(lists if by_lists else elements)
    assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "phrase"),
    [
        (("HNSW", "MAX_SIM_HAMMING", {}), "does not support metric type: MAX_SIM_HAMMING"),
        (("BIN_FLAT", "MAX_SIM_L2", {}), "can't build with this index BIN_FLAT"),
        (("HNSW", "MAX_SIM_L2", {"M": 1}), "should be in range [2, 2048]"),
        (("HNSW", "L2", {"column_graphs": "id"}), "can't be beside an index on s[f_l2]"),
        (("INVERTED", "L2", {}), "INVERTED are not supported on"),
    ],
)
def test_indexes_that_cannot_be_are_refused(
    client: MilvusClient, name: str, asked: tuple[str, str, dict[str, Any]], phrase: str
) -> None:
    index, metric, params = asked
    make_collection(client, name, {})
    with pytest.raises(MilvusException) as caught:
        add_index(client, name, "s[f_l2]", index, metric, **params)
    assert phrase in str(caught.value)


def test_lists_are_no_metric_of_single_vectors(client: MilvusClient, name: str) -> None:
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection(name, schema=schema)
    with pytest.raises(MilvusException, match="does not support metric type: MAX_SIM"):
        add_index(client, name, "v", "HNSW", "MAX_SIM")
    add_index(client, name, "v", "HNSW", "L2")
    client.load_collection(name)
    with pytest.raises(MilvusException, match="a search by lists of vectors needs an index of a MAX_SIM metric"):
        client.search(name, [A_LIST])
