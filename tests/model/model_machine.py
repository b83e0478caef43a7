"""A hypothesis state machine over the driver: it draws operations, the driver checks every answer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from model_backends import DIM, Backend
from model_driver import FIELDS, Driver
from model_reference import DEFAULT

TRACES = Path(os.environ.get("MODEL_TRACES", Path(tempfile.gettempdir()) / "elanus-model"))
PARTITIONS = (DEFAULT, "p1", "p2")
KEYS = 40

texts = st.sampled_from(["", "a", "b", "ab", "ba", "é"])
vectors = st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM).filter(any)
numbers = st.integers(-3, 3)
kinds = st.sampled_from(["FLAT", "IVF_FLAT", "HNSW"])
numbered_rows = st.lists(
    st.tuples(st.integers(0, KEYS - 1), st.none() | numbers, st.none() | texts, vectors, st.none() | vectors),
    min_size=1,
    max_size=8,
)
field_sets = st.lists(st.sampled_from(["a", "s", "v", "w"]), unique=True)
partition_lists = st.lists(st.sampled_from(PARTITIONS), max_size=2, unique=True)

simple_filters = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.just("a"), numbers),
    st.tuples(st.just("in"), st.just("a"), st.lists(numbers, max_size=3)),
    st.tuples(st.just("null"), st.sampled_from(["a", "s"])),
    st.tuples(st.sampled_from(["==", "<"]), st.just("s"), st.sampled_from(["a", "ab", "b"])),
    st.tuples(st.just("like"), st.just("s"), st.sampled_from(["a%", "%b"])),
).map(list)
filters = st.recursive(
    simple_filters,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner).map(list),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(list),
    ),
    max_leaves=3,
)


class ModelMachine(RuleBasedStateMachine):
    """Rules are the operations; each compares what it can see."""

    name: str
    open_backend: Callable[[Path], Backend]
    can_crash: bool

    def __init__(self) -> None:
        super().__init__()
        TRACES.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="elanus-model-"))
        self._folder = folder
        self.driver = Driver(type(self).open_backend(folder / "data"), TRACES / f"{self.name}.jsonl")
        note(f"trace: {self.driver.trace_path} (PYTHONPATH=tests python tests/model/model_replay.py {self.name} TRACE)")
        self._text_keys = False

    def teardown(self) -> None:
        self.driver.close()
        self._folder.rmdir()

    def _key(self, number: int) -> int | str:
        return f"k{number}" if self._text_keys else number - 3

    def _some(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self.driver.model.loaded]

    @initialize(
        text_keys=st.booleans(), shards=st.integers(1, 3), metric=st.sampled_from(["L2", "IP", "COSINE"]), kind=kinds
    )
    def create(self, text_keys: bool, shards: int, metric: str, kind: str) -> None:
        self._text_keys = text_keys
        self.driver.apply("create", text_keys=text_keys, shards=shards, metric=metric, kind=kind)
        self.driver.apply("load", names=[])

    # --- writes ---

    @rule(rows=numbered_rows, partition=st.sampled_from(PARTITIONS))
    def insert(self, rows: list[tuple[Any, ...]], partition: str) -> None:
        self._put(rows, partition, upsert=False)

    @rule(rows=numbered_rows, partition=st.sampled_from(PARTITIONS))
    def upsert(self, rows: list[tuple[Any, ...]], partition: str) -> None:
        distinct = list({row[0]: row for row in rows}.values())
        self._put(distinct, partition, upsert=True)

    @rule(rows=numbered_rows, fields=field_sets, partition=st.just("") | st.sampled_from(PARTITIONS))
    def update(self, rows: list[tuple[Any, ...]], fields: list[str], partition: str) -> None:
        if not partition or partition in self.driver.model.loaded:
            self.driver.apply("update", rows=self._partial(rows, fields), partition=partition)

    @rule(rows=numbered_rows, fields=field_sets, wrong=st.lists(st.integers(0, 3), min_size=8, max_size=8))
    def update_if(self, rows: list[tuple[Any, ...]], fields: list[str], wrong: list[int]) -> None:
        partial = self._partial(rows, fields)
        # Most are right.
        self.driver.apply("update_if", rows=partial, wrong=[int(off == 3) for off in wrong[: len(partial)]])

    def _partial(self, rows: list[tuple[Any, ...]], fields: list[str]) -> list[dict[str, Any]]:
        """Return some fields of rows that are there; every fourth time of one row that is gone or never was."""
        model = self.driver.model
        others = sorted(model.gone - model.rows.keys()) or [self._key(KEYS)]
        strange = not model.rows or rows[0][0] % 4 == 0
        keys = others[:1] if strange else sorted(model.rows)
        chosen = {keys[row[0] % len(keys)]: dict(zip(FIELDS[1:], row[1:], strict=True)) for row in rows}
        return [{"id": key, **{name: row[name] for name in fields}} for key, row in chosen.items()]

    @rule(first=st.integers(0, KEYS - 1), count=st.integers(10, 40), seed=st.integers(0, 9))
    def insert_many(self, first: int, count: int, seed: int) -> None:
        """Enough rows for an index."""
        random = np.random.default_rng(seed)
        rows = [
            (number, int(random.integers(-3, 4)), "b", random.integers(1, 3, DIM).tolist(), None)
            for number in random.permutation(range(first, first + count)).tolist()
        ]
        self._put(rows, DEFAULT, upsert=False)

    def _put(self, rows: list[tuple[Any, ...]], partition: str, *, upsert: bool) -> None:
        if partition in self.driver.model.loaded:
            keyed = [[self._key(row[0]), *row[1:]] for row in rows]
            self.driver.apply("put", rows=keyed, partition=partition, upsert=upsert)

    @rule(numbers=st.lists(st.integers(0, KEYS - 1), min_size=1, max_size=5, unique=True))
    def delete_keys(self, numbers: list[int]) -> None:
        self.driver.apply("delete", where=["in", "id", [self._key(number) for number in numbers]])

    @rule(where=filters)
    def delete_where(self, where: list[Any]) -> None:
        self.driver.apply("delete", where=where)

    @rule(where=filters, partition=st.sampled_from(PARTITIONS))
    def delete_in_partition(self, where: list[Any], partition: str) -> None:
        if partition in self.driver.model.loaded:
            self.driver.apply("delete_in_partition", where=where, partition=partition)

    @rule()
    def flush(self) -> None:
        self.driver.apply("flush")

    @rule()
    def settle(self) -> None:
        self.driver.apply("settle")

    @rule(sure=st.integers(0, 3))
    def truncate(self, sure: int) -> None:
        if sure == 0:
            self.driver.apply("truncate")

    # --- definition ---

    @rule(kind=kinds)
    def change_index(self, kind: str) -> None:
        self.driver.apply("change_index", kind=kind)
        self.driver.apply("load", names=[])

    @rule(name=st.sampled_from(PARTITIONS[1:]))
    def create_partition(self, name: str) -> None:
        self.driver.apply("create_partition", name=name)

    @rule(name=st.sampled_from(PARTITIONS[1:]))
    def drop_partition(self, name: str) -> None:
        self.driver.apply("drop_partition", name=name)

    @rule(names=partition_lists)
    def load(self, names: list[str]) -> None:
        self.driver.apply("load", names=self._some(names))

    @rule(names=partition_lists)
    def release(self, names: list[str]) -> None:
        self.driver.apply("release", names=self._some(names))

    @rule(crash=st.booleans())
    def restart(self, crash: bool) -> None:
        self.driver.apply("restart", crash=crash and self.can_crash)

    # --- reads ---

    @rule(
        field=st.sampled_from(["v", "w"]),
        vector=vectors,
        limit=st.integers(1, 12),
        offset=st.integers(0, 3),
        where=st.none() | filters,
        names=partition_lists,
    )
    def search(self, *, field: str, vector: list[int], limit: int, offset: int, where: Any, names: list[str]) -> None:
        self.driver.apply(
            "search", field=field, vector=vector, limit=limit, offset=offset, where=where, names=self._some(names)
        )

    @rule(vector=vectors, limit=st.integers(1, 60))
    def search_everything(self, vector: list[int], limit: int) -> None:
        self.driver.apply("search", field="v", vector=vector, limit=limit, offset=0, where=None, names=[])

    @rule(where=filters, names=partition_lists, limit=st.none() | st.integers(1, 9), offset=st.integers(0, 2))
    def query(self, where: list[Any], names: list[str], limit: int | None, offset: int) -> None:
        paged = offset if limit is not None else 0
        self.driver.apply("query", where=where, names=self._some(names), limit=limit, offset=paged)

    @rule(numbers=st.lists(st.integers(0, KEYS - 1), min_size=1, max_size=5, unique=True))
    def query_keys(self, numbers: list[int]) -> None:
        keys = [self._key(number) for number in numbers]
        self.driver.apply("query", where=["in", "id", keys], names=[], limit=None, offset=0)

    @rule(where=st.none() | filters, names=partition_lists)
    def count(self, where: Any, names: list[str]) -> None:
        self.driver.apply("count", where=where, names=self._some(names))

    @rule()
    def check_all(self) -> None:
        self.driver.apply("check_all")
