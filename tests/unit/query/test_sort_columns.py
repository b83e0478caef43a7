"""Values as numbers that sort as they do, aggregates from their texts."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from elanus.query.grouping.spec import Measuring
from elanus.query.sorting import sort_columns
from elanus.query.tables.aggregates import Aggregate, Histogram, parse_aggregate, parse_histogram, replace_calls

LARGEST = 2**63 - 1
VALUES = {
    "int64": pa.array([3, -LARGEST - 1, LARGEST, 0, -1, 3], type=pa.int64()),
    "int8": pa.array([3, -128, 127, 0], type=pa.int8()),
    "bool": pa.array([True, False, True]),
    "double": pa.array([0.5, -0.5, 1e308, -1e308, 5e-324, -5e-324, 0.0, float("inf"), -float("inf")]),
    "float": pa.array([0.5, -0.25, 3e38, 1e-45, -1e-45], type=pa.float32()),
    "text": pa.array(["b", "", "é", "B", "ba", "b"], type=pa.large_string()),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("nulls_first", [False, True])
def test_numbers_sort_as_values_do(kind: str, *, descending: bool, nulls_first: bool) -> None:
    values = pa.concat_arrays([VALUES[kind], pa.nulls(2, type=VALUES[kind].type), VALUES[kind].slice(1)])
    columns = sort_columns(values, descending=descending, nulls_first=nulls_first)
    order = np.lexsort(tuple(reversed(columns))).tolist()
    plain = values.to_pylist()
    there = sorted((place for place, value in enumerate(plain) if value is not None), key=lambda place: plain[place])
    if descending:
        there = [
            place
            for _, group in itertools.groupby(reversed(there), key=lambda place: plain[place])
            for place in sorted(group)
        ]
    nulls = [place for place, value in enumerate(plain) if value is None]
    assert order == (nulls + there if nulls_first else there + nulls)


def test_both_zeros_are_equal() -> None:
    (column,) = sort_columns(pa.array([0.0, -0.0]), descending=True, nulls_first=False)
    assert column[0] == column[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count(*)", Aggregate(Measuring.COUNT, "*")),
        (" COUNT ( * ) ", Aggregate(Measuring.COUNT, "*")),
        ("Avg(price)", Aggregate(Measuring.AVG, "price")),
        ("count( DISTINCT  price )", Aggregate(Measuring.COUNT, "price", distinct=True)),
        ("count(distinct)", Aggregate(Measuring.COUNT, "distinct")),
        ("median(price)", None),
        ("sum(price", None),
        ("sum(avg(price))", None),
        ("summary", None),
    ],
)
def test_an_aggregate_is_a_function_of_a_field(text: str, expected: Aggregate | None) -> None:
    assert parse_aggregate(text) == expected


def test_a_histogram_is_a_field_and_a_width() -> None:
    assert parse_histogram(" Histogram( price , 2.5 ) ") == Histogram("price", "2.5")
    assert parse_histogram("histogram(price)") is None


def test_calls_within_quotes_are_left_alone() -> None:
    text = """count(*) > 3 and color != "sum(x)" or color == 'a\\'min(y)' and Histogram(n, 2) == 4"""
    called: list[str] = []
    assert replace_calls(text, lambda call: called.append(call) or "it") == (
        """it > 3 and color != "sum(x)" or color == 'a\\'min(y)' and it == 4"""
    )
    assert called == ["count(*)", "Histogram(n, 2)"]
