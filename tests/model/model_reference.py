"""What the database should hold and answer: a dictionary of rows, and brute force over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from model_filters import Filter, judge

Key = int | str
DEFAULT = "_default"


@dataclass
class Reference:
    """Rows by key, the partitions, and which of them are loaded.

    A row is ``{"id", "a", "s", "v", "w", "partition"}``; vectors are lists, ``a``, ``s`` and ``w`` may be None.
    """

    metric: str
    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    loaded: dict[str, bool] = field(default_factory=lambda: {DEFAULT: False})

    def put(self, partition: str, rows: Iterable[dict[str, Any]]) -> None:
        """Insert or replace rows."""
        for row in rows:
            self.rows[row["id"]] = {**row, "partition": partition}

    def remove(self, keys: Iterable[Key]) -> None:
        """Delete rows."""
        for key in keys:
            self.rows.pop(key, None)

    def keys(self, where: Filter | None, partitions: Sequence[str]) -> list[Key]:
        """Return the keys of the rows that a read sees, ascending."""
        wanted = partitions or [name for name, loaded in self.loaded.items() if loaded]
        return sorted(
            key
            for key, row in self.rows.items()
            if row["partition"] in wanted and (where is None or judge(where, row) is True)
        )

    def distances(self, name: str, query: Sequence[float], keys: Sequence[Key]) -> dict[Key, float]:
        """Return the inner distance (smaller is nearer) of each key whose vector is set."""
        return {key: self._distance(query, vector) for key in keys if (vector := self.rows[key][name]) is not None}

    def _distance(self, query: Sequence[float], vector: Sequence[float]) -> float:
        a, b = np.asarray(query, dtype=np.float64), np.asarray(vector, dtype=np.float64)
        if self.metric == "L2":
            return float(((a - b) ** 2).sum())
        dot = float(a @ b)
        return -dot if self.metric == "IP" else -dot / float(np.linalg.norm(a) * np.linalg.norm(b))
