"""What the parts of a measurement share: a server, its client, the collection, the width that reaches the recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pymilvus import DataType, MilvusClient

from serving.corpus import SCALARS, Corpus, Filter, K, Truth, truth_of
from serving.process import Server
from serving.report import Figures

WORDS = "words"
RECALL = 0.95
EF_STEPS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
BATCH = 1000
GRAPH = {"M": 16, "efConstruction": 200}
PEER_QUERIES = 100
"""Recall of a peer is that of so many queries: it takes a thousand times as long."""


@dataclass(slots=True, eq=False)
class Bench:
    """One server that is measured.

    ours  whether it is ours: some figures are taken of it alone
    ef    the width with which plain searches reach the recall, 0 before it is known
    """

    server: Server
    client: MilvusClient
    corpus: Corpus
    figures: Figures
    seconds: float
    ours: bool
    ef: int = 0

    @property
    def num_queries(self) -> int:
        """How many queries recall is measured with."""
        return len(self.corpus.queries) if self.ours else min(PEER_QUERIES, len(self.corpus.queries))

    def recall(self, truth: Truth, ef: int, asked: Filter | None = None) -> float:
        """Return the share of the nearest rows that is found, one query a call."""
        found = 0
        for number in range(self.num_queries):
            text = "" if asked is None else asked.text(number, self.corpus.categories[number])
            options = {"params": {"ef": ef}}
            query = self.corpus.queries[number]
            hits = self.client.search(WORDS, [query], filter=text, limit=K, search_params=options)[0]
            found += truth.found(self.corpus, number, [hit["id"] for hit in hits])
        return found / max(1, int(truth.counts.sum()))

    def enough_ef(self, asked: Filter | None = None) -> tuple[int, float]:
        """Return the smallest step of ef, from that of plain searches on, that reaches the recall; and the recall."""
        truth = truth_of(self.corpus, asked, self.num_queries)
        reached, best = 0.0, (0, -1.0)
        for ef in (step for step in EF_STEPS if step >= self.ef):
            reached = self.recall(truth, ef, asked)
            if reached >= RECALL:
                return ef, reached
            best = max(best, (ef, reached), key=lambda pair: pair[1])
        return best


def create(client: MilvusClient, name: str, dim: int) -> None:
    """Make a collection without an index."""
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    for field_name in ("key", "lemma", "pos", "lexname", "gloss"):
        schema.add_field(field_name, DataType.VARCHAR, max_length=4000)
    for field_name in ("word_count", "hypernym_id"):
        schema.add_field(field_name, DataType.INT64)
    schema.add_field("u", DataType.DOUBLE)
    client.create_collection(name, schema=schema)


def batches_of(corpus: Corpus, rows: Sequence[int], first_id: int = 0) -> list[list[dict[str, object]]]:
    """Return rows to insert, ``BATCH`` each."""
    made = [
        {**corpus.rows[row], "id": first_id + at, "vector": corpus.base[row]} for at, row in enumerate(map(int, rows))
    ]
    return [made[at : at + BATCH] for at in range(0, len(made), BATCH)]


def index_words(bench: Bench) -> None:
    """Index the collection as one would that filters by category; the peer has no graphs of values."""
    client = bench.client
    index = client.prepare_index_params()
    params = {**GRAPH, "column_graphs": "lexname"} if bench.ours else GRAPH
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=params)
    client.create_index(WORDS, index)
    scalar = client.prepare_index_params()
    scalar.add_index("lexname", index_type="BITMAP" if bench.ours else "INVERTED")
    if bench.ours:
        client.create_index(WORDS, scalar)
    else:
        optional(bench, "filters", "INVERTED on lexname", lambda: client.create_index(WORDS, scalar))
    client.load_collection(WORDS)
    bench.server.rest()


def optional(bench: Bench, part: str, what: str, run: Callable[[], object]) -> bool:
    """Run what a peer may not know, and note that it doesn't; ours has to."""
    try:
        run()
    except Exception as error:
        if bench.ours:
            raise
        bench.figures.note(part, f"{what}: refused ({str(error).splitlines()[0][:120]})")
        return False
    return True


SCALAR_OUTPUT = ["id", *SCALARS]
