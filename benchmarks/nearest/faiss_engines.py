"""FAISS: graphs, lists, 4-bit codes with exact re-ranking, and the plain scan."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from nearest.data import OWN, Dataset
from nearest.engine import EF, Engine, register
from nearest.timing import Search

TRAINING_ROWS_A_LIST = 64


class Faiss(Engine):
    """An index of ``index_factory``.

    refine    candidates a result that are re-ranked exactly; 0 for none
    """

    package, module = "faiss-cpu", "faiss"

    def __init__(self, factory: str, sweep: tuple[Any, ...], filter_sweep: tuple[Any, ...] = (), refine: int = 0):
        self._factory, self.sweep, self.filter_sweep, self._refine = factory, sweep, filter_sweep, refine

    def build(self, data: Dataset, threads: int = 1) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        lists = 2 ** round(math.log2(4 * math.sqrt(data.rows)))
        factory = self._factory.format(lists=lists, half=data.dim // 2)
        metric = faiss.METRIC_L2 if data.metric == "L2" else faiss.METRIC_INNER_PRODUCT
        index = faiss.index_factory(data.dim, factory, metric)
        self._faiss, self._inner = faiss, faiss.downcast_index(index)
        if hasattr(self._inner, "hnsw"):
            self._inner.hnsw.efConstruction = 200
        sample = data.base
        if "IVF" in factory:
            chosen = np.random.default_rng(0).permutation(data.rows)[: TRAINING_ROWS_A_LIST * lists]
            sample = data.base[chosen]
        index.train(sample)
        index.add(data.base)
        faiss.omp_set_num_threads(1)
        self._plain, self._index, self._base = index, index, data.base
        if self._refine:
            self._index = faiss.IndexRefineFlat(index, faiss.swig_ptr(data.base))

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:
        rows = [data.queries[query : query + 1] for query in range(len(data.queries))]
        index = self._index
        if filter_name is None:
            parameters = self._parameters(parameter, None)
            return lambda query: index.search(rows[query], k, params=parameters)[1][0]
        known: dict[int, Any] = {}
        count = data.num_queries(filter_name) if filter_name == OWN else 1
        for query in range(count):
            mask = data.mask(filter_name, query)
            if id(mask) not in known:
                known[id(mask)] = self._parameters(parameter, mask)
        if filter_name != OWN:
            (parameters,) = known.values()
            return lambda query: index.search(rows[query], k, params=parameters)[1][0]
        chosen = [known[id(data.mask(filter_name, query))] for query in range(count)]
        return lambda query: index.search(rows[query], k, params=chosen[query])[1][0]

    def _parameters(self, parameter: Any, mask: Any) -> Any:
        faiss = self._faiss
        more = {}
        if mask is not None:
            more["sel"] = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        if hasattr(self._inner, "hnsw"):
            return faiss.SearchParametersHNSW(efSearch=parameter, **more)
        if "IVF" in self._factory:
            inner = faiss.SearchParametersIVF(nprobe=parameter, **more)
            if not self._refine:
                return inner
            return faiss.IndexRefineSearchParameters(k_factor=self._refine, base_index_params=inner)
        if self._refine:
            return faiss.IndexRefineSearchParameters(k_factor=parameter)
        return faiss.SearchParameters(**more)


_LISTS = (1, 2, 4, 8, 16, 32, 64, 128)
register("faiss-hnsw16", "graph", partial(Faiss, "HNSW16", EF, (32, 64, 128, 256, 512, 1024)))
register("faiss-hnsw32", "graph", partial(Faiss, "HNSW32", EF, (32, 64, 128, 256, 512, 1024)))
register("faiss-hnsw32-sq8", "graph", partial(Faiss, "HNSW32_SQ8", EF))
register("faiss-ivf", "lists", partial(Faiss, "IVF{lists},Flat", _LISTS, (8, 16, 32, 64, 128, 256)))
register("faiss-ivfpq-fs", "lists", partial(Faiss, "IVF{lists},PQ{half}x4fs", _LISTS, refine=8))
register("faiss-pqfs", "codes", partial(Faiss, "PQ{half}x4fs", (2, 4, 8, 16), refine=1))
register("faiss-flat", "flat", partial(Faiss, "Flat", (None,), (None,)))
