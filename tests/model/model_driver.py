"""Applies operations to a database and to the reference, and compares what they answer.

An operation is a plain dictionary, so a run is a JSON-lines file: ``model_replay.py`` plays it again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import pytest
from model_backends import Backend, Row
from model_filters import Filter, text_of
from model_reference import Reference

from elanus.model.errors import ElanusError

TOLERANCE = 1e-5
FIELDS = ("id", "a", "s", "v", "w")
NOT_LOADED = {101, 201}
INVALID = 1100


class Driver:
    """One run: a database, what it should hold, and the trace so far."""

    def __init__(self, backend: Backend, trace: Path) -> None:
        self.backend = backend
        self.trace_path = trace
        self._trace = trace.open("w", encoding="utf-8")
        self.model = Reference("L2")
        self.kinds: dict[str, str] = {}

    def apply(self, op: str, **arguments: Any) -> None:
        """Write the operation down, then run it on both sides."""
        self._trace.write(json.dumps({"op": op, **arguments}) + "\n")
        self._trace.flush()
        getattr(self, op)(**arguments)

    def close(self) -> None:
        self._trace.close()
        self.backend.close()

    # --- definition ---

    def create(self, text_keys: bool, shards: int, metric: str, kind: str) -> None:
        self.model = Reference(metric)
        self.backend.create(text_keys=text_keys, shards=shards, metric=metric)
        for field, used in (("v", kind), ("w", "FLAT")):
            self.backend.create_index(field, used, metric)
            self.kinds[field] = used

    def change_index(self, kind: str) -> None:
        """Replace the index on ``v``, which has to be released for that."""
        if any(self.model.loaded.values()):
            self.release([])
        self.backend.drop_index("v")
        self.backend.create_index("v", kind, self.model.metric)
        self.kinds["v"] = kind

    def create_partition(self, name: str) -> None:
        self.backend.create_partition(name)
        self.model.loaded.setdefault(name, all(self.model.loaded.values()))

    def drop_partition(self, name: str) -> None:
        if self.model.loaded.get(name):
            self.release([name])
        self.backend.drop_partition(name)
        self.model.loaded.pop(name, None)
        self.model.remove([key for key, row in self.model.rows.items() if row["partition"] == name])

    def load(self, names: Sequence[str]) -> None:
        self.backend.load(names)
        for name in names or list(self.model.loaded):
            self.model.loaded[name] = True

    def release(self, names: Sequence[str]) -> None:
        self.backend.release(names)
        for name in names or list(self.model.loaded):
            self.model.loaded[name] = False

    # --- writes ---

    def put(self, rows: Sequence[Sequence[Any]], partition: str, upsert: bool) -> None:
        named: list[Row] = [dict(zip(FIELDS, row, strict=True)) for row in rows]
        self.backend.put(named, partition, upsert=upsert)
        self.model.put(partition, named)

    def update(self, rows: Sequence[dict[str, Any]], partition: str) -> None:
        """Change some fields of rows; new rows need all."""
        if self.model.update(partition, rows):
            self.backend.update(rows, partition, None)
        else:
            self._refused(lambda: self.backend.update(rows, partition, None), {INVALID})

    def update_if(self, rows: Sequence[dict[str, Any]], wrong: Sequence[int]) -> None:
        """Change rows on condition that they are as they were read, ``wrong`` says by what the versions are off."""
        if not all(self.model.loaded.values()):
            return
        stored = self.backend.versions()
        assert stored.keys() == self.model.rows.keys()
        expected = [stored.get(row["id"], 0) + off for row, off in zip(rows, wrong, strict=True)]
        if any(wrong) or not self.model.update("", rows):
            self._refused(lambda: self.backend.update(rows, "", expected), {INVALID})
        else:
            self.backend.update(rows, "", expected)
            after = self.backend.versions()
            assert all(after[row["id"]] > stored.get(row["id"], 0) for row in rows)

    def delete(self, where: Filter) -> None:
        """Delete what a filter selects; one that lists keys works on released collections too."""
        if where[0] == "in" and where[1] == "id":
            self.backend.delete(text_of(where), "")
            self.model.remove(where[2])
        elif any(self.model.loaded.values()):
            keys = self.model.keys(where, [])
            self.backend.delete(text_of(where), "")
            self.model.remove(keys)
        else:
            self._refused(lambda: self.backend.delete(text_of(where), ""))

    def delete_in_partition(self, where: Filter, partition: str) -> None:
        if not self.model.loaded[partition]:
            self._refused(lambda: self.backend.delete(text_of(where), partition))
            return
        keys = self.model.keys(where, [partition])
        self.backend.delete(text_of(where), partition)
        self.model.remove(keys)

    def flush(self) -> None:
        self.backend.flush()

    def truncate(self) -> None:
        self.backend.truncate()
        self.model.rows.clear()

    def settle(self) -> None:
        self.backend.settle()

    def restart(self, crash: bool) -> None:
        self.backend.restart(crash=crash)
        self.check_all()

    # --- reads ---

    def check_all(self) -> None:
        """Compare every row that can be read."""
        if any(self.model.loaded.values()):
            self.query(None, [], 16_384, 0)
            self.count(None, [])

    def count(self, where: Filter | None, names: Sequence[str]) -> None:
        text = "" if where is None else text_of(where)
        if self._refuses(names):
            self._refused(lambda: self.backend.count(text, names))
            return
        assert self.backend.count(text, names) == len(self.model.keys(where, names))

    def query(self, where: Filter | None, names: Sequence[str], limit: int | None, offset: int) -> None:
        text = "" if where is None else text_of(where)
        if self._refuses(names):
            self._refused(lambda: self.backend.query(text, limit=limit, offset=offset, names=names))
            return
        keys = self.model.keys(where, names)
        page = keys[offset:] if limit is None else keys[offset : offset + limit]
        found = self.backend.query(text, limit=limit, offset=offset, names=names)
        assert found == [{name: self.model.rows[key][name] for name in FIELDS} for key in page]

    def search(
        self,
        *,
        field: str,
        vector: Sequence[float],
        limit: int,
        offset: int,
        where: Filter | None,
        names: Sequence[str],
    ) -> None:
        text = "" if where is None else text_of(where)
        kind = self.kinds[field]

        def run() -> list[tuple[Any, float]]:
            return self.backend.search(field, vector, kind=kind, limit=limit, offset=offset, where=text, names=names)

        if self._refuses(names):
            self._refused(run)
            return
        distances = self.model.distances(field, vector, self.model.keys(where, names))
        expected = sorted((distance, key) for key, distance in distances.items())[offset : offset + limit]
        self._compare(run(), expected, distances, ordered=kind == "FLAT" and self.model.metric != "COSINE")

    def _compare(
        self,
        found: list[tuple[Any, float]],
        expected: list[tuple[float, Any]],
        distances: dict[Any, float],
        *,
        ordered: bool,
    ) -> None:
        """Compare hits; where rounding or a graph decides between equal distances, any of the equal rows will do."""
        keys = [key for key, _ in found]
        assert len(set(keys)) == len(keys), "a row came twice"
        assert set(keys) <= distances.keys(), "a row came that isn't there"
        for key, distance in found:
            assert distance == pytest.approx(distances[key], abs=TOLERANCE)
        nearest = [distance for distance, _ in expected]
        assert [distance for _, distance in found] == pytest.approx(nearest, abs=TOLERANCE)
        if ordered:
            assert keys == [key for _, key in expected]

    # --- what is not loaded ---

    def _refuses(self, names: Sequence[str]) -> bool:
        loaded = self.model.loaded
        return not any(loaded.values()) or any(not loaded[name] for name in names)

    def _refused(self, call: Any, codes: Set[int] = NOT_LOADED) -> None:
        with pytest.raises(Exception) as caught:
            call()
        assert _code(caught.value) in codes, caught.value


def _code(error: BaseException) -> int:
    return error.code if isinstance(error, ElanusError) else int(getattr(error, "code", -1))
