"""The demonstration: a server, real data, searches, a crash, the same answers again. ``make demo`` runs it.

It uses what any program would use: the ``elanus`` command and stock pymilvus.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pymilvus import DataType, MilvusClient
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SLICE = ROOT / "tests" / "data" / "wordnet"
DATA = ROOT / "demo-data"
COLLECTION = "wordnet"
BATCH = 250
SHOWN = ["lemma", "lexname", "gloss"]

console = Console(highlight=False)


@dataclass(frozen=True)
class Question:
    """A text and its embedding."""

    text: str
    vector: list[float]


class Server:
    """``elanus serve`` as a process of its own."""

    def __init__(self, port: int = 0) -> None:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "elanus", "serve", "--data", str(DATA), "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--log-level", "warning"], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        found = re.search(r"listening (\S+)", self.process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        self.uri = found[1]
        self.port = int(self.uri.rpartition(":")[2])
        self.seconds = time.perf_counter() - begun

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    step("Start a server")
    server = Server()
    say(f"elanus serve --data {DATA.name} --port {server.port}", f"listening after {server.seconds:.2f} s")
    try:
        client = MilvusClient(server.uri)
        load(client)
        build(client)
        before = ask(client)
        client.close()

        step("Kill the server (SIGKILL) and start it again")
        server.kill()
        server = Server(server.port)
        say("the same folder, no repair", f"listening after {server.seconds:.2f} s")
        client = MilvusClient(server.uri)
        compare(client, before)
        client.close()
    finally:
        server.stop()
    farewell()


def load(client: MilvusClient) -> None:
    """Make the collection and fill it."""
    step("Load 5,000 WordNet glosses with their sentence embeddings")
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("lemma", DataType.VARCHAR, max_length=256)
    schema.add_field("pos", DataType.VARCHAR, max_length=16)
    schema.add_field("lexname", DataType.VARCHAR, max_length=64)
    schema.add_field("gloss", DataType.VARCHAR, max_length=2048)
    schema.add_field("attrs", DataType.JSON)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=384)
    client.create_collection(COLLECTION, schema=schema)

    rows = list(entities())
    columns = (TextColumn("  inserting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    begun = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("rows", total=len(rows))
        for start in range(0, len(rows), BATCH):
            client.insert(COLLECTION, rows[start : start + BATCH])
            progress.advance(task, len(rows[start : start + BATCH]))
    seconds = time.perf_counter() - begun
    say(f"{len(rows):,} rows, each on disk before it was acknowledged", f"{len(rows) / seconds:,.0f} rows/s")


def entities() -> Iterator[dict[str, Any]]:
    vectors = np.load(SLICE / "base.f16.npy").astype(np.float32)
    table = pq.read_table(SLICE / "meta.parquet", columns=["id", "lemma", "pos", "lexname", "gloss", "attrs_json"])
    for row, vector in zip(table.to_pylist(), vectors, strict=True):
        row["attrs"] = json.loads(row.pop("attrs_json"))
        yield {**row, "vector": vector}


def build(client: MilvusClient) -> None:
    """Build an HNSW index and make the collection ready for searches."""
    step("Build an index")
    begun = time.perf_counter()
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200})
    client.create_index(COLLECTION, index)
    client.load_collection(COLLECTION)
    say("HNSW over 384 dimensions, cosine", f"{time.perf_counter() - begun:.1f} s")


def ask(client: MilvusClient) -> dict[str, list[int]]:
    """Show a plain search, a filtered search and a query; return the ids of their hits by title."""
    first, second = questions(84, 67)
    found = {}
    found["plain"] = search(client, "Search", first)
    found["filtered"] = search(client, "Filtered search", second, 'lexname == "noun.plant" and attrs["year"] < 2000')
    found["query"] = query(client)
    return found


def questions(*numbers: int) -> Iterator[Question]:
    vectors = np.load(SLICE / "queries.f16.npy").astype(np.float32)
    texts = pq.read_table(SLICE / "queries.parquet")["text"].to_pylist()
    return (Question(texts[number], vectors[number].tolist()) for number in numbers)


def search(client: MilvusClient, title: str, question: Question, where: str = "") -> list[int]:
    step(f"{title}: “{question.text}”")
    if where:
        console.print(f"  [dim]where[/] {where}")
    begun = time.perf_counter()
    hits = run_search(client, question, where)
    milliseconds = (time.perf_counter() - begun) * 1e3
    show([{"score": f"{hit['distance']:.3f}", **hit["entity"]} for hit in hits])
    say(f"{len(hits)} hits", f"{milliseconds:.1f} ms")
    return [hit["id"] for hit in hits]


def run_search(client: MilvusClient, question: Question, where: str) -> Any:
    params = {"params": {"ef": 64}}
    return client.search(
        COLLECTION, [question.vector], filter=where, limit=5, output_fields=SHOWN, search_params=params
    )[0]


def query(client: MilvusClient) -> list[int]:
    where = 'lemma like "sea%" and attrs["links"] >= 1'
    step("Query, no vector at all")
    console.print(f"  [dim]where[/] {where}")
    rows = client.query(COLLECTION, filter=where, output_fields=["id", *SHOWN], limit=5)
    count = client.query(COLLECTION, filter=where, output_fields=["count(*)"])[0]["count(*)"]
    show(rows)
    say(f"{len(rows)} of {count} matching rows")
    return [row["id"] for row in rows]


def compare(client: MilvusClient, before: dict[str, list[int]]) -> None:
    """Ask the same again, and say whether the answers are the same."""
    after = ask(client)
    if after != before:
        raise SystemExit(f"the answers differ: {before} before, {after} after")
    console.print("\n  [bold green]✓[/] the same hits as before the crash")


def farewell() -> None:
    console.print("\n[bold]Go on[/]\n")
    console.print(f"  .venv/bin/elanus serve --data {DATA.name}   [dim]# this data, port 19530[/]\n")
    console.print("  [dim]from[/] pymilvus [dim]import[/] MilvusClient")
    console.print('  client = MilvusClient("http://localhost:19530")')
    console.print('  client.query("wordnet", filter=\'lemma like "sea%"\', output_fields=["gloss"])\n')
    console.print('  or without a server: [bold]elanus.MilvusClient("./my.db")[/]\n')


def show(rows: list[dict[str, Any]]) -> None:
    names = [name for name in ("score", *SHOWN) if name in rows[0]] if rows else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, header_style="dim")
    for name in names:
        table.add_column(name, ratio=1 if name == "gloss" else None, no_wrap=name != "gloss")
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    console.print(table)


def step(title: str) -> None:
    console.print(f"\n[bold cyan]▸[/] [bold]{title}[/]")


def say(what: str, figure: str = "") -> None:
    console.print(f"  {what}" + (f" [dim]·[/] [green]{figure}[/]" if figure else ""))


if __name__ == "__main__":
    main()
