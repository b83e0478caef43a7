"""Reads as their definitions say, a row at a time: what a collection holds, and what each search of it should find.

Nothing of the server is used. Vectors are of small whole numbers, so that scores are exact and many of them are equal;
only cosines are rounded, and vectors under them are drawn so that no two differ by less than the rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType

Row = dict[str, Any]
Key = int | str
Hit = tuple[Key, float]
Matrix = NDArray[Any]
DIM = 8


# --- vectors ---


@dataclass(frozen=True)
class Vectors:
    """A kind of vector field.

    type     of the field
    metric   scores; ``larger`` says which are better
    indexes  types of index that find all there is
    """

    type: DataType
    metric: str
    indexes: tuple[str, ...]

    @property
    def larger(self) -> bool:
        """Whether larger scores are better."""
        return self.metric in ("IP", "COSINE")

    def draw(self, random: np.random.Generator) -> Matrix:
        """Return a vector as numbers, [DIM]."""
        if self.metric == "COSINE":
            return random.normal(size=DIM).astype(np.float32)
        if self.type is DataType.BINARY_VECTOR:
            return np.concatenate(([1], random.integers(0, 2, DIM - 1))).astype(np.uint8)
        if self.type is DataType.SPARSE_FLOAT_VECTOR:
            values = random.integers(1, 4, DIM) * (random.random(DIM) < 0.3)
            values[random.integers(DIM)] = 1
            return values.astype(np.float32)
        values = random.integers(-2, 3, DIM)
        return values.astype(np.int8 if self.type is DataType.INT8_VECTOR else np.float32)

    def send(self, vector: Matrix) -> Any:
        """Return a vector as pymilvus takes it."""
        if self.type is DataType.BINARY_VECTOR:
            return np.packbits(vector, bitorder="little").tobytes()
        if self.type is DataType.SPARSE_FLOAT_VECTOR:
            return {int(place) * 100: float(vector[place]) for place in np.flatnonzero(vector)}
        return vector if self.type is DataType.INT8_VECTOR else vector.tolist()

    def score(self, query: Matrix, vector: Matrix) -> float | None:
        """Return the score of a vector, None where it is no hit at all."""
        one, other = query.astype(np.float64), vector.astype(np.float64)
        if self.metric == "L2":
            return float(((one - other) ** 2).sum())
        if self.metric == "HAMMING":
            return float((one != other).sum())
        if self.metric == "JACCARD":
            return 1 - float((one * other).sum()) / float(np.maximum(one, other).sum())
        product = float((one * other).sum())
        if self.metric == "COSINE":
            return product / math.sqrt(float((one**2).sum()) * float((other**2).sum()))
        return None if self.type is DataType.SPARSE_FLOAT_VECTOR and not product else product


KINDS: dict[str, Vectors] = {
    "l2": Vectors(DataType.FLOAT_VECTOR, "L2", ("FLAT", "HNSW")),
    "ip": Vectors(DataType.FLOAT_VECTOR, "IP", ("FLAT", "HNSW")),
    "cosine": Vectors(DataType.FLOAT_VECTOR, "COSINE", ("FLAT", "HNSW")),
    "half": Vectors(DataType.FLOAT16_VECTOR, "L2", ("FLAT", "HNSW")),
    "bytes": Vectors(DataType.INT8_VECTOR, "L2", ("HNSW",)),
    "hamming": Vectors(DataType.BINARY_VECTOR, "HAMMING", ("BIN_FLAT",)),
    "jaccard": Vectors(DataType.BINARY_VECTOR, "JACCARD", ("BIN_FLAT",)),
    "sparse": Vectors(DataType.SPARSE_FLOAT_VECTOR, "IP", ("SPARSE_INVERTED_INDEX",)),
}


# --- filters ---

Test = Callable[[Row], bool]
FILTERS: dict[str, Test] = {
    "": lambda row: True,
    "n > 3": lambda row: row["n"] is not None and row["n"] > 3,
    "n in [1, 2, 5]": lambda row: row["n"] in (1, 2, 5),
    "not (n in [1, 2])": lambda row: row["n"] is not None and row["n"] not in (1, 2),
    "n is null": lambda row: row["n"] is None,
    "color == 'red' and flag == true": lambda row: row["color"] == "red" and row["flag"],
    "color is not null or n < 2": lambda row: row["color"] is not None or (row["n"] is not None and row["n"] < 2),
    "color != 'red'": lambda row: row["color"] is not None and row["color"] != "red",
    "ratio >= 0.5 and ratio < 2": lambda row: 0.5 <= row["ratio"] < 2,
    "shade like 'b%'": lambda row: "shade" in row and row["shade"].startswith("b"),
    "n == 77": lambda row: False,
}


# --- orders and groups ---


def bytewise(key: Key) -> Any:
    """Return what primary keys are ordered by."""
    return key.encode() if isinstance(key, str) else key


def best_first(scores: Mapping[Key, float], *, larger: bool) -> list[Hit]:
    """Return hits in order, equal scores by key."""
    sign = -1 if larger else 1
    return sorted(scores.items(), key=lambda hit: (sign * float(np.float32(hit[1])), bytewise(hit[0])))


def grouped(hits: Sequence[Hit], group_of: Callable[[Key], Any]) -> list[list[Hit]]:
    """Return the hits of each group, the group of the best hit first."""
    groups: dict[Any, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(group_of(hit[0]), []).append(hit)
    return list(groups.values())


# --- the model of a collection ---


@dataclass(frozen=True)
class Shape:
    """What a collection is.

    kinds     names in ``KINDS``, one vector field each
    indexes   a number each, that chooses among the field's
    nullable  which of them hold nulls
    texts     whether primary keys are texts
    """

    kinds: tuple[str, ...]
    indexes: tuple[int, ...]
    nullable: tuple[bool, ...]
    texts: bool
    partitions: int


@dataclass
class Model:
    """A collection's rows by primary key, as they are after each write."""

    shape: Shape
    rows: dict[Key, Row] = field(default_factory=dict)

    def row(self, number: int, random: np.random.Generator, partition: str) -> Row:
        """Return a new row; ``@`` marks what is not sent."""
        made: Row = {
            "id": f"{'é' if number % 7 == 0 else ''}{number}" if self.shape.texts else number - 20,
            "n": None if random.random() < 0.2 else int(random.integers(0, 8)),
            "color": [None, "red", "blue", "green"][int(random.integers(0, 4))],
            "flag": bool(random.integers(0, 2)),
            "ratio": float(random.integers(0, 12)) / 4,
            "@partition": partition,
        }
        if random.random() < 0.5:
            made["shade"] = ["bright", "broken", "dark"][int(random.integers(0, 3))]
        for name, nullable in zip(self.shape.kinds, self.shape.nullable, strict=True):
            drawn = KINDS[name].draw(random)
            made[f"@{name}"] = None if nullable and random.random() < 0.3 else drawn
        return made

    def sent(self, row: Row) -> Row:
        """Return a row as pymilvus takes it."""
        plain = {name: value for name, value in row.items() if not name.startswith("@")}
        vectors = {name: row[f"@{name}"] for name in self.shape.kinds}
        return plain | {name: None if one is None else KINDS[name].send(one) for name, one in vectors.items()}

    def passing(self, where: str, partitions: Sequence[str] = ()) -> list[Row]:
        """Return the rows that a filter selects, by key."""
        found = [
            row
            for row in self.rows.values()
            if FILTERS[where](row) and (not partitions or row["@partition"] in partitions)
        ]
        return sorted(found, key=lambda row: bytewise(row["id"]))

    def scores(self, name: str, query: Matrix, where: str, partitions: Sequence[str] = ()) -> dict[Key, float]:
        """Return the scores of all rows that are hits."""
        scores: dict[Key, float] = {}
        for row in self.passing(where, partitions):
            if row[f"@{name}"] is not None:
                score = KINDS[name].score(query, row[f"@{name}"])
                if score is not None:
                    scores[row["id"]] = score
        return scores

    def ranked(self, name: str, query: Matrix, where: str, partitions: Sequence[str] = ()) -> list[Hit]:
        """Return all hits in order."""
        return best_first(self.scores(name, query, where, partitions), larger=KINDS[name].larger)
