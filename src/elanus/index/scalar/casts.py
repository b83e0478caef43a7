"""What a JSON path is indexed as: the rows of one type; a row of any other type is absent from the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from elanus._native.json import Kind
from elanus.expr import JsonValues
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.texts import Texts
from elanus.model.params import Params, param
from elanus.model.types import DataType

EXACT_IN_DOUBLES: Final = 2**53
"""Integers nearer to zero are doubles of their own: comparing doubles compares them."""


class Cast(StrEnum):
    """The types that users name in ``json_cast_type``."""

    BOOL = "BOOL"
    DOUBLE = "DOUBLE"
    VARCHAR = "VARCHAR"
    ARRAY_BOOL = "ARRAY_BOOL"
    ARRAY_DOUBLE = "ARRAY_DOUBLE"
    ARRAY_VARCHAR = "ARRAY_VARCHAR"
    JSON = "JSON"

    @property
    def of_arrays(self) -> bool:
        """Whether the elements of arrays are indexed."""
        return self.startswith("ARRAY_")

    @property
    def scalar(self) -> Cast:
        """The type of the indexed values."""
        return Cast(self.removeprefix("ARRAY_"))

    @property
    def data_type(self) -> DataType:
        """The type of the indexed values as a field would have it."""
        return DataType[self.scalar]


@dataclass(frozen=True)
class ScalarBuild(Params):
    """What a scalar index over a JSON path is built with; of no meaning elsewhere.

    json_cast_type      what the path's values are indexed as
    json_cast_function  taken and kept; rows that are of another type stay absent, as they are for the filter itself
    """

    json_cast_type: str = param("", choices=("", *map(str.lower, Cast)))
    json_cast_function: str = param("", choices=("", "string_to_double"))

    @property
    def cast(self) -> Cast | None:
        """The type, None where no path is indexed."""
        return Cast(self.json_cast_type.upper()) if self.json_cast_type else None


def cast_scalars(values: JsonValues, cast: Cast) -> Numbers | Texts:
    """Return the values that are of a scalar type; integers as the nearest doubles."""
    return _READERS[cast](values)


def accepts(cast: Cast, value: Any) -> bool:
    """Whether an index of the type answers comparisons with a constant exactly as the values themselves do."""
    if cast is Cast.DOUBLE:
        return type(value) is float or (type(value) is int and abs(value) < EXACT_IN_DOUBLES)
    return type(value) is _CONSTANTS[cast]


def _doubles(values: JsonValues) -> Numbers:
    whole = values.extracted.numbers
    is_int, is_double = values.is_kind(Kind.INT), values.is_kind(Kind.DOUBLE)
    return Numbers(np.where(is_int.mask(), whole.astype(np.float64), whole.view(np.float64)), is_int | is_double)


_READERS: Mapping[Cast, Callable[[JsonValues], Numbers | Texts]] = {
    Cast.BOOL: JsonValues.booleans,
    Cast.DOUBLE: _doubles,
    Cast.VARCHAR: JsonValues.texts,
}
_CONSTANTS: Mapping[Cast, type] = {Cast.BOOL: bool, Cast.VARCHAR: str}
