"""Growing rows in a graph, once searches have asked enough of them to pay for it (docs/decisions/0011)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from elanus._native import kernels
from elanus._native.growing import GrowingGraph
from elanus._native.kernels import Vectors
from elanus.index.base import SearchParams, Stop
from elanus.index.create import build_params, flattened
from elanus.index.dense.calibration import DEFAULT_TARGET
from elanus.index.dense.graph import REMEASURED, GraphBuild, GraphSearch
from elanus.index.dense.growing_codes import LEAST_RECALL, STEP_ROWS, with_tail
from elanus.index.dense.recall import recalls
from elanus.index.dense.sampling import made_queries
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.manifest import IndexInfo
from elanus.model.types import Metric

LEAST_ROWS: Final = 20_480
"""Fewer rows are scanned by their codes in well under a tenth of a millisecond."""
PRICE: Final = 100
"""So many searches of all rows pay for linking them, for each row of the beam that looks for neighbours."""
FIRST_CHECK: Final = 16_384
CHECKED: Final = 64
CHECKED_K: Final = 10
WIDTHS: Final = (24, 32, 48, 64, 96, 128, 192, 256)
"""Widths of a walk that are tried; at the widest it still costs less than a scan of the codes of 100,000 rows."""
ROWS_A_WIDTH: Final = 256
"""A walk is no wider than one in so many of the rows: a scan would be as quick."""
MOST_K: Final = 100
MOST_PASS: Final = 0.7
"""Under filters that a smaller share passes, codes are scanned: that costs the same wherever the passing rows lie."""
MOST_LEFT: Final = 8
"""One row in so many may lack links: they are measured one by one."""
ROOM_BYTES: Final = 2**30
"""Room for so many bytes of vectors: a growing segment is written to files long before."""
STEP_S: Final = 1.0
"""Seconds that rows are linked at a time: index builds wait for it."""
MOST_M: Final = 64
MOST_EF_CONSTRUCTION: Final = 512


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How growing rows are linked: less thoroughly than those of files, for the graph soon goes."""

    m: int = 16
    ef_construction: int = 100

    @property
    def price(self) -> int:
        """Searches of all rows that pay for linking them."""
        return PRICE * self.ef_construction


def link_settings(index: IndexInfo) -> LinkSettings | None:
    """Return how an index's growing rows are linked, None where it builds no graph.

    What the index's creator says of M and efConstruction holds, within bounds.
    """
    params = build_params(index)
    if not isinstance(params, GraphBuild):
        return None
    given = {key.lower() for key in flattened(index.params)}
    settings = LinkSettings()
    m = min(params.M, MOST_M) if "m" in given else settings.m
    wide = min(params.ef_construction, MOST_EF_CONSTRUCTION)
    return LinkSettings(m, wide if "efconstruction" in given else settings.ef_construction)


class GrowingLinks:
    """A graph of the first rows of a column that grows. One thread extends it, any may search."""

    def __init__(self, metric: Metric, settings: LinkSettings) -> None:
        self._metric = metric
        self._settings = settings
        self._graph: GrowingGraph | None = None
        self._width = 0
        self._next_check = FIRST_CHECK
        self._finds_too_little = False
        self._asked = 0
        self._asking = threading.Lock()

    @property
    def num_rows(self) -> int:
        """How many rows have links."""
        return 0 if self._graph is None else self._graph.linked

    @property
    def memory_bytes(self) -> int:
        """Bytes held."""
        return 0 if self._graph is None else self._graph.memory_bytes

    def ask(self, rows: int) -> None:
        """Note that searches have rows to pass over, each search all that there are."""
        with self._asking:
            self._asked += rows

    def due(self, num_rows: int) -> bool:
        """Whether so many rows are worth linking, by what searches have asked, and enough of them lack links."""
        if self._finds_too_little or num_rows < LEAST_ROWS or self._asked < num_rows * self._settings.price:
            return False
        room = num_rows if self._graph is None else min(num_rows, self._graph.most_rows)
        return room - self.num_rows >= STEP_ROWS

    def encode(self, base: Vectors, keep: Bitset | None) -> None:
        """Encode the rows of ``base`` that aren't yet, once there is a graph, so that searches see them by it."""
        if self._graph is not None:
            self._graph.encode(base, base.rows // STEP_ROWS * STEP_ROWS, keep=keep)

    def extend(self, base: Vectors, keep: Bitset | None, stop: Stop) -> None:
        """Link rows of ``base`` that aren't yet, for ``STEP_S`` at most.

        keep  rows that have a vector, None when all have
        stop  asked all the time; once it says true, it ends within a hundredth of a second
        cost  80 us a row of 384 dimensions; each time the rows are half as many again, a scan to measure what is found
        """
        if self._graph is None:
            most_rows = max(base.rows, ROOM_BYTES // max(1, base.row_bytes))
            m, ef_construction = self._settings.m, self._settings.ef_construction
            self._graph = GrowingGraph(
                base, self._metric, m=m, ef_construction=ef_construction, most_rows=most_rows, keep=keep
            )
        self.encode(base, keep)
        self._graph.link(base.rows, STEP_S, keep=keep, stop=stop)
        linked = min(self._graph.linked, base.rows) // 8 * 8
        if linked >= self._next_check and not stop():
            self._next_check = linked * 3 // 2
            self._width = self._measured(self._graph, base.head(linked), None if keep is None else keep.head(linked))
            if not self._width:
                self._finds_too_little, self._graph = True, None

    def _measured(self, graph: GrowingGraph, base: Vectors, keep: Bitset | None) -> int:
        """Return how wide to walk for ``CHECKED_K`` rows; 0 where the widest walk misses too many."""
        if keep is not None and not keep.any():
            return 0
        queries = made_queries(base, self._metric, keep, CHECKED, seed=1)
        exact = kernels.scan(queries, base, self._metric, CHECKED_K, keep=keep)
        for width in WIDTHS:
            if width * ROWS_A_WIDTH > base.rows:
                break
            found, _, _ = graph.search(queries, base, CHECKED_K, ef=width, refine=_refined(CHECKED_K), keep=keep)
            if float(np.mean(recalls(found.distances, exact.distances, CHECKED_K))) >= LEAST_RECALL:
                return width
        return 0

    def search(
        self, queries: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None
    ) -> tuple[Hits, Work] | None:
        """Return what ``VectorIndex.search`` does; None where the graph is not the way to find it.

        base  a column's first rows; most of them must have links
        """
        graph, width = self._graph, self._wide(k, params)
        if graph is None or not width or not _covers(graph, base.rows):
            return None
        if keep is not None and keep.count() < MOST_PASS * base.rows:
            return None
        coded = min(graph.coded, base.rows) // STEP_ROWS * STEP_ROWS
        head, kept = base.head(coded), None if keep is None else keep.head(coded)
        near, work, enough = graph.search(queries, head, k, ef=width, refine=_refined(k), keep=kept)
        if not enough:
            return None
        scanned = work.scanned + queries.rows * (base.rows - coded)
        hits = with_tail(near, queries, base, k, coded=coded, metric=self._metric, keep=keep)
        return hits, replace(work, scanned=scanned)

    def _wide(self, k: int, params: SearchParams) -> int:
        """Return how wide to walk; 0 where so many rows, or so much of them, are asked for that a scan does better."""
        width = self._width + 2 * max(0, k - CHECKED_K)
        if not self._width or k > MOST_K or params.hints not in ("", "plain"):
            return 0
        if not isinstance(params, GraphSearch):
            return width
        if params.ef:
            return max(width, params.ef) if params.ef <= WIDTHS[-1] else 0
        return width if params.recall <= DEFAULT_TARGET else 0


def _covers(graph: GrowingGraph, rows: int) -> bool:
    """Whether nearly all of so many rows have links, and nearly all that have are among them.

    Links lead past rows that came later; where many did, rows that only they lead to are lost.
    """
    return max(rows - graph.linked, graph.linked - rows) * MOST_LEFT <= rows


def _refined(k: int) -> int:
    return k * REMEASURED["sq8"]
