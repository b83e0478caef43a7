"""Predicates over whole columns, straight to bitmaps: numbers, texts, JSON values, lists.

Every call makes one pass without a temporary column and releases the interpreter. Texts come as offsets int64
[rows + 1] into uint8 data. Arrays should be C-contiguous and aligned, as those over Arrow buffers are; others are
copied.
``ValueError`` means offsets that do not cut the data into rows, columns of different lengths, or an unknown operator.
Times are those of one 3 GHz core where the column is in its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.core import FloatSet, IntSet, TextSet
from elanus.model.bitset import Bitset

__all__ = [
    "FloatSet",
    "IntSet",
    "Interval",
    "TextSet",
    "any_in_runs",
    "compare_columns",
    "compare_texts",
    "count_in_runs",
    "in_floats",
    "in_ints",
    "in_texts",
    "json_in",
    "json_kinds",
    "json_within",
    "stepped_within",
    "texts_like",
    "texts_with",
    "texts_within",
    "within",
]

MOST_ELEMENTS = 2**64 - 1
"""More than a row can have."""

Numbers = NDArray[Any]
Texts = tuple[NDArray[np.int64], NDArray[np.uint8]]
Step = tuple[str, int | float]


class Interval(NamedTuple):
    """The values between two constants.

    low, high            None where a side is free
    low_open, high_open  whether the constant itself is left out
    """

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, op: str, value: Any) -> Interval:
        """Return what ``== < <= > >=`` and a constant ask for."""
        if op == "==":
            return cls(value, value)
        if op in ("<", "<="):
            return cls(None, value, high_open=op == "<")
        return cls(value, None, low_open=op == ">")


def within(values: Numbers, interval: Interval) -> Bitset:
    """Return the rows whose number (int8 to int64, float32, float64, bool) lies in an interval.

    constants  integers are compared in int64; those of a float32 column are narrowed to float32; NaN is in no interval
    cost       0.04 ns a row of int8, 0.2 of int64: the speed of memory
    """
    return Bitset(core.filter_within(_plain(values), interval), len(values))


def stepped_within(values: Numbers, step: Step, interval: Interval) -> Bitset:
    """Return the rows where ``value op constant`` lies in an interval: of integers in int64, of others in float64.

    step    one of ``+ - * / %``, of integers also ``& | ^``, and the constant; integers wrap, their ``/`` truncates
            toward zero, ``%`` has the sign of the value
    raises  ValueError for an integer divided by zero, and for bits of a float
    cost    0.5 ns a row, 1.5 for a division
    """
    return Bitset(core.filter_stepped_within(values, step, interval), len(values))


def compare_columns(left: Numbers, op: str, right: Numbers) -> Bitset:
    """Return the rows where ``left op right``, in the wider of both types."""
    common = np.result_type(left, right)
    one, other = _plain(left.astype(common, copy=False)), _plain(right.astype(common, copy=False))
    return Bitset(core.filter_compare_columns(one, other, op), len(left))


def in_ints(values: Numbers, wanted: IntSet, step: Step | None = None) -> Bitset:
    """Return the rows whose integer or boolean, after a step of arithmetic, is in a set.

    step  as for ``stepped_within``
    cost  0.1 ns a row and value up to four values; 0.7 ns a row from a table of bits where the values lie close
          together, up to 3 from a hash table where they don't
    """
    if step is not None:
        return Bitset(core.filter_stepped_in_ints(_plain(values), step, wanted), len(values))
    return Bitset(core.filter_in_ints(_plain(values), wanted), len(values))


def in_floats(values: Numbers, wanted: FloatSet, step: Step | None = None) -> Bitset:
    """Return the rows whose float, after a step, is in a set; -0.0 equals 0.0, NaN nothing. Cost as ``in_ints``."""
    if step is not None:
        return Bitset(core.filter_stepped_in_floats(values, step, wanted), len(values))
    return Bitset(core.filter_in_floats(values, wanted), len(values))


def texts_with(texts: Texts, place: str, text: str) -> Bitset:
    """Return the rows that have a text in a place: ``whole``, ``prefix``, ``suffix``, ``contains``.

    cost  2 to 7 ns a row; ``contains`` is one search through the bytes of all rows, and 9 ns a find
    """
    return Bitset(core.filter_texts_with(texts, place, text), len(texts[0]) - 1)


def texts_within(texts: Texts, interval: Interval) -> Bitset:
    """Return the rows that lie in an interval of texts, in the order of their bytes; 2 to 6 ns a row."""
    return Bitset(core.filter_texts_within(texts, interval), len(texts[0]) - 1)


def compare_texts(left: Texts, op: str, right: Texts) -> Bitset:
    """Return the rows where ``left op right``, in the order of their bytes."""
    return Bitset(core.filter_compare_texts(left, right, op), len(left[0]) - 1)


def texts_like(texts: Texts, parts: Sequence[str | bool]) -> Bitset:
    """Return the rows that a pattern describes as a whole.

    parts  texts, True for any run of characters, False for any single one
    cost   8 to 30 ns a row of short texts; a part that may stand anywhere and holds single characters costs its length
           times the row's at worst
    """
    return Bitset(core.filter_texts_like(texts, parts), len(texts[0]) - 1)


def in_texts(texts: Texts, wanted: TextSet) -> Bitset:
    """Return the rows whose text is in a set; 5 to 16 ns a row."""
    return Bitset(core.filter_in_texts(texts, wanted), len(texts[0]) - 1)


def json_kinds(kinds: NDArray[np.uint8], mask: int, low: int, high: int) -> Bitset:
    """Return the rows with ``low <= kind & mask <= high``."""
    return Bitset(core.filter_json_kinds(kinds, mask, low, high), len(kinds))


def json_within(
    kinds: NDArray[np.uint8], numbers: NDArray[np.int64], interval: Interval, step: Step | None = None
) -> tuple[Bitset, Bitset]:
    """Return the rows whose number, after a step of arithmetic, lies in an interval, and the rows that are numbers.

    kinds, numbers  as ``_native.json.Extracted`` has them
    step            by a float a step of doubles, by an integer one of each row's own type; doubles have no ``% & | ^``
    interval        an integer meets an integer exactly, all else is compared as doubles
    cost            0.3 ns a row
    """
    value, known = core.filter_json_within((kinds, numbers), step, interval)
    return Bitset(value, len(kinds)), Bitset(known, len(kinds))


def json_in(
    kinds: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    ints: IntSet | None,
    floats: FloatSet,
    step: Step | None = None,
) -> tuple[Bitset, Bitset]:
    """Return the rows whose number, after a step of arithmetic, is in a set, and the rows that are numbers.

    ints    where given, integers are looked up there, and only doubles in ``floats``
    others  as for ``json_within``
    """
    value, known = core.filter_json_in((kinds, numbers), step, ints, floats)
    return Bitset(value, len(kinds)), Bitset(known, len(kinds))


def any_in_runs(offsets: NDArray[np.int64], elements: Bitset) -> Bitset:
    """Return the rows with an element among ``elements``; row r has those from offsets[r] up to offsets[r + 1].

    cost  1 to 3 ns a row
    """
    return Bitset(core.filter_any_in_runs(offsets, elements.bits), len(offsets) - 1)


def count_in_runs(offsets: NDArray[np.int64], elements: Bitset, low: int, high: int | None) -> Bitset:
    """Return the rows with ``low`` to ``high`` elements (None: any number from ``low`` on) among ``elements``.

    cost  1 to 3 ns a row
    """
    most = MOST_ELEMENTS if high is None else high
    return Bitset(core.filter_count_in_runs(offsets, elements.bits, low, most), len(offsets) - 1)


def _plain(values: Numbers) -> Numbers:
    """Booleans are compared as the numbers 0 and 1."""
    return values.view(np.int8) if values.dtype.kind == "b" else values
