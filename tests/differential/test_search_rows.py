"""Reads of drawn collections against the row-by-row model: growing, sealed, merged, replaced and deleted rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from pymilvus import DataType, MilvusClient
from search_requests import PARTITIONS, Asker, Request
from search_requests_of_many import REQUESTS
from search_rows import DIM, KINDS, Model, Shape

from elanus.model.settings import JobSettings
from serving import LocalServer, settings_for

EXAMPLES = int(os.environ.get("SEARCH_ROWS_EXAMPLES", "0"))
"""How many collections are drawn at random; 0 for a few that are always the same."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that gives every sealed segment its index."""
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("rows") / "data", jobs=jobs)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: LocalServer) -> Iterator[MilvusClient]:
    connected = server.connect()
    yield connected
    connected.close()


@dataclass(frozen=True)
class Step:
    """What is done to the collection before requests: a write of so many rows, or work on its segments."""

    kind: str
    seed: int
    count: int

    def take(self, asker: Asker, server: LocalServer) -> None:
        random, model = np.random.default_rng(self.seed), asker.model
        if self.kind == "flush":
            asker.client.flush(asker.name)
        elif self.kind == "settle":
            server.settle()
        elif self.kind == "delete":
            keys = sorted(model.rows, key=str)
            gone = [keys[place] for place in random.permutation(len(keys))[: self.count].tolist()]
            if gone:
                asker.client.delete(asker.name, ids=gone)
            for key in gone:
                del model.rows[key]
        else:
            self._write(asker, random)

    def _write(self, asker: Asker, random: np.random.Generator) -> None:
        model = asker.model
        partition = asker.partitions[int(random.integers(len(asker.partitions)))]
        numbers = random.permutation(200)[: self.count].tolist()
        rows = [model.row(number, random, partition) for number in numbers]
        # A row that stays is replaced in its partition; a key that is there already is not inserted again.
        if self.kind == "upsert":
            rows = [row for row in rows if model.rows.get(row["id"], row)["@partition"] == partition]
        else:
            rows = [row for row in rows if row["id"] not in model.rows]
        if rows:
            write = asker.client.upsert if self.kind == "upsert" else asker.client.insert
            write(asker.name, [model.sent(row) for row in rows], partition_name=partition)
        model.rows |= {row["id"]: row for row in rows}


SHAPES = st.lists(st.sampled_from(tuple(KINDS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda kinds: st.builds(
        Shape,
        kinds=st.just(tuple(kinds)),
        indexes=st.tuples(*[st.integers(0, 1)] * len(kinds)),
        nullable=st.tuples(*[st.booleans()] * len(kinds)),
        texts=st.booleans(),
        partitions=st.integers(0, 2),
    )
)
STEPS = st.builds(
    Step,
    kind=st.sampled_from(("insert", "insert", "insert", "upsert", "delete", "flush", "flush", "settle")),
    seed=st.integers(0, 1000),
    count=st.sampled_from((1, 20, 60, 120)),
)
ROUNDS = st.lists(
    st.tuples(st.lists(STEPS, min_size=1, max_size=5), st.lists(REQUESTS, min_size=1, max_size=12)),
    min_size=1,
    max_size=4,
)


def create(client: MilvusClient, name: str, shape: Shape) -> None:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.VARCHAR if shape.texts else DataType.INT64, is_primary=True, max_length=8)
    schema.add_field("n", DataType.INT64, nullable=True)
    schema.add_field("color", DataType.VARCHAR, max_length=8, nullable=True)
    schema.add_field("flag", DataType.BOOL)
    schema.add_field("ratio", DataType.DOUBLE)
    indexes = client.prepare_index_params()
    for kind, index, nullable in zip(shape.kinds, shape.indexes, shape.nullable, strict=True):
        vectors = KINDS[kind]
        dim = {} if vectors.type is DataType.SPARSE_FLOAT_VECTOR else {"dim": DIM}
        schema.add_field(kind, vectors.type, nullable=nullable, **dim)
        named = vectors.indexes[index % len(vectors.indexes)]
        params = {"M": 16, "efConstruction": 200} if named == "HNSW" else {}
        indexes.add_index(kind, index_type=named, metric_type=vectors.metric, params=params)
    client.create_collection(name, schema=schema, consistency_level="Strong")
    # Told to wait, the client would sleep for half a second each time.
    client.create_index(name, indexes, sync=False)
    client.load_collection(name)
    for partition in PARTITIONS[1 : shape.partitions + 1]:
        client.create_partition(name, partition)


def test_reads_agree_with_the_rows(server: LocalServer, client: MilvusClient) -> None:
    rules = settings(
        max_examples=EXAMPLES or 25,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=(Phase.generate,),  # to shrink a case takes thousands of collections
        suppress_health_check=list(HealthCheck),
    )

    @rules
    @given(SHAPES, ROUNDS)
    def agree(shape: Shape, rounds: list[tuple[list[Step], list[Request]]]) -> None:
        create(client, "drawn", shape)
        try:
            asker = Asker(client, "drawn", Model(shape))
            for steps, requests in rounds:
                for step in steps:
                    step.take(asker, server)
                for request in requests:
                    note(str(request))
                    request.check(asker)
        finally:
            client.drop_collection("drawn")

    agree()
