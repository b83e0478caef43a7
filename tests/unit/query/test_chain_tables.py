"""Chains on tables of their own, against Python over rows: nulls, what is no number, ties, several queries."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import Wrapped
from elanus.model.hits import Hits
from elanus.model.schema import Field, Schema
from elanus.model.settings import FunctionSettings
from elanus.model.types import DataType
from elanus.query.candidates import Candidates
from elanus.query.chains.compile import Chain, compile_chain
from elanus.query.chains.frame import GROUP_SCORE, ID, SCORE, Frame, column_of, order_keys
from elanus.query.chains.spec import ChainSpec, ChainStage, FunctionSpec, OpSpec
from elanus.query.chains.stage import ChainedCandidates, ChainedHits

RANDOM = np.random.default_rng(12)
SCHEMA = Schema(
    fields=(
        Field(id=1, name="id", type=DataType.VARCHAR, is_primary=True, max_length=8),
        Field(id=2, name="price", type=DataType.DOUBLE, nullable=True),
        Field(id=3, name="word", type=DataType.VARCHAR, nullable=True, max_length=8),
        Field(id=4, name="small", type=DataType.INT8),
        Field(id=5, name="good", type=DataType.BOOL, nullable=True),
    )
)
COUNTS = np.array([40, 0, 25, 1])
Row = dict[str, Any]


def table() -> tuple[Frame, list[list[Row]]]:
    """Return random rows, as a table and as lists of rows, one a query."""
    total = int(COUNTS.sum())
    rows = [
        {
            ID: f"k{place:03}",
            SCORE: None if RANDOM.random() < 0.1 else float(np.float32(RANDOM.integers(8)) / 4),
            "price": None if RANDOM.random() < 0.2 else [math.nan, 1.0, 2.5, -3.0][int(RANDOM.integers(4))],
            "word": None if RANDOM.random() < 0.2 else ["ant", "bee", "cat"][int(RANDOM.integers(3))],
            "small": int(RANDOM.integers(-5, 5)),
            "good": [None, True, False][int(RANDOM.integers(3))],
            "hit": place,
        }
        for place in range(total)
    ]
    kinds = {ID: pa.large_string(), SCORE: pa.float32(), "price": pa.float64(), "word": pa.large_string()}
    kinds |= {"small": pa.int8(), "good": pa.bool_()}
    columns = {name: pa.array([row[name] for row in rows], type=kind) for name, kind in kinds.items()}
    ends = np.cumsum(COUNTS)
    return Frame.of(COUNTS, columns), [rows[end - count : end] for end, count in zip(ends, COUNTS, strict=True)]


def compiled(*ops: OpSpec, stage: ChainStage = ChainStage.L2_RERANK) -> Chain:
    return compile_chain(ChainSpec(stage, ops), SCHEMA, FunctionSettings())


def mapped(output: str, name: str, *columns: str, **params: Any) -> OpSpec:
    return OpSpec("map", FunctionSpec(name, columns, params), outputs=(output,))


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def hits_of(frame: Frame) -> list[list[int]]:
    ends = np.cumsum(frame.counts)
    return [frame.hits[end - count : end].tolist() for end, count in zip(ends, frame.counts, strict=True)]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("column", [ID, SCORE, "price", "word", "small", "good"])
def test_sort_is_stable_and_puts_what_is_missing_last(column: str, descending: bool) -> None:
    frame, queries = table()
    done = compiled(OpSpec("sort", params={"column": column, "desc": descending})).run(frame)
    expected = []
    for rows in queries:
        known = sorted({row[column] for row in rows if not missing(row[column])}, reverse=descending)
        place = {value: rank for rank, value in enumerate(known)}
        keyed = sorted(rows, key=lambda row: place.get(row[column], len(place)))
        expected.append([row["hit"] for row in keyed])
    assert hits_of(done) == expected
    for name, values in done.columns.items():
        assert str(values.to_pylist()) == str([frame.columns[name][hit].as_py() for hit in done.hits])


def test_ties_go_to_the_other_column_ascending() -> None:
    frame, queries = table()
    done = compiled(OpSpec("sort", params={"column": "word", "tie_break_col": "small"})).run(frame)
    words = {"cat": 0, "bee": 1, "ant": 2, None: 3}
    assert hits_of(done) == [
        [row["hit"] for row in sorted(rows, key=lambda row: (words[row["word"]], row["small"]))] for rows in queries
    ]


@pytest.mark.parametrize("scorer", ["max", "sum", "avg"])
@pytest.mark.parametrize("field", ["word", "price", "small", "good"])
def test_groups_are_those_of_a_loop(field: str, scorer: str) -> None:
    frame, queries = table()
    params = {"field": field, "group_size": 2, "limit": 2, "offset": 1, "scorer": scorer}
    done = compiled(OpSpec("group_by", params=params)).run(frame)
    of = {"max": max, "sum": sum, "avg": lambda scores: sum(scores) / len(scores)}[scorer]
    expected, scores = [], []
    for rows in queries:
        groups: dict[Any, list[Row]] = {}
        for row in sorted(rows, key=lambda row: math.inf if row[SCORE] is None else -row[SCORE]):
            groups.setdefault(None if missing(row[field]) else row[field], []).append(row)
        kept = [group[:2] for group in groups.values()]
        scored = [of([-math.inf if row[SCORE] is None else row[SCORE] for row in group]) for group in kept]
        order = sorted(range(len(kept)), key=lambda place: -scored[place])[1:3]
        expected.append([row["hit"] for place in order for row in kept[place]])
        scores += [scored[place] for place in order for _ in kept[place]]
    assert hits_of(done) == expected
    assert done.columns[GROUP_SCORE].to_pylist() == pytest.approx(scores)


@pytest.mark.parametrize("mode", ["multiply", "sum", "max", "min", "avg", "weighted"])
def test_num_combine_is_missing_where_one_of_its_columns_is(mode: str) -> None:
    frame, queries = table()
    weights = {"weights": [2, 0.5, -1]} if mode == "weighted" else {}
    done = compiled(mapped("out", "num_combine", SCORE, "price", "small", mode=mode, **weights)).run(frame)
    function = {
        "multiply": math.prod,
        "sum": sum,
        "max": max,
        "min": min,
        "avg": lambda values: sum(values) / 3,
        "weighted": lambda values: 2 * values[0] + 0.5 * values[1] - values[2],
    }[mode]
    found = done.columns["out"].to_pylist()
    for row, value in zip([row for rows in queries for row in rows], found, strict=True):
        inputs = [row[SCORE], row["price"], row["small"]]
        assert (value is None) == any(missing(given) for given in inputs)
        if value is not None:
            assert value == pytest.approx(function(inputs))


@pytest.mark.parametrize(
    ("function", "factors"),
    [("gauss", (1, 0.840896, 0.5, 0.0625)), ("exp", (1, 0.707107, 0.5, 0.25)), ("linear", (1, 0.75, 0.5, 0.5))],
)
def test_decay_check_values(function: str, factors: tuple[float, ...]) -> None:
    columns = {"price": pa.array([0.0, 5.0, -10.0, 20.0, None])}
    op = mapped("out", "decay", "price", function=function, origin=0, scale=10)
    done = compiled(op).run(Frame.of(np.array([5]), columns))
    found = done.columns["out"].to_pylist()
    assert found[:4] == pytest.approx(factors, abs=1e-6)
    assert found[4] is None


def test_halves_are_rounded_away_from_zero() -> None:
    columns = {"price": pa.array([0.125, -0.125, 2.5, -2.5, None, 1e300])}
    op = [mapped(f"to{decimals}", "round_decimal", "price", decimal=decimals) for decimals in (0, 2)]
    done = compiled(*op).run(Frame.of(np.array([6]), columns))
    assert done.columns["to0"].to_pylist() == [0.0, -0.0, 3.0, -3.0, None, 1e300]
    assert done.columns["to2"].to_pylist() == [0.13, -0.13, 2.5, -2.5, None, 1e300]


def test_a_column_can_take_the_name_of_a_field() -> None:
    chain = compiled(
        mapped("price", "num_combine", "small", "small", mode="sum"),
        mapped(SCORE, "num_combine", "price", "small", mode="max"),
    )
    assert [field.name for field in chain.fields] == ["small"]
    frame, queries = table()
    done = chain.run(frame)
    expected = [max(2 * row["small"], row["small"]) for rows in queries for row in rows]
    assert done.columns[SCORE].to_pylist() == expected
    assert done.columns[SCORE].type == pa.float32()


def test_what_a_chain_reads_is_known_before_it_runs() -> None:
    chain = compiled(OpSpec("sort", params={"column": "word", "tie_break_col": ID}), OpSpec("filter", inputs=("good",)))
    assert [field.name for field in chain.fields] == ["word", "good"]
    assert (chain.rescores, chain.selects) == (False, False)
    assert pickle.loads(pickle.dumps(chain)) == chain


def test_texts_are_no_numbers_even_as_keys() -> None:
    with pytest.raises(Wrapped, match=r"L2_rerank function chain: op\[0\] map: num_combine: unsupported"):
        compiled(mapped(SCORE, "num_combine", ID, SCORE))


def test_keys_that_sort() -> None:
    values = pa.array([2.0, math.nan, None, -1.0, 2.0])
    assert order_keys(values, descending=True).tolist() == [1, 3, 3, 2, 1]
    assert column_of(np.array([1.0, np.nan, 2.0]), np.array([True, True, False])).to_pylist() == [1.0, None, None]


# --- within a search ---


@dataclass(frozen=True)
class Segment:
    """Rows of one segment, as chains read them."""

    prices: list[float | None]
    primary = Field(id=1, name="id", type=DataType.INT64, is_primary=True)
    field = Field(id=2, name="price", type=DataType.DOUBLE, nullable=True)
    schema = Schema(fields=(primary, field))

    def column(self, _: int) -> Column:
        return Column(self.primary, pa.array(range(100, 100 + len(self.prices))))

    def fetch(self, rows: np.ndarray, fields: list[int]) -> ColumnBatch:
        data = pa.array(self.prices, type=pa.float64()).take(pa.array(rows))
        return ColumnBatch({field: Column(self.field, data) for field in fields}, len(rows))


def of_price(stage: ChainStage) -> Chain:
    spec = ChainSpec(stage, (mapped(SCORE, "num_combine", SCORE, "price", mode="sum"),))
    return compile_chain(spec, Segment.schema, FunctionSettings())


def test_a_segments_hits_come_best_first_and_padding_last() -> None:
    rows = np.array([[0, 1, 2, 3], [3, 1, -1, -1], [-1, -1, -1, -1]])
    distances = np.array([[1, 2, 3, 4], [0, 1, np.inf, np.inf], [np.inf] * 4], dtype=np.float32)
    elements = np.array([[5, 6, 7, 8], [1, 2, -1, -1], [-1] * 4])
    scorer = ChainedHits(of_price(ChainStage.L0_RERANK), Segment.primary)
    found = scorer.apply(Segment([0.0, None, 5.0, 3.0]), Hits(rows, distances, elements))
    assert found.rows.tolist() == [[2, 0, 3, 1], [3, 1, -1, -1], [-1] * 4]
    assert found.distances.tolist() == [[-2, 1, 1, np.inf], [-3, np.inf, np.inf, np.inf], [np.inf] * 4]
    assert found.elements is not None
    assert found.elements.tolist() == [[7, 5, 8, 6], [1, 2, -1, -1], [-1] * 4]
    nothing = Hits.none(2, 3)
    assert scorer.apply(Segment([1.0]), nothing) is nothing


@pytest.mark.parametrize("descending", [True, False])
def test_candidates_keep_their_order_under_the_scores_of_a_chain(descending: bool) -> None:
    segment = Segment([0.0, None, 5.0, 3.0])
    rows, zeros = np.array([1, 2, 0]), np.zeros(3, dtype=np.int64)
    seen = np.array([3, 2, 1], dtype=np.float32)
    distances = -seen if descending else seen
    given = Candidates((segment,), np.array([2, 1]), zeros, rows, pa.array([101, 102, 100]), distances, descending)
    done = ChainedCandidates(of_price(ChainStage.L2_RERANK)).apply(given)
    assert done.keys.to_pylist() == [101, 102, 100]
    assert done.scores.tolist() == [-math.inf, 7.0, 1.0]
    assert done.descending
