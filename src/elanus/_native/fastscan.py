"""Four-bit product codes: a fast scan of a whole column under any filter, re-ranked exactly.

The codes choose candidates, the column's own vectors decide: distances are those of ``kernels.scan``. Cost does not
depend on how the filter lies to the query. Calls release the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elanus._native import core
from elanus.model import deadline
from elanus.model.hits import Hits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from elanus._native.kernels import Vectors
    from elanus.model.bitset import Bitset
    from elanus.model.types import Metric

_FACTS = ("rows", "dim", "width", "metric")

_SECTIONS: dict[str, type[np.generic]] = {
    "codes": np.uint8,
    "present": np.uint8,
    "centroids": np.float32,
    "squares": np.float32,
}


class FastScan:
    """Product codes of a column's rows, without the vectors themselves.

    Safe from any thread: any number of searches beside one ``append``, each of the rows that were there when it began.
    """

    def __init__(self, native: core.FastScan) -> None:
        self._native = native

    @classmethod
    def train(
        cls,
        base: Vectors,
        metric: Metric,
        *,
        keep: Bitset | None = None,
        width: int = 0,
        threads: int = 1,
        seed: int = 1,
    ) -> FastScan:
        """Return codes of every row of the base, with centroids learnt from a sample of it.

        metric  L2, IP or COSINE
        keep    rows that are vectors, None for all; others are never found
        width   dimensions that share a code of four bits, 1 to dim; 0 chooses
        raises  ValueError for BINARY_VECTOR and other metrics
        cost    about 0.5 s a 100,000 rows of 384 dimensions on one core; the result does not depend on ``threads``
        """
        bits = None if keep is None else keep.bits
        return cls(core.FastScan.train(base._native(), metric, bits, (width, threads, seed)))

    @classmethod
    def open(cls, facts: Mapping[str, int | float | str], sections: Mapping[str, NDArray[Any]]) -> FastScan:
        """Return codes from what ``facts`` and ``sections`` gave; the arrays are copied.

        raises  ValueError that names the fact or section which is missing or does not fit the others
        """
        for name in (*_FACTS, *_SECTIONS):
            if name not in (facts if name in _FACTS else sections):
                raise ValueError(f"section {name}: missing")
        rows, dim, width = (_count(facts, name) for name in _FACTS[:3])
        arrays = [_section(name, sections[name], kind) for name, kind in _SECTIONS.items()]
        codes, present, centroids, squares = arrays
        return cls(core.FastScan.open((rows, dim, width, str(facts["metric"])), (codes, present, centroids, squares)))

    @property
    def facts(self) -> dict[str, int | float | str]:
        """What the sections are sections of; can be written as JSON."""
        return dict(zip(_FACTS, self._native.facts(), strict=True))

    def sections(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays to save, each of one dimension; none may be appended between this and ``facts``.

        returns  codes uint8, present uint8, centroids float32, squares float32
        """
        return dict(zip(_SECTIONS, self._native.sections(), strict=True))

    @property
    def num_rows(self) -> int:
        """How many rows a search sees."""
        return self._native.num_rows()

    @property
    def memory_bytes(self) -> int:
        """Bytes held."""
        return self._native.memory_bytes()

    def append(self, base: Vectors, upto: int, *, keep: Bitset | None = None, threads: int = 1) -> None:
        """Add codes of the base's rows from ``num_rows`` to ``upto``, for searches from then on.

        base    the rows trained on and those that came after; where ``upto`` rows are there already, nothing happens
        keep    which of the new rows are vectors, by their numbers in the base, None for all; others are never found
        raises  ValueError for other dimensions, or fewer than ``upto`` rows
        cost    5 us a row of 384 dimensions and a copy of at most 4,095 rows' codes
        """
        bits = None if keep is None else keep.bits
        self._native.append(base._native(), upto, bits, threads)

    def search(
        self,
        queries: Vectors,
        base: Vectors,
        k: int,
        *,
        refine: int = 0,
        keep: Bitset | None = None,
        threads: int = 1,
    ) -> Hits:
        """Return the nearest kept rows of each query: exactly min(k, rows that pass), with exact distances.

        base     the vectors of the codes' rows; no row from ``base.rows`` on is found
        refine   rows of each query to measure exactly, at least k; 0 for 12 * k + 60
        keep     rows that may be returned, one bit each of the base's rows, None for all
        returns  ascending by distance, then row; padded with -1 and +inf
        raises   ValueError for shapes or types that don't go together; Expired or Cancelled once the call is over
        cost     one pass over the codes of every 64 rows of which one passes, shared by several queries; few passing
                 rows are measured exactly instead (native/crates/fastscan/examples/measure.rs)
        """
        bits = None if keep is None else keep.bits
        native = (queries.as_queries()._native(), base._native())
        return Hits(*self._native.search(*native, (k, refine, threads), bits, deadline.current()))


def _count(facts: Mapping[str, int | float | str], name: str) -> int:
    value = facts[name]
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError(f"section {name}: {value!r} is not a number of them")
    return value


def _section(name: str, array: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    if array.dtype != kind or array.ndim != 1:
        raise ValueError(f"section {name}: {array.dtype} {array.shape} where one dimension of {kind.__name__} belongs")
    return np.require(array, requirements=["C", "A"])
