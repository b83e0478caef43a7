"""How growing rows are searched: exactly while they are few, then by codes, then by a graph where searches pay for it.

Rows become searchable by the next faster way in the background; until then they are found by the way before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.base import SearchParams, Stop
from elanus.index.dense.graph import EXACT
from elanus.index.dense.growing_codes import CodedRows, GrowingCodes
from elanus.index.dense.growing_graph import GrowingLinks, LinkSettings
from elanus.index.families import FLOATS
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.types import DataType, Metric

CODED: Final = frozenset((*FLOATS, DataType.INT8_VECTOR))
"""The types that codes are made of."""
EXACT_COST: Final = 30
"""A row scanned exactly costs as much as so many scanned by their codes."""


class GrowingIndex:
    """Codes, and perhaps a graph, of the first rows of a column that grows; any thread may search.

    One thread codes at a time, and one links.
    """

    def __init__(self, metric: Metric, settings: LinkSettings | None) -> None:
        """Start without rows; without ``settings`` none are ever linked."""
        self._metric = metric
        self.codes = GrowingCodes(metric)
        self.links = None if settings is None else GrowingLinks(metric, settings)

    @property
    def memory_bytes(self) -> int:
        """Bytes held."""
        return self.codes.memory_bytes + (0 if self.links is None else self.links.memory_bytes)

    def lacks_codes(self, num_rows: int) -> bool:
        """Whether a column of so many rows has enough without codes."""
        return self.codes.due(num_rows)

    def code(self, base: Vectors, keep: Bitset | None) -> None:
        """Code the rows of ``base`` that aren't yet; see ``GrowingCodes.extend``."""
        self.codes.extend(base, keep)
        if self.links is not None:
            self.links.encode(base, keep)

    def lacks_links(self, num_rows: int) -> bool:
        """Whether a column of so many rows has enough without links that are worth having."""
        return self.links is not None and self.links.due(num_rows)

    def link(self, base: Vectors, keep: Bitset | None, stop: Stop) -> None:
        """Link rows of ``base`` that aren't yet, for a second at most; see ``GrowingLinks.extend``."""
        if self.links is not None:
            self.links.extend(base, keep, stop)

    def reader(self, num_rows: int) -> GrowingRows | None:
        """Return the index of a column's first rows, None where they are best scanned exactly."""
        coded = self.codes.reader(num_rows)
        if coded is None and (self.links is None or not self.codes.too_coarse):
            return None
        return GrowingRows(self._metric, num_rows, coded, self.links)


class GrowingRows:
    """The first rows of a growing column, found by links where that is quicker than by a scan. See ``VectorIndex``."""

    memory_bytes = 0  # it belongs to the segment's writer
    calibration = None

    def __init__(self, metric: Metric, num_rows: int, coded: CodedRows | None, links: GrowingLinks | None) -> None:
        """Take the codes and links of rows; without codes they are scanned exactly."""
        self._metric = metric
        self._coded = coded
        self._links = links
        self.num_rows = num_rows

    def search(
        self, queries: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None
    ) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query, at exact distances; as many as are kept, up to k."""
        if self._links is not None:
            self._links.ask(queries.rows * self.num_rows * (EXACT_COST if self._coded is None else 1))
            found = self._links.search(queries, base, k, params, keep)
            if found is not None:
                return found
        if self._coded is not None:
            return self._coded.search(queries, base, k, keep)
        kept = self.num_rows if keep is None else keep.count()
        return kernels.scan(queries, base, self._metric, k, keep=keep), Work(EXACT, scanned=queries.rows * kept)

    def stream(self, _query: Vectors, _base: Vectors, _k: int, _params: SearchParams, _keep: Bitset | None) -> None:
        """Return None: a scan has no next rows."""

    def promise(self, _params: SearchParams) -> None:
        """Return None: nothing was calibrated."""

    def save(self, _folder: Path) -> None:
        """Refuse: what grows is not saved."""
        raise NotImplementedError("codes of growing rows live in memory")
