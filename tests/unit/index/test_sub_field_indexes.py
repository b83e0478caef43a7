"""Indexes over the sub-fields of struct arrays: filters on structs look only at rows that may have one that counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from elanus.expr import BatchSource, Operand, bind, select
from elanus.expr.bound import StructMatch
from elanus.expr.evaluation.structs import rows_with_item
from elanus.index import INDEX_KINDS, indexed_operand
from elanus.index.base import TitledIndex
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema, StructField
from elanus.model.types import DataType

ROWS = 300


def sub(number: int, name: str, element: DataType) -> Field:
    name = f"s[{name}]"
    return Field(id=FieldId(number), name=name, type=DataType.ARRAY, element_type=element, nullable=True, struct="s")


SUBS = (sub(111, "n", DataType.INT32), sub(112, "t", DataType.VARCHAR), sub(113, "f", DataType.FLOAT))
KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
SCHEMA = Schema((KEY, *SUBS), structs=(StructField(id=FieldId(110), name="s", nullable=True),))
FILTERS = [
    "match_any(s, $[n] == 3)",
    "element_filter(s, $[n] == 3)",
    "match_any(s, $[n] != 3)",
    "match_any(s, $[n] in [4, 11] and $[t] == \"w4\")",
    "match_any(s, $[n] > 15 or $[t] like \"w1%\")",
    "match_any(s, not ($[n] > 3 and $[f] < 0.5))",
    "match_any(s, 3 < $[n] <= 5 and $[n] % 2 == 0)",
    "match_any(s, $[n] % 2 == 0 or $[n] == 3)",
    "match_least(s, $[n] < 9, threshold=2)",
    "match_exact(s, $[t] =~ \"[12]\", threshold=1)",
    "match_exact(s, $[n] == 3, threshold=0)",
    "match_most(s, $[n] == 3, threshold=1)",
    "match_all(s, $[n] < 15)",
    "not match_any(s, $[f] == 0.25)",
    "array_contains(s[n], 3)",
]  # fmt: skip


class Indexed(BatchSource):
    """A batch with an index of one kind on every sub-field that takes it."""

    def __init__(self, batch: ColumnBatch, kind: str) -> None:
        super().__init__(batch)
        built = INDEX_KINDS[kind]
        assert built.build_scalar is not None
        self._built: dict[Operand, TitledIndex] = {}
        for field in SUBS:
            if field.element_type in built.struct_elements:
                operand = indexed_operand(SCHEMA, field.id, "")
                index = built.build_scalar(operand, self, built.build_params())
                self._built[operand] = TitledIndex(field.name, index)

    def indexes(self, operand: Operand) -> Sequence[Any]:
        return [self._built[operand]] if operand in self._built else []


@pytest.fixture(scope="module")
def batch() -> ColumnBatch:
    rng = np.random.default_rng(2)
    structs: list[list[tuple[int, str, float]] | None] = [
        None
        if rng.random() < 0.1
        else [(int(n), f"w{n % 7}", n / 4) for n in rng.integers(20, size=int(rng.integers(4)))]
        for _ in range(ROWS)
    ]
    columns = {KEY.id: Column(KEY, pa.array(range(ROWS), pa.int64()))}
    for place, field in enumerate(SUBS):
        values = [None if row is None else [struct[place] for struct in row] for row in structs]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return ColumnBatch(columns, ROWS)


@pytest.mark.parametrize("kind", ["INVERTED", "STL_SORT", "BITMAP", "AUTOINDEX"])
@pytest.mark.parametrize("text", FILTERS)
def test_rows_are_the_same_with_and_without(batch: ColumnBatch, kind: str, text: str) -> None:
    bound = bind(text, SCHEMA)
    plain = select(bound, BatchSource(batch))
    assert 0 < plain.count() < ROWS
    assert select(bound, Indexed(batch, kind)) == plain


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("match_any(s, $[n] > 17)", True),
        ("match_any(s, $[n] == 3 and $[n] % 2 == 1)", True),
        ("match_any(s, $[n] == 3 or $[n] % 2 == 1)", False),
        ("match_any(s, $[n] % 2 == 1)", False),
    ],
)
def test_indexes_name_the_rows_that_are_looked_at(batch: ColumnBatch, text: str, known: bool) -> None:
    bound = bind(text, SCHEMA)
    assert isinstance(bound, StructMatch)
    source = Indexed(batch, "INVERTED")
    rows = rows_with_item(bound.predicate, source)
    assert (rows is not None) == known
    if rows is not None:
        wanted = select(bound, BatchSource(batch))
        assert (wanted - rows).count() == 0
        assert rows.count() < ROWS / 2
    assert rows_with_item(bound.predicate, BatchSource(batch)) is None
