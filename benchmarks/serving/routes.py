"""A hybrid search of two dense routes beside the searches that it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from pymilvus import AnnSearchRequest, DataType, RRFRanker, WeightedRanker
from pymilvus.client.prepare import Prepare

from serving.bench import GRAPH, Bench
from serving.calls import bare, loop, request
from serving.corpus import K

PART = "hybrid of two routes"
NAME = "routes"
FIELDS = {"one": "COSINE", "other": "L2"}
BATCH = 1000
TIMES = 1.5


def measure(bench: Bench) -> None:
    """Measure; one route asks the vectors, the other the same vectors given to other rows."""
    _fill(bench)
    server, figures, queries = bench.server, bench.figures, bench.corpus.queries
    routes = [[request(query, NAME, bench.ef, field) for field in FIELDS] for query in queries]
    # Both graphs are walked by turns, as a hybrid search does: one alone would stay in the processor's cache.
    plain = [one.SerializeToString() for one in itertools.chain.from_iterable(routes)]
    clients = 8 if bench.ours else 1
    both = len(FIELDS) * loop(server, bare(server, "Search", plain), bench.seconds, clients).cpu_us
    figures.most(PART, "its routes as searches, server CPU", both, "us")
    for ranker in (RRFRanker(), WeightedRanker(0.4, 0.6)):
        name = type(ranker).__name__.removesuffix("Ranker")
        hybrid = [
            Prepare.hybrid_search_request_with_ranker(NAME, parts, ranker, K).SerializeToString() for parts in routes
        ]
        found = loop(server, bare(server, "HybridSearch", hybrid), bench.seconds, clients)
        aim = TIMES if isinstance(ranker, RRFRanker) else None
        figures.most(PART, f"{name}: server CPU", found.cpu_us, "us")
        figures.most(PART, f"{name}: times its routes", found.cpu_us / both, "", aim)
    found = loop(server, lambda: _stock(bench), bench.seconds)
    figures.least(PART, "RRF: stock pymilvus, 1 client", found.qps, "QPS")
    figures.most(PART, "RRF: stock pymilvus, 1 client, p99", found.p99_ms, "ms")


def _stock(bench: Bench) -> Callable[[int], object]:
    options, queries = {"params": {"ef": bench.ef}}, bench.corpus.queries

    def one(number: int) -> object:
        query = queries[number % len(queries)]
        parts = [AnnSearchRequest([query], field, options, K) for field in FIELDS]
        return bench.client.hybrid_search(NAME, parts, RRFRanker(), K)

    return one


def _fill(bench: Bench) -> None:
    """Make, fill and index the collection."""
    client, base = bench.client, bench.corpus.base
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    index = client.prepare_index_params()
    for name, metric in FIELDS.items():
        schema.add_field(name, DataType.FLOAT_VECTOR, dim=base.shape[1])
        index.add_index(name, index_type="HNSW", metric_type=metric, params=GRAPH)
    client.create_collection(NAME, schema=schema)
    for first in range(0, len(base), BATCH):
        rows = range(first, min(first + BATCH, len(base)))
        client.insert(NAME, [{"id": row, "one": base[row], "other": base[-1 - row]} for row in rows])
    client.flush(NAME)
    client.create_index(NAME, index)
    client.load_collection(NAME)
    bench.server.rest()
