"""JSON values, a row each: the constant's type picks the reader, a row of another type is UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import json
from elanus._native.json import HOLLOW, Extracted, Kind, Step
from elanus.expr.bound import Matching
from elanus.expr.evaluation import numbers
from elanus.expr.evaluation.lists import Lists
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.texts import Texts
from elanus.expr.evaluation.truth import OPERATORS, Mask, Truth
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, take, varlen_buffers


def extract_json(column: Column, path: Sequence[Step]) -> JsonValues:
    """Return the value at ``path`` of every row of a JSON column; null rows are missing.

    cost  one pass over the rows' texts, each up to the value; the interpreter is released
    """
    extracted = json.extract_path(*column.bytes_and_offsets(), path)
    valid = column.valid
    if valid is not None:
        extracted.kinds[~valid] = Kind.MISSING
    return JsonValues(extracted)


@dataclass(frozen=True, slots=True)
class JsonValues:
    """Values of any JSON kind; ``extracted`` as the native reader lays them out."""

    extracted: Extracted

    def is_kind(self, kind: Kind) -> Bitset:
        """Return the rows of one kind."""
        return Bitset.from_mask((self.extracted.kinds & ~np.uint8(HOLLOW)) == kind)

    def exists(self) -> Bitset:
        """Return the rows with a value that is neither null nor an empty container."""
        kinds = self.extracted.kinds
        return Bitset.from_mask((kinds > Kind.NULL) & (kinds < HOLLOW))

    def take(self, rows: NDArray[np.int64]) -> JsonValues:
        """Return the given rows (int64), in that order."""
        text = take(self.texts().data, rows)
        values = self.extracted
        return JsonValues(Extracted(values.kinds[rows], values.numbers[rows], *varlen_buffers(text)))

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``value op constant`` in the rows of the constant's type."""
        return _COMPARERS[type(value)](self, op, value)

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the value equals one of the constants; UNKNOWN where it is of none of their types.

        Of no constants at all, every row with a value is known.
        """
        kinds = self.extracted.kinds
        if not values:
            return Truth(Bitset.none(len(kinds)), Bitset.from_mask(kinds > Kind.NULL))
        found = known = Bitset.none(len(kinds))
        for family in (numbers_of(values), *(_of_type(values, kind) for kind in (str, bool))):
            if family:
                truth = _MEMBERSHIP[type(family[0])](self).is_in(family)
                found |= truth.true_rows(negated=False)
                known |= Bitset.all(len(kinds)) if truth.known is None else truth.known
        for listed in _of_type(values, tuple):
            truth = self.lists().equals(listed)
            found |= truth.true_rows(negated=False)
            known |= self.is_kind(Kind.ARRAY)
        return Truth(found, known)

    def matches(self, matching: Matching, pattern: str) -> Truth:
        """Return where a string matches."""
        return self.texts().matches(matching, pattern)

    def arithmetic(self, op: str, constant: float) -> JsonNumbers:
        """Return ``value op constant`` of the numbers."""
        return self.numbers().arithmetic(op, constant)

    def numbers(self) -> JsonNumbers:
        """Return the rows that are numbers."""
        whole = self.extracted.numbers
        return JsonNumbers(whole, whole.view(np.float64), self.is_kind(Kind.INT), self.is_kind(Kind.DOUBLE))

    def booleans(self) -> Numbers:
        """Return the rows that are booleans."""
        return Numbers(self.extracted.numbers == 1, self.is_kind(Kind.BOOL))

    def texts(self) -> Texts:
        """Return the rows that are strings."""
        offsets, text = self.extracted.offsets, self.extracted.text
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        data = pa.Array.from_buffers(pa.large_string(), len(self.extracted.kinds), buffers)
        return Texts(data, self.is_kind(Kind.STRING))

    def lists(self) -> Lists:
        """Return the rows that are arrays; their elements are read here."""
        ends, elements = json.explode(self.extracted)
        return Lists(ends, JsonValues(elements), self.is_kind(Kind.ARRAY))


@dataclass(frozen=True, slots=True)
class JsonNumbers:
    """Numbers that are int64 in some rows and float64 in others; UNKNOWN in rows that are neither.

    ints, doubles         [rows] each, meaningful only where the mask beside says so
    is_int, is_double     never both
    """

    ints: NDArray[np.int64]
    doubles: NDArray[np.float64]
    is_int: Bitset
    is_double: Bitset

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``number op value``: an integer against integers exactly, everything else as doubles."""
        if isinstance(value, float):
            return Truth(Bitset.from_mask(OPERATORS[op](self._all_doubles(), value)), self._known())
        with np.errstate(invalid="ignore"):
            doubles = OPERATORS[op](self.doubles, float(value))
        return self._joined(OPERATORS[op](self.ints, np.int64(value)), doubles)

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the number is one of ``values``, as doubles when one of them is."""
        as_doubles = tuple([float(value) for value in values])
        if any(isinstance(value, float) for value in values):
            return Truth(Bitset.from_mask(numbers.is_in(self._all_doubles(), as_doubles)), self._known())
        return self._joined(numbers.is_in(self.ints, values), numbers.is_in(self.doubles, as_doubles))

    def arithmetic(self, op: str, constant: float) -> JsonNumbers:
        """Return ``number op constant``, a double where either is one; doubles know no ``% & | ^``."""
        nothing = Bitset.none(len(self.ints))
        if isinstance(constant, float):
            return JsonNumbers(self.ints, numbers.arithmetic(op, self._all_doubles(), constant), nothing, self._known())
        ints = numbers.arithmetic(op, self.ints, constant)
        if op in "%&|^":
            return JsonNumbers(ints, self.doubles, self.is_int, nothing)
        return JsonNumbers(ints, numbers.arithmetic(op, self.doubles, constant), self.is_int, self.is_double)

    def _joined(self, ints: Mask, doubles: Mask) -> Truth:
        """Return the answer that integers and doubles give, each in its own rows."""
        value = (Bitset.from_mask(ints) & self.is_int) | (Bitset.from_mask(doubles) & self.is_double)
        return Truth(value, self._known())

    def _known(self) -> Bitset:
        return self.is_int | self.is_double

    def _all_doubles(self) -> NDArray[np.float64]:
        return np.where(self.is_int.mask(), self.ints.astype(np.float64), self.doubles)


def numbers_of(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the numbers among constants."""
    return tuple([value for value in values if type(value) in (int, float)])


def _of_type(values: tuple[Any, ...], kind: type) -> tuple[Any, ...]:
    return tuple([value for value in values if type(value) is kind])


def _compare_numbers(values: JsonValues, op: str, value: Any) -> Truth:
    return values.numbers().compare(op, value)


def _compare_booleans(values: JsonValues, op: str, value: Any) -> Truth:
    return values.booleans().compare(op, value)


def _compare_texts(values: JsonValues, op: str, value: Any) -> Truth:
    return values.texts().compare(op, value)


def _compare_lists(values: JsonValues, _op: str, value: Any) -> Truth:
    """Arrays know equality only."""
    return values.lists().equals(value)


_COMPARERS: Mapping[type, Callable[[JsonValues, str, Any], Truth]] = {
    bool: _compare_booleans,
    int: _compare_numbers,
    float: _compare_numbers,
    str: _compare_texts,
    tuple: _compare_lists,
}
_MEMBERSHIP: Mapping[type, Callable[[JsonValues], Numbers | JsonNumbers | Texts]] = {
    bool: JsonValues.booleans,
    int: JsonValues.numbers,
    float: JsonValues.numbers,
    str: JsonValues.texts,
}
