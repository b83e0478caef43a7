"""Elements of struct arrays: expanded from rows, ordered like their rows, collapsed to rows again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus._native.kernels import Vectors
from elanus._native.max_sim import max_sim
from elanus.model.bitset import Bitset
from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType, Metric
from elanus.query.candidates import Candidates
from elanus.query.structs.elements import Collapse, parse_collapse
from elanus.segment.elements import Elements

FIELD = Field(
    id=FieldId(101),
    name="s[v]",
    type=DataType.ARRAY_OF_VECTOR,
    element_type=DataType.FLOAT_VECTOR,
    dim=2,
    max_capacity=8,
    struct="s",
)
KIND = pa.large_list(pa.list_(pa.float32(), 2))
LISTS = [[[0.0, 1.0]], None, [[2.0, 3.0], [4.0, 5.0]], [], [[6.0, 7.0]], []]


def elements(lists: list[Any] = LISTS, *, first: int = 0) -> Elements:
    return Elements.of(Column(FIELD, pa.array(lists, type=KIND).slice(first)))


@pytest.mark.parametrize(("first", "offsets"), [(0, [0, 1, 1, 3, 3, 4, 4]), (1, [0, 0, 2, 2, 3, 3]), (5, [0, 0])])
def test_lists_lie_end_to_end_without_their_nulls(first: int, offsets: list[int]) -> None:
    found = elements(first=first)
    assert found.offsets.tolist() == offsets
    flat = [vector for row in LISTS[first:] for vector in row or ()]
    held = np.frombuffer(found.vectors.data, dtype=np.float32)[: 2 * len(found)]
    assert held.reshape(-1, 2).tolist() == flat
    assert found.num_rows == len(offsets) - 1


def test_elements_know_their_rows() -> None:
    found = elements()
    assert found.owners(np.array([3, 0, 2, 1])).tolist() == [4, 0, 2, 2]
    assert found.owning is not None
    assert found.owning.rows().tolist() == [0, 2, 4]
    assert elements([[[1.0, 1.0]]]).owning is None
    assert elements([]).num_rows == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 2**32), st.integers(1, 90))
def test_rows_expand_to_their_elements(sizes: list[int], seed: int, repeat: int) -> None:
    sizes = sizes * repeat
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    found = Elements(Vectors(b"", int(offsets[-1]), 2), offsets)
    random = np.random.default_rng(seed)
    for share in (0.005, 0.5):
        rows = np.flatnonzero(random.random(len(sizes)) < share)
        expanded = found.of_rows(Bitset.from_rows(rows, len(sizes)))
        expected = [at for row in rows for at in range(offsets[row], offsets[row + 1])]
        assert expanded is not None
        assert expanded.num_rows == len(found)
        assert expanded.rows().tolist() == expected
    assert found.of_rows(None) is None


def test_distances_of_lists_are_sums_of_the_nearest() -> None:
    found, asked = elements(), Vectors.of(np.array([[0.0, 1.0], [5.0, 5.0]], dtype=np.float32))
    near = max_sim(asked, found.vectors, Metric.L2, found.offsets, np.array([2, 0, 1, 2]))
    assert near.tolist() == [8.0 + 1.0, 0.0 + 41.0, np.inf, 9.0]
    with pytest.raises(ValueError, match="row 6 has no offsets"):
        max_sim(asked, found.vectors, Metric.L2, found.offsets, np.array([6]))


# --- collapse ---


def hits(counts: list[int], rows: list[int], scores: list[float], *, descending: bool = True) -> Candidates:
    sign = -1 if descending else 1
    return Candidates(
        (),
        np.array(counts, dtype=np.int64),
        np.array([row // 10 for row in rows], dtype=np.int64),
        np.array([row % 10 for row in rows], dtype=np.int64),
        pa.array(rows, type=pa.int64()),
        np.array(scores, dtype=np.float32) * np.float32(sign),
        descending,
        np.arange(len(rows), dtype=np.int64),
    )


FOUND = ([5, 3], [3, 13, 3, 3, 13, 7, 3, 7], [9.0, 8.0, 4.0, 2.0, 1.0, 6.0, 5.0, 4.0])


@pytest.mark.parametrize(
    ("collapse", "rows", "scores"),
    [
        (Collapse(), [3, 13, 7, 3], [9, 8, 6, 5]),
        (Collapse("sum"), [3, 13, 7, 3], [15, 9, 10, 5]),
        (Collapse("avg"), [3, 13, 3, 7], [5, 4.5, 5, 5]),
        (Collapse("topk_sum", 2), [3, 13, 7, 3], [13, 9, 10, 5]),
        (Collapse("topk_avg", 2), [3, 13, 3, 7], [6.5, 4.5, 5, 5]),
        (Collapse("topk_avg", 1), [3, 13, 7, 3], [9, 8, 6, 5]),
        (Collapse("topk_sum", 99), [3, 13, 7, 3], [15, 9, 10, 5]),
    ],
    ids=lambda value: f"{value.strategy}{value.topk}" if isinstance(value, Collapse) else "",
)
def test_the_elements_of_a_row_become_one_hit(collapse: Collapse, rows: list[int], scores: list[float]) -> None:
    found = collapse.apply(hits(*FOUND))
    assert found.counts.tolist() == [2, 2]
    assert found.keys.to_pylist() == rows
    assert (found.parts * 10 + found.rows).tolist() == rows
    assert found.scores.tolist() == scores
    assert found.elements is None


def test_of_distances_the_smallest_counts() -> None:
    found = Collapse().apply(hits([3], [1, 2, 1], [0.5, 0.75, 2.0], descending=False))
    assert (found.keys.to_pylist(), found.scores.tolist()) == ([1, 2], [0.5, 0.75])


def test_nothing_and_rows_stay_what_they_are() -> None:
    assert Collapse("topk_avg", 3).apply(hits([0, 0], [], [])).counts.tolist() == [0, 0]
    collapsed = Collapse().apply(hits(*FOUND))
    assert Collapse("sum").apply(collapsed) is collapsed


def scope(**collapse: Any) -> dict[str, Any]:
    return {"element_scope": {"collapse": collapse}}


def test_a_scope_is_read_from_parameters() -> None:
    assert parse_collapse({}, Metric.L2) is None
    assert parse_collapse(scope(), Metric.L2) == Collapse("max")
    assert parse_collapse(scope(strategy="avg"), Metric.IP) == Collapse("avg")
    assert parse_collapse(scope(strategy="topk_sum", topk=3), Metric.COSINE) == Collapse("topk_sum", 3)


@pytest.mark.parametrize(
    ("params", "phrase"),
    [
        ({"element_scope": "max"}, "element_scope should be"),
        ({"element_scope": {"strategy": "max"}}, "element_scope should be"),
        (scope(strategy="min"), "strategy min is not supported"),
        (scope(strategy=["max"]), "is not supported"),
        (scope(strategy="topk_sum"), "needs a positive topk, got None"),
        (scope(strategy="topk_avg", topk=0), "needs a positive topk, got 0"),
        (scope(strategy="topk_avg", topk=True), "needs a positive topk"),
        (scope(strategy="sum", topk=2), "takes no topk, got 2"),
    ],
)
def test_scopes_that_cannot_be_are_refused(params: dict[str, Any], phrase: str) -> None:
    with pytest.raises(InvalidParameter, match=phrase):
        parse_collapse(params, Metric.IP)


@pytest.mark.parametrize("strategy", ["sum", "avg", "topk_sum", "topk_avg"])
def test_distances_are_not_summed_up(strategy: str) -> None:
    with pytest.raises(InvalidParameter, match="needs a metric of which larger is better"):
        parse_collapse(scope(strategy=strategy, topk=2), Metric.L2)
