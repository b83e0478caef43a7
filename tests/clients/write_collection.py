"""A collection whose rows lie in files, in memory and under tombstones, and what each row of it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

VECTORS = {
    "f32": (DataType.FLOAT_VECTOR, "FLAT", "L2"),
    "f16": (DataType.FLOAT16_VECTOR, "FLAT", "L2"),
    "bf16": (DataType.BFLOAT16_VECTOR, "FLAT", "L2"),
    "i8": (DataType.INT8_VECTOR, "HNSW", "L2"),
    "bits": (DataType.BINARY_VECTOR, "BIN_FLAT", "HAMMING"),
    "sparse": (DataType.SPARSE_FLOAT_VECTOR, "SPARSE_INVERTED_INDEX", "IP"),
}
DIM = 8
SEALED = range(4)
GROWING = range(4, 8)
DELETED = (3, 7)
LIVING = tuple(key for key in (*SEALED, *GROWING) if key not in DELETED)


def create(client: MilvusClient, name: str, vectors: Iterable[str] = ("f32",), *, shards: int = 2) -> None:
    """Make the collection with rows 0 to 7: the first half in files, of each half the last row deleted."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64, nullable=True)
    schema.add_field("text", DataType.VARCHAR, max_length=20, default_value="none")
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=8, nullable=True)
    schema.add_field("scores", DataType.ARRAY, element_type=DataType.FLOAT, max_capacity=4)
    parts = client.create_struct_field_schema()
    parts.add_field("label", DataType.VARCHAR, max_length=8)
    parts.add_field("size", DataType.INT32)
    schema.add_field(
        "parts", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=parts, max_capacity=4, nullable=True
    )
    index = client.prepare_index_params()
    for field in vectors:
        kind, built, metric = VECTORS[field]
        schema.add_field(field, kind, **({} if field == "sparse" else {"dim": DIM}))
        index.add_index(field, index_type=built, metric_type=metric)
    client.create_collection(name, schema=schema, index_params=index, num_shards=shards, consistency_level="Strong")
    client.insert(name, [row(key, vectors) for key in SEALED])
    client.flush(name)
    client.insert(name, [row(key, vectors) for key in GROWING])
    client.delete(name, ids=list(DELETED))


def row(key: int, vectors: Iterable[str] = ("f32",)) -> dict[str, Any]:
    """Return a row as it is inserted."""
    return {
        "id": key,
        "n": key * 10,
        "text": f"t{key}",
        "tags": ["a", "b"],
        "scores": [0.5, -0.0],
        "parts": [{"label": "x", "size": key}],
        "colour": {"r": key},
        "price": 1.5,
        **{field: vector(field, key) for field in vectors},
    }


def vector(field: str, key: int) -> Any:
    """Return a vector whose bits say where it comes from."""
    random = np.random.default_rng(key + 100)
    values = random.normal(size=DIM).astype(np.float32)
    if field == "f32":
        return values.tolist()
    if field == "f16":
        return values.astype(np.float16)
    if field == "bf16":
        return (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    if field == "i8":
        return random.integers(-128, 128, DIM).astype(np.int8)
    if field == "bits":
        return random.integers(0, 256, DIM // 8).astype(np.uint8).tobytes()
    return {int(at): float(value) for at, value in enumerate(abs(values), start=key * 1000)}


def rows(client: MilvusClient, name: str, *fields: str) -> dict[int, dict[str, Any]]:
    """Return every row, all fields of it or some, by key."""
    found = client.query(name, "id >= 0", output_fields=list(fields) or ["*"])
    return {one["id"]: dict(one) for one in found}
