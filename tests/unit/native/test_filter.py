"""Filter kernels against numpy and Python: all types, operators, lengths, instruction sets, slices."""

from __future__ import annotations

import operator
import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus._native import filter, kernels
from elanus._native.filter import FloatSet, Interval, IntSet, TextSet
from elanus._native.json import Kind
from elanus.model.bitset import Bitset
from elanus.model.columns import varlen_buffers

_SETTINGS = settings(max_examples=80, deadline=None, derandomize=True)
_OPS = {"==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_INTS = ["int8", "int16", "int32", "int64"]
_FLOATS = ["float32", "float64"]
_LENGTHS = range(131)


@pytest.fixture(params=kernels.simd_levels(), autouse=True)
def _level(request):
    before = kernels.simd_level()
    kernels.set_simd_level(request.param)
    yield
    kernels.set_simd_level(before)


def _check(found, mask):
    expected = np.asarray(mask, dtype=np.bool_)
    assert found.num_rows == len(expected)
    assert found.bits.tobytes() == np.packbits(expected, bitorder="little").tobytes()


def _column(dtype, rows=200):
    values = np.random.default_rng(7).integers(-4, 5, rows).astype(dtype)
    if values.dtype.kind == "f":
        values[::11], values[5::17], values[3::19] = np.nan, -0.0, np.inf
    else:
        values[::13], values[4::17] = np.iinfo(dtype).min, np.iinfo(dtype).max
    return values


def _texts(values, lead=2):
    """Return texts as a slice that doesn't start at the first byte."""
    return varlen_buffers(
        pa.array(["lead"] * lead + values + ["trail"], type=pa.large_string()).slice(lead, len(values))
    )


# --- numbers ---


@pytest.mark.parametrize("dtype", _INTS + _FLOATS)
@pytest.mark.parametrize("op", _OPS)
def test_comparisons_at_every_length(dtype, op):
    column = _column(dtype)
    for rows in _LENGTHS:
        _check(filter.within(column[:rows], Interval.of(op, 2)), _OPS[op](column[:rows], column.dtype.type(2)))


@pytest.mark.parametrize("dtype", _INTS)
@pytest.mark.parametrize("op", _OPS)
def test_integers_are_compared_in_int64(dtype, op):
    column = _column(dtype)
    for value in (-(2**63), -(2**31), -(2**15), -129, -128, 0, 127, 128, 2**15, 2**31 - 1, 2**31, 2**63 - 1):
        _check(filter.within(column, Interval.of(op, value)), _OPS[op](column.astype(np.int64), np.int64(value)))


@pytest.mark.parametrize("dtype", _FLOATS)
@pytest.mark.parametrize("op", _OPS)
def test_floats_are_compared_in_their_own_type(dtype, op):
    column = np.concatenate((_column(dtype), np.array([0.1, -np.inf, 1e-45, -1e-45], dtype=dtype)))
    for value in (0.1, 0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, float(np.finfo(dtype).max)):
        _check(filter.within(column, Interval.of(op, value)), _OPS[op](column, column.dtype.type(value)))


@pytest.mark.parametrize("dtype", _INTS + _FLOATS)
@pytest.mark.parametrize("low_open", [False, True])
@pytest.mark.parametrize("high_open", [False, True])
def test_an_interval_is_both_comparisons(dtype, low_open, high_open):
    column = _column(dtype)
    expected = (column > -2 if low_open else column >= -2) & (column < 3 if high_open else column <= 3)
    _check(filter.within(column, Interval(-2, 3, low_open, high_open)), expected)
    _check(filter.within(column, Interval(3, -2, low_open, high_open)), np.zeros(len(column)))


def test_booleans_are_zero_and_one():
    column = np.arange(100) % 3 == 0
    _check(filter.within(column, Interval.of("==", True)), column)
    _check(filter.within(column, Interval.of("<", True)), ~column)
    _check(filter.in_ints(column, IntSet(np.array([0]))), ~column)


@pytest.mark.parametrize("dtype", _INTS + _FLOATS)
def test_columns_at_odd_addresses_and_with_gaps_are_read(dtype):
    column = _column(dtype)
    raw = b"x" + column.tobytes()
    askew = np.frombuffer(raw, dtype=np.uint8)[1:].view(dtype)
    for values in (column[3:-5], column[::2], askew, askew[1:]):
        _check(filter.within(values, Interval.of("<", 2)), values < 2)


@pytest.mark.parametrize("dtype", _INTS)
@pytest.mark.parametrize("op", "+-*/%&|^")
@pytest.mark.parametrize("constant", [1, -1, 2, 7, -3, 2**40, -(2**63), 2**63 - 1])
def test_a_step_of_integers_wraps_and_truncates(dtype, op, constant):
    column = _column(dtype)
    results = np.array([_wrapped(_step(op, int(value), constant)) for value in column])
    for value in {0, int(results[0]), int(results[5])}:
        for rows in (0, 1, 64, 65, 200):
            found = filter.stepped_within(column[:rows], (op, constant), Interval.of("<=", value))
            _check(found, results[:rows] <= value)
    wanted = np.unique(results[:40])
    _check(filter.in_ints(column, IntSet(wanted), (op, constant)), np.isin(results, wanted))


def _step(op, value, constant):
    """Return what C does, in unbounded integers."""
    if op in "/%":
        quotient = abs(value) // abs(constant) * (1 if (value < 0) == (constant < 0) else -1)
        return quotient if op == "/" else value - quotient * constant
    return {"+": value + constant, "-": value - constant, "*": value * constant}.get(
        op, {"&": value & constant, "|": value | constant}.get(op, value ^ constant)
    )


def _wrapped(value):
    return (value + 2**63) % 2**64 - 2**63


@pytest.mark.parametrize("dtype", _FLOATS)
@pytest.mark.parametrize("op", "+-*/%")
def test_a_step_of_floats_is_one_of_doubles(dtype, op):
    column = _column(dtype)
    steps = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod}
    with np.errstate(all="ignore"):
        results = steps[op](column.astype(np.float64), 0.1)
    for value in (0.2, -0.05):
        _check(filter.stepped_within(column, (op, 0.1), Interval.of(">", value)), results > value)
    wanted = results[1:50]
    expected = [any(result == value for value in wanted) for result in results]
    _check(filter.in_floats(column, FloatSet(wanted), (op, 0.1)), expected)


def test_steps_without_a_result_are_refused():
    with pytest.raises(ValueError, match="zero"):
        filter.stepped_within(np.arange(3), ("%", 0), Interval.of("==", 1))
    with pytest.raises(ValueError, match="doubles"):
        filter.stepped_within(np.arange(3.0), ("&", 1), Interval.of("==", 1))
    with pytest.raises(ValueError, match="written"):
        filter.stepped_within(np.arange(3), ("**", 1), Interval.of("==", 1))


@pytest.mark.parametrize("left", [*_INTS, *_FLOATS])
@pytest.mark.parametrize("right", [*_INTS, *_FLOATS])
def test_two_columns_meet_in_the_wider_type(left, right):
    one, other = _column(left), _column(right)[::-1].copy()
    for op, holds in _OPS.items():
        for rows in (0, 1, 63, 64, 130):
            _check(filter.compare_columns(one[:rows], op, other[:rows]), holds(one[:rows], other[:rows]))


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="lengths"):
        filter.compare_columns(np.arange(3), "==", np.arange(4))
    with pytest.raises(ValueError, match="lengths"):
        filter.compare_texts(_texts(["a"]), "==", _texts(["a", "b"]))


def test_no_other_type_is_read():
    with pytest.raises(TypeError, match="uint64"):
        filter.within(np.arange(3, dtype=np.uint64), Interval.of("==", 1))
    with pytest.raises(TypeError, match="floats"):
        filter.in_ints(np.arange(3.0), IntSet(np.arange(3)))
    with pytest.raises(TypeError, match="integers"):
        filter.in_floats(np.arange(3), FloatSet(np.arange(3.0)))


# --- sets ---


@pytest.mark.parametrize("dtype", _INTS)
@pytest.mark.parametrize("stride", [1, 3, 1000, 2**40])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 33, 3000])
def test_integers_are_found_in_sets_of_every_form(dtype, stride, count):
    wanted = (np.arange(count) - count // 2) * stride
    column = np.concatenate((wanted, wanted + 1, _column(dtype).astype(np.int64)))
    info = np.iinfo(dtype)
    column = column[(column >= info.min) & (column <= info.max)].astype(dtype)
    _check(filter.in_ints(column, IntSet(wanted[::-1].copy())), np.isin(column.astype(np.int64), wanted))


@_SETTINGS
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60), st.data())
def test_integers_anywhere_are_found(wanted, data):
    others = st.integers(-(2**63), 2**63 - 1)
    column = data.draw(st.lists(st.sampled_from(wanted) | others if wanted else others, max_size=70))
    found = filter.in_ints(np.array(column, dtype=np.int64), IntSet(np.array(wanted, dtype=np.int64)))
    _check(found, [value in wanted for value in column])


@pytest.mark.parametrize("dtype", _FLOATS)
@pytest.mark.parametrize("count", [1, 3, 40, 3000])
def test_zeros_are_equal_and_nan_is_nothing(dtype, count):
    wanted = np.concatenate(([0.0, np.nan], np.arange(count) + 0.5)).astype(dtype)
    column = np.concatenate((_column(dtype), wanted))
    found = filter.in_floats(column, FloatSet(wanted.astype(np.float64)))
    _check(found, np.isin(column, wanted) & ~np.isnan(column))


# --- texts ---

_TEXT = st.text(st.sampled_from("ab\0中😀"), max_size=20)


@_SETTINGS
@given(st.lists(_TEXT, max_size=70), st.data(), st.integers(0, 3))
def test_texts_are_compared_by_their_bytes(values, data, lead):
    texts = _texts(values, lead)
    known = _TEXT | st.sampled_from(values) if values else _TEXT
    text, high = data.draw(known), data.draw(known)
    part = text[data.draw(st.integers(0, 3)) :]
    _check(filter.texts_with(texts, "whole", text), [value == text for value in values])
    _check(filter.texts_with(texts, "prefix", text[:9]), [value.startswith(text[:9]) for value in values])
    _check(filter.texts_with(texts, "suffix", part), [value.endswith(part) for value in values])
    _check(filter.texts_with(texts, "contains", part), [part in value for value in values])
    for op, holds in _OPS.items():
        _check(
            filter.texts_within(texts, Interval.of(op, text)),
            [holds(value.encode(), text.encode()) for value in values],
        )
    inside = [text.encode() < value.encode() <= high.encode() for value in values]
    _check(filter.texts_within(texts, Interval(text, high, low_open=True)), inside)


@_SETTINGS
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=70), st.integers(0, 3))
def test_text_columns_are_compared_row_by_row(pairs, lead):
    left, right = _texts([one for one, _ in pairs], lead), _texts([other for _, other in pairs])
    for op, holds in _OPS.items():
        _check(filter.compare_texts(left, op, right), [holds(one.encode(), other.encode()) for one, other in pairs])


@_SETTINGS
@given(st.lists(_TEXT, max_size=70), st.lists(_TEXT, max_size=40), st.data())
def test_texts_are_found_in_sets(values, wanted, data):
    wanted += data.draw(st.lists(st.sampled_from(values), max_size=5)) if values else []
    _check(filter.in_texts(_texts(values), TextSet(wanted)), [value in wanted for value in values])


def test_long_texts_with_common_ends_are_told_apart():
    values = [f"{'x' * 20}{number:04}{'y' * 20}" for number in range(300)]
    _check(filter.in_texts(_texts(values), TextSet(values[::7])), np.arange(300) % 7 == 0)
    _check(filter.texts_with(_texts(values), "whole", values[8]), np.arange(300) == 8)


def test_a_find_over_the_end_of_a_row_is_none():
    values = ["ab", "ca", "b", "", "aab", "bab"]
    _check(filter.texts_with(_texts(values), "contains", "ab"), ["ab" in value for value in values])


@_SETTINGS
@given(
    st.lists(st.text(st.sampled_from("ab中\n"), max_size=7), max_size=70),
    st.lists(st.sampled_from([True, False, "a", "ab", "中"]), max_size=7),
)
def test_patterns_describe_whole_texts(values, parts):
    written = "".join([".*" if part is True else "." if part is False else re.escape(part) for part in parts])
    pattern = re.compile(written, re.DOTALL)
    _check(filter.texts_like(_texts(values), parts), [pattern.fullmatch(value) is not None for value in values])


@pytest.mark.parametrize("offsets", [[], [0, 9], [2, 1], [-1, 1]])
def test_offsets_that_leave_the_data_are_refused(offsets):
    texts = np.array(offsets, dtype=np.int64), np.zeros(2, dtype=np.uint8)
    with pytest.raises(ValueError, match="offsets"):
        filter.texts_with(texts, "whole", "a")
    with pytest.raises(ValueError, match="offsets"):
        filter.any_in_runs(texts[0], Bitset.none(4))


# --- JSON ---

_NUMBERS = st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.5, -0.0, 2.0**53, 2.0**63, 1e300])
_VALUES = st.none() | _NUMBERS


def _json(values):
    kinds = [Kind.MISSING if value is None else Kind.INT if isinstance(value, int) else Kind.DOUBLE for value in values]
    numbers = [np.float64(value).view(np.int64) if isinstance(value, float) else value or 0 for value in values]
    return np.array(kinds, dtype=np.uint8), np.array(numbers, dtype=np.int64)


def _compare(op, value, constant):
    """Return an integer against an integer exactly, everything else as doubles."""
    if isinstance(value, int) and isinstance(constant, int):
        return _OPS[op](value, constant)
    return _OPS[op](float(value), float(constant))


@_SETTINGS
@given(st.lists(_VALUES, max_size=140), _NUMBERS, st.sampled_from([*_OPS]))
def test_json_numbers_are_compared_as_what_they_are(values, constant, op):
    found, known = filter.json_within(*_json(values), Interval.of(op, constant))
    _check(known, [value is not None for value in values])
    _check(found, [value is not None and _compare(op, value, constant) for value in values])


@_SETTINGS
@given(st.lists(_VALUES, max_size=140), _NUMBERS, _NUMBERS)
def test_bounds_of_json_numbers_may_be_of_different_types(values, low, high):
    found, _ = filter.json_within(*_json(values), Interval(low, high, high_open=True))
    inside = [value is not None and _compare(">=", value, low) and _compare("<", value, high) for value in values]
    _check(found, inside)


@_SETTINGS
@given(st.lists(_VALUES, max_size=140), st.sampled_from("+-*/%&|^"), st.integers(1, 9), _NUMBERS)
def test_a_step_by_an_integer_keeps_the_type(values, op, constant, bound):
    found, known = filter.json_within(*_json(values), Interval.of("<", bound), (op, constant))
    countable = [isinstance(value, int) or (value is not None and op in "+-*/") for value in values]
    results = [
        _json_step(op, value, constant) if counts else None for value, counts in zip(values, countable, strict=True)
    ]
    _check(known, countable)
    _check(found, [result is not None and _compare("<", result, bound) for result in results])


@_SETTINGS
@given(st.lists(_VALUES, max_size=140), st.sampled_from("+-*/"), st.sampled_from([0.5, -3.0]), _NUMBERS)
def test_a_step_by_a_double_makes_doubles(values, op, constant, bound):
    found, known = filter.json_within(*_json(values), Interval.of("<", bound), (op, constant))
    _check(known, [value is not None for value in values])
    _check(found, [v is not None and _json_step(op, float(v), constant) < float(bound) for v in values])


def _json_step(op, value, constant):
    if isinstance(value, int):
        return _wrapped(_step(op, value, constant))
    steps = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    return steps[op](value, float(constant))


@_SETTINGS
@given(st.lists(_VALUES, max_size=140), st.lists(_NUMBERS, max_size=40))
def test_json_numbers_are_found_in_sets(values, wanted):
    exact = not any(isinstance(constant, float) for constant in wanted)
    ints = IntSet(np.array(wanted, dtype=np.int64)) if exact else None
    found, known = filter.json_in(*_json(values), ints, FloatSet(np.array(wanted, dtype=np.float64)))
    _check(known, [value is not None for value in values])
    doubles = {float(constant) for constant in wanted}
    _check(
        found,
        [v is not None and (v in wanted if exact and isinstance(v, int) else float(v) in doubles) for v in values],
    )


def test_kinds_are_told_with_and_without_their_marks():
    kinds = np.arange(32, dtype=np.uint8).repeat(5)
    _check(filter.json_kinds(kinds, 0xEF, Kind.ARRAY, Kind.ARRAY), (kinds & 0xEF) == Kind.ARRAY)
    _check(filter.json_kinds(kinds, 0xFF, Kind.BOOL, 0x0F), (kinds >= 2) & (kinds <= 15))


def test_a_number_is_needed_for_each_kind():
    with pytest.raises(ValueError, match="each row"):
        filter.json_within(np.zeros(3, dtype=np.uint8), np.zeros(2, dtype=np.int64), Interval.of("==", 1))


# --- lists ---


@_SETTINGS
@given(st.lists(st.integers(0, 90), max_size=70), st.data(), st.integers(0, 5))
def test_rows_have_what_their_elements_have(lengths, data, lead):
    offsets = np.cumsum([lead, *lengths], dtype=np.int64)
    elements = np.zeros(int(offsets[-1]) + 3, dtype=np.bool_)
    elements[data.draw(st.lists(st.integers(0, len(elements) - 1), max_size=200))] = True
    found = filter.any_in_runs(offsets, Bitset.from_mask(elements))
    _check(found, [elements[start:stop].any() for start, stop in pairwise(offsets)])
