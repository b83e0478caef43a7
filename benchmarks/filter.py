"""What a filter costs: our columns and indexes beside pyarrow, numpy, shapely and DuckDB, in one run.

    python benchmarks/filter.py [--rows 1000000] [--only NAME ...] [--data FOLDER]

Everything runs on core 0 (the server of ``query``, too; its client on core 1), one thread, best of several passes.
FOLDER may hold ``meta.parquet`` with a JSON column ``attrs_json``; otherwise JSON of that kind is generated. A peer
that isn't installed (``duckdb``) is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus.expr import BatchSource, Operand, bind, select
from elanus.index import INDEX_KINDS
from elanus.index.base import TitledIndex
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

SERVER_CPU, CLIENT_CPU = 0, 1
WORDS = [
    "amber",
    "bridge",
    "candle",
    "dust",
    "ember",
    "forest",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kettle",
    "lantern",
    "meadow",
    "needle",
    "orchard",
    "pepper",
    "quartz",
    "river",
    "saddle",
    "timber",
    "umbrella",
    "velvet",
    "window",
    "yellow",
    "zephyr",
    "chair",
    "table",
    "armchair",
]
Times = dict[str, float]


@dataclass
class Report:
    """Lines of one table: what, the aim, our time and each peer's."""

    lines: list[tuple[str, str, float, Times]] = field(default_factory=list)

    def add(self, what: str, aim: str, ours_s: float, **peers_s: float) -> None:
        self.lines.append((what, aim, ours_s, peers_s))
        shown = "".join(f"   {name} {unit(peer)} ({peer / ours_s:.1f}x)" for name, peer in peers_s.items())
        print(f"  {what:<58} {unit(ours_s):>9}{shown}   [{aim}]", flush=True)


def unit(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def best_s(run: Callable[[], object], passes: int = 7, budget_s: float = 2.0) -> float:
    """Return the least time of a call, over some passes within a budget."""
    times: list[float] = []
    while len(times) < passes and (sum(times) < budget_s or not times):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


# --- data ---


def schema_of(**types: DataType) -> Schema:
    names = ("id", *types)
    kinds = (DataType.INT64, *types.values())
    return Schema(
        tuple(
            Field(id=FieldId(100 + n), name=name, type=kind, is_primary=name == "id", nullable=name != "id")
            for n, (name, kind) in enumerate(zip(names, kinds, strict=True))
        )
    )


def source_of(schema: Schema, **values: Any) -> BatchSource:
    columns = {}
    for name, data in values.items():
        kind = arrow_type(schema[name])
        array = data if isinstance(data, pa.Array) else pa.array(data, type=kind)
        columns[schema[name].id] = Column(schema[name], array.cast(kind))
    return BatchSource(ColumnBatch(columns, len(next(iter(columns.values())))))


class Indexed(BatchSource):
    """A batch with one index."""

    def __init__(self, batch: ColumnBatch, operand: Operand, index: Any) -> None:
        super().__init__(batch)
        self._operand, self._index = operand, index

    def indexes(self, operand: Operand) -> Sequence[Any]:
        return (self._index,) if operand == self._operand else ()


def indexed(source: BatchSource, kind: str, operand: Operand, **params: str) -> tuple[Indexed, float]:
    """Return the source with an index of that kind, saved and mapped again, and the seconds to build it."""
    found = INDEX_KINDS[kind]
    assert found.build_scalar is not None
    assert found.load_scalar is not None
    begun = time.perf_counter()
    index = found.build_scalar(operand, source, found.build_params.parse(params))
    took = time.perf_counter() - begun
    folder = Path(tempfile.mkdtemp(prefix="bench-index-"))
    index.save(folder)
    return Indexed(source.batch, operand, TitledIndex(kind, found.load_scalar(folder, operand))), took


def sentences(rows: int, rng: np.random.Generator, words: int = 8) -> pa.Array:
    picked = rng.integers(len(WORDS), size=(rows, words))
    vocabulary = pa.array(WORDS, type=pa.large_string())
    columns = [vocabulary.take(pa.array(picked[:, place])) for place in range(words)]
    numbered = pc.cast(pa.array(np.arange(rows)), pa.large_string())
    return pc.binary_join_element_wise(*columns, numbered, pa.scalar(" ", type=pa.large_string()))


def attributes(rows: int, folder: Path | None) -> list[bytes]:
    """Return JSON texts of the kind of word attributes: nested, arrays, optional and rare keys."""
    if folder is not None:
        import pyarrow.parquet as pq

        texts = pq.read_table(folder / "meta.parquet", columns=["attrs_json"]).column(0).to_pylist()
        return [texts[row % len(texts)].encode() for row in range(rows)]
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 1000, size=(rows, 4))
    scores, chances = rng.random(rows), rng.random(rows)
    made = []
    for row in range(rows):
        n, year, group, lemma = (int(value) for value in numbers[row])
        value: dict[str, Any] = {
            "pos": "nvar"[n % 4],
            "lex": {"file": f"noun.{WORDS[group % 28]}", "group": group % 45},
            "lemmas": [WORDS[lemma % 28], WORDS[year % 28]],
            "n": n,
            "score": round(float(scores[row]), 4),
            "year": 1500 + year // 2,
            "links": list(range(n % 7)),
        }
        if chances[row] < 0.3:
            value["example"] = f"the {WORDS[n % 28]} by the {WORDS[group % 28]} was old"
        if chances[row] > 0.95:
            value["rare"] = {"k": n, "s": WORDS[n % 28]}
        made.append(json.dumps(value).encode())
    return made


# --- what is measured ---


def columns(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure comparisons of number columns."""
    rng = np.random.default_rng(0)
    schema = schema_of(x=DataType.DOUBLE, n=DataType.INT64, small=DataType.INT16)
    x, n, small = rng.random(rows), rng.integers(0, 10**9, rows), rng.integers(0, 1000, rows).astype(np.int16)
    source = source_of(schema, x=x, n=n, small=small)
    for text, name, values, op, value in (
        ("x > 0.5", "double", x, pc.greater, 0.5),
        ("n <= 250000000", "int64", n, pc.less_equal, 250_000_000),
        ("small == 77", "int16", small, pc.equal, pa.scalar(77, pa.int16())),
    ):
        bound, array = bind(text, schema), pa.array(values)
        ours = best_s(lambda bound=bound: select(bound, source), 50)
        arrow = best_s(lambda array=array, op=op, value=value: op(array, value), 50)
        bandwidth = values.nbytes / ours / 1e9
        report.add(f"{name} {text}, {bandwidth:.1f} GB/s", "not slower than pyarrow", ours, pyarrow=arrow)


def membership(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure IN of many values."""
    rng = np.random.default_rng(1)
    schema = schema_of(n=DataType.INT64, s=DataType.VARCHAR)
    for span, what in ((10**6, "dense"), (10**15, "scattered")):
        n = rng.integers(0, span, rows)
        wanted = np.unique(rng.integers(0, span, 100_000))
        source = source_of(schema, n=n)
        bound = bind("n in {wanted}", schema, {"wanted": wanted.tolist()})
        numpy_s = best_s(lambda n=n, wanted=wanted: np.isin(n, wanted), 3)
        first = best_s(lambda bound=bound, source=source: select(bound, source), 1)
        again = best_s(lambda bound=bound, source=source: select(bound, source))
        report.add(f"int64 in 100,000 values, {what} (first {unit(first)})", "<= numpy.isin", again, numpy=numpy_s)


def bitsets(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure AND, OR, NOT and popcount."""
    bits = 100 * rows
    rng = np.random.default_rng(2)
    left, right = (Bitset(rng.integers(0, 256, bits // 8, dtype=np.uint8), bits) for _ in range(2))
    copy = best_s(left.bits.copy, 20)
    operations: Mapping[str, tuple[Callable[[], object], float]] = {
        "and": (lambda: left & right, 3.0),
        "or": (lambda: left | right, 3.0),
        "not": (lambda: ~left, 2.0),
        "popcount": (lambda: Bitset(left.bits, bits).count(), 1.0),
    }
    for name, (run, passes) in operations.items():
        took = best_s(run, 20)
        moved = passes * left.bits.nbytes / took / 1e9
        report.add(f"{name} of {bits:,} bits, {moved:.1f} GB/s", "memory bandwidth", took, copy=copy)


def json_paths(report: Report, rows: int, folder: Path | None) -> None:
    """Measure JSON path filters on typed columns, and the texts beside them."""
    count = max(rows // 5, 1)
    schema = schema_of(j=DataType.JSON)
    texts = attributes(count, folder)
    source = source_of(schema, j=pa.array(texts, type=pa.large_binary()))
    duck = DuckJson(texts) if importlib.util.find_spec("duckdb") else None
    for text, sql in (
        ('j["n"] > 5', "cast(j->>'$.n' as bigint) > 5"),
        ('j["lex"]["group"] == 3', "cast(j->>'$.lex.group' as bigint) = 3"),
        ('j["pos"] == "n"', "(j->>'$.pos') = 'n'"),
        ('j["score"] < 0.25', "cast(j->>'$.score' as double) < 0.25"),
        ('json_contains(j["lemmas"], "river")', "list_contains(cast(j->'$.lemmas' as varchar[]), 'river')"),
        ('exists j["rare"]["k"]', "(j->'$.rare.k') is not null"),
        ('j["lex"]["file"] like "noun.%"', "(j->>'$.lex.file') like 'noun.%'"),
    ):
        bound = bind(text, schema)
        raw = best_s(lambda bound=bound: select(bound, BatchSource(source.batch)), 2)
        select(bound, source)
        ours = best_s(lambda bound=bound: select(bound, source), 20)
        peers = {} if duck is None else {"duckdb": best_s(lambda sql=sql: duck.count(sql), 3)}
        report.add(f"{text} on {count:,} rows", "<= 1 ms", ours, raw=raw, **peers)


class DuckJson:
    """The same JSON texts in DuckDB."""

    def __init__(self, texts: list[bytes]) -> None:
        import duckdb

        self._connection = duckdb.connect()
        self._connection.execute("set threads to 1")
        table = pa.table({"j": pa.array([text.decode() for text in texts])})
        self._connection.register("t", table)
        self._connection.execute("create table rows as select j::json as j from t")

    def count(self, where: str) -> int:
        return int(self._connection.execute(f"select count(*) from rows where {where}").fetchone()[0])


def patterns(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure LIKE and regex with and without NGRAM."""
    schema = schema_of(s=DataType.VARCHAR)
    source = source_of(schema, s=sentences(rows, np.random.default_rng(4)))
    operand = bind('s == "x"', schema).operand  # type: ignore[attr-defined]
    with_index, built = indexed(source, "NGRAM", operand, min_gram="2", max_gram="3")
    print(f"  NGRAM(2, 3) over {rows:,} texts built in {built:.1f} s", flush=True)
    for text in ('s like "%99123%"', 's like "%zephyr zephyr zephyr%"', 's =~ "river (saddle )+timber 5[0-9]+77$"'):
        bound = bind(text, schema)
        assert select(bound, with_index) == select(bound, source)
        without = best_s(lambda bound=bound: select(bound, source), 3)
        ours = best_s(lambda bound=bound: select(bound, with_index), 20)
        report.add(text, ">= 20x without index", ours, without=without)


def sorted_index(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure equality and ranges through the sorted index."""
    rng = np.random.default_rng(5)
    schema = schema_of(n=DataType.INT64)
    source = source_of(schema, n=rng.integers(0, 10**6, rows))
    operand = bind("n == 1", schema).operand  # type: ignore[attr-defined]
    with_index, built = indexed(source, "STL_SORT", operand)
    print(f"  STL_SORT over {rows:,} integers built in {built:.2f} s", flush=True)
    for text in ("n == 4711", "1000 < n < 2000", "n < 100000", "n in [1, 2, 3, 4, 5, 6, 7, 8]"):
        bound = bind(text, schema)
        assert select(bound, with_index) == select(bound, source)
        without = best_s(lambda bound=bound: select(bound, source), 20)
        ours = best_s(lambda bound=bound: select(bound, with_index), 20)
        report.add(text, "faster than the column", ours, column=without)


def geometry(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure point in polygon through RTREE beside shapely's tree with its exact check."""
    import shapely

    rng = np.random.default_rng(6)
    points = shapely.points(rng.random(rows) * 360 - 180, rng.random(rows) * 180 - 90)
    schema = schema_of(g=DataType.GEOMETRY)
    source = source_of(schema, g=pa.array(shapely.to_wkb(points), type=pa.large_binary()))
    for radius, what in ((2.0, "small"), (30.0, "large")):
        polygon = shapely.Point(10, 45).buffer(radius, quad_segs=16)
        bound = bind("st_within(g, {area})", schema, {"area": polygon.wkt})
        tree = shapely.STRtree(points)
        peer = best_s(lambda tree=tree, polygon=polygon: tree.query(polygon, predicate="contains"))
        with_index, built = indexed(source, "RTREE", bound.operand)  # type: ignore[attr-defined]
        assert select(bound, with_index).count() == len(tree.query(polygon, predicate="contains"))
        ours = best_s(lambda bound=bound, with_index=with_index: select(bound, with_index))
        plain = best_s(lambda bound=bound: select(bound, source), 3)
        report.add(
            f"points in a {what} polygon, built in {built:.2f} s",
            "<= shapely STRtree",
            ours,
            shapely=peer,
            column=plain,
        )


TEN_TERMS = (
    'price > {price} and price <= 900 and color == "red" and brand in ["a", "b", "c"] and not (stock == 0) and '
    'name like "chair%" and array_contains(tags, "sale") and j["a"]["b"] > 1.5 and n % 2 == 1 and s is not null'
)


def binding(report: Report, _rows: int, _folder: Path | None) -> None:
    """Measure parse and bind of ten terms."""
    types = {"price": DataType.DOUBLE, "stock": DataType.INT64, "name": DataType.VARCHAR, "j": DataType.JSON}
    types |= {"n": DataType.INT32, "s": DataType.VARCHAR, "color": DataType.VARCHAR, "brand": DataType.VARCHAR}
    schema = schema_of(**types)
    tags = Field(id=FieldId(200), name="tags", type=DataType.ARRAY, element_type=DataType.VARCHAR)
    schema = Schema((*schema.fields, tags))
    texts = [TEN_TERMS.replace("{price}", str(number)) for number in range(2_000)]
    begun = time.perf_counter()
    for text in texts:
        bind(text, schema)
    report.add("ten terms, cold", "<= 100 us", (time.perf_counter() - begun) / len(texts))
    cached = best_s(lambda: [bind(texts[-1], schema) for _ in range(1_000)]) / 1_000
    report.add("ten terms, cached", "<= 5 us", cached)
    chain = " or ".join(f"stock == {number}" for number in range(100_000))
    report.add("100,000 terms of or", "well below a second", best_s(lambda: bind(chain, schema), 2))
    listed = f"stock in [{', '.join(str(number) for number in range(100_000))}]"
    report.add("in of 100,000 literals", "-", best_s(lambda: bind(listed, schema), 3))


def query(report: Report, rows: int, _folder: Path | None) -> None:
    """Measure a filtered query of ten rows over stock pymilvus."""
    from pymilvus import DataType as Wire
    from pymilvus import MilvusClient
    from serving.process import elanus_command, running

    os.sched_setaffinity(0, {CLIENT_CPU})
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder, running(elanus_command, Path(folder)) as server:
        client = MilvusClient(server.uri)
        schema = client.create_schema()
        schema.add_field("id", Wire.INT64, is_primary=True)
        schema.add_field("n", Wire.INT64)
        schema.add_field("v", Wire.FLOAT_VECTOR, dim=2)
        client.create_collection("t", schema=schema)
        numbers = rng.permutation(rows)
        for start in range(0, rows, 20_000):
            batch = [{"id": start + k, "n": int(n), "v": [0.0, 1.0]} for k, n in enumerate(numbers[start:][:20_000])]
            client.insert("t", batch)
        client.flush("t")
        index = client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="L2")
        client.create_index("t", index)
        client.load_collection("t")
        for name in ("without index", "STL_SORT"):
            if name == "STL_SORT":
                index = client.prepare_index_params()
                index.add_index("n", index_type="STL_SORT")
                client.create_index("t", index)
            _query(report, client, server, rows, name)
    os.sched_setaffinity(0, {SERVER_CPU})


def _query(report: Report, client: Any, server: Any, rows: int, name: str) -> None:
    def ask(number: int) -> float:
        begun = time.perf_counter()
        found = client.query("t", f"{number} <= n < {number + 10}", output_fields=["id", "n"])
        assert len(found) == 10
        return time.perf_counter() - begun

    for number in range(50):
        ask(number)
    before = server.cpu_s()
    times = [ask(7 * number % (rows - 10)) for number in range(1_000)]
    cpu = (server.cpu_s() - before) / len(times)
    what = f"10 of {rows:,} rows over pymilvus, {name}, p50"
    report.add(what, "server CPU <= 1 ms with index", statistics.median(times), server_cpu=cpu)


MEASURES: Mapping[str, Callable[[Report, int, Path | None], None]] = {
    "columns": columns,
    "membership": membership,
    "bitsets": bitsets,
    "json": json_paths,
    "patterns": patterns,
    "sorted": sorted_index,
    "geometry": geometry,
    "binding": binding,
    "query": query,
}


def chosen(names: Sequence[str]) -> Iterator[tuple[str, Callable[[Report, int, Path | None], None]]]:
    return ((name, measure) for name, measure in MEASURES.items() if not names or name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", default=[], choices=list(MEASURES))
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, {SERVER_CPU})
    pa.set_cpu_count(1)
    report = Report()
    print(f"{options.rows:,} rows, one core, best of several passes; (x) is the peer's time over ours", flush=True)
    for name, measure in chosen(options.only):
        print(f"\n{name}: {(measure.__doc__ or '').partition('.')[0]}", flush=True)
        measure(report, options.rows, options.data)


if __name__ == "__main__":
    main()
