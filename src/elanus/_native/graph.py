"""HNSW graphs over vector columns: codes to walk on, links to walk along, and never the vectors themselves.

Whoever searches hands over the column that the graph was built over; every distance returned is measured there, so it
equals that of a scan bit for bit. The interpreter is released during every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus._native import core
from elanus._native.kernels import Vectors
from elanus._native.memory import resident
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.types import Metric

if TYPE_CHECKING:
    from elanus._native.core import GraphIndex

CodeName: TypeAlias = Literal["sq8", "sq4", "f16", "bf16", "column"]
"""What a walk measures on: scalar codes of 8 or 4 bits, half floats, or the column itself."""

Strategy: TypeAlias = Literal["auto", "plain", "alpha", "mix", "bridge", "scan", "column"]
"""How a filtered search goes about; ``auto`` chooses by measured costs and by what it meets.

``column`` searches the graphs of a column where a search has some, and is ``auto`` elsewhere.
"""

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


COLUMN_SECTIONS: Final = ("column_values", "column_ends", "column_rows", "column_entries", "column_links")
"""The arrays of a column's graphs, by name: uint32, of one dimension each."""

NO_VALUE: Final = 0xFFFF_FFFF
"""The number of a row without a value."""


@dataclass(frozen=True, slots=True)
class ColumnSettings:
    """How a column's graphs are built.

    width            links of a row; even
    min_rows         values of fewer rows have no graph: scanning them is as quick
    max_share        values of a larger share of the rows have none: the graph of all rows serves them
    ef_construction  the beam that looks for a row's neighbours
    """

    width: int = 32
    min_rows: int = 2_000
    max_share: float = 0.5
    ef_construction: int = 200


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
        if built is None:
            return None
        facts, sections = built
        return cls(facts, {name: resident(section) for name, section in sections.items()})

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
        among: Among | None = None,
    ) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query, and what was done to find them.

        queries  vectors of the base's type and dim, or FLOAT_VECTOR for halves
        base     the column that the graph was built over
        ef       width of the walk: the wider, the better the recall and the longer the search; at least k is used
        refine   how many of the walk's best are measured exactly; at least k are
        among    values of which every kept row has one, and a column's graphs of them
        returns  exact distances, ascending, equal ones by row; min(k, kept rows) rows always, then -1 and +inf
        raises   ValueError for vectors that don't go with the graph; Expired or Cancelled once the call is over
        """
        bits = None if keep is None else keep.bits
        request = (k, ef, refine, strategy, deadline.current())
        values = None if among is None else (among[0]._native, among[1])
        found, did = self._native.search(queries.as_queries()._native(), base._native(), request, bits, values)
        return Hits(*found), Work(*did)

    def stream(self, query: Vectors, base: Vectors, *, ef: int, keep: Bitset | None = None) -> GraphStream:
        """Return the kept rows from the nearest on, batch by batch.

        query   one vector
        others  as for ``search``
        """
        return GraphStream(self, query, base, ef, keep)


class ColumnGraph:
    """Graphs of the rows that share a value of a column, beside the graph of all rows; safe from any thread.

    Values are numbers from 0 on.
    """

    def __init__(self, rows: int, width: int, sections: Mapping[str, NDArray[np.uint32]]) -> None:
        """Open graphs over ``rows`` rows of ``width`` links from what ``sections`` of others gave, mapped ones too.

        raises  ValueError "section X: what is wrong" for arrays that are no such graphs, hostile ones too
        cost    two passes over the links
        """
        self.width = width
        self._sections = {name: np.ascontiguousarray(sections[name], np.uint32) for name in COLUMN_SECTIONS}
        self._native = core.ColumnGraph(rows, width, list(self._sections.values()))

    @classmethod
    def build(
        cls,
        graph: Graph,
        base: Vectors,
        values: NDArray[np.uint32],
        *,
        settings: ColumnSettings,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Callable[[], bool] | None = None,
    ) -> ColumnGraph | None:
        """Return graphs of the kept rows by their values; None when ``stop`` said so.

        graph   of the same rows: its codes are walked on
        values  the number of each row's value, [rows]; ``NO_VALUE`` for a row without
        cost    about half of what the graph of all rows cost
        """
        bits = None if keep is None else keep.bits
        native = (settings.width, settings.min_rows, settings.max_share, settings.ef_construction, threads)
        numbers = np.ascontiguousarray(values, np.uint32)
        built = core.column_graph_build(graph._native, base._native(), numbers, native, bits, stop)
        return None if built is None else cls(graph.num_rows, settings.width, built)

    def sections(self) -> dict[str, NDArray[np.uint32]]:
        """Return the arrays, as ``COLUMN_SECTIONS`` names them."""
        return dict(self._sections)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, mapped ones too."""
        return sum(section.nbytes for section in self._sections.values())

    @property
    def values(self) -> NDArray[np.uint32]:
        """The numbers of the values that rows have, ascending."""
        return self._sections["column_values"]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows have each of ``values``."""
        ends = self._sections["column_ends"].astype(np.int64)
        ends[1:] -= ends[:-1].copy()
        return ends

    @property
    def graphs(self) -> int:
        """How many values have a graph."""
        entries = self._sections["column_entries"].reshape(max(1, len(self.values)), -1)
        return int((entries[:, :1] != NO_VALUE).sum())


Among: TypeAlias = tuple[ColumnGraph, Sequence[int]]


class GraphStream:
    """A search that can be continued, until every kept row has come once; one thread at a time."""

    def __init__(self, graph: Graph, query: Vectors, base: Vectors, ef: int, keep: Bitset | None) -> None:
        bits = None if keep is None else keep.bits
        self._graph = graph
        self._base = base._native()
        self._native = graph._native.stream(query.as_queries()._native(), self._base, ef, bits)

    def next(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the next rows and their exact distances, ascending within the batch; fewer than count at the end.

        raises  Expired or Cancelled once the call at hand is over; nothing is lost, the stream can be asked again
        """
        return self._native.next(self._graph._native, self._base, count, deadline.current())
