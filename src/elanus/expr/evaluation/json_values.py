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
from elanus.model.columns import Column


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

    def is_kind(self, kind: Kind) -> Mask:
        """Return the rows of one kind."""
        mask: Mask = (self.extracted.kinds & ~np.uint8(HOLLOW)) == kind
        return mask

    def exists(self) -> Mask:
        """Return the rows with a value that is neither null nor an empty container."""
        kinds = self.extracted.kinds
        mask: Mask = (kinds > Kind.NULL) & (kinds < HOLLOW)
        return mask

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``value op constant`` in the rows of the constant's type."""
        return _COMPARERS[type(value)](self, op, value)

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the value equals one of the constants; UNKNOWN where it is of none of their types.

        Of no constants at all, every row with a value is known.
        """
        if not values:
            kinds = self.extracted.kinds
            return Truth(np.zeros(len(kinds), dtype=np.bool_), kinds > Kind.NULL)
        found = np.zeros(len(self.extracted.kinds), dtype=np.bool_)
        known = np.zeros(len(found), dtype=np.bool_)
        for family in (numbers_of(values), *(_of_type(values, kind) for kind in (str, bool))):
            if family:
                truth = _MEMBERSHIP[type(family[0])](self).is_in(family)
                found |= truth.true_rows(negated=False)
                known |= truth.known if truth.known is not None else True
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
    is_int, is_double     bool [rows], never both
    """

    ints: NDArray[np.int64]
    doubles: NDArray[np.float64]
    is_int: Mask
    is_double: Mask

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``number op value``: an integer against integers exactly, everything else as doubles."""
        if isinstance(value, float):
            return Truth(OPERATORS[op](self._all_doubles(), value), self.is_int | self.is_double)
        with np.errstate(invalid="ignore"):
            doubles = OPERATORS[op](self.doubles, float(value))
        return Truth(np.where(self.is_int, OPERATORS[op](self.ints, np.int64(value)), doubles), self._known())

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the number is one of ``values``, as doubles when one of them is."""
        as_doubles = tuple([float(value) for value in values])
        if any(isinstance(value, float) for value in values):
            return Truth(numbers.is_in(self._all_doubles(), as_doubles), self._known())
        among = numbers.is_in(self.doubles, as_doubles)
        return Truth(np.where(self.is_int, numbers.is_in(self.ints, values), among), self._known())

    def arithmetic(self, op: str, constant: float) -> JsonNumbers:
        """Return ``number op constant``, a double where either is one; doubles know no ``% & | ^``."""
        nothing = np.zeros(len(self.ints), dtype=np.bool_)
        if isinstance(constant, float):
            return JsonNumbers(self.ints, numbers.arithmetic(op, self._all_doubles(), constant), nothing, self._known())
        ints = numbers.arithmetic(op, self.ints, constant)
        if op in "%&|^":
            return JsonNumbers(ints, self.doubles, self.is_int, nothing)
        return JsonNumbers(ints, numbers.arithmetic(op, self.doubles, constant), self.is_int, self.is_double)

    def _known(self) -> Mask:
        return self.is_int | self.is_double

    def _all_doubles(self) -> NDArray[np.float64]:
        return np.where(self.is_int, self.ints.astype(np.float64), self.doubles)


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
