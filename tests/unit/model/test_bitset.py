"""Bitsets against boolean masks, whatever the size and however many rows are set."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus.model.bitset import SCATTERED, TINY_BYTES, Bitset, intersect
from elanus.model.columns import validity

_SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
_LARGE = TINY_BYTES * 8 * 3 + 5
_SIZES = [0, 1, 7, 8, 9, 63, 64, 65, 1000, TINY_BYTES * 8, TINY_BYTES * 8 + 1, _LARGE]
_SHARES = [0.0, 0.1 / SCATTERED, 0.5, 1.0]


def _masks(rows, share):
    random = np.random.default_rng(rows)
    return random.random(rows) < share, random.random(rows) < 0.5


def _check(found, mask):
    """Compare, and see that bits past the last row are zero."""
    assert found.num_rows == len(found) == len(mask)
    assert found.bits.tobytes() == np.packbits(mask, bitorder="little").tobytes()
    assert found.count() == mask.sum()
    assert Bitset(found.bits, len(mask)).any() == mask.any() == found.any()
    np.testing.assert_array_equal(found.mask(), mask)
    rows = Bitset(found.bits, len(mask)).rows()
    assert rows.dtype == np.int64
    np.testing.assert_array_equal(rows, np.flatnonzero(mask))


@pytest.mark.parametrize("share", _SHARES)
@pytest.mark.parametrize("rows", _SIZES)
def test_sets_are_their_masks(rows, share):
    left, right = _masks(rows, share)
    half, full, empty = (np.arange(rows) < count for count in (rows // 2, rows, 0))
    sets = {
        left.tobytes(): (Bitset.from_mask(left), Bitset.from_rows(np.flatnonzero(left)[::-1], rows)),
        right.tobytes(): (Bitset.from_mask(right), Bitset.from_rows(np.flatnonzero(right), rows, ascending=True)),
        half.tobytes(): (Bitset.first(rows // 2, rows),),
        full.tobytes(): (Bitset.all(rows), Bitset.from_mask(full)),
        empty.tobytes(): (Bitset.none(rows), Bitset.from_mask(empty)),
    }
    pairs = [(one, np.frombuffer(mask, dtype=np.bool_)) for mask, made in sets.items() for one in made]
    for one, mask in pairs:
        _check(~one, ~mask)
        for other, others in pairs:
            _check(one & other, mask & others)
            _check(one | other, mask | others)
            _check(one - other, mask & ~others)
            assert (one == other) is bool((mask == others).all())
        _check(one, mask)


def test_a_few_rows_are_kept_as_they_are_and_come_once():
    rows = np.array([7, 99_999, 7, 0])
    few = Bitset.from_rows(rows, 100_000)
    rows[:] = 1
    assert few.rows().tolist() == [0, 7, 99_999]
    assert not few.rows().flags.writeable
    assert (few & Bitset.first(8, 100_000)).rows().tolist() == [0, 7]
    assert pickle.loads(pickle.dumps(few)) == few


def test_sets_of_different_sizes_are_not_equal():
    assert Bitset.none(8) != Bitset.none(7)


@_SETTINGS
@given(st.lists(st.booleans(), max_size=130), st.integers(0, 20), st.integers(0, 12))
def test_a_bitmap_is_read_from_any_bit_on(mask, offset, behind):
    rows = np.array(mask, dtype=np.bool_)
    around = np.concatenate((np.ones(offset, dtype=np.bool_), rows, np.ones(behind, dtype=np.bool_)))
    _check(Bitset.from_bitmap(np.packbits(around, bitorder="little"), offset, len(rows)), rows)


@_SETTINGS
@given(st.lists(st.none() | st.integers(0, 9), max_size=130), st.data())
def test_validity_of_a_slice_is_that_of_its_rows(values, data):
    start = data.draw(st.integers(0, len(values)))
    rows = values[start : data.draw(st.integers(start, len(values)))]
    found = validity(pa.array(values, type=pa.int8()).slice(start, len(rows)))
    if None in rows:
        _check(found, np.array([value is not None for value in rows]))
    else:
        assert found is None


def test_a_bitmap_is_copied():
    bitmap = np.zeros(2, dtype=np.uint8)
    found = Bitset.from_bitmap(bitmap, 0, 16)
    bitmap[:] = 0xFF
    assert not found.any()


def test_every_row_is_none():
    one = Bitset.first(3, 8)
    assert intersect(None, None) is None
    assert intersect(one, None) == intersect(None, one) == one
    assert intersect(one, Bitset.first(2, 8)) == Bitset.first(2, 8)
