"""JSON values, a row each: the constant's type picks the reader, a row of another type is UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import filter, json
from elanus._native.filter import Interval, Step
from elanus._native.json import HOLLOW, Extracted, Kind
from elanus._native.json import Step as PathStep
from elanus.expr.bound import Matching
from elanus.expr.evaluation.lists import Lists
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.texts import Texts
from elanus.expr.evaluation.truth import Truth
from elanus.expr.members import Members
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, take, varlen_buffers


def extract_json(column: Column, path: Sequence[PathStep]) -> JsonValues:
    """Return the value at ``path`` of every row of a JSON column; null rows are missing.

    cost  one pass over the rows' texts, each up to the value; the interpreter is released
    """
    extracted = json.extract_path(*column.bytes_and_offsets(), path)
    valid = column.valid
    if valid is not None:
        extracted.kinds[~valid] = Kind.MISSING
    return JsonValues(extracted)


@dataclass(frozen=True)
class JsonValues:
    """Values of any JSON kind; ``extracted`` as the native reader lays them out."""

    extracted: Extracted

    @property
    def nbytes(self) -> int:
        """Bytes of the values, and of the arrays' elements once they were read."""
        own = sum(part.nbytes for part in self.extracted)
        lists = self.__dict__.get("_lists")
        return own if lists is None else own + lists.offsets.nbytes + lists.elements.nbytes

    def is_kind(self, kind: Kind) -> Bitset:
        """Return the rows of one kind."""
        return filter.json_kinds(self.extracted.kinds, 0xFF ^ HOLLOW, kind, kind)

    def exists(self) -> Bitset:
        """Return the rows with a value that is neither null nor an empty container."""
        return filter.json_kinds(self.extracted.kinds, 0xFF, Kind.BOOL, HOLLOW - 1)

    def take(self, rows: NDArray[np.int64]) -> JsonValues:
        """Return the given rows (int64), in that order."""
        text = take(self.texts().data, rows)
        values = self.extracted
        return JsonValues(Extracted(values.kinds[rows], values.numbers[rows], *varlen_buffers(text)))

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``value op constant`` in the rows of the constant's type; arrays know equality only."""
        if isinstance(value, tuple):
            return self.lists().equals(value)
        return _READERS[type(value)](self).compare(op, value)

    def within(self, interval: Interval) -> Truth:
        """Return where the value lies in an interval of numbers or of texts."""
        return _READERS[type(interval.low)](self).within(interval)

    def is_in(self, members: Members) -> Truth:
        """Return where the value equals one of the constants; UNKNOWN where it is of none of their types.

        Of no constants at all, every row with a value is known.
        """
        kinds = self.extracted.kinds
        if not len(members):
            return Truth(Bitset.none(len(kinds)), filter.json_kinds(kinds, 0xFF, Kind.BOOL, 0xFF))
        truths = [self.numbers().is_in(members.numbers)] if len(members.numbers) else []
        truths += [_MEMBERSHIP[kind](self, family) for kind, family in members.by_type.items()]
        found = known = Bitset.none(len(kinds))
        for truth in truths:
            found |= truth.true_rows(negated=False)
            known |= Bitset.all(len(kinds)) if truth.known is None else truth.known
        return Truth(found, known)

    def matches(self, matching: Matching, pattern: str) -> Truth:
        """Return where a string matches."""
        return self.texts().matches(matching, pattern)

    def arithmetic(self, op: str, constant: float) -> JsonNumbers:
        """Return ``value op constant`` of the numbers."""
        return JsonNumbers(self.extracted.kinds, self.extracted.numbers, (op, constant))

    def numbers(self) -> JsonNumbers:
        """Return the rows that are numbers."""
        return JsonNumbers(self.extracted.kinds, self.extracted.numbers)

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
        """Return the rows that are arrays; their elements are read once."""
        return self._lists

    @cached_property
    def _lists(self) -> Lists:
        ends, elements = json.explode(self.extracted)
        return Lists(ends, JsonValues(elements), self.is_kind(Kind.ARRAY))


@dataclass(frozen=True, slots=True)
class JsonNumbers:
    """Numbers that are int64 in some rows and float64 in others, after a step of arithmetic; UNKNOWN in other rows.

    kinds, numbers  [rows] as ``Extracted`` has them
    step            an integer keeps each number's type and leaves doubles out of ``% & | ^``; a float makes doubles
    """

    kinds: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    step: Step | None = None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``number op value``: an integer against integers exactly, everything else as doubles."""
        return self.within(Interval.of(op, value))

    def within(self, interval: Interval) -> Truth:
        """Return where the number lies in an interval."""
        return Truth(*filter.json_within(self.kinds, self.numbers, interval, self.step))

    def is_in(self, members: Members) -> Truth:
        """Return where the number is one of ``members``, which are numbers; as doubles when one of them is."""
        ints = members.ints if members.are_ints else None
        return Truth(*filter.json_in(self.kinds, self.numbers, ints, members.doubles, self.step))


def _in_booleans(values: JsonValues, members: Members) -> Truth:
    return values.booleans().is_in(members)


def _in_texts(values: JsonValues, members: Members) -> Truth:
    return values.texts().is_in(members)


def _in_lists(values: JsonValues, members: Members) -> Truth:
    lists = values.lists()
    found = Bitset.none(len(values.extracted.kinds))
    for listed in members.values:
        found |= lists.equals(listed).value
    return Truth(found, lists.known)


_READERS: Mapping[type, Callable[[JsonValues], Numbers | JsonNumbers | Texts]] = {
    bool: JsonValues.booleans,
    int: JsonValues.numbers,
    float: JsonValues.numbers,
    str: JsonValues.texts,
}
_MEMBERSHIP: Mapping[type, Callable[[JsonValues, Members], Truth]] = {
    bool: _in_booleans,
    str: _in_texts,
    tuple: _in_lists,
}
