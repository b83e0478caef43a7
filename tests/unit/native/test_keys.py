"""Primary keys: maps against a dictionary, sorted search and sorting against Python, hashes pinned for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus._native import keys

ints = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))
strings = st.one_of(st.text("ab\0é", max_size=3), st.text(max_size=20))

# From the reference implementation of XXH3-64. Rows lie where these say: a change here strands every stored row.
INT_HASHES = {
    0: 14374147212387527897,
    1: 3439722301264460078,
    -1: 5841669975847748627,
    2**63 - 1: 11687913294787043142,
    -(2**63): 9407778237848358495,
}
STRING_HASHES = {
    "": 3244421341483603138,
    "a": 16629034431890738719,
    "elanus": 13075329740385372154,
    "épée": 17629863060132400734,
    "k" * 17: 360276551006809793,
    "k" * 129: 11039483315668845758,
    "k" * 300: 4508134653262363296,
}


def int_array(values):
    return np.array(values, dtype=np.int64)


def pack(values, lead=0):
    """Strings as offsets and data; ``lead`` bytes come before the first row, as in a sliced Arrow array."""
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([lead, *map(len, encoded)], dtype=np.int64)
    return offsets, np.frombuffer(b"?" * lead + b"".join(encoded), dtype=np.uint8)


def put_in_dictionary(model, batch, first_row):
    previous = []
    for row, key in enumerate(batch, first_row):
        previous.append(model.get(key, -1))
        model[key] = row
    return previous


def run_against_dictionary(data, native, element, as_arguments):
    model, next_row = {}, 0
    for verb in data.draw(st.lists(st.sampled_from(["put", "find", "remove"]), max_size=10)):
        batch = data.draw(st.lists(element, max_size=12))
        arguments = as_arguments(batch)
        if verb == "put":
            expected = put_in_dictionary(model, batch, next_row)
            assert native.put(*arguments, next_row).tolist() == expected
            next_row += len(batch)
        elif verb == "find":
            assert native.find(*arguments).tolist() == [model.get(key, -1) for key in batch]
        else:
            assert native.remove(*arguments).tolist() == [model.pop(key, -1) for key in batch]
        assert len(native) == len(model)
    assert native.find(*as_arguments(list(model))).tolist() == list(model.values())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_int_key_map_is_a_dictionary(data):
    run_against_dictionary(data, keys.IntKeyMap(), ints, lambda batch: (int_array(batch),))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data(), st.integers(0, 3))
def test_string_key_map_is_a_dictionary(data, lead):
    run_against_dictionary(data, keys.StrKeyMap(), strings, lambda batch: pack(batch, lead))


def test_a_large_map_keeps_every_key_and_says_what_it_holds():
    native = keys.IntKeyMap()
    values = np.random.default_rng(1).permutation(100_000).astype(np.int64) * 7919
    empty = native.memory_bytes()
    assert (native.put(values, 0) == -1).all()
    assert (native.find(values) == np.arange(len(values))).all()
    assert native.memory_bytes() - empty >= 16 * len(values)
    assert (native.find(values + 1) == -1).all()


def test_removing_most_strings_gives_their_bytes_back():
    native = keys.StrKeyMap()
    offsets, data = pack([f"{number:064}" for number in range(10_000)])
    native.put(offsets, data, 0)
    full = native.memory_bytes()
    native.remove(offsets[:9001], data)
    assert native.memory_bytes() < full - len(data) // 2
    assert native.find(offsets[9000:], data).tolist() == list(range(9000, 10_000))


def test_readers_see_whole_batches_while_a_writer_puts():
    native = keys.IntKeyMap()
    batches = np.arange(40_000, dtype=np.int64).reshape(40, 1000)

    def write():
        for number, batch in enumerate(batches):
            native.put(batch, number * 1000)

    def watch(_):
        return [int((native.find(batch) >= 0).sum()) for batch in batches]

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(write)
        counts = [count for seen in pool.map(watch, range(12)) for count in seen]
        writer.result()
    assert set(counts) <= {0, 1000}
    assert (native.find(batches.reshape(-1)) == np.arange(40_000)).all()


def last_rows(column, probes):
    last = {key: row for row, key in enumerate(column)}
    return [last.get(probe, -1) for probe in probes]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(ints, max_size=60), st.lists(ints, max_size=30), st.booleans())
def test_sorted_ints_are_found_at_their_last_row(column, probes, ascending):
    column.sort()
    probes = sorted(probes + column[::3]) if ascending else probes + column[::3]
    assert keys.find_sorted_ints(int_array(column), int_array(probes)).tolist() == last_rows(column, probes)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(strings, max_size=60), st.lists(strings, max_size=30), st.booleans())
def test_sorted_strings_are_found_at_their_last_row(column, probes, ascending):
    column.sort(key=str.encode)
    probes = sorted(probes + column[::3], key=str.encode) if ascending else probes + column[::3]
    found = keys.find_sorted_strings(*pack(column, 2), *pack(probes, 1))
    assert found.tolist() == last_rows(column, probes)


def test_a_mapped_column_is_searched_in_place(tmp_path):
    np.arange(0, 3000, 3, dtype=np.int64).tofile(tmp_path / "keys")
    mapped = np.memmap(tmp_path / "keys", dtype=np.int64, mode="r")
    assert keys.find_sorted_ints(mapped, int_array([0, 1, 2997, 3000])).tolist() == [0, -1, 999, -1]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(strings, max_size=60))
def test_strings_sort_by_bytes_and_stably(column):
    order = keys.argsort_strings(*pack(column, 1))
    assert order.tolist() == sorted(range(len(column)), key=lambda row: column[row].encode())


def test_int_hashes_are_pinned():
    hashes = keys.hash_rows(int_array(list(INT_HASHES)))
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == list(INT_HASHES.values())


def test_string_hashes_are_pinned():
    assert keys.hash_rows(*pack(STRING_HASHES, 3)).tolist() == list(STRING_HASHES.values())


@pytest.mark.parametrize("offsets", [[], [0, 4], [2, 1], [-1, 1], [0, 2, 1]])
def test_offsets_outside_the_data_are_refused_and_change_nothing(offsets):
    offsets, data = int_array(offsets), np.zeros(3, dtype=np.uint8)
    native = keys.StrKeyMap()
    good = pack(["a"])
    for call in (
        lambda: native.put(offsets, data, 0),
        lambda: native.find(offsets, data),
        lambda: native.remove(offsets, data),
        lambda: keys.argsort_strings(offsets, data),
        lambda: keys.hash_rows(offsets, data),
        lambda: keys.find_sorted_strings(*good, offsets, data),
    ):
        with pytest.raises(ValueError, match="offsets"):
            call()
    assert len(native) == 0


def test_rows_below_zero_are_refused():
    with pytest.raises(ValueError, match="rows"):
        keys.IntKeyMap().put(int_array([1]), -1)


def test_arrays_of_another_dtype_or_stride_are_refused():
    with pytest.raises(TypeError):
        keys.IntKeyMap().find(np.zeros(2, dtype=np.int32))
    with pytest.raises(ValueError, match="contiguous"):
        keys.IntKeyMap().find(np.zeros(4, dtype=np.int64)[::2])
