"""Numbers and booleans, a row each, as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from elanus._native import filter
from elanus._native.filter import Interval, Step
from elanus.expr.evaluation.truth import Truth
from elanus.expr.members import Members
from elanus.model.bitset import Bitset, intersect


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numeric or boolean values.

    values  [rows] of int8 to int64, float32, float64 or bool
    known   the rows with a value, None when all have one
    """

    values: NDArray[Any]
    known: Bitset | None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``values op value``: integers in int64, float32 against a constant narrowed to float32."""
        return self.within(Interval.of(op, value))

    def within(self, interval: Interval) -> Truth:
        """Return where the value lies in an interval."""
        return Truth(filter.within(self.values, interval), self.known)

    def compare_with(self, op: str, other: Numbers) -> Truth:
        """Return ``values op other`` in the wider of both types."""
        return Truth(filter.compare_columns(self.values, op, other.values), intersect(self.known, other.known))

    def is_in(self, members: Members) -> Truth:
        """Return where the value is one of ``members``; float32 against constants narrowed to float32."""
        kind = self.values.dtype
        if kind.kind != "f":
            return Truth(filter.in_ints(self.values, members.ints), self.known)
        return Truth(
            filter.in_floats(self.values, members.singles if kind.itemsize == 4 else members.doubles), self.known
        )

    def arithmetic(self, op: str, constant: float) -> Stepped:
        """Return ``values op constant``: integers in int64 and wrapping, others in float64."""
        return Stepped(self.values, (op, constant), self.known)


@dataclass(frozen=True, slots=True)
class Stepped:
    """Numbers that one step of arithmetic leads to: by C's rules, overflow wraps.

    ``/`` of integers truncates toward zero and ``%`` takes the dividend's sign; the constant of both is not zero.
    """

    values: NDArray[Any]
    step: Step
    known: Bitset | None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``result op value``."""
        return self.within(Interval.of(op, value))

    def within(self, interval: Interval) -> Truth:
        """Return where the result lies in an interval."""
        return Truth(filter.stepped_within(self.values, self.step, interval), self.known)

    def is_in(self, members: Members) -> Truth:
        """Return where the result is one of ``members``."""
        if self.values.dtype.kind == "f":
            return Truth(filter.in_floats(self.values, members.doubles, self.step), self.known)
        return Truth(filter.in_ints(self.values, members.ints, self.step), self.known)
