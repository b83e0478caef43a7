"""The one order of hits, and candidates as columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.query.candidates import Candidates, Page
from elanus.query.order import TOLERANCE, order_hits


def candidates(counts: list[int], distances: list[float], keys: pa.Array | None = None) -> Candidates:
    total = sum(counts)
    return Candidates(
        (),
        np.array(counts, dtype=np.int64),
        np.zeros(total, dtype=np.int64),
        np.arange(total, dtype=np.int64),
        pa.array(range(total), type=pa.int64()) if keys is None else keys,
        np.array(distances, dtype=np.float32),
        descending=True,
    )


def ordered(distances: list[float], keys: pa.Array, queries: list[int] | None = None) -> list[int]:
    query = np.zeros(len(distances), dtype=np.int64) if queries is None else np.array(queries, dtype=np.int64)
    return order_hits(query, np.array(distances, dtype=np.float32), keys).tolist()


def test_nearer_hits_come_first_and_equal_ones_by_key() -> None:
    assert ordered([0.5, 0.25, 0.5, 0.25], pa.array([3, 9, 1, 2])) == [3, 1, 2, 0]


def test_texts_compare_bytewise() -> None:
    keys = pa.array(["b", "\U0001f600", "\uffff", "a"], type=pa.large_string())
    assert ordered([1.0, 1.0, 1.0, 1.0], keys) == [3, 0, 2, 1]


def test_hits_of_one_query_stay_together() -> None:
    assert ordered([0.1, 0.9, 0.1, 0.2], pa.array([1, 2, 0, 3]), [1, 0, 1, 0]) == [3, 1, 2, 0]


def test_distances_within_the_tolerance_are_equal() -> None:
    step = float(TOLERANCE) / 2
    assert ordered([0.0, step], pa.array([2, 1])) == [1, 0]
    assert ordered([0.0, 3 * step], pa.array([2, 1])) == [0, 1]


def test_a_chain_of_small_steps_is_not_one_tie() -> None:
    """Each is equal to its neighbour, but the last lies far from the first."""
    step = float(TOLERANCE) * 0.7
    assert ordered([0.0, step, 2 * step, 3 * step], pa.array([4, 3, 2, 1])) == [1, 0, 3, 2]


def test_infinite_distances_are_ordered_by_key() -> None:
    assert ordered([np.inf, 0.0, np.inf, -np.inf], pa.array([4, 3, 2, 1])) == [3, 1, 2, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0, -2.0]), st.integers(-5, 5)), max_size=40))
def test_the_order_is_that_of_sorted_tuples(hits: list[tuple[int, float, int]]) -> None:
    queries, distances, keys = (list(values) for values in zip(*hits, strict=True)) if hits else ([], [], [])
    found = ordered(distances, pa.array(keys, type=pa.int64()), queries)
    assert [hits[place] for place in found] == sorted(hits)


def test_a_page_is_cut_from_each_query() -> None:
    page = Page(1, 2).apply(candidates([3, 1, 4], [0.0] * 8))
    assert page.counts.tolist() == [2, 0, 2]
    assert page.rows.tolist() == [1, 2, 5, 6]


def test_scores_have_the_sign_that_users_see() -> None:
    found = candidates([2], [-0.75, 0.0])
    assert found.scores.tolist() == [0.75, 0.0]
    assert not np.signbit(found.scores).any()


@pytest.mark.parametrize("descending", [True, False])
def test_hits_can_be_scored_anew(descending: bool) -> None:
    found = candidates([3], [0.1, 0.2, 0.3]).scored(np.array([1.0, 3.0, 2.0]), descending=descending).ordered()
    assert found.scores.tolist() == sorted([1.0, 2.0, 3.0], reverse=descending)
