"""The WordNet slice of ``tests/data/wordnet``: real rows, real vectors, exact neighbours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "data" / "wordnet"


@dataclass(frozen=True)
class WordNet:
    """The slice.

    rows     5,000 rows, id = row number
    vectors  float32 [5000, 384] of the rows
    queries  float32 [200, 384]; their texts, categories and keys are in ``asked``
    truth    by filter name ("all": none): int64 [200, 100] ids of the nearest by cosine, -1 where there are fewer
    filters  by filter name: the expression; "own" has none here, it is the query's own lexname
    """

    rows: pa.Table
    vectors: NDArray[np.float32]
    asked: pa.Table
    queries: NDArray[np.float32]
    truth: dict[str, NDArray[np.int64]]
    filters: dict[str, str]

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def filter_of(self, name: str, query: int) -> str:
        """Return the expression of a filter for one query."""
        if name == "own":
            return f'lexname == "{self.asked["lexname"][query].as_py()}"'
        return self.filters.get(name, "")

    def entities(self, start: int = 0, stop: int | None = None) -> list[dict[str, Any]]:
        """Return rows as pymilvus takes them: id, lemma, pos, lexname, gloss, word_count, u, attrs, vector."""
        stop = self.rows.num_rows if stop is None else stop
        names = ["id", "lemma", "pos", "lexname", "gloss", "word_count", "u", "attrs_json"]
        found = self.rows.select(names).slice(start, stop - start).to_pylist()
        for row, vector in zip(found, self.vectors[start:stop], strict=True):
            row["attrs"] = json.loads(row.pop("attrs_json"))
            row["vector"] = vector
        return found

    def recall(self, name: str, found: list[list[int]], k: int = 10) -> float:
        """Return the share of the true k nearest that was found, ties counting as found."""
        scores = self.queries @ self.vectors.T / np.linalg.norm(self.vectors, axis=1)
        hits = total = 0
        for query, ids in enumerate(found):
            true = self.truth[name][query, :k]
            true = true[true >= 0]
            if len(true):
                worst = scores[query, true].min() - 1e-6
                hits += sum(scores[query, id_] >= worst for id_ in ids[: len(true)])
                total += len(true)
        return hits / total


@cache
def load() -> WordNet:
    """Return the slice; read once."""
    with np.load(FOLDER / "truth.npz") as truth:
        exact = {name: truth[name].astype(np.int64) for name in truth}
    return WordNet(
        rows=pq.read_table(FOLDER / "meta.parquet"),
        vectors=np.load(FOLDER / "base.f16.npy").astype(np.float32),
        asked=pq.read_table(FOLDER / "queries.parquet"),
        queries=np.load(FOLDER / "queries.f16.npy").astype(np.float32),
        truth=exact,
        filters=json.loads((FOLDER / "dataset.json").read_text())["exprs"],
    )
