"""IVF_FLAT: vectors in lists by their nearest centroid; a search scans the lists nearest to the query. By FAISS.

Where few rows are kept, or the lists have too few of them, the column is scanned instead.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.base import INDEX_KINDS, BuildStopped, IndexKind, SearchParams, Stop
from elanus.index.dense import library
from elanus.index.dense.vectors import Floats, Matrix, as_floats, matrix_of
from elanus.index.families import FLOAT_FAMILY, FLOATS
from elanus.index.header import Header, read_header
from elanus.model import deadline
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits, Work
from elanus.model.params import Params, param
from elanus.model.types import DataType, Metric

NAME: Final = "IVF_FLAT"
VERSION: Final = 2
CHUNK_ROWS: Final = 16_384
ROWS_A_CENTROID: Final = 39  # fewer rows leave centroids that stand for nothing; FAISS' own recommendation
SAMPLE_A_CENTROID: Final = 256  # more rows don't better the centroids
SEED: Final = 20_240
SCAN, LISTS = "scan", "lists"
HUGE: Final = 1e15  # FAISS ends the process when squares overflow while it learns centroids


@dataclass(frozen=True)
class IvfBuild(Params):
    """Into how many lists the rows are sorted; small segments get fewer."""

    nlist: int = param(128, low=1, high=65_536)


@dataclass(frozen=True)
class IvfSearch(SearchParams):
    """How many lists a search scans.

    max_empty_result_buckets  accepted for range searches, which need no such bound here
    """

    nprobe: int = param(8, low=1, high=65_536)
    max_empty_result_buckets: int = param(2, low=0, high=65_536)

    def lists(self, selectivity: float) -> int:
        """Return the lists to scan when a share ``selectivity`` of the rows may be a result."""
        return math.ceil(self.nprobe / math.sqrt(selectivity))


class IvfIndex:
    """FAISS inverted lists over the vectors of one segment. See ``VectorIndex``."""

    calibration = None

    def __init__(self, native: Any, header: Header, *, mapped: bool) -> None:
        self._native = native
        self._header = header
        self._metric = Metric(header.metric)
        self._mapped = mapped
        self.num_rows = header.rows

    @classmethod
    def build(
        cls,
        base: Vectors,
        metric: Metric,
        params: IvfBuild,
        *,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> IvfIndex:
        """Return the lists over the kept rows, as many as those can fill; cost about 10 microseconds a row."""
        matrix, dim = matrix_of(base), base.dim
        rows = np.arange(base.rows) if keep is None else keep.rows()
        params = replace(params, nlist=max(1, min(params.nlist, len(rows) // ROWS_A_CENTROID)))
        module, number = library.faiss(), library.metric_number(metric)
        with library.building(threads):
            native = module.IndexIVFFlat(module.IndexFlat(dim, number), dim, params.nlist, number)
            native.cp.min_points_per_centroid = 1
            native.train(np.clip(_sample(matrix, rows, metric, params.nlist), -HUGE, HUGE))
            for start in range(0, len(rows), CHUNK_ROWS):
                if stop is not None and stop():
                    raise BuildStopped(f"the build of lists over {len(rows)} rows was stopped")
                chosen = rows[start : start + CHUNK_ROWS]
                native.add_with_ids(as_floats(matrix[chosen], metric), chosen)
        header = Header(
            kind=NAME,
            version=VERSION,
            data_type=base.type,
            metric=metric,
            rows=base.rows,
            dim=dim,
            vectors=len(rows),
            params=asdict(params),
        )
        return cls(native, header, mapped=False)

    @classmethod
    def load(cls, folder: Path, data_type: DataType, metric: Metric, *, mapped: bool = False) -> IvfIndex:  # noqa: ARG003
        """Return the lists saved in ``folder``, always mapped; DataCorrupted when the files aren't such lists."""
        header = read_header(folder, NAME, VERSION, data_type, metric)
        return cls(library.read(folder, header, "IndexIVFFlat"), header, mapped=True)

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: the centroids; vectors and row numbers too until loaded from a file."""
        centroids = 4 * self._header.dim * self._lists
        return centroids if self._mapped else centroids + (4 * self._header.dim + 8) * self._header.vectors

    @property
    def _lists(self) -> int:
        return int(self._header.params["nlist"])

    def search(
        self, queries: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None
    ) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query; exact when every list is scanned."""
        assert isinstance(params, IvfSearch)
        deadline.check()
        kept = self.num_rows if keep is None else keep.count()
        if not kept or not queries.rows:
            return Hits.none(queries.rows, k), Work(SCAN)
        lists = min(params.lists(kept / self.num_rows), self._lists)
        cost = self._lists + self._share(lists, kept)
        if params.hints != SCAN and cost < kept:
            hits = self._probe(queries, k, lists, keep)
            if (hits.rows[:, min(k, kept) - 1] >= 0).all():
                return hits, Work(LISTS, scanned=queries.rows * math.ceil(cost))
        return kernels.scan(queries, base, self._metric, k, keep=keep), Work(SCAN, scanned=queries.rows * kept)

    def _share(self, lists: int, kept: int) -> float:
        """Estimate what probing lists costs, in scanned rows: their kept rows, and a glance at the others."""
        return self.num_rows * lists / self._lists * min(1.5 * kept / self.num_rows + 0.05, 1.0)

    def _probe(self, queries: Vectors, k: int, lists: int, keep: Bitset | None) -> Hits:
        asked = matrix_of(queries)
        if keep is None or keep.count() == self.num_rows:
            return library.search(self._native, asked, k, self._metric, _unfiltered(lists))
        chosen = library.selector(keep)
        probe = library.faiss().SearchParametersIVF(nprobe=lists, sel=chosen)
        return library.search(self._native, asked, k, self._metric, probe)

    def stream(self, query: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None) -> None:
        """Return None: lists are searched at once."""

    def promise(self, _params: SearchParams) -> None:
        """Return None: users choose how many lists to look at."""

    def save(self, folder: Path) -> None:
        """Write the lists and their header into ``folder``."""
        library.write(self._native, self._header, folder)


def _sample(matrix: Matrix, rows: NDArray[np.int64], metric: Metric, nlist: int) -> Floats:
    """Return the rows that the centroids are learned from; a zero vector when there are none."""
    wanted = nlist * SAMPLE_A_CENTROID
    if not len(rows):
        return np.zeros((1, matrix.shape[1]), dtype=np.float32)
    if len(rows) > wanted:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, size=wanted, replace=False, shuffle=False))
    return as_floats(matrix[rows], metric)


@lru_cache(maxsize=256)
def _unfiltered(lists: int) -> Any:
    """Return FAISS' parameters of a search without a filter; FAISS only reads them, so threads share them."""
    return library.faiss().SearchParametersIVF(nprobe=lists)


INDEX_KINDS.register(
    IndexKind(
        name=NAME,
        family="vector",
        version=VERSION,
        metrics=FLOAT_FAMILY,
        build_params=IvfBuild,
        search_params=IvfSearch,
        built=frozenset(FLOATS),
        engine="inverted lists (FAISS)",
        build=IvfIndex.build,
        load=IvfIndex.load,
    )
)
