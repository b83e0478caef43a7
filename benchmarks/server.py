"""What a search, an insert, a query and a start cost over the wire: Elanus beside milvus-lite, in one run.

    python benchmarks/server.py --data FOLDER [--rows 100000] [--peer VENV/bin/python]

FOLDER holds ``base.f16.npy``, ``queries.f16.npy``, ``meta.parquet`` and ``truth.npz`` (array ``all``: exact top 100).
The server runs on core 0, clients on core 1; CPU time is the server process' own (user and system).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

SERVER_CPU, CLIENT_CPU = 0, 1
K = 10
EF_STEPS = (16, 24, 32, 48, 64, 96, 128)
RECALL = 0.95
SCALARS = ["key", "lemma", "pos", "lexname", "gloss", "word_count", "hypernym_id", "u"]


@dataclass
class Corpus:
    """Vectors, metadata and exact neighbours."""

    base: np.ndarray
    queries: np.ndarray
    truth: np.ndarray
    rows: list[dict]

    @classmethod
    def read(cls, folder: Path, num_rows: int) -> Corpus:
        base = np.load(folder / "base.f16.npy")[:num_rows].astype(np.float32)
        queries = np.load(folder / "queries.f16.npy")[:1000].astype(np.float32)
        table = pq.read_table(folder / "meta.parquet", columns=["id", *SCALARS]).slice(0, num_rows)
        if num_rows >= len(np.load(folder / "base.f16.npy", mmap_mode="r")):
            truth = np.load(folder / "truth.npz")["all"][: len(queries), :K]
        else:
            truth = np.argsort(-(queries @ base.T), axis=1)[:, :K]
        return cls(base, queries, truth, table.to_pylist())


@dataclass
class Figures:
    """What was measured of one server."""

    name: str
    values: dict[str, float] = field(default_factory=dict)


class Server:
    """A server process pinned to its core."""

    def __init__(self, command: Callable[[int, Path], list[str]], data: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *command(self.port, data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process and its children so far."""
        return sum(_cpu_s(pid) for pid in _family(self.process.pid))

    def anonymous_mb(self) -> float:
        """Return the anonymous resident memory of the process and its children."""
        return sum(_status_kb(pid, "RssAnon") for pid in _family(self.process.pid)) / 1024

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process."""
        self.process.send_signal(how)
        self.process.wait(timeout=60)


def elanus_command(port: int, data: Path) -> list[str]:
    return [sys.executable, "-m", "elanus", "serve", "--data", str(data), "--port", str(port)]


def milvus_lite_command(python: Path) -> Callable[[int, Path], list[str]]:
    """Return the command of the peer, run by the interpreter that has it."""
    server = str(python.with_name("milvus-lite"))
    options = ["server", "--host", "127.0.0.1"]
    return lambda port, data: [server, *options, "--data-dir", str(data), "--port", str(port)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, limit_s: float = 60) -> None:
    deadline = time.perf_counter() + limit_s
    while time.perf_counter() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise TimeoutError(f"nothing listens on port {port}")


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _status_kb(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


@contextmanager
def serving(make: Callable[[], Server]) -> Iterator[Server]:
    server = make()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def client_of(server: Server):
    from pymilvus import MilvusClient

    return MilvusClient(server.uri)


def create(client, name: str, dim: int) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    for field_name in ("key", "lemma", "pos", "lexname", "gloss"):
        schema.add_field(field_name, DataType.VARCHAR, max_length=4000)
    for field_name in ("word_count", "hypernym_id"):
        schema.add_field(field_name, DataType.INT64)
    schema.add_field("u", DataType.DOUBLE)
    client.create_collection(name, schema=schema)


def measure_insert(client, corpus: Corpus) -> float:
    """Return rows a second of inserts of 1,000 rows, each durable when it returns (client time included)."""
    batches = [
        [{**row, "vector": corpus.base[row["id"]]} for row in corpus.rows[at : at + 1000]]
        for at in range(0, len(corpus.rows), 1000)
    ]
    begun = time.perf_counter()
    for batch in batches:
        client.insert("words", batch)
    return len(corpus.rows) / (time.perf_counter() - begun)


def measure_bare_insert(server: Server, client, corpus: Corpus) -> float:
    """Return rows a second of the same inserts over a bare gRPC channel, requests serialised before."""
    import grpc
    from pymilvus.client.prepare import Prepare

    create(client, "bare", corpus.base.shape[1])
    fields = client.describe_collection("bare")["fields"]
    requests = []
    for at in range(0, min(len(corpus.rows), 20_000), 1000):
        rows = [{**row, "vector": corpus.base[row["id"]]} for row in corpus.rows[at : at + 1000]]
        requests.append(Prepare.row_insert_param("bare", rows, "", fields_info=fields).SerializeToString())
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.max_send_message_length", -1)])
    call = channel.unary_unary("/milvus.proto.milvus.MilvusService/Insert", lambda b: b, lambda b: b)
    begun = time.perf_counter()
    for request in requests:
        call(request)
    elapsed = time.perf_counter() - begun
    client.drop_collection("bare")
    return 1000 * len(requests) / elapsed


def build_index(client) -> None:
    index = client.prepare_index_params()
    params = {"M": 16, "efConstruction": 200}
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=params)
    client.create_index("words", index)
    client.load_collection("words")


def recall(client, corpus: Corpus, ef: int) -> float:
    found = 0
    for query, truth in zip(corpus.queries, corpus.truth, strict=True):
        hits = client.search("words", [query], limit=K, search_params={"params": {"ef": ef}})[0]
        found += len({hit["id"] for hit in hits} & set(truth.tolist()))
    return found / corpus.truth.size


def enough_ef(client, corpus: Corpus) -> tuple[int, float]:
    """Return the smallest step of ef that reaches the recall wanted, and the recall."""
    for ef in EF_STEPS:
        reached = recall(client, corpus, ef)
        if reached >= RECALL:
            break
    return ef, reached


def pymilvus_search(server: Server, corpus: Corpus, collection: str, ef: int) -> Callable[[int], None]:
    client = client_of(server)

    def one(number: int) -> None:
        query = corpus.queries[number % len(corpus.queries)]
        client.search(collection, [query], limit=K, search_params={"params": {"ef": ef}})

    return one


def bare_search(server: Server, corpus: Corpus, collection: str, ef: int) -> Callable[[int], None]:
    """Return a search over a bare gRPC channel: requests serialised before, replies not parsed."""
    import grpc
    from pymilvus.client.prepare import Prepare

    options = {"params": {"ef": ef}}
    requests = [
        Prepare.search_requests_with_expr(
            collection_name=collection, anns_field="vector", param=options, limit=K, data=[query]
        ).SerializeToString()
        for query in corpus.queries
    ]
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    call = channel.unary_unary("/milvus.proto.milvus.MilvusService/Search", lambda b: b, lambda b: b)
    return lambda number: call(requests[number % len(requests)]) and None


def throughput(make: Callable[[], Callable[[int], None]], clients: int, seconds: float) -> tuple[float, int, float]:
    """Return calls a second, how many there were, and the 99th percentile of their seconds."""
    calls = [make() for _ in range(clients)]
    for call in calls:
        call(0)
    times: list[float] = []
    end = time.perf_counter() + seconds

    def loop(call: Callable[[int], None], number: int) -> None:
        while (begun := time.perf_counter()) < end:
            call(number)
            number += 1
            times.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=loop, args=(call, at * 37)) for at, call in enumerate(calls)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / (time.perf_counter() - begun), len(times), float(np.quantile(times, 0.99))


def cpu_each(server: Server, make: Callable[[], Callable[[int], None]], seconds: float, clients: int = 1) -> float:
    """Return the server's CPU microseconds of one call; with one client they include waking up for each."""
    make()(0)
    before = server.cpu_s()
    _, count, _ = throughput(make, clients, seconds)
    return (server.cpu_s() - before) / count * 1e6


def measure(name: str, command, corpus: Corpus, folder: Path, seconds: float) -> Figures:
    figures = Figures(name)
    values = figures.values
    with serving(lambda: Server(command, folder)) as server:
        client = client_of(server)
        create(client, "words", corpus.base.shape[1])
        before = server.cpu_s()
        values["insert rows/s, pymilvus"] = measure_insert(client, corpus)
        values["insert, server CPU us a row"] = (server.cpu_s() - before) / len(corpus.rows) * 1e6
        values["insert rows/s, bare gRPC"] = measure_bare_insert(server, client, corpus)
        build_index(client)
        client.flush("words")
        ef, values["recall@10"] = enough_ef(client, corpus)
        values["ef for that recall"] = ef
        create(client, "one", corpus.base.shape[1])
        client.insert("one", [{**corpus.rows[0], "vector": corpus.base[0]}])
        index = client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="COSINE")
        client.create_index("one", index)
        client.load_collection("one")
        bare = name == "elanus"
        if bare:
            for what, collection in (("empty search", "one"), ("search", "words")):
                make = partial(bare_search, server, corpus, collection, ef)
                for clients in (1, 8):
                    key = f"{what}, server CPU us, {clients} clients"
                    values[key] = cpu_each(server, make, seconds, clients)
        else:
            make = lambda: pymilvus_search(server, corpus, "words", ef)  # noqa: E731
            values["search, server CPU us, 1 clients"] = cpu_each(server, make, seconds)
        for clients in (1, 8):
            make = lambda: pymilvus_search(server, corpus, "words", ef)  # noqa: E731
            qps, _, p99 = throughput(make, clients, seconds)
            values[f"pymilvus QPS, {clients} clients"] = qps
            values[f"pymilvus p99 ms, {clients} clients"] = p99 * 1e3
            if bare:
                qps, _, _ = throughput(lambda: bare_search(server, corpus, "words", ef), clients, seconds)
                values[f"bare gRPC QPS, {clients} clients"] = qps
        client.query("words", filter="id >= 0", output_fields=["id", *SCALARS], limit=5000)
        before, begun = server.cpu_s(), time.perf_counter()
        rounds = 5
        for _ in range(rounds):
            rows = client.query("words", filter="id >= 0", output_fields=["id", *SCALARS], limit=5000)
            assert len(rows) == 5000
        values["query of 5,000 rows, server CPU ms"] = (server.cpu_s() - before) / rounds * 1e3
        values["query of 5,000 rows, elapsed ms"] = (time.perf_counter() - begun) / rounds * 1e3
        client.close()
        server.stop()
    with serving(lambda: Server(command, folder)) as server:
        client = client_of(server)
        if name != "elanus":
            client.load_collection("words")
        client.search("words", [corpus.queries[0]], limit=K, search_params={"params": {"ef": ef}})
        values["cold start to first answer s"] = time.perf_counter() - server.begun
        recall(client, corpus, ef)
        values["anonymous memory MB"] = server.anonymous_mb()
    return figures


def show(all_figures: list[Figures], machine: str) -> None:
    print(f"\n{machine}; k={K}, HNSW M=16 efConstruction=200, COSINE; one run")
    keys = list(dict.fromkeys(key for figures in all_figures for key in figures.values))
    print(f"{'':40s}" + "".join(f"{figures.name:>14s}" for figures in all_figures) + f"{'ratio':>10s}")
    for key in keys:
        cells = [figures.values.get(key) for figures in all_figures]
        line = f"{key:40s}" + "".join("            --" if cell is None else f"{cell:14,.2f}" for cell in cells)
        if len(cells) == 2 and None not in cells:
            line += f"{cells[0] / cells[1]:10.3f}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--peer", type=Path, help="measure milvus-lite too: the python it is installed for")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CPU})
    corpus = Corpus.read(arguments.data, arguments.rows)
    found: list[Figures] = []
    commands = {"elanus": elanus_command}
    if arguments.peer:
        commands["milvus-lite"] = milvus_lite_command(arguments.peer)
    for name, command in commands.items():
        with tempfile.TemporaryDirectory(prefix="elanus-bench-") as folder:
            found.append(measure(name, command, corpus, Path(folder), arguments.seconds))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    machine = f"{cpu}, server on core {SERVER_CPU}, client on core {CLIENT_CPU}, {len(corpus.rows):,} rows"
    show(found, machine)
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(figures) for figures in found], indent=1))


if __name__ == "__main__":
    main()
