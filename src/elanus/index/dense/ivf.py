"""IVF_FLAT: vectors in lists by their nearest centroid; a search scans the lists nearest to the query. By FAISS."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.index.base import INDEX_KINDS, IndexKind, Matrix, SearchParams
from elanus.index.dense import library
from elanus.index.dense.vectors import Floats, as_floats, chunks
from elanus.index.families import FLOAT_FAMILY, FLOATS
from elanus.index.header import Header, read_header
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.params import Params, param
from elanus.model.types import DataType, Metric

NAME: Final = "IVF_FLAT"
VERSION: Final = 1
ROWS_A_CENTROID: Final = 39  # fewer rows leave centroids that stand for nothing; FAISS' own recommendation
SAMPLE_A_CENTROID: Final = 256  # more rows don't better the centroids
SEED: Final = 20_240
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

    def __init__(self, native: Any, header: Header, *, mapped: bool) -> None:
        self._native = native
        self._header = header
        self._metric = Metric(header.metric)
        self._mapped = mapped
        self.num_rows = header.rows

    @classmethod
    def build(
        cls, matrix: Matrix, data_type: DataType, metric: Metric, params: IvfBuild, *, threads: int = 1
    ) -> IvfIndex:
        """Return the lists over ``matrix``, as many as its rows can fill; cost about 10 microseconds a row."""
        rows, dim = matrix.shape
        params = replace(params, nlist=max(1, min(params.nlist, rows // ROWS_A_CENTROID)))
        module, number = library.faiss(), library.metric_number(metric)
        with library.building(threads):
            native = module.IndexIVFFlat(module.IndexFlat(dim, number), dim, params.nlist, number)
            native.cp.min_points_per_centroid = 1
            native.train(np.clip(_sample(matrix, metric, params.nlist), -HUGE, HUGE))
            for chunk in chunks(matrix, metric):
                native.add(chunk)
        header = Header(
            kind=NAME, version=VERSION, data_type=data_type, metric=metric, rows=rows, dim=dim, params=asdict(params)
        )
        return cls(native, header, mapped=False)

    @classmethod
    def load(cls, folder: Path, data_type: DataType, metric: Metric) -> IvfIndex:
        """Return the lists saved in ``folder``, mapped; DataCorrupted when the files aren't such lists."""
        header = read_header(folder, NAME, VERSION, data_type, metric)
        return cls(library.read(folder, header, "IndexIVFFlat"), header, mapped=True)

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: the centroids; vectors and row numbers too until loaded from a file."""
        centroids = 4 * self._header.dim * self._lists
        return centroids if self._mapped else centroids + (4 * self._header.dim + 8) * self.num_rows

    @property
    def _lists(self) -> int:
        return int(self._header.params["nlist"])

    def search(self, queries: Matrix, k: int, params: SearchParams, keep: Bitset | None) -> Hits:
        """Return about the k nearest kept rows of each query; exact when every list is scanned."""
        assert isinstance(params, IvfSearch)
        count = self.num_rows if keep is None else keep.count()
        if count == 0 or len(queries) == 0:
            return Hits.none(len(queries), k)
        lists = min(params.lists(count / self.num_rows), self._lists)
        if keep is None or count == self.num_rows:
            return library.search(self._native, queries, k, self._metric, _unfiltered(lists))
        chosen = library.selector(keep)
        probe = library.faiss().SearchParametersIVF(nprobe=lists, sel=chosen)
        return library.search(self._native, queries, k, self._metric, probe)

    def walk_rows(self, params: SearchParams, k: int, selectivity: float) -> float:  # noqa: ARG002 - lists bound it
        """Estimate a search in scanned rows: all centroids, the kept rows of the probed lists, a glance at the rest."""
        assert isinstance(params, IvfSearch)
        if selectivity <= 0.0:
            return 0.0
        probed = self.num_rows * min(params.lists(selectivity) / self._lists, 1.0)
        return self._lists + probed * min(1.5 * selectivity + 0.05, 1.0)

    def save(self, folder: Path) -> None:
        """Write the lists and their header into ``folder``."""
        library.write(self._native, self._header, folder)


def _sample(matrix: Matrix, metric: Metric, nlist: int) -> Floats:
    """Return the rows that the centroids are learned from; a zero vector when there are none."""
    rows, dim = matrix.shape
    wanted = nlist * SAMPLE_A_CENTROID
    if rows == 0:
        return np.zeros((1, dim), dtype=np.float32)
    if rows <= wanted:
        return as_floats(matrix, metric)
    chosen = np.random.default_rng(SEED).choice(rows, size=wanted, replace=False, shuffle=False)
    return as_floats(matrix[np.sort(chosen)], metric)


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
