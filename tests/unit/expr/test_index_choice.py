"""Which way answers a leaf: the cheapest of an index, the column and the rows left; indexes are asked once a leaf."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from elanus.expr import Answer, BatchSource, Operand, Step, bind, select
from elanus.expr.bound import OperandLeaf
from elanus.index import INDEX_KINDS, indexed_operand
from elanus.index.base import TitledIndex
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

ROWS = 20_000
KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
NUMBER = Field(id=FieldId(101), name="n", type=DataType.INT64, nullable=True)
TEXT = Field(id=FieldId(102), name="s", type=DataType.VARCHAR)
LIST = Field(
    id=FieldId(103), name="a", type=DataType.ARRAY, element_type=DataType.INT32, params=(("max_capacity", "9"),)
)
SCHEMA = Schema((KEY, NUMBER, TEXT, LIST))
INDEXES = [(NUMBER, "STL_SORT", {}), (TEXT, "NGRAM", {"min_gram": 2, "max_gram": 3}), (LIST, "INVERTED", {})]


class Asked(TitledIndex):
    """An index that notes what it is asked, and what it is made to answer."""

    __slots__ = ("answered", "asked")

    def __init__(self, title: str, index: TitledIndex) -> None:
        super().__init__(title, index.index)
        object.__setattr__(self, "asked", [])
        object.__setattr__(self, "answered", [])

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        self.asked.append(leaf)
        answer = super().answer(leaf)
        if answer is None:
            return None
        return answer._replace(truth=lambda: self.answered.append(leaf) or answer.truth())


class Indexed(BatchSource):
    """Rows with an index on each field, but the key."""

    def __init__(self, batch: ColumnBatch) -> None:
        super().__init__(batch)
        self.over: dict[Operand, list[Asked]] = {}
        for field, kind, params in INDEXES:
            operand, made = indexed_operand(SCHEMA, field.id, ""), INDEX_KINDS[kind]
            assert made.build_scalar is not None
            index = made.build_scalar(operand, BatchSource(batch), made.build_params.parse(params))
            self.over[operand] = [Asked(f"{field.name} ({kind})", TitledIndex(field.name, index))]

    def indexes(self, operand: Operand) -> Sequence[Asked]:
        return self.over.get(operand, [])

    def notes(self) -> list[Asked]:
        return [index for indexes in self.over.values() for index in indexes]


def column(field: Field, values: Sequence[object]) -> Column:
    return Column(field, pa.array(values, type=arrow_type(field)))


@pytest.fixture
def source() -> Indexed:
    numbers = [None if row % 10 == 3 else row % 5_000 for row in range(ROWS)]
    batch = ColumnBatch(
        {
            KEY.id: column(KEY, range(ROWS)),
            NUMBER.id: column(NUMBER, numbers),
            TEXT.id: column(TEXT, [f"word {row % 997}" for row in range(ROWS)]),
            LIST.id: column(LIST, [[row % 50, row % 700] for row in range(ROWS)]),
        },
        ROWS,
    )
    return Indexed(batch)


def traced(text: str, source: BatchSource, within: Bitset | None = None) -> tuple[Bitset, Step]:
    trace = Step(None)
    rows = select(bind(text, SCHEMA), source, within, trace)
    assert rows == select(bind(text, SCHEMA), BatchSource(source.batch), within)
    return rows, trace


@pytest.mark.parametrize(
    ("text", "how", "found"),
    [
        ("n == 7", "index n (STL_SORT)", 4),
        ("not (n == 7)", "index n (STL_SORT)", 17_996),
        ("7 <= n < 10", "index n (STL_SORT)", 12),
        ("n in [7, 8, 9999]", "index n (STL_SORT)", 8),
        ("n > 100 and n < 103", "index n (STL_SORT)", 8),
        ('s like "%996%"', "index s (NGRAM)", 20),
        ('not (s like "%996%")', "index s (NGRAM)", 19_980),
        ("array_contains_all(a, [7, 57])", "index a (INVERTED)", 29),
        ("a == [7, 57]", "index a (INVERTED)", 29),
        ("a == [57, 7]", "index a (INVERTED)", 0),
        ("id == 5", "column", 1),
        ("n % 2 == 1", "column", None),
        ('s like "%w%"', "column", 20_000),
    ],
)
def test_leaves_are_answered_in_the_cheapest_way(source: Indexed, text: str, how: str, found: int | None) -> None:
    rows, trace = traced(text, source)
    assert trace.how == how
    assert found is None or rows.count() == found
    assert (trace.rows_in, trace.rows_out) == (ROWS, rows.count())


def test_an_index_is_asked_once_about_a_leaf_however_often_it_is_weighed(source: Indexed) -> None:
    traced('(n == 7 or (n == 8 and s like "%996%")) and (array_contains(a, 7) or n > 4990)', source)
    for index in source.notes():
        assert index.asked
        assert len(index.asked) == len({id(leaf) for leaf in index.asked})


def test_what_nobody_asks_any_more_is_not_read(source: Indexed) -> None:
    _, trace = traced('n == 99999 and array_contains(a, 7) and s like "%996%"', source)
    assert [step.how for step in trace.steps] == ["index n (STL_SORT)", "skipped", "skipped"]
    assert [len(index.answered) for index in source.notes()] == [1, 0, 0]


def test_few_rows_left_are_looked_at_themselves(source: Indexed) -> None:
    within = Bitset.from_rows(np.array([7, 5_007]), ROWS)
    rows, trace = traced('n == 7 and s like "word%"', source, within)
    assert rows.rows().tolist() == [7, 5_007]
    assert [step.how for step in trace.steps] == ["index n (STL_SORT)", "column, rows left"]


def test_candidates_of_an_inexact_index_are_looked_at(source: Indexed) -> None:
    rows, trace = traced("a == [7, 57]", source)
    assert trace.candidates >= rows.count() == 29
    within = Bitset.first(ROWS // 2, ROWS)
    fewer, again = traced("a == [7, 57]", source, within)
    assert (again.how, again.candidates) == (trace.how, fewer.count())
    _, exact = traced("n == 7", source)
    assert exact.candidates == -1
