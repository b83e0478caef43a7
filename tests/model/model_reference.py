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
    ``gone`` has the keys of rows that were removed.
    """

    metric: str
    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)
    loaded: dict[str, bool] = field(default_factory=lambda: {DEFAULT: False})

    def put(self, partition: str, rows: Iterable[dict[str, Any]]) -> None:
        """Insert or replace rows."""
        for row in rows:
            self.rows[row["id"]] = {**row, "partition": partition}

    def update(self, partition: str, rows: Iterable[dict[str, Any]]) -> bool:
        """Change some fields of rows, or add rows that have all; False, and nothing done, when one lacks a vector.

        partition  where all of them go; empty: rows stay where they are and new ones go to the default
        """
        changed = {}
        for row in rows:
            old = self.rows.get(row["id"], {"a": None, "s": None, "w": None, "partition": DEFAULT})
            changed[row["id"]] = {**old, **row, **({"partition": partition} if partition else {})}
        if any("v" not in row for row in changed.values()):
            return False
        self.rows.update(changed)
        return True

    def remove(self, keys: Iterable[Key]) -> None:
        """Delete rows."""
        for key in keys:
            if self.rows.pop(key, None):
                self.gone.add(key)

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
