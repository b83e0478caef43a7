"""Calls in a loop: searches as clients make them, how many a second, how long each, and what they cost the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
import numpy as np
from pymilvus import MilvusClient
from pymilvus.client.prepare import Prepare

from serving.corpus import Corpus, K
from serving.process import Server

METHODS = "/milvus.proto.milvus.MilvusService/"

Make = Callable[[], Callable[[int], object]]
"""Makes a client; it is called with 0, 1, 2, ..."""


@dataclass(frozen=True, slots=True)
class Loop:
    """What a loop of calls gave.

    qps     calls a second of the clock, all clients together
    cpu_us  the server's CPU time, microseconds a call
    """

    qps: float
    count: int
    p50_ms: float
    p99_ms: float
    cpu_us: float


def loop(server: Server, make: Make, seconds: float, clients: int = 1) -> Loop:
    """Call for so long, each client from its own thread."""
    calls = [make() for _ in range(clients)]
    for call in calls:
        for number in range(3):
            call(number)
    times: list[float] = []
    before, begun = server.cpu_s(), time.perf_counter()
    end = begun + seconds

    def run(call: Callable[[int], object], number: int) -> None:
        while (at := time.perf_counter()) < end:
            call(number)
            number += 1
            times.append(time.perf_counter() - at)

    threads = [threading.Thread(target=run, args=(call, at * 37)) for at, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begun
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1e3
    return Loop(len(times) / elapsed, len(times), float(p50), float(p99), (server.cpu_s() - before) / len(times) * 1e6)


def each(server: Server, call: Callable[[int], object], seconds: float, most: int = 1000) -> tuple[float, float]:
    """Return the server's CPU milliseconds and the median of the clock's of one call; the calls come one by one."""
    call(0)
    call(1)
    times: list[float] = []
    before, end = server.cpu_s(), time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < most and time.perf_counter() < end):
        at = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - at)
    return (server.cpu_s() - before) / len(times) * 1e3, float(np.median(times)) * 1e3


def search_of(server: Server, corpus: Corpus, collection: str, ef: int) -> Make:
    """Return searches by stock pymilvus."""

    def make() -> Callable[[int], object]:
        client = MilvusClient(server.uri)
        options = {"params": {"ef": ef}}
        return lambda number: client.search(
            collection, [corpus.queries[number % len(corpus.queries)]], limit=K, search_params=options
        )

    return make


def request(query: np.ndarray, collection: str, ef: int, field: str = "vector", **options: object) -> object:
    """Return a search request as pymilvus makes it."""
    params = {"params": {"ef": ef}, **options}
    return Prepare.search_requests_with_expr(collection, anns_field=field, param=params, limit=K, data=[query])


def search_bytes(corpus: Corpus, collection: str, ef: int) -> list[bytes]:
    """Return a serialized search for each query."""
    return [request(query, collection, ef).SerializeToString() for query in corpus.queries]


def bare(server: Server, method: str, requests: Sequence[bytes]) -> Make:
    """Return calls over a gRPC channel: requests serialized before, replies not parsed."""

    def make() -> Callable[[int], object]:
        # Channels to one target would share a connection.
        channel = grpc.insecure_channel(server.target, options=[("grpc.use_local_subchannel_pool", 1)])
        call = channel.unary_unary(METHODS + method, lambda sent: sent, lambda reply: reply)
        return lambda number: call(requests[number % len(requests)])

    return make
