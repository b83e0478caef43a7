"""4.6 search of vectors in struct arrays."""

from __future__ import annotations

from typing import Any

from errors_stage import Stage, each
from pymilvus import DataType, MilvusClient
from pymilvus.client.embedding_list import EmbeddingList

ONE = [0.0, 1.0]
A_LIST = EmbeddingList([ONE, ONE])


def _searched(field: str, data: Any, **options: Any) -> Any:
    def call(stage: Stage) -> None:
        stage.search(collection_name=_collection(stage), data=[data], anns_field=field, **options)

    return call


def _collection(stage: Stage) -> str:
    """Return a collection with two struct arrays; of the first ``v`` is searched by vectors, ``m`` by lists."""
    return stage._once("struct-search", lambda name: _make(stage, name))


def _make(stage: Stage, name: str) -> None:
    schema = stage.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("other", DataType.INT64)
    params = stage.client.prepare_index_params()
    for struct in ("s", "t"):
        sub_fields = MilvusClient.create_struct_field_schema()
        sub_fields.add_field("n", DataType.INT64)
        for sub, metric in (("v", "L2"), ("m", "MAX_SIM_L2")):
            sub_fields.add_field(sub, DataType.FLOAT_VECTOR, dim=2)
            params.add_index(f"{struct}[{sub}]", index_type="HNSW", metric_type=metric)
        schema.add_field(struct, DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=sub_fields, max_capacity=4)
    stage.client.create_collection(name, schema=schema, index_params=params)


SAME_STRUCT = "element_filter is only supported for element-level search on vector sub-fields of the same struct array"

each(
    178,
    1100,
    (SAME_STRUCT, _searched("s[v]", ONE, filter="element_filter(t, $[n] > 1)")),
    (SAME_STRUCT, _searched("s[m]", A_LIST, filter="element_filter(s, $[n] > 1)")),
    (SAME_STRUCT, lambda stage: stage.search(collection_name=_with_plain(stage), filter="element_filter(s, $[n] > 1)")),
    (
        "group by is not supported for multi-search-multi on embedding list fields",
        _searched("s[m]", A_LIST, group_by_field="id"),
    ),
    (
        "range search is not supported for multi-search-multi on embedding list fields",
        _searched("s[m]", A_LIST, search_params={"params": {"radius": 1.0}}),
    ),
    (
        "only group by primary key is supported for element-level search",
        _searched("s[v]", ONE, group_by_field="other"),
    ),
    ("struct field not found: u", _searched("s[v]", ONE, filter="element_filter(u, $[n] > 1)")),
)


def _with_plain(stage: Stage) -> str:
    """Return a collection with a struct array and a vector of its own."""

    def make(name: str) -> None:
        struct = MilvusClient.create_struct_field_schema()
        struct.add_field("n", DataType.INT64)
        schema = stage.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
        schema.add_field("s", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=struct, max_capacity=4)
        params = stage.client.prepare_index_params()
        params.add_index("v", index_type="FLAT", metric_type="L2")
        stage.client.create_collection(name, schema=schema, index_params=params)

    return stage._once("struct-beside-vector", make)
