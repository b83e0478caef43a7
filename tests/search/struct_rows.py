"""A collection with vectors in struct arrays: null, empty and deleted rows, sealed and in memory; and brute force."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.client.embedding_list import EmbeddingList
from search_cases import DIM, KINDS, LARGER_IS_NEARER, METRICS, Matrix

SEALED, GROWING, K = 240, 80, 12
FIELDS = {
    "f_l2": ("float", "HNSW", "L2"),
    "f_ip": ("float", "FLAT", "IP"),
    "f_cos": ("float", "AUTOINDEX", "COSINE"),
    "h_l2": ("float16", "HNSW_SQ", "L2"),
    "b_ip": ("bfloat16", "IVF_FLAT", "IP"),
    "i_cos": ("int8", "HNSW", "COSINE"),
    "x_ham": ("binary", "HNSW", "HAMMING"),
    "x_jac": ("binary", "BIN_FLAT", "JACCARD"),
}
"""Sub-field -> kind of vectors, index, metric of two vectors."""
ALL_LISTS = {"params": {"nprobe": 1_000}}
"""With these inverted lists miss nothing; graphs of so few rows don't anyway."""

Element = tuple[int, dict[str, Matrix]]
"""A number, and a vector a sub-field."""


@dataclass(frozen=True)
class Stored:
    """A collection and what is alive in it."""

    client: MilvusClient
    name: str
    rows: dict[int, list[Element]]

    def elements(self, field: str) -> Iterator[tuple[int, int, int, Matrix]]:
        """Yield id, place, number and vector of every element."""
        for key, elements in self.rows.items():
            for place, (number, vectors) in enumerate(elements):
                yield key, place, number, vectors[field]


def store(client: MilvusClient, name: str, prefix: str, by_lists: Collection[str] = ()) -> Stored:
    random = np.random.default_rng(3)
    rows = {key: draw_row(random, key) for key in range(SEALED + GROWING)}
    metrics = {
        field: ("MAX_SIM_" if field in by_lists else prefix) + metric for field, (_, _, metric) in FIELDS.items()
    }
    make_collection(client, name, {field: (index, metrics[field]) for field, (_, index, _) in FIELDS.items()})
    insert_rows(client, name, rows, range(SEALED))
    client.flush(name)
    await_indexes(client, name)
    # Rows in memory stand as they came, not by key.
    insert_rows(client, name, rows, random.permutation(np.arange(SEALED, SEALED + GROWING)).tolist())
    gone = [*range(5, SEALED, 17), *range(SEALED + 3, SEALED + GROWING, 11)]
    client.delete(name, ids=gone)
    alive = {key: elements for key, elements in rows.items() if elements is not None and key not in gone}
    return Stored(client, name, alive)


def draw_row(random: np.random.Generator, key: int) -> list[Element] | None:
    """Return up to six structs; a null now and then."""
    if key % 23 == 4:
        return None
    count = int(random.integers(0, 7))
    drawn = {field: KINDS[kind].draw(random, count) for field, (kind, _, _) in FIELDS.items()}
    return [
        (int(random.integers(10)), {field: values[place] for field, values in drawn.items()}) for place in range(count)
    ]


def make_collection(client: MilvusClient, name: str, indexes: dict[str, tuple[str, str]]) -> None:
    struct = MilvusClient.create_struct_field_schema()
    struct.add_field("n", DataType.INT64)
    for field, (kind, _, _) in FIELDS.items():
        struct.add_field(field, KINDS[kind].type, dim=DIM)
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(
        "s", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=struct, max_capacity=8, nullable=True
    )
    client.create_collection(name, schema=schema, consistency_level="Strong")
    for field, (index, metric) in indexes.items():
        add_index(client, name, f"s[{field}]", index, metric)
    client.load_collection(name)


def add_index(client: MilvusClient, name: str, field: str, index: str, metric: str, **params: Any) -> None:
    made = client.prepare_index_params()
    made.add_index(field, index_type=index, metric_type=metric, params=params)
    client.create_index(name, made, sync=False)


def insert_rows(client: MilvusClient, name: str, rows: dict[int, list[Element] | None], keys: Iterable[int]) -> None:
    client.insert(name, [{"id": key, "s": None if rows[key] is None else list(map(_sent, rows[key]))} for key in keys])


def _sent(element: Element) -> dict[str, Any]:
    number, vectors = element
    return {"n": number, **{field: KINDS[FIELDS[field][0]].send(vector) for field, vector in vectors.items()}}


def await_indexes(client: MilvusClient, name: str) -> None:
    for field in client.list_indexes(name):
        while (state := client.describe_index(name, field))["state"] != "Finished" or state["pending_index_rows"]:
            assert state["state"] != "Failed", state


def draw(field: str, count: int, seed: int = 9) -> Matrix:
    return KINDS[FIELDS[field][0]].draw(np.random.default_rng(seed), count)


def embedding_list(field: str, vectors: Matrix) -> EmbeddingList:
    ask = KINDS[FIELDS[field][0]].ask
    return EmbeddingList([ask(vector) for vector in vectors])


# --- brute force ---


def _ranked(scored: list[tuple[float, int, int]], metric: str) -> list[tuple[float, int, int]]:
    """Return (score, id, place), the best first, equal scores by id, then place."""
    sign = -1 if metric in LARGER_IS_NEARER else 1
    return sorted(scored, key=lambda hit: (sign * hit[0], *hit[1:]))


def best_lists(
    stored: Stored, field: str, asked: Matrix, passes: Callable[[int], bool]
) -> list[tuple[float, int, int]]:
    metric = FIELDS[field][2]
    best = np.max if metric in LARGER_IS_NEARER else np.min
    scored = []
    for key, owned in stored.rows.items():
        if owned and passes(key):
            vectors = np.stack([vectors[field] for _, vectors in owned])
            score = sum(float(best(METRICS[metric](vector, vectors))) for vector in asked)
            scored.append((float(np.float32(score)), key, 0))
    return _ranked(scored, metric)


def best_elements(
    stored: Stored, field: str, asked: Matrix, passes: Callable[[int, int], bool] = lambda *_: True
) -> list[tuple[float, int, int]]:
    metric = FIELDS[field][2]
    found = [(key, place, vector) for key, place, number, vector in stored.elements(field) if passes(key, number)]
    scores = METRICS[metric](asked, np.stack([vector for _, _, vector in found]))
    return _ranked([(float(score), key, place) for score, (key, place, _) in zip(scores, found, strict=True)], metric)


def check_hits(hits: Any, expected: list[tuple[float, int, int]], *, exact: bool) -> None:
    """Compare hits with what brute force ranks first; where scores are exact, ties are decided alike too."""
    found = [(hit["distance"], hit["id"], hit.get("offset", 0)) for hit in hits]
    assert len(found) == len(expected)
    np.testing.assert_allclose([hit[0] for hit in found], [hit[0] for hit in expected], rtol=2e-5, atol=2e-5)
    if exact:
        assert [hit[1:] for hit in found] == [hit[1:] for hit in expected]
    else:
        assert {hit[1:] for hit in found} == {hit[1:] for hit in expected}


def is_exact(field: str) -> bool:
    return field.startswith("x")


def search_in(stored: Stored, data: list[Any], field: str = "s[f_l2]", **options: Any) -> Any:
    if "params" in options:
        options["search_params"] = {"params": options.pop("params")}
    return stored.client.search(stored.name, data, anns_field=field, **{"limit": 3, **options})
