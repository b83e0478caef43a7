"""Plain searches while rows come in, and over many rows that no index has yet."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import grpc
import numpy as np
from pymilvus.client.prepare import Prepare

from serving.bench import WORDS, Bench, batches_of
from serving.calls import METHODS, loop, search_of
from serving.corpus import Corpus

PART = "searches beside writes"
RATE = 1000
AT_ONCE = 100
GROWING = 20_000
FIRST_ID = 10**9
MOST_S = 5.0
NOISE = 0.01
"""In each dimension, of vectors of unit length."""


class Writer:
    """Inserts prepared requests, so many rows a second or as fast as it can; its own thread, hardly any CPU."""

    def __init__(self, bench: Bench, rows: int, first_id: int) -> None:
        fields = bench.client.describe_collection(WORDS)["fields"]
        batches = batches_of(_new(bench.corpus, rows, seed=first_id), range(rows), first_id)
        pieces = [batch[at : at + AT_ONCE] for batch in batches for at in range(0, len(batch), AT_ONCE)]
        self._requests = [
            Prepare.row_insert_param(WORDS, piece, "", fields_info=fields).SerializeToString() for piece in pieces
        ]
        self._call = grpc.insecure_channel(bench.server.target).unary_unary(
            f"{METHODS}Insert", lambda sent: sent, lambda reply: reply
        )
        self._next = 0
        self._stopped = threading.Event()

    @property
    def rows(self) -> int:
        """How many rows have been written."""
        return self._next * AT_ONCE

    def step(self) -> bool:
        """Write the next rows; False when there are no more."""
        if self._next >= len(self._requests):
            return False
        self._call(self._requests[self._next])
        self._next += 1
        return True

    def run(self) -> None:
        """Write at the rate until stopped."""
        begun = time.perf_counter()
        while not self._stopped.wait(max(0.0, begun + self.rows / RATE - time.perf_counter())) and self.step():
            pass

    def stop(self) -> None:
        """Have ``run`` end."""
        self._stopped.set()


def _new(corpus: Corpus, count: int, seed: int) -> Corpus:
    """Return rows near those that there are: copies would tie with them, and every tie would be looked into."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(corpus.base), count)
    vectors = corpus.base[chosen] + rng.normal(0, NOISE, (count, corpus.base.shape[1])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(corpus, base=vectors, rows=[corpus.rows[row] for row in chosen])


def measure(bench: Bench) -> None:
    """Measure; the collection has the rows afterwards."""
    server, figures = bench.server, bench.figures
    if not bench.ours:
        bench.client.load_collection(WORDS)
    stock = search_of(server, bench.corpus, WORDS, bench.ef)
    before = loop(server, stock, bench.seconds)
    figures.most(PART, "no writes: p50", before.p50_ms, "ms")
    figures.most(PART, "no writes: server CPU a search", before.cpu_us, "us")
    writer = Writer(bench, int(RATE * (bench.seconds + 5)), FIRST_ID)
    thread = threading.Thread(target=writer.run)
    thread.start()
    begun, cpu = time.perf_counter(), server.cpu_s()
    during = loop(server, stock, bench.seconds)
    spent, elapsed, rows = server.cpu_s() - cpu, time.perf_counter() - begun, writer.rows
    writer.stop()
    thread.join()
    name = f"{RATE:,} rows/s come in"
    figures.least(PART, f"{name}: rows that came", rows / elapsed, "rows/s")
    figures.most(PART, f"{name}: p50", during.p50_ms, "ms")
    figures.most(PART, f"{name}: p99", during.p99_ms, "ms")
    figures.least(PART, f"{name}: stock pymilvus, 1 client", during.qps, "QPS")
    figures.most(PART, f"{name}: server CPU, writes included", spent / during.count * 1e6, "us a search")
    figures.most(PART, f"{name}: time, times that without", before.qps / during.qps, "")
    # Rows of some seconds' age are sealed by themselves: the rows that are to grow come all at once, after the others.
    bench.client.flush(WORDS)
    server.rest()
    writer = Writer(bench, GROWING, first_id=2 * FIRST_ID)
    while writer.step():
        pass
    grown = loop(server, stock, min(bench.seconds, MOST_S))
    name = f"{writer.rows:,} growing rows"
    figures.most(PART, f"{name}: p50", grown.p50_ms, "ms")
    figures.most(PART, f"{name}: p99", grown.p99_ms, "ms")
    figures.most(PART, f"{name}: server CPU", grown.cpu_us, "us")
    figures.most(PART, f"{name}: time, times that without", before.qps / grown.qps, "")
