"""Iterators over the elements of struct arrays through stock pymilvus: each element once, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from search_cases import make

ROWS, SEALED, MOST = 60, 40, 9
VECTORS = np.random.default_rng(4).integers(0, 3, (ROWS, MOST, 4)).astype(np.float32)
"""[rows, elements, dim]; row r has the first r % MOST of its elements. Many are equally far from others."""


@pytest.fixture
def clips(client: MilvusClient, name: str) -> str:
    """A collection of structs: most rows sealed, some growing."""
    struct = client.create_struct_field_schema()
    struct.add_field("rank", DataType.INT64)
    struct.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("clips", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=struct, max_capacity=MOST)
    make(client, name, schema, [("clips[vector]", "HNSW", "L2", {"M": 8, "efConstruction": 50})])
    rows = [
        {"id": row, "clips": [{"rank": place, "vector": VECTORS[row, place].tolist()} for place in range(row % MOST)]}
        for row in range(ROWS)
    ]
    client.insert(name, rows[:SEALED])
    client.flush(name)
    client.insert(name, rows[SEALED:])
    return name


def _elements(least: int = 0) -> list[tuple[int, int]]:
    """Return row and place of every element whose place is not below ``least``."""
    return [(row, place) for row in range(ROWS) for place in range(least, row % MOST)]


def _rows(iterator: Any) -> list[Any]:
    found: list[Any] = []
    while page := iterator.next():
        found += page
    return found


@pytest.mark.parametrize(("filter_", "least"), [("", 0), ("element_filter(clips, $[rank] >= 3)", 3)])
def test_a_search_iterator_gives_every_element_once(client, clips, filter_, least):
    query = VECTORS[8, 0]
    iterator = client.search_iterator(clips, [query.tolist()], 7, filter=filter_, anns_field="clips[vector]")
    found = [(hit["distance"], hit["id"], hit["offset"]) for hit in _rows(iterator)]
    assert found == sorted(
        (float(((VECTORS[row, place] - query) ** 2).sum()), row, place) for row, place in _elements(least)
    )


def test_a_query_iterator_goes_on_within_a_row(client, clips):
    iterator = client.query_iterator(clips, filter="element_filter(clips, $[rank] >= 2)", batch_size=5)
    assert [(row["id"], row["offset"]) for row in _rows(iterator)] == _elements(2)
