"""What a scalar index is built from: the values of an operand, each with its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.expr import JsonValues, Operand, Source
from elanus.expr.evaluation.lists import Lists
from elanus.expr.evaluation.numbers import Numbers
from elanus.expr.evaluation.operands import load
from elanus.expr.evaluation.texts import Texts
from elanus.index.scalar.casts import Cast, cast_scalars
from elanus.index.sections import Section
from elanus.model.bitset import Bitset
from elanus.model.columns import take


@dataclass(frozen=True, slots=True)
class Entries:
    """Values and their rows.

    keys   numbers [n] (booleans as uint8, no NaN, no -0.0), or texts as ``large_string``
    rows   uint32 [n], ascending; a row comes once for each of its elements where arrays are indexed
    known  the rows with a value (or an array), None when all have one
    """

    keys: Section
    rows: NDArray[np.uint32]
    known: Bitset | None


def read_entries(operand: Operand, source: Source, cast: Cast | None) -> Entries:
    """Return an operand's values in every row of a source, the elements of arrays.

    cast  for a JSON path, what is indexed of it
    """
    values = load(operand, source)
    if isinstance(values, JsonValues):
        values = _typed(values, cast)
    if isinstance(values, Lists):
        return _elements(values, cast)
    if not isinstance(values, Numbers | Texts):
        raise TypeError(f"{type(values).__name__} can't be indexed")
    keys, rows = _scalars(values, source.num_rows)
    return Entries(keys, rows.astype(np.uint32), values.known)


def _typed(values: JsonValues, cast: Cast | None) -> Lists | Numbers | Texts:
    if cast is None:
        raise TypeError("a JSON path is indexed as one type")
    return values.lists() if cast.of_arrays else cast_scalars(values, cast)


def _elements(lists: Lists, cast: Cast | None) -> Entries:
    """Return the elements of the rows that are arrays; elements that are null or of another type are left out."""
    elements: Any = lists.elements
    if isinstance(elements, JsonValues):
        if cast is None:
            raise TypeError("the elements of JSON arrays are indexed as one type")
        elements = cast_scalars(elements, cast.scalar)
    row_of = np.repeat(np.arange(len(lists.offsets) - 1), np.diff(lists.offsets))
    keys, places = _scalars(elements, int(lists.offsets[-1]))
    inside = places >= lists.offsets[0]
    if lists.known is not None:
        inside[inside] = lists.known.mask()[row_of[places[inside] - lists.offsets[0]]]
    kept = np.flatnonzero(inside)
    rows = row_of[places[kept] - lists.offsets[0]]
    return Entries(_pick(keys, kept), rows.astype(np.uint32), lists.known)


def _scalars(values: Numbers | Texts, count: int) -> tuple[Section, NDArray[np.int64]]:
    """Return the first ``count`` values that are there, and their places."""
    places = np.arange(count) if values.known is None else values.known.rows()
    places = places[places < count]
    if isinstance(values, Texts):
        return take(values.data, places), places
    picked = values.values[places]
    if picked.dtype.kind == "b":
        return picked.view(np.uint8), places
    if picked.dtype.kind != "f":
        return picked, places
    real = ~np.isnan(picked)
    return picked[real] + 0, places[real]  # -0.0 becomes 0.0


def _pick(keys: Section, places: NDArray[np.int64]) -> Section:
    if isinstance(keys, np.ndarray):
        picked: NDArray[Any] = keys[places]
        return picked
    return take(keys, places)
