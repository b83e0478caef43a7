"""Inserts, plain searches and a start."""

from __future__ import annotations

import time

import grpc
from pymilvus.client.prepare import Prepare

from serving.bench import BATCH, WORDS, Bench, batches_of, create, index_words
from serving.calls import METHODS, bare, loop, search_bytes, search_of
from serving.corpus import K

INSERT, SEARCH, START = "insert", "plain search", "start"
BARE_ROWS = 20_000
CPU_AIM_US = 100
BARE_QPS, STOCK_QPS, STOCK_P99_MS = {1: 5000, 8: 7000}, {1: 1500, 8: 2200}, {1: 5, 8: 15}


def fill(bench: Bench) -> None:
    """Make, fill and index the collection; measure the inserts."""
    server, client, corpus, figures = bench.server, bench.client, bench.corpus, bench.figures
    create(client, WORDS, corpus.base.shape[1])
    batches = batches_of(corpus, range(len(corpus.rows)))
    before, begun = server.cpu_s(), time.perf_counter()
    for batch in batches:
        client.insert(WORDS, batch)
    elapsed = time.perf_counter() - begun
    figures.least(INSERT, "stock pymilvus", len(corpus.rows) / elapsed, "rows/s")
    figures.most(INSERT, "server CPU a row", (server.cpu_s() - before) / len(corpus.rows) * 1e6, "us")
    figures.least(INSERT, "bare gRPC", _bare_insert(bench), "rows/s")
    client.flush(WORDS)
    before = server.cpu_s()
    index_words(bench)
    figures.most(INSERT, "server CPU of flush and index builds", server.cpu_s() - before, "s")
    bench.ef, reached = bench.enough_ef()
    figures.least(SEARCH, "recall@10", reached, "", 0.95)
    figures.most(SEARCH, "ef for that recall", bench.ef, "")


def _bare_insert(bench: Bench) -> float:
    """Return rows a second of the same inserts, requests serialised before."""
    create(bench.client, "bare", bench.corpus.base.shape[1])
    fields = bench.client.describe_collection("bare")["fields"]
    batches = batches_of(bench.corpus, range(min(len(bench.corpus.rows), BARE_ROWS)))
    requests = [Prepare.row_insert_param("bare", rows, "", fields_info=fields).SerializeToString() for rows in batches]
    channel = grpc.insecure_channel(bench.server.target, options=[("grpc.max_send_message_length", -1)])
    call = channel.unary_unary(f"{METHODS}Insert", lambda sent: sent, lambda reply: reply)
    begun = time.perf_counter()
    for request in requests:
        call(request)
    elapsed = time.perf_counter() - begun
    bench.client.drop_collection("bare")
    return BATCH * len(requests) / elapsed


def search(bench: Bench) -> None:
    """Measure plain searches, by pymilvus and over bare channels."""
    figures, server, corpus = bench.figures, bench.server, bench.corpus
    if bench.ours:
        requests = search_bytes(corpus, WORDS, bench.ef)
        for clients in (1, 8):
            found = loop(server, bare(server, "Search", requests), bench.seconds, clients)
            who = _clients(clients)
            # With one client the server also goes to sleep and wakes up for each call.
            figures.most(SEARCH, f"server CPU, {who}", found.cpu_us, "us", CPU_AIM_US if clients > 1 else None)
            figures.least(SEARCH, f"bare gRPC, {who}", found.qps, "QPS", BARE_QPS[clients])
            figures.least(SEARCH, f"bare gRPC, {who}, by server CPU", 1e6 / found.cpu_us, "QPS")
        _empty(bench)
    for clients in (1, 8):
        found = loop(server, search_of(server, corpus, WORDS, bench.ef), bench.seconds, clients)
        who = f"stock pymilvus, {_clients(clients)}"
        figures.least(SEARCH, who, found.qps, "QPS", STOCK_QPS[clients])
        figures.most(SEARCH, f"{who}, p50", found.p50_ms, "ms")
        figures.most(SEARCH, f"{who}, p99", found.p99_ms, "ms", STOCK_P99_MS[clients])
        figures.most(SEARCH, f"{who}, server CPU", found.cpu_us, "us")


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _empty(bench: Bench) -> None:
    """Measure a search over one row: what is not the search."""
    client = bench.client
    create(client, "one", bench.corpus.base.shape[1])
    client.insert("one", batches_of(bench.corpus, [0])[0])
    client.flush("one")
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_index("one", index)
    client.load_collection("one")
    requests = search_bytes(bench.corpus, "one", bench.ef)
    for clients in (1, 8):
        found = loop(bench.server, bare(bench.server, "Search", requests), bench.seconds, clients)
        bench.figures.most(SEARCH, f"server CPU of a search over one row, {_clients(clients)}", found.cpu_us, "us")


def start(bench: Bench) -> None:
    """Measure the first answer of a server that has just been started, and its memory once its pages are warm."""
    if not bench.ours:
        bench.client.load_collection(WORDS)
    options = {"params": {"ef": bench.ef}}
    bench.client.search(WORDS, [bench.corpus.queries[0]], limit=K, search_params=options)
    bench.figures.most(START, "cold start to the first answer", time.perf_counter() - bench.server.begun, "s")
    for query in bench.corpus.queries[: bench.num_queries]:
        bench.client.search(WORDS, [query], limit=K, search_params=options)
    bench.figures.most(START, "anonymous memory", bench.server.anonymous_mb(), "MB")
