"""HNSW graphs over vector columns: codes to walk on, links to walk along, and never the vectors themselves.

Whoever searches hands over the column that the graph was built over; every distance returned is measured there, so it
equals that of a scan bit for bit. The interpreter is released during every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.kernels import Vectors
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import Metric

if TYPE_CHECKING:
    from elanus._native.core import GraphIndex

CodeName: TypeAlias = Literal["sq8", "sq4", "f16", "bf16", "column"]
"""What a walk measures on: scalar codes of 8 or 4 bits, half floats, or the column itself."""

Strategy: TypeAlias = Literal["auto", "plain", "alpha", "mix", "bridge", "scan"]
"""How a filtered search goes about; ``auto`` chooses by measured costs and by what it meets."""

Facts: TypeAlias = Mapping[str, int | float | str]

SECTIONS: Final = {
    "base": np.uint32,
    "upper_rows": np.uint32,
    "upper_ends": np.uint32,
    "upper_links": np.uint32,
    "codes": np.uint8,
    "tails": np.float32,
    "mean": np.float32,
}
"""The arrays of a graph, by name, with their dtypes; each has one dimension."""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search did, all its queries together.

    strategy  what ran at last
    hops      rows whose links were followed
    scored    rows measured by their codes along the way
    scanned   rows measured because a scan was cheaper, or was left to do
    switched  whether the walk met a correlation of filter and query, and changed its strategy
    """

    strategy: str
    hops: int
    scored: int
    scanned: int
    switched: bool


class Graph:
    """A graph over one column of vectors: immutable, safe from any thread."""

    def __init__(self, facts: Facts, sections: Mapping[str, NDArray[Any]]) -> None:
        """Open a graph from what ``facts`` and ``sections`` of another one gave; the arrays may be mapped.

        raises  ValueError "section X: what is wrong" for arrays that are no graph, hostile ones too
        cost    one pass over the links
        """
        self.facts: dict[str, int | float | str] = dict(facts)
        self._sections = {name: np.ascontiguousarray(sections[name], dtype) for name, dtype in SECTIONS.items()}
        self._native: GraphIndex = core.GraphIndex(self.facts, self._sections)

    @classmethod
    def build(
        cls,
        base: Vectors,
        metric: Metric,
        *,
        code: CodeName = "sq8",
        m: int = 16,
        ef_construction: int = 200,
        keep: Bitset | None = None,
        threads: int = 1,
        seed: int = 1,
        stop: Callable[[], bool] | None = None,
    ) -> Graph | None:
        """Return a graph over the kept rows of ``base``; None when ``stop`` said so.

        keep     rows to link, None for all; others are never found
        threads  with more than one the graph differs from run to run
        stop     asked every few hundred rows, from any thread
        raises   ValueError for a metric that the vectors don't have
        cost     about 0.2 ms of CPU a row at m 16, ef_construction 200 and 384 dimensions
        """
        bits = None if keep is None else keep.bits
        settings = (code, m, ef_construction, threads, seed)
        built = core.graph_build(base._native(), metric, settings, bits, stop)
        return None if built is None else cls(*built)

    @classmethod
    def open(cls, facts: Facts, sections: Mapping[str, NDArray[Any]]) -> Graph:
        """Return the graph of facts and sections; see the constructor."""
        return cls(facts, sections)

    def sections(self) -> dict[str, NDArray[Any]]:
        """Return the arrays, as ``SECTIONS`` names them."""
        return dict(self._sections)

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return int(self.facts["rows"])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, mapped ones too."""
        return sum(section.nbytes for section in self._sections.values())

    def search(
        self,
        queries: Vectors,
        base: Vectors,
        k: int,
        *,
        ef: int,
        refine: int = 0,
        keep: Bitset | None = None,
        strategy: Strategy = "auto",
        deadline_s: float | None = None,
    ) -> tuple[Hits, SearchReport]:
        """Return about the k nearest kept rows of each query, and what was done to find them.

        queries     vectors of the base's type and dim, or FLOAT_VECTOR for halves
        base        the column that the graph was built over
        ef          width of the walk: the wider, the better the recall and the longer the search; at least k is used
        refine      how many of the walk's best are measured exactly; at least k are
        deadline_s  seconds left
        returns     exact distances, ascending, equal ones by row; min(k, kept rows) rows always, then -1 and +inf
        raises      ValueError for vectors that don't go with the graph, TimeoutError past the deadline
        """
        bits = None if keep is None else keep.bits
        request = (k, ef, refine, strategy, deadline_s)
        found, did = self._native.search(queries.as_queries()._native(), base._native(), request, bits)
        return Hits(*found), SearchReport(*did)

    def stream(self, query: Vectors, base: Vectors, *, ef: int, keep: Bitset | None = None) -> GraphStream:
        """Return the kept rows from the nearest on, batch by batch.

        query   one vector
        others  as for ``search``
        """
        return GraphStream(self, query, base, ef, keep)


class GraphStream:
    """A search that can be continued, until every kept row has come once; one thread at a time."""

    def __init__(self, graph: Graph, query: Vectors, base: Vectors, ef: int, keep: Bitset | None) -> None:
        bits = None if keep is None else keep.bits
        self._graph = graph
        self._base = base._native()
        self._native = graph._native.stream(query.as_queries()._native(), self._base, ef, bits)

    def next(self, count: int, deadline_s: float | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the next rows and their exact distances, ascending within the batch; fewer than count at the end."""
        return self._native.next(self._graph._native, self._base, count, deadline_s)
