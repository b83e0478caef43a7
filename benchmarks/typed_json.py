"""What typed JSON columns cost when a segment is written and what they save filters, on generated rows of 400 bytes.

    python benchmarks/typed_json.py [--rows 200000]

CPU time of one process for writing; wall time for filters, the first call (it reads the columns) and the best of five.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from elanus.expr import bind, select
from elanus.model.columns import Column, ColumnBatch
from elanus.model.manifest import SegmentInfo
from elanus.model.schema import Field, Schema
from elanus.model.settings import SegmentSettings
from elanus.model.types import DataType
from elanus.segment.files import SegmentFiles
from elanus.segment.sealed import SealedSegment
from elanus.segment.writer import Rows, SegmentWriter
from elanus.storage.local import LocalStore

KEY = Field(id=100, name="id", type=DataType.INT64, is_primary=True)
JSON = Field(id=101, name="j", type=DataType.JSON)
SCHEMA = Schema((KEY, JSON))
FILTERS = [
    'j["depth"] > 10',
    'j["score"] < 0.01',
    'j["pos"] == "n"',
    'j["counts"]["hyponyms"] in [3, 4]',
    'j["gloss"] like "word1 %"',
    'j["leaf"] == true and j["depth"] < 3',
    'exists j["frame"]',
    'exists j["unknown"]',
    'j["lemmas"][0] == "word5"',
    'json_contains(j["lemmas"], "word7")',
    'j["rare3"] > 5',
]


def texts(rows: int) -> list[bytes]:
    """Return objects with numbers, strings, nested objects, arrays of strings, nulls and rare keys."""
    rng = np.random.default_rng(7)
    drawn, scores = rng.integers(0, 2000, (rows, 12)), rng.random(rows)

    def text(row: int) -> bytes:
        r = drawn[row].tolist()
        words = [f"word{number}" for number in r]
        value = {
            "offset": row * 37 % 10_000_019,
            "lexname": f"lex.{r[0] % 45}",
            "pos": "nvasr"[r[1] % 5],
            "depth": r[2] % 18,
            "score": float(scores[row]),
            "leaf": bool(r[3] & 1),
            "lemmas": words[4:7],
            "gloss": " ".join(words) + " and more words, until the row is as long as rows are",
            "counts": {"hypernyms": r[7] % 5, "hyponyms": r[8] % 50, "examples": words[9:10]},
            "frame": None if r[10] % 3 else {"id": r[10], "name": words[11]},
        }
        return json.dumps(value | ({f"rare{row % 7}": row} if row % 50 == 0 else {})).encode()

    return [text(row) for row in range(rows)]


def milliseconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def write(folder: Path, batch: ColumnBatch, typed_json_rows: int) -> tuple[LocalStore, SegmentInfo, float]:
    """Write a segment; return it with the CPU time that took, in seconds."""
    store = LocalStore(folder)
    rows = Rows(batch, np.arange(1, batch.num_rows + 1, dtype=np.uint64))
    begun = time.process_time()
    info, _ = SegmentWriter(store, SegmentSettings(typed_json_rows=typed_json_rows)).write(1, 1, 0, SCHEMA, rows)
    return store, info, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    given = texts(rows)
    batch = ColumnBatch(
        {
            KEY.id: Column(KEY, pa.array(range(rows), pa.int64())),
            JSON.id: Column(JSON, pa.array(given, pa.large_binary())),
        },
        rows,
    )
    print(f"{rows:,} rows of {sum(map(len, given)) // rows} bytes")
    with tempfile.TemporaryDirectory() as folder:
        *_, plain_s = write(Path(folder) / "plain", batch, rows + 1)
        store, info, typed_s = write(Path(folder) / "typed", batch, 1)
        sizes = f"{info.scalars.size / 2**20:.1f} MiB of texts, {info.json[0].file.size / 2**20:.1f} MiB typed"
        print(f"written in {plain_s:.2f} s of CPU, with typed columns in {typed_s:.2f} s; {sizes}")
        print(f"{'filter':40}{'first, texts':>14}{'first, typed':>14}{'then':>10}   ms")
        for text in FILTERS:
            raw, typed = (SealedSegment(one, SCHEMA, SegmentFiles(store)) for one in (replace(info, json=()), info))
            # The texts and the directory are read before: only the path itself is measured.
            raw.column(JSON.id)
            typed.holds_json(JSON.id, ())
            bound = bind(text, SCHEMA)
            first = [milliseconds(partial(select, bound, one)) for one in (raw, typed)]
            then = min(milliseconds(partial(select, bound, typed)) for _ in range(5))
            print(f"{text:40}{first[0]:14.1f}{first[1]:14.1f}{then:10.2f}")


if __name__ == "__main__":
    main()
