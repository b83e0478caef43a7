"""Elanus' own: graphs over each code, the block scan of 4-bit codes, the plain scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nearest.data import Dataset
from nearest.engine import EF, Engine, register
from nearest.timing import Search

if TYPE_CHECKING:
    from elanus._native.graph import CodeName, Graph
    from elanus._native.kernels import Vectors
    from elanus.model.bitset import Bitset
    from elanus.model.hits import Hits, Work
    from elanus.model.types import Metric

M, EF_CONSTRUCTION = 16, 200
REFINED = {"sq8": 2, "sq4": 3}
"""Candidates a result that are measured exactly, by code; one where the code is exact enough."""


class Elanus(Engine):
    """What ours share: queries and bitmaps as the segment layer holds them, made before the clock runs."""

    package, module = "elanus", "elanus"
    _base: Vectors
    _metric: Metric

    def _take(self, data: Dataset) -> None:
        from elanus._native.kernels import Vectors
        from elanus.model.types import Metric

        self._base, self._metric = Vectors.of(data.base), Metric(data.metric)

    @staticmethod
    def _queries(data: Dataset) -> list[Vectors]:
        from elanus._native.kernels import Vectors

        return [Vectors.of(data.queries[query : query + 1]) for query in range(len(data.queries))]

    @staticmethod
    def _keeps(data: Dataset, filter_name: str | None) -> list[Bitset | None]:
        """Return the bitmap of each query, counted, as a bound filter gives it."""
        from elanus.model.bitset import Bitset

        if filter_name is None:
            return [None] * len(data.queries)
        known: dict[int, Bitset] = {}
        keeps: list[Bitset | None] = []
        for query in range(data.num_queries(filter_name)):
            mask = data.mask(filter_name, query)
            if id(mask) not in known:
                keep = Bitset.from_mask(mask)
                keep.count()
                known[id(mask)] = keep
            keeps.append(known[id(mask)])
        return keeps


class ElanusGraph(Elanus):
    """The graph over one code."""

    sweep = EF
    filter_sweep = EF

    def __init__(self, code: CodeName) -> None:
        self._code = code
        self._refined = REFINED.get(code, 1)
        self._graph: Graph

    def build(self, data: Dataset, threads: int = 1) -> None:
        from elanus._native.graph import Graph

        self._take(data)
        graph = Graph.build(
            self._base, self._metric, code=self._code, m=M, ef_construction=EF_CONSTRUCTION, threads=threads
        )
        assert graph is not None, "nothing asked it to stop"
        self._graph = graph

    def memory_bytes(self) -> int:
        return self._graph.nbytes

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:
        queries, keeps, ask = self._queries(data), self._keeps(data, filter_name), self._ask(k, parameter)
        return lambda query: ask(queries[query], keeps[query])[0].rows[0]

    def explain(self, data: Dataset, k: int, parameter: Any, filter_name: str) -> dict[str, int]:
        queries, keeps = self._queries(data), self._keeps(data, filter_name)
        ask = self._ask(k, parameter)
        return dict(Counter(ask(query, keep)[1].strategy for query, keep in zip(queries, keeps, strict=False)))

    def _ask(self, k: int, ef: int) -> Callable[[Vectors, Bitset | None], tuple[Hits, Work]]:
        graph, base, refine = self._graph, self._base, self._refined * k
        return lambda query, keep: graph.search(query, base, k, ef=ef, refine=refine, keep=keep)

    def streamer(self, data: Dataset, count: int, batches: int, ef: int) -> Search:
        """Return a call from a query's number to the rows of some batches of a stream, one after another."""
        graph, base, queries = self._graph, self._base, self._queries(data)

        def search(query: int) -> Any:
            stream = graph.stream(queries[query], base, ef=ef)
            return np.concatenate([stream.next(count)[0] for _ in range(batches)])

        return search


class ElanusFastScan(Elanus):
    """The block scan of 4-bit codes, re-ranked exactly; its parameter is how many candidates are, a result."""

    sweep = (2, 4, 8, 16, 32)
    filter_sweep = (2, 4, 8, 16, 32)

    def build(self, data: Dataset, threads: int = 1) -> None:  # noqa: ARG002 - learned on one thread
        from elanus._native.fastscan import FastScan

        self._take(data)
        self._codes = FastScan.train(self._base, self._metric)

    def memory_bytes(self) -> int:
        return self._codes.memory_bytes

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:
        codes, base, refine = self._codes, self._base, parameter * k
        queries, keeps = self._queries(data), self._keeps(data, filter_name)
        return lambda query: codes.search(queries[query], base, k, refine=refine, keep=keeps[query]).rows[0]


class ElanusFlat(Elanus):
    """The plain scan of the column."""

    filter_sweep = (None,)

    def build(self, data: Dataset, threads: int = 1) -> None:  # noqa: ARG002 - nothing to build
        from elanus._native.kernels import norms

        self._take(data)
        self._lengths = norms(self._base)

    def memory_bytes(self) -> int:
        return int(self._lengths.nbytes)

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:  # noqa: ARG002
        from elanus._native.kernels import scan

        base, metric, lengths = self._base, self._metric, self._lengths
        queries, keeps = self._queries(data), self._keeps(data, filter_name)
        return lambda query: scan(queries[query], base, metric, k, keep=keeps[query], lengths=lengths).rows[0]


class ElanusAuto(Engine):
    """AUTOINDEX of the index layer; its work brings its own data."""

    package, module = "elanus", "elanus"


for _code in ("sq8", "sq4", "f16", "bf16", "column"):
    register(f"elanus-{_code}", "graph", partial(ElanusGraph, _code))
register("elanus-fastscan", "codes", ElanusFastScan)
register("elanus-flat", "flat", ElanusFlat)
register("elanus-auto", "auto", ElanusAuto)
