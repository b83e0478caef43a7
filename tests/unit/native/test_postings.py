from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus._native import postings
from elanus.model.columns import varlen_buffers


def buffers(values):
    return varlen_buffers(pa.array(values, type=pa.large_binary()))


@given(st.sets(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_bounds_count_smaller_keys(keys, probes):
    ordered = sorted(keys)
    found = postings.lower_bounds(*buffers(ordered), *buffers(probes))
    assert found.tolist() == [sum(key < probe for key in ordered) for probe in probes]


@given(st.lists(st.binary(max_size=2), max_size=4))
def test_order_is_strict(values):
    ascending = all(before < after for before, after in itertools.pairwise(values))
    assert postings.ascends(*buffers(values)) == ascending


@given(st.lists(st.integers(0, 99), max_size=50), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_rows_of_spans_are_joined(rows, spans):
    spans = [tuple(sorted((min(first, len(rows)), min(end, len(rows))))) for first, end in spans]
    array = np.array(spans, dtype=np.int64).reshape(-1, 2)
    found = postings.union(np.array(rows, dtype=np.uint32), array, 100)
    assert found.rows().tolist() == sorted({row for first, end in spans for row in rows[first:end]})


@pytest.mark.parametrize("spans", [[[0, 4]], [[-1, 1]], [[2, 1]], [[0, 1], [2**62, 2**62]]])
def test_spans_outside_are_refused(spans):
    with pytest.raises(ValueError, match="does not lie within the postings"):
        postings.union(np.arange(3, dtype=np.uint32), np.array(spans, dtype=np.int64), 10)


def test_rows_and_offsets_outside_are_refused():
    with pytest.raises(ValueError, match="there is no row 9"):
        postings.union(np.array([1, 9], dtype=np.uint32), np.array([[0, 2]]), 9)
    bad = np.array([0, 9], dtype=np.int64)
    text = np.zeros(3, dtype=np.uint8)
    with pytest.raises(ValueError, match="offsets of row 0"):
        postings.ascends(bad, text)
    with pytest.raises(ValueError, match="offsets of row 0"):
        postings.lower_bounds(bad, text, *buffers([b"a"]))
