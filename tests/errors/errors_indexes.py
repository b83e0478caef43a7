"""4.5 index and load."""

from __future__ import annotations

from typing import Any

from errors_stage import DIM, Stage, each, refused
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2


def _on(stage: Stage, field: str, name: str = "", **params: Any) -> None:
    """Create an index on a new collection's field."""
    stage.index(stage._once("unindexed", lambda made: _unindexed(stage, made)), field, name, **params)


def _unindexed(stage: Stage, name: str) -> None:
    schema = stage.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("b", DataType.BINARY_VECTOR, dim=8)
    schema.add_field("z", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("e", DataType.INT8_VECTOR, dim=DIM)
    schema.add_field("s", DataType.VARCHAR, max_length=8)
    schema.add_field("f", DataType.DOUBLE)
    schema.add_field("j", DataType.JSON)
    stage.client.create_collection(name, schema=schema)


def _hnsw(stage: Stage, **params: Any) -> None:
    _on(stage, "v", index_type="HNSW", metric_type="L2", **params)


each(
    117,
    1100,
    ("cannot create index on non-exist field: gone", lambda stage: _on(stage, "gone", index_type="FLAT")),
)
each(
    118,
    1100,
    (
        "invalid index type: BEST",
        lambda stage: _on(stage, "v", index_type="BEST", metric_type="L2"),
    ),
)
each(
    119,
    1100,
    (
        "data type SparseFloatVector can't build with this index HNSW",
        lambda stage: _on(stage, "z", index_type="HNSW", metric_type="IP"),
    ),
)
each(
    120,
    1100,
    ("metric type not set for vector index", lambda stage: _on(stage, "v", index_type="FLAT")),
    (
        "float vector index does not support metric type: JACCARD",
        lambda stage: _on(stage, "v", index_type="FLAT", metric_type="JACCARD"),
    ),
    (
        "binary vector index does not support metric type: L2",
        lambda stage: _on(stage, "b", index_type="BIN_FLAT", metric_type="L2"),
    ),
    (
        "only IP&BM25 is the supported metric type for sparse index",
        lambda stage: _on(stage, "z", index_type="SPARSE_INVERTED_INDEX", metric_type="L2"),
    ),
    (
        "int vector index does not support metric type",
        lambda stage: _on(stage, "e", index_type="HNSW", metric_type="HAMMING"),
    ),
)
each(
    121,
    1100,
    ("Out of range in json: param 'M' (-1) should be in range [2, 2048]", lambda stage: _hnsw(stage, M=-1)),
    (
        "Out of range in json: param 'efConstruction' (0) should be in range [1, 2147483647]",
        lambda stage: _hnsw(stage, efConstruction=0),
    ),
    (
        "Out of range in json: param 'nlist' (65537) should be in range [1, 65536]",
        lambda stage: _on(stage, "v", index_type="IVF_FLAT", metric_type="L2", nlist=65_537),
    ),
    ("invalid integer value, key: 'M', value: 'many'", lambda stage: _hnsw(stage, M="many")),
    (
        "Type conflict in json: param 'ef' (true) should be integer",
        lambda stage: stage.search(search_params={"params": {"ef": True}}),
    ),
    (
        "Out of range in json: param 'ef' (0) should be in range [1, 2147483647]",
        lambda stage: stage.search(search_params={"params": {"ef": 0}}),
    ),
)


@refused(124, 1100, "at most one distinct index is allowed per field")
def same_index_with_other_parameters(stage: Stage) -> None:
    stage.index(stage.small, "v", "v", index_type="FLAT", metric_type="IP")


@refused(124, 1100, "creating multiple indexes on same field is not supported")
def second_index_on_a_field(stage: Stage) -> None:
    stage.index(stage.small, "v", "second", index_type="FLAT", metric_type="L2")


each(
    125,
    1100,
    (
        "only metric type can be passed when use AutoIndex",
        lambda stage: _on(stage, "v", index_type="AUTOINDEX", metric_type="L2", M=8),
    ),
)
each(
    129,
    1100,
    (
        "invalid mmap.enabled value: maybe, expected: true, false",
        lambda stage: _on(stage, "v", index_type="FLAT", metric_type="L2", **{"mmap.enabled": "maybe"}),
    ),
)
each(
    131,
    1100,
    (
        "vector index cannot be dropped on loaded collection",
        lambda stage: stage.client.drop_index(stage.small, "v"),
    ),
)


def _describe(stage: Stage, collection: str, index: str) -> None:
    request = milvus_pb2.DescribeIndexRequest(collection_name=collection, index_name=index)
    stage.send("DescribeIndex", request)


each(
    132,
    700,
    ("index not found[collection=", lambda stage: _describe(stage, stage.bare, "")),
    ("[indexName=gone]", lambda stage: _describe(stage, stage.small, "gone")),
)
each(133, 700, ("index not found[collection=", lambda stage: stage.client.load_collection(stage.bare)))


@refused(134, 1100, "there is no vector index on field: [v w], please create index firstly")
def load_with_bare_vectors(stage: Stage) -> None:
    name = stage.fresh()
    schema = stage.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("w", DataType.FLOAT_VECTOR, dim=DIM)
    stage.client.create_collection(name, schema=schema)
    stage.index(name, "n", index_type="AUTOINDEX")
    stage.client.load_collection(name)


each(
    135,
    1100,
    (
        "does not contain primary key field id",
        lambda stage: stage.client.load_collection(stage.released, load_fields=["v"]),
    ),
    (
        "does not contain vector field",
        lambda stage: stage.client.load_collection(stage.released, load_fields=["id"]),
    ),
    (
        "does not contain partition key field s",
        lambda stage: stage.client.load_collection(stage.keyed, load_fields=["id", "v"]),
    ),
)
each(
    136,
    12,
    (
        "service resource insufficient",
        lambda stage: stage.client.load_collection(stage.released, replica_number=2),
    ),
)
each(
    136,
    300,
    (
        "resource group not found[rg=gone]",
        lambda stage: stage.client.load_collection(stage.released, _resource_groups=["gone"]),
    ),
)
each(
    136,
    1100,
    (
        "resource group num can only be 0, 1 or same as replica number",
        lambda stage: stage.client.load_collection(stage.released, _resource_groups=["x", "y"]),
    ),
)
each(
    137,
    101,
    ("collection not loaded", lambda stage: stage.search(collection_name=stage.released)),
    ("collection not loaded", lambda stage: stage.client.query(stage.released, "id > 0")),
)


def _partition(stage: Stage, key: str, *, loaded: bool) -> tuple[str, str]:
    """Return a collection with a partition of its own that is loaded or not."""

    def make(name: str) -> None:
        stage._make(name)
        stage.client.create_partition(name, "p")
        if not loaded:
            stage.client.release_partitions(name, ["p"])

    return stage._once(key, make), "p"


@refused(138, 201, "partition not loaded")
def search_in_a_released_partition(stage: Stage) -> None:
    collection, partition = _partition(stage, "half", loaded=False)
    stage.search(collection_name=collection, partition_names=[partition])


@refused(139, 1100, "partition cannot be dropped, partition is loaded, please release it first")
def drop_a_loaded_partition(stage: Stage) -> None:
    collection, partition = _partition(stage, "whole", loaded=True)
    stage.client.drop_partition(collection, partition)


each(
    140,
    1100,
    (
        "disable create partition if partition key mode is used",
        lambda stage: stage.client.create_partition(stage.keyed, "p"),
    ),
    (
        "disable drop partition if partition key mode is used",
        lambda stage: stage.client.drop_partition(stage.keyed, "_default_1"),
    ),
    (
        "disable load partitions if partition key mode is used",
        lambda stage: stage.client.load_partitions(stage.keyed, ["_default_1"]),
    ),
    (
        "disable release partitions if partition key mode is used",
        lambda stage: stage.client.release_partitions(stage.keyed, ["_default_1"]),
    ),
)
