"""What searches, inserts, queries and a start cost over the wire: Elanus beside milvus-lite, in one run.

    python benchmarks/server.py --data FOLDER [--rows 100000] [--peer VENV/bin/python] [--only PART ...]

FOLDER is laid out as ``tests/data/wordnet``. The server runs on core 0, clients on core 1; CPU time is the server
process' own, user and system. Parts:

    search    plain searches: server CPU, bare gRPC channels, stock pymilvus
    filters   filtered searches beside plain ones, at the recall that is wanted
    hybrid    a hybrid search of two routes beside its routes
    pages     query pages and the query iterator, all scalar fields
    tables    groups, orders, aggregates and facets over all rows
    profile   where the time of a call goes inside the server (Elanus only)
    start     cold start and memory
    writing   plain searches while rows come in, and over rows that no index has yet

Inserts are measured in any case: they fill the collection.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pymilvus import MilvusClient
from serving.bench import GRAPH, Bench
from serving.corpus import Corpus, K
from serving.process import (
    CLIENT_CPU,
    SERVER_CPU,
    Command,
    elanus_command,
    milvus_lite_command,
    processor,
    running,
)
from serving.report import Figures, show

from serving import anatomy, filters, plain, routes, rows, writing

OURS = "elanus"
FIRST = {
    "search": plain.search,
    "filters": filters.measure,
    "pages": rows.pages,
    "tables": rows.tables,
    "hybrid": routes.measure,
}
PROFILE = "profile"
AGAIN = {"start": plain.start, "writing": writing.measure}
PARTS = (*FIRST, PROFILE, *AGAIN)
PROFILED_CALLS = 400


def measure(
    name: str, command: Command, corpus: Corpus, folder: Path, *, seconds: float, parts: Sequence[str]
) -> Figures:
    """Measure one server: fill it, go through the parts, stop it, profile it, start it again."""
    figures = Figures(name)
    with running(command, folder) as server:
        bench = Bench(server, MilvusClient(server.uri), corpus, figures, seconds, ours=name == OURS)
        _timed("fill", name, lambda: plain.fill(bench))
        for part in (part for part in FIRST if part in parts):
            _timed(part, name, lambda part=part: FIRST[part](bench))
        bench.client.close()
        server.stop()
    if PROFILE in parts and bench.ours:
        taken = {"hybrid": "hybrid" in parts}
        _timed(PROFILE, name, lambda: anatomy.measure(folder, corpus, bench.ef, figures, PROFILED_CALLS, **taken))
    if not set(AGAIN) & set(parts):
        return figures
    with running(command, folder) as server:
        bench.server, bench.client = server, MilvusClient(server.uri)
        for part in (part for part in AGAIN if part in parts):
            _timed(part, name, lambda part=part: AGAIN[part](bench))
        bench.client.close()
    return figures


def _timed(part: str, name: str, run: Callable[[], object]) -> None:
    begun = time.perf_counter()
    run()
    print(f"{name}: {part} took {time.perf_counter() - begun:.0f} s", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each loop of calls goes on")
    parser.add_argument("--peer", type=Path, help="measure milvus-lite too: the python it is installed for")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what a peer refuses is noted in the table
    os.sched_setaffinity(0, {CLIENT_CPU})
    corpus = Corpus.read(asked.data, asked.rows)
    commands: dict[str, Command] = {OURS: elanus_command}
    if asked.peer:
        commands["milvus-lite"] = milvus_lite_command(asked.peer)
    machine = (
        f"{processor()}; server on core {SERVER_CPU}, client on core {CLIENT_CPU}; {len(corpus.rows):,} rows of "
        f"{corpus.base.shape[1]} dimensions, {len(corpus.queries):,} queries, COSINE, k = {K}, HNSW {GRAPH}; "
        f"load {os.getloadavg()[0]:.1f} before"
    )
    found: list[Figures] = []
    for name, command in commands.items():
        with tempfile.TemporaryDirectory(prefix="elanus-bench-") as folder:
            given = {"seconds": asked.seconds, "parts": asked.only}
            found.append(measure(name, command, corpus, Path(folder), **given))
    show(found, machine)
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine, "servers": [one.plain() for one in found]}, indent=1))


if __name__ == "__main__":
    main()
