"""The constants of a list, prepared for look-ups: each form is made by the first column that asks, once for all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus._native.filter import FloatSet, IntSet, TextSet


class Members:
    """Constants of a list. Immutable, safe from any thread; pickled without what was prepared.

    values  any mixture of booleans, integers, floats, texts and tuples
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __reduce__(self) -> tuple[type[Members], tuple[Sequence[Any]]]:
        return Members, (self.values,)

    @cached_property
    def ints(self) -> IntSet:
        """Integers or booleans."""
        return IntSet(np.fromiter(self.values, dtype=np.int64, count=len(self.values)))

    @cached_property
    def doubles(self) -> FloatSet:
        """Numbers as doubles."""
        return FloatSet(self._floats(np.float64))

    @cached_property
    def singles(self) -> FloatSet:
        """Numbers narrowed to float32."""
        return FloatSet(self._floats(np.float32).astype(np.float64))

    @cached_property
    def texts(self) -> TextSet:
        """Texts."""
        return TextSet(self.values)

    @cached_property
    def numbers(self) -> Members:
        """The integers and floats among constants of any type."""
        return self._of(int, float)

    @cached_property
    def are_ints(self) -> bool:
        """Whether no constant is a float."""
        return float not in set(map(type, self.values))

    @cached_property
    def by_type(self) -> dict[type, Members]:
        """The constants of each other type that occurs: booleans, texts, tuples."""
        return {kind: self._of(kind) for kind in (bool, str, tuple) if kind in set(map(type, self.values))}

    def _of(self, *types: type) -> Members:
        if set(map(type, self.values)) <= set(types):
            return self
        return Members([value for value in self.values if type(value) in types])

    def _floats(self, dtype: type[np.floating[Any]]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            return np.fromiter(self.values, dtype=dtype, count=len(self.values))
