"""The rows, the queries, and how near the k-th row of each query is, with and without a filter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

K = 10
MOST_QUERIES = 1000
CHUNK = 100
TIE = 1e-5
"""Scores this near to each other count as equal: the server's are of its own rounding."""
SCALARS = ["key", "lemma", "pos", "lexname", "gloss", "word_count", "hypernym_id", "u"]
CUT, CUT_STEP = 0.9, 1e-6
"""A filter whose constant changes asks for ``u < CUT + number * CUT_STEP``."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that may name the category of the query.

    own    the text of its own condition, None where that is the query's category
    moves  whether a constant in it is another one each time it is asked
    """

    name: str
    own: str | None
    moves: bool = False

    def text(self, number: int, category: str) -> str:
        """Return what is asked the ``number``-th time, by a query of a category."""
        text = f'lexname == "{category}"' if self.own is None else self.own
        return f"({text}) and u < {cut(number):.6f}" if self.moves else text


def cut(number: int) -> float:
    """Return the constant of the ``number``-th time."""
    return round(CUT + number * CUT_STEP, 6)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Vectors, metadata and queries.

    base        float32 [n, dim], of unit length
    queries     float32 [nq, dim], of unit length
    categories  the queries' own, [nq]
    rows        scalar fields by name, and ``id``
    named       texts of filters by name
    """

    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    categories: NDArray[np.object_]
    rows: list[dict[str, object]]
    named: dict[str, str]

    @classmethod
    def read(cls, folder: Path, num_rows: int) -> Corpus:
        """Read the first rows of a folder."""
        base = _unit(np.load(folder / "base.f16.npy")[:num_rows])
        queries = _unit(np.load(folder / "queries.f16.npy")[:MOST_QUERIES])
        table = pq.read_table(folder / "meta.parquet", columns=["id", *SCALARS]).slice(0, num_rows)
        asked = pq.read_table(folder / "queries.parquet", columns=["lexname"])["lexname"].to_numpy()
        facts = json.loads((folder / "dataset.json").read_text())
        return cls(base, queries, asked[: len(queries)], table.to_pylist(), facts["exprs"])

    def filters(self) -> list[Filter]:
        """Return the filters that are measured."""
        kinds = [("c10", self.named["c10"]), ("c1", self.named["c1"]), ("own", None)]
        return [Filter(name, own, moves) for moves in (False, True) for name, own in kinds]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What exact searches find.

    floors  float32 [nq], the score of the k-th row, -inf where fewer pass
    counts  int64 [nq], min(k, rows that pass)
    keeps   bool [n] for each query, None for all
    """

    floors: NDArray[np.float32]
    counts: NDArray[np.int64]
    keeps: list[NDArray[np.bool_]] | None

    def found(self, corpus: Corpus, query: int, ids: list[int]) -> int:
        """Return how many of the rows belong to the nearest."""
        known = np.array([number for number in set(ids) if 0 <= number < len(corpus.base)], np.int64)
        if self.keeps is not None:
            known = known[self.keeps[query][known]]
        scores = corpus.base[known] @ corpus.queries[query]
        return min(int(np.count_nonzero(scores >= self.floors[query] - TIE)), int(self.counts[query]))


def truth_of(corpus: Corpus, asked: Filter | None, num_queries: int) -> Truth:
    """Search exactly; cost: half a second of CPU for 100 queries and 100,000 rows."""
    keeps = None if asked is None else _keeps(corpus, asked, num_queries)
    floors, counts = [], []
    for first in range(0, num_queries, CHUNK):
        scores = corpus.queries[first : min(first + CHUNK, num_queries)] @ corpus.base.T
        for at, line in enumerate(scores):
            kept = line if keeps is None else line[keeps[first + at]]
            count = min(K, len(kept))
            floors.append(np.partition(kept, -count)[-count] if count else -np.inf)
            counts.append(count)
    return Truth(np.array(floors, np.float32), np.array(counts), keeps)


def _keeps(corpus: Corpus, asked: Filter, num_queries: int) -> list[NDArray[np.bool_]]:
    lexname = np.array([row["lexname"] for row in corpus.rows], object)
    u = np.array([row["u"] for row in corpus.rows])
    of = {category: lexname == category for category in set(lexname) | set(corpus.categories)}
    named = None if asked.own is None else asked.own.split('"')[1]
    keeps = []
    for number in range(num_queries):
        kept = of[corpus.categories[number] if named is None else named]
        keeps.append(kept & (u < cut(number)) if asked.moves else kept)
    return keeps


def _unit(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    vectors = halves.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
