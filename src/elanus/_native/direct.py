"""Searches from the bytes of their vectors to the bytes of their hits, over rows and settings that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.graph import Among, Graph
from elanus._native.kernels import ELEMENTS, Vectors
from elanus._native.merging import Located, key_buffers
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.types import DataType

if TYPE_CHECKING:
    from elanus._native.core import DirectPart

ASKED_WITH: Final = {
    DataType.FLOAT_VECTOR: (DataType.FLOAT_VECTOR,),
    DataType.FLOAT16_VECTOR: (DataType.FLOAT16_VECTOR, DataType.FLOAT_VECTOR),
    DataType.BFLOAT16_VECTOR: (DataType.BFLOAT16_VECTOR, DataType.FLOAT_VECTOR),
    DataType.INT8_VECTOR: (DataType.INT8_VECTOR,),
    DataType.BINARY_VECTOR: (DataType.BINARY_VECTOR,),
}
"""The types of the query vectors that a column of some type is searched for."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How a graph is walked: everything of a search but its vectors and its rows. See ``Graph.search``."""

    graph: Graph
    ef: int
    refine: int
    among: Among | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows that are searched.

    base  their vectors, those that the walk's graph was built over
    keys  their primary keys, int64 or large_string
    keep  those that count, None for all
    """

    walk: Walk
    base: Vectors
    keys: pa.Array
    keep: Bitset | None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a search gave.

    data   the fields of a ``SearchResultData`` that say what was found: num_queries, scores, ids, topks
    parts  int64 [n], the position of each hit's part
    rows   int64 [n], its row there
    """

    data: bytes
    parts: NDArray[np.int64]
    rows: NDArray[np.int64]


class DirectSearch:
    """A search that is settled but for its vectors; safe from any thread."""

    def __init__(
        self,
        parts: Sequence[Part],
        field: DataType,
        offset: int,
        limit: int,
        *,
        tolerance: float,
        descending: bool,
    ) -> None:
        """Settle a search.

        field       type of the vectors that are searched
        tolerance   hits whose distances are less than this apart are equal, and their keys decide
        descending  whether scores are negated distances
        raises      ValueError for parts that don't fit together
        """
        takes = [(int(asked), ELEMENTS[asked]) for asked in ASKED_WITH[field]]
        self._native = core.DirectSearch(
            [_native(part) for part in parts], takes, (offset, limit), (tolerance, descending)
        )

    def run(self, body: bytes, start: int, end: int, nq: int) -> Answer | None:
        """Search for the nq vectors of the serialized ``PlaceholderGroup`` at ``body[start:end]``.

        returns  None where the vectors are not so many, have another type or dimension or are no numbers, and where
                 hits lie so near each other that more than their distances and keys would have to decide
        raises   Expired or Cancelled once the call is over
        """
        found = self._native.run(body, start, end, nq, deadline.current())
        return None if found is None else Answer(*found)

    def find(self, queries: Vectors) -> Located | None:
        """Search for vectors of the parts' type and dimension, halves by FLOAT_VECTOR; None or raises as ``run``."""
        found = self._native.find(queries.as_queries()._native(), deadline.current())
        return None if found is None else Located(*found)


def _native(part: Part) -> DirectPart:
    walk = part.walk
    bits = None if part.keep is None else part.keep.bits
    among = None if walk.among is None else (walk.among[0]._native, list(walk.among[1]))
    return walk.graph._native, part.base._native(), key_buffers(part.keys), bits, walk.ef, walk.refine, among
