"""HNSW: a layered neighbour graph over the vectors, built and walked by FAISS.

Malkov and Yashunin 2018. FAISS walks by distance alone and keeps the rows that pass a filter, so a filtered walk is
given a beam wider by the inverse of the filter's selectivity.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from elanus.index.base import INDEX_KINDS, IndexKind, Matrix, SearchParams
from elanus.index.dense import library
from elanus.index.dense.vectors import chunks
from elanus.index.families import BINARY_FAMILY, FLOAT_FAMILY, FLOATS, INT8_FAMILY
from elanus.index.header import Header, read_header
from elanus.model.bitset import Bitset
from elanus.model.errors import SearchFailed
from elanus.model.hits import Hits
from elanus.model.params import INT32_MAX, Params, param
from elanus.model.types import DataType, Metric

NAME: Final = "HNSW"
VERSION: Final = 1
DEFAULT_EF: Final = 64
WIDEST_FILTERED_EF: Final = 2_048  # FAISS' beam costs its square; past this an exact scan of the survivors is quicker
KNOWHERE_ERROR: Final = 2099


@dataclass(frozen=True)
class HnswBuild(Params):
    """How a graph is built: links of a row on each layer, and the beam that looks for them."""

    M: int = param(30, low=2, high=2048)
    ef_construction: int = param(360, low=1, high=INT32_MAX, wire="efConstruction")


@dataclass(frozen=True)
class HnswSearch(SearchParams):
    """How a graph is walked.

    ef     width of the beam; when absent the larger of k and 64 * level
    level  1 (fast) to 10 (thorough), AUTOINDEX's way to say ef
    """

    ef: int = param(0, low=1, high=INT32_MAX)
    level: int = param(1, low=1, high=10)

    def check(self, k: int) -> None:
        """Raise SearchFailed when ``ef`` is given and smaller than ``k``."""
        if 0 < self.ef < k:
            raise SearchFailed(f"ef({self.ef}) should be larger than k({k})", segcore=KNOWHERE_ERROR)

    def width(self, k: int, selectivity: float) -> int:
        """Return the beam for ``k`` results of which a share ``selectivity`` of the rows may be one."""
        width = self.ef or max(DEFAULT_EF * self.level, k)
        return max(width, min(math.ceil(width / selectivity), WIDEST_FILTERED_EF))


class HnswIndex:
    """A FAISS graph over the vectors of one segment. See ``VectorIndex``."""

    def __init__(self, native: Any, header: Header, *, mapped: bool) -> None:
        self._native = native
        self._header = header
        self._metric = Metric(header.metric)
        self._mapped = mapped
        self.num_rows = header.rows

    @classmethod
    def build(
        cls, matrix: Matrix, data_type: DataType, metric: Metric, params: HnswBuild, *, threads: int = 1
    ) -> HnswIndex:
        """Return the graph over ``matrix``.

        cost  about 0.5 ms of CPU a row at M 30, efConstruction 200 and 384 dimensions; the same graph on one thread
        """
        rows, dim = matrix.shape
        with library.building(threads):
            native = library.faiss().IndexHNSWFlat(dim, params.M, library.metric_number(metric))
            native.hnsw.efConstruction = params.ef_construction
            for chunk in chunks(matrix, metric):
                native.add(chunk)
        header = Header(
            kind=NAME, version=VERSION, data_type=data_type, metric=metric, rows=rows, dim=dim, params=asdict(params)
        )
        return cls(native, header, mapped=False)

    @classmethod
    def load(cls, folder: Path, data_type: DataType, metric: Metric) -> HnswIndex:
        """Return the graph saved in ``folder``, mapped; DataCorrupted when the files aren't such a graph."""
        header = read_header(folder, NAME, VERSION, data_type, metric)
        return cls(library.read(folder, header, "IndexHNSWFlat"), header, mapped=True)

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: level and offset of each row; vectors and links too until loaded from a file."""
        fixed = 12 * self.num_rows
        links = 8 * self._links * self.num_rows
        return fixed if self._mapped else fixed + links + 4 * self._header.dim * self.num_rows

    @property
    def _links(self) -> int:
        return int(self._header.params["M"])

    def search(self, queries: Matrix, k: int, params: SearchParams, keep: Bitset | None) -> Hits:
        """Return about the k nearest kept rows of each query; cost about ``walk_rows`` a query."""
        assert isinstance(params, HnswSearch)
        count = self.num_rows if keep is None else keep.count()
        if count == 0 or len(queries) == 0:
            return Hits.none(len(queries), k)
        width = params.width(k, count / self.num_rows)
        if keep is None or count == self.num_rows:
            return library.search(self._native, queries, k, self._metric, _unfiltered(width))
        chosen = library.selector(keep)
        walk = library.faiss().SearchParametersHNSW(efSearch=width, sel=chosen)
        return library.search(self._native, queries, k, self._metric, walk)

    def walk_rows(self, params: SearchParams, k: int, selectivity: float) -> float:
        """Estimate a walk in scanned rows, fitted to 100,000 sentence embeddings of 384 dimensions.

        A walk scores 12.5 * M^0.45 * ef^0.8 rows and takes 2.7 times as long for each as a scan, which reads in order.
        """
        assert isinstance(params, HnswSearch)
        if selectivity <= 0.0:
            return 0.0
        width = params.width(k, selectivity)
        return min(33.0 * math.pow(self._links, 0.45) * math.pow(width, 0.8), 2.7 * self.num_rows)

    def save(self, folder: Path) -> None:
        """Write the graph and its header into ``folder``."""
        library.write(self._native, self._header, folder)


@lru_cache(maxsize=256)
def _unfiltered(width: int) -> Any:
    """Return FAISS' parameters of a walk without a filter; FAISS only reads them, so threads share them."""
    return library.faiss().SearchParametersHNSW(efSearch=width)


INDEX_KINDS.register(
    IndexKind(
        name=NAME,
        family="vector",
        version=VERSION,
        metrics={**FLOAT_FAMILY, **INT8_FAMILY, **BINARY_FAMILY},
        build_params=HnswBuild,
        search_params=HnswSearch,
        built=frozenset(FLOATS),
        engine="HNSW graph (FAISS)",
        build=HnswIndex.build,
        load=HnswIndex.load,
    )
)
