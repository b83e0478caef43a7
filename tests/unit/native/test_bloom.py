"""Bloom filters: never a wrong no, few wrong perhapses, hashes that stay what they are."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus._native.bloom import BLOCK_BYTES, BloomFilter, distinct_hashes
from elanus._native.keys import hash_values

INTS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)


def hashed(values: list):
    return hash_values(pa.array(values, pa.int64() if isinstance(values[0], int) else pa.large_string()))


@given(st.one_of(INTS, st.lists(st.text(), min_size=1)), st.integers(1, 5))
def test_what_was_put_in_is_found(values, blocks):
    hashes = hashed(values)
    one = BloomFilter.build(distinct_hashes(hashes), blocks * BLOCK_BYTES)
    assert one.contains(hashes).all()
    assert one.contains_any(hashes[-1:])


def test_few_of_the_others_are_let_through():
    one = BloomFilter.build(hashed(list(range(10_000))), 10_000 * 10 // 8 // BLOCK_BYTES * BLOCK_BYTES)
    others = hashed(list(range(10_000, 110_000)))
    assert 0 < one.contains(others).mean() < 0.03


def test_narrow_integers_hash_as_wide_ones():
    assert (hash_values(pa.array([-1, 7], pa.int8())) == hash_values(pa.array([-1, 7], pa.int64()))).all()
    sliced = pa.array(["x", "a", "b"], pa.large_string())[1:]
    assert (hash_values(sliced) == hashed(["a", "b"])).all()


@pytest.mark.parametrize("num_bytes", [0, BLOCK_BYTES - 1, BLOCK_BYTES + 1])
def test_a_filter_is_whole_blocks(num_bytes):
    with pytest.raises(ValueError, match="are no filter"):
        BloomFilter.build(hashed([1]), num_bytes)
