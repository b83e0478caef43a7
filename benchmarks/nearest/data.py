"""A folder of vectors, queries, filters and exact neighbours, as one object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILTERS = ("f50", "f10", "f1", "f01", "c50", "c10", "c1", "c01", "own")
OWN = "own"
TIE = 1e-5
_TERM = re.compile(r"^(\w+) (<|==|in) (.+)$")


@dataclass
class Dataset:
    """``base.f16.npy``, ``queries.f16.npy``, ``truth.npz``, ``meta.parquet``, ``queries.parquet``, ``dataset.json``.

    limit  use so many queries at most, 0 for all
    """

    folder: Path
    limit: int = 0
    _masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return json.loads((self.folder / "dataset.json").read_text())

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def metric(self) -> str:
        """COSINE, IP or L2; for COSINE, base and queries are given at unit length."""
        return str(self.facts["metric"])

    @cached_property
    def base(self) -> NDArray[np.float32]:
        return self._read("base.f16.npy")

    @cached_property
    def queries(self) -> NDArray[np.float32]:
        queries = self._read("queries.f16.npy")
        return queries[: self.limit] if self.limit else queries

    def _read(self, name: str) -> NDArray[np.float32]:
        vectors = np.load(self.folder / name).astype(np.float32)
        if self.metric == "COSINE":
            for start in range(0, len(vectors), 65_536):
                block = vectors[start : start + 65_536]
                block /= np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-30)
        return vectors

    @property
    def rows(self) -> int:
        return len(self.base)

    @property
    def dim(self) -> int:
        return int(self.base.shape[1])

    @cached_property
    def _truth(self) -> dict[str, NDArray[np.int64]]:
        with np.load(self.folder / "truth.npz") as found:
            return {name: found[name].astype(np.int64) for name in found.files}

    @property
    def filters(self) -> list[str]:
        """The filters whose neighbours are known."""
        return [name for name in FILTERS if name in self._truth]

    def num_queries(self, filter_name: str | None) -> int:
        """Return for how many queries the neighbours are known under a filter, None for no filter."""
        return min(len(self.queries), len(self._truth[filter_name or "all"]))

    # --- filters ---

    def column(self, name: str) -> list[Any]:
        """Return a column of the rows."""
        return self._table("meta.parquet", name)

    def _table(self, file: str, name: str) -> list[Any]:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / file, columns=[name]).column(0).to_pylist()

    @property
    def own_column(self) -> str:
        return str(self.facts.get("own_column", "lexname"))

    @cached_property
    def _own_values(self) -> list[str]:
        return self._table("queries.parquet", self.own_column)

    def expression(self, filter_name: str, query: int) -> str:
        """Return a filter as an expression; ``own`` depends on the query."""
        if filter_name == OWN:
            return f"{self.own_column} == {json.dumps(self._own_values[query])}"
        return str(self.facts["exprs"][filter_name])

    def mask(self, filter_name: str, query: int = 0) -> NDArray[np.bool_]:
        """Return which rows a filter passes, bool [rows]; the same array for the same expression."""
        text = self.expression(filter_name, query)
        if text not in self._masks:
            term = _TERM.match(text)
            assert term is not None, f"no plain comparison: {text}"
            values, operand = np.array(self.column(term[1])), json.loads(term[3])
            found = values < operand if term[2] == "<" else np.isin(values, operand)
            self._masks[text] = found
        return self._masks[text]

    # --- recall ---

    def _scores(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors, asked = self.base[rows], self.queries[query]
        return -((vectors - asked) ** 2).sum(1) if self.metric == "L2" else vectors @ asked

    def recall(self, found: list[NDArray[np.int64]], k: int, filter_name: str | None = None) -> float:
        """Return the share of the true k nearest found for the first queries; a row as near as the k-th counts.

        Rows that the filter doesn't pass, and repeated rows, count as not found.
        """
        hits = total = 0
        truth = self._truth[filter_name or "all"]
        for query, answer in enumerate(found):
            true = truth[query, :k]
            true = true[true >= 0]
            if not len(true):
                continue
            total += len(true)
            rows = np.unique(np.asarray(answer, dtype=np.int64)[:k])
            rows = rows[(rows >= 0) & (rows < self.rows)]
            if filter_name is not None:
                rows = rows[self.mask(filter_name, query)[rows]]
            if len(rows):
                worst = self._scores(query, true).min() - TIE
                hits += min(len(true), int((self._scores(query, rows) >= worst).sum()))
        return hits / max(total, 1)
