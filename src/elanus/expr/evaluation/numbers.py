"""Numbers and booleans, a row each, as numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.expr.evaluation.truth import OPERATORS, Mask, Truth
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import fixed_values

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numeric or boolean values.

    values  [rows] of int8 to int64, float32, float64 or bool
    known   the rows with a value, None when all have one
    """

    values: Array
    known: Bitset | None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``values op value``: integers in int64, float32 against a constant narrowed to float32."""
        return Truth(Bitset.from_mask(OPERATORS[op](self.values, self._scalar(value))), self.known)

    def compare_with(self, op: str, other: Numbers) -> Truth:
        """Return ``values op other`` in the wider of both types."""
        value = Bitset.from_mask(OPERATORS[op](self.values, other.values))
        return Truth(value, intersect(self.known, other.known))

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the value is one of ``values``; a hash look-up a row."""
        return Truth(Bitset.from_mask(is_in(self.values, values)), self.known)

    def arithmetic(self, op: str, constant: float) -> Numbers:
        """Return ``values op constant``: integers in int64 and wrapping, others in float64."""
        dtype = np.int64 if self.values.dtype.kind == "i" else np.float64
        return Numbers(arithmetic(op, self.values.astype(dtype, copy=False), constant), self.known)

    def _scalar(self, value: Any) -> Any:
        kind = self.values.dtype
        return np.int64(value) if kind.kind == "i" else kind.type(value)


def is_in(column: Array, values: tuple[Any, ...]) -> Mask:
    """Return which numbers are among ``values``; integers are compared in int64."""
    if not values:
        return np.zeros(len(column), dtype=np.bool_)
    wide = column.astype(np.int64, copy=False) if column.dtype.kind == "i" else column
    wanted = np.asarray(values, dtype=wide.dtype)
    if wide.dtype.kind == "f":
        wide, wanted = wide + 0, wanted + 0  # -0.0 becomes 0.0, which hashing tells apart
    found = pc.is_in(pa.array(np.ascontiguousarray(wide)), value_set=pa.array(wanted))
    return fixed_values(found)


def arithmetic(op: str, values: Array, constant: float) -> Array:
    """Return one step of int64 or float64 values: C's rules, overflow wraps.

    ``/`` of integers truncates toward zero and ``%`` takes the dividend's sign; the constant of both is not zero.
    """
    with np.errstate(all="ignore"):
        result: Array = _STEPS[op](values, values.dtype.type(constant))
    return result


def _quotient(values: Array, divisor: Any) -> Array:
    if values.dtype.kind == "f":
        result: Array = values / divisor
        return result
    if divisor == -1:  # the least int64 has no positive twin: it wraps to itself
        return -values
    quotient: Array = (values - np.fmod(values, divisor)) // divisor
    return quotient


_STEPS: Mapping[str, Callable[[Array, Any], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _quotient,
    "%": np.fmod,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
}
