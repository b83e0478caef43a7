"""The eight rows of the filter table as a collection of a running server: made, indexed, asked, explained."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from pymilvus import DataType, MilvusClient

import filter_table
from elanus.server.grpc import messages as pb
from elanus.server.grpc.explain import SERVICE
from elanus.server.grpc.templates import encode_values

INDEXES: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "INVERTED": [
        *((field, "INVERTED", {}) for field in ("i", "n", "f", "b", "s", "a", "t", "ts")),
        ("j", "INVERTED", {"json_path": 'j["k"]', "json_cast_type": "DOUBLE"}),
        ("j", "INVERTED", {"json_path": 'j["l"]', "json_cast_type": "ARRAY_DOUBLE"}),
        ("j", "INVERTED", {"json_path": 'j["p"]["q"]', "json_cast_type": "VARCHAR"}),
        ("color", "INVERTED", {"json_path": "color", "json_cast_type": "VARCHAR"}),
        ("dn", "INVERTED", {"json_path": '$meta["dn"]', "json_cast_type": "DOUBLE"}),
    ],
    "BITMAP": [
        *((field, "BITMAP", {}) for field in ("i", "n", "b", "s", "a", "t")),
        ("j", "BITMAP", {"json_path": 'j["k"]', "json_cast_type": "BOOL"}),
        ("color", "BITMAP", {"json_path": "color", "json_cast_type": "VARCHAR"}),
    ],
    "STL_SORT": [
        *((field, "STL_SORT", {}) for field in ("id", "i", "n", "f", "s", "ts")),
        ("j", "STL_SORT", {"json_path": 'j["k"]', "json_cast_type": "VARCHAR"}),
        ("dn", "STL_SORT", {"json_path": "dn", "json_cast_type": "DOUBLE"}),
    ],
    "AUTOINDEX": [
        *((field, "AUTOINDEX", {}) for field in ("i", "n", "f", "b", "s", "a", "t", "ts", "g")),
        ("j", "AUTOINDEX", {"json_path": 'j["k"]', "json_cast_type": "DOUBLE"}),
        ("color", "AUTOINDEX", {"json_path": "color", "json_cast_type": "VARCHAR"}),
    ],
    "others": [
        ("s", "Trie", {}),
        ("g", "RTREE", {}),
        ("j", "NGRAM", {"json_path": 'j["p"]["q"]', "json_cast_type": "VARCHAR", "min_gram": 2, "max_gram": 2}),
        ("color", "NGRAM", {"json_path": "color", "json_cast_type": "VARCHAR", "min_gram": 1, "max_gram": 3}),
        ("j", "INVERTED", {"json_path": 'j["l"]', "json_cast_type": "ARRAY_VARCHAR"}),
        ("dn", "INVERTED", {"json_path": "dn", "json_cast_type": "ARRAY_DOUBLE"}),
    ],
    "NGRAM": [("s", "NGRAM", {"min_gram": 1, "max_gram": 3})],
}
"""Sets of scalar indexes, one a field or JSON path."""


def create(client: MilvusClient, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Create and load a collection with some rows, all of them growing."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("i", DataType.INT64)
    schema.add_field("n", DataType.INT64, nullable=True)
    schema.add_field("f", DataType.DOUBLE, nullable=True)
    schema.add_field("b", DataType.BOOL)
    schema.add_field("s", DataType.VARCHAR, max_length=100, nullable=True)
    schema.add_field("a", DataType.ARRAY, element_type=DataType.INT64, max_capacity=16)
    schema.add_field("t", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=16, max_length=100, nullable=True)
    schema.add_field("j", DataType.JSON, nullable=True)
    schema.add_field("txt", DataType.VARCHAR, max_length=100)
    schema.add_field("ts", DataType.TIMESTAMPTZ, nullable=True)
    schema.add_field("g", DataType.GEOMETRY, nullable=True)
    schema.add_field("emb", DataType.FLOAT_VECTOR, dim=4)
    index = client.prepare_index_params()
    index.add_index("emb", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    client.insert(name, list(rows))


def rows_with_values_of_others() -> list[dict[str, Any]]:
    """Return the eight keys, each with the values of another row."""
    given = filter_table.rows()
    return [other | {"id": row["id"]} for row, other in zip(given, given[3:] + given[:3], strict=True)]


def build(client: MilvusClient, name: str, indexes: str) -> set[str]:
    """Build a set of indexes over the sealed rows; returns their names."""
    names = set()
    for number, (field, kind, params) in enumerate(INDEXES[indexes]):
        index = client.prepare_index_params()
        index.add_index(field, index_type=kind, index_name=f"{field}_{number}", **params)
        client.create_index(name, index, sync=False)
        names.add(f"{field}_{number}")
    for index_name in names:
        _wait_until_built(client, name, index_name)
    return names


def _wait_until_built(client: MilvusClient, name: str, index: str) -> None:
    end = time.monotonic() + 60
    while (described := client.describe_index(name, index))["state"] != "Finished":
        assert time.monotonic() < end, described
    assert described["indexed_rows"] == described["total_rows"]


def drop(client: MilvusClient, name: str, indexes: set[str]) -> None:
    """Drop indexes by name."""
    for index in indexes:
        client.drop_index(name, index)


def queried(client: MilvusClient, name: str, text: str, values: dict[str, Any]) -> list[int]:
    """Return the keys that a filter selects; a key that is there twice comes twice."""
    options: dict[str, Any] = {"limit": 100} if not text.strip() else {}
    found = client.query(name, text, output_fields=["id"], filter_params=values, **options)
    return sorted(row["id"] for row in found)


def found(client: MilvusClient, name: str, text: str, values: dict[str, Any]) -> list[int]:
    """Return the keys that a search with a filter finds among all rows."""
    (hits,) = client.search(name, [[0.0] * 4], filter=text, limit=100, filter_params=values)
    return sorted(hit["id"] for hit in hits)


class Explainer:
    """Calls of our own explaining RPC."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._call = self._channel.unary_unary(
            f"/{SERVICE}/ExplainFilter",
            request_serializer=pb.QueryRequest.SerializeToString,
            response_deserializer=pb.StringResponse.FromString,
        )

    def report(self, name: str, text: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return the report of a filter."""
        request = pb.QueryRequest(
            db_name="default",
            collection_name=name,
            expr=text,
            expr_template_values=encode_values(values),
            use_default_consistency=True,
        )
        reply = self._call(request, timeout=30)
        assert reply.status.code == 0, reply.status.reason
        report: dict[str, Any] = json.loads(reply.value)
        return report

    def close(self) -> None:
        self._channel.close()


def ways(report: dict[str, Any]) -> set[str]:
    """Return in which ways the parts of a filter were answered; indexes by their names alone."""
    return {re.sub(r"^index (\S+) .*", r"index \1", way) for node in _nodes(report["tree"]) for way, _ in node["how"]}


def _nodes(tree: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if tree is not None:
        yield tree
        for node in tree["nodes"]:
            yield from _nodes(node)
