"""A collection with a vector of each metric, its rows growing, sealed and deleted, and what routes over it find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import AnnSearchRequest, DataType, MilvusClient
from search_cases import DIM, KINDS, Kind, make, nearest

from elanus.model.types import Metric
from ranking_reference import Route

ROWS = 240
SEALED = 150
Wanted = Callable[[int], bool]


@dataclass(frozen=True)
class VectorField:
    """A vector field: its kind, its metric, all its values."""

    kind: Kind
    metric: Metric
    values: NDArray[Any]


def fields() -> dict[str, VectorField]:
    """Return the vector fields, the same ones every time."""
    random = np.random.default_rng(11)
    kinds = {"l2": ("float", "L2"), "cosine": ("float", "COSINE"), "ip": ("float", "IP"), "bits": ("binary", "HAMMING")}
    return {
        name: VectorField(KINDS[kind], Metric(metric), KINDS[kind].draw(random, ROWS))
        for name, (kind, metric) in kinds.items()
    }


FIELDS = fields()
NUMBERS = [None if row % 10 == 0 else row * 7 % 101 for row in range(ROWS)]
TEXTS = [None if row % 11 == 0 else f"{row:x} {'abcdefgh'[: row % 9]}" for row in range(ROWS)]
LIVING = [row for row in range(ROWS) if row % 9]


def fill(client: MilvusClient, name: str) -> None:
    """Make the collection; a part of its rows is sealed, every ninth is deleted, some are written twice."""
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64, nullable=True)
    schema.add_field("color", DataType.VARCHAR, max_length=8)
    schema.add_field("text", DataType.VARCHAR, max_length=32, nullable=True)
    schema.add_field("at", DataType.TIMESTAMPTZ)
    for field, vectors in FIELDS.items():
        vectors.kind.add_to(schema, field)
    make(client, name, schema, [(field, vectors.kind.index, vectors.metric, {}) for field, vectors in FIELDS.items()])
    client.insert(name, [row_of(row) for row in range(SEALED)])
    client.flush(name)
    client.insert(name, [row_of(row) for row in range(SEALED, ROWS)])
    client.upsert(name, [row_of(row) for row in range(SEALED - 20, SEALED + 20)])
    client.delete(name, ids=[row for row in range(ROWS) if row % 9 == 0])


def row_of(row: int) -> dict[str, Any]:
    vectors = {field: vectors.kind.send(vectors.values[row]) for field, vectors in FIELDS.items()}
    at = f"2026-01-01T00:00:{row % 60:02d}Z"
    return {
        "id": row,
        "n": NUMBERS[row],
        "color": "red" if row % 3 == 0 else "blue",
        "at": at,
        "text": TEXTS[row],
        **vectors,
    }


def queries(field: str, count: int) -> NDArray[Any]:
    return FIELDS[field].kind.draw(np.random.default_rng(len(field) + 100), count)


def asked(field: str, count: int, limit: int, **options: Any) -> AnnSearchRequest:
    """Return a route for pymilvus."""
    kind = FIELDS[field].kind
    param = options.pop("param", {})
    return AnnSearchRequest([kind.ask(query) for query in queries(field, count)], field, param, limit, **options)


def found(field: str, count: int, limit: int, wanted: Wanted = lambda row: True) -> list[Route]:
    """Return what a route finds: for each query keys and scores, best first."""
    rows = [row for row in LIVING if wanted(row)]
    vectors = FIELDS[field]
    return [nearest(query, vectors.values[rows], rows, vectors.metric, limit) for query in queries(field, count)]


def by_query(routes: Sequence[Sequence[Route]]) -> list[list[Route]]:
    """Return for each query what the routes found."""
    return [list(parts) for parts in zip(*routes, strict=True)]


def pairs(result: Any) -> list[Route]:
    return [[(hit["id"], hit["distance"]) for hit in hits] for hits in result]


def assert_ranked(result: Any, expected: Sequence[Route]) -> None:
    """Compare hits in order; scores may differ by 1e-5."""
    got = pairs(result)
    assert [[key for key, _ in hits] for hits in got] == [[key for key, _ in hits] for hits in expected]
    flat = [[score for hits in side for _, score in hits] for side in (got, expected)]
    np.testing.assert_allclose(flat[0], flat[1], rtol=1e-5, atol=1e-5)


assert DIM % 8 == 0, "bits are packed"
