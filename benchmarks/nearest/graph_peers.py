"""Graph libraries beside FAISS: hnswlib, SVS, USearch, Voyager, Zvec. One query a call, one thread."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nearest.data import Dataset
from nearest.engine import EF, Engine, register
from nearest.timing import Search


class Hnswlib(Engine):
    """hnswlib; its filters are Python calls a row, so they aren't measured."""

    package, module = "hnswlib", "hnswlib"
    sweep = EF

    def __init__(self, m: int) -> None:
        self._m = m

    def build(self, data: Dataset, threads: int = 1) -> None:
        import hnswlib

        self._index = hnswlib.Index(space="l2" if data.metric == "L2" else "ip", dim=data.dim)
        self._index.init_index(data.rows, M=self._m, ef_construction=200, random_seed=1)
        self._index.add_items(data.base, np.arange(data.rows), num_threads=threads)

    def memory_bytes(self) -> int:
        return int(self._index.index_file_size())

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:  # noqa: ARG002
        index, queries = self._index, list(data.queries)
        index.set_ef(parameter)
        return lambda query: index.knn_query(queries[query], k, num_threads=1)[0][0]


class Usearch(Engine):
    package, module = "usearch", "usearch.index"
    sweep = EF

    def __init__(self, element: str) -> None:
        self._element = element

    def build(self, data: Dataset, threads: int = 1) -> None:
        from usearch.index import Index

        metric = {"L2": "l2sq", "COSINE": "cos", "IP": "ip"}[data.metric]
        self._index = Index(ndim=data.dim, metric=metric, dtype=self._element, connectivity=16, expansion_add=200)
        self._index.add(np.arange(data.rows), data.base, threads=threads)

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:  # noqa: ARG002
        index, queries = self._index, list(data.queries)
        index.expansion_search = parameter
        return lambda query: index.search(queries[query], k, threads=1).keys


class Voyager(Engine):
    package, module = "voyager", "voyager"
    sweep = EF

    def __init__(self, element: str) -> None:
        self._element = element

    def build(self, data: Dataset, threads: int = 1) -> None:
        import voyager

        space = voyager.Space.Euclidean if data.metric == "L2" else voyager.Space.InnerProduct
        self._index = voyager.Index(
            space,
            num_dimensions=data.dim,
            M=16,
            ef_construction=200,
            max_elements=data.rows,
            storage_data_type=getattr(voyager.StorageDataType, self._element),
        )
        self._index.add_items(data.base, np.arange(data.rows), num_threads=threads)

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:  # noqa: ARG002
        index, queries, beam = self._index, list(data.queries), max(parameter, k)
        return lambda query: index.query(queries[query], k=k, num_threads=1, query_ef=beam)[0]


class Svs(Engine):
    """Vamana of Scalable Vector Search, over floats or its own quantized vectors (LVQ)."""

    package, module = "scalable-vs", "svs"
    sweep = EF

    def __init__(self, code: str) -> None:
        self._code = code

    def build(self, data: Dataset, threads: int = 1) -> None:
        import svs

        euclidean = data.metric == "L2"
        distance = svs.DistanceType.L2 if euclidean else svs.DistanceType.MIP
        alpha = 1.2 if euclidean else 0.95
        settings = svs.VamanaBuildParameters(alpha=alpha, graph_max_degree=64, window_size=128)
        with tempfile.TemporaryDirectory() as folder:
            self._index = svs.Vamana.build(settings, self._vectors(data, folder), distance, num_threads=threads)
        self._index.num_threads = 1

    def _vectors(self, data: Dataset, folder: str) -> Any:
        import svs

        if self._code == "f32":
            return data.base
        if self._code == "f16":
            return data.base.astype(np.float16)
        path = str(Path(folder) / "base.fvecs")
        svs.write_vecs(data.base, path)
        loader = svs.VectorDataLoader(path, svs.DataType.float32, dims=data.dim)
        primary, residual = {"lvq8": (8, 0), "lvq4x8": (4, 8)}[self._code]
        return svs.LVQLoader(loader, primary=primary, residual=residual, padding=32, strategy=svs.LVQStrategy.Turbo)

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:  # noqa: ARG002
        index = self._index
        index.search_window_size = parameter
        queries = [data.queries[query : query + 1] for query in range(len(data.queries))]
        return lambda query: index.search(queries[query], k)[0][0]


class Zvec(Engine):
    """Zvec, an embedded database: its searches bind expressions and make an object a hit."""

    package, module = "zvec", "zvec"
    sweep = (16, 32, 64, 128, 256)
    filter_sweep = (64, 256)

    def __init__(self, quantize: str | None) -> None:
        self._quantize = quantize

    def build(self, data: Dataset, threads: int = 1) -> None:
        import zvec

        zvec.init(query_threads=1, optimize_threads=threads, log_level=zvec.LogLevel.ERROR)
        self._zvec = zvec
        metric = zvec.MetricType.L2 if data.metric == "L2" else zvec.MetricType.IP
        more = {"quantize_type": getattr(zvec.QuantizeType, self._quantize)} if self._quantize else {}
        index = zvec.HnswIndexParam(metric_type=metric, m=32, ef_construction=200, **more)
        inverted, own = zvec.InvertIndexParam(), data.own_column
        fields = [
            zvec.FieldSchema("u", zvec.DataType.DOUBLE, index_param=inverted),
            zvec.FieldSchema(own, zvec.DataType.STRING, index_param=inverted),
        ]
        vector = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, data.dim, index_param=index)
        schema = zvec.CollectionSchema("rows", fields=fields, vectors=[vector])
        self._folder = tempfile.TemporaryDirectory()
        self._rows = zvec.create_and_open(str(Path(self._folder.name) / "rows"), schema)
        u, owns = data.column("u"), data.column(own)
        for start in range(0, data.rows, 500):
            numbers = range(start, min(data.rows, start + 500))
            self._rows.insert(
                [zvec.Doc(str(r), vectors={"v": data.base[r]}, fields={"u": u[r], own: owns[r]}) for r in numbers]
            )
        self._rows.flush()
        self._rows.optimize()

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:
        zvec, rows = self._zvec, self._rows
        more = {"is_using_refiner": True} if self._quantize else {}
        walk = zvec.HnswQueryParam(ef=parameter, **more)
        asked = [zvec.Query("v", vector=query, param=walk) for query in data.queries]
        filters: list[dict[str, str]] = [{}] * len(asked)
        if filter_name is not None:
            filters = [
                {"filter": _as_sql(data.expression(filter_name, query))}
                for query in range(data.num_queries(filter_name))
            ]

        def search(query: int) -> list[int]:
            found = rows.query(queries=asked[query], topk=k, output_fields=[], **filters[query])
            return [int(row.id) for row in found]

        return search


def _as_sql(expression: str) -> str:
    return expression.replace("==", "=").replace('"', "'").replace("[", "(").replace("]", ")")


register("hnswlib16", "graph", partial(Hnswlib, 16))
register("hnswlib32", "graph", partial(Hnswlib, 32))
register("svs-f32", "graph", partial(Svs, "f32"))
register("svs-f16", "graph", partial(Svs, "f16"))
register("svs-lvq8", "graph", partial(Svs, "lvq8"))
register("svs-lvq4x8", "graph", partial(Svs, "lvq4x8"))
register("usearch-bf16", "graph", partial(Usearch, "bf16"))
register("usearch-i8", "graph", partial(Usearch, "i8"))
register("voyager-e4m3", "graph", partial(Voyager, "E4M3"))
register("zvec-hnsw", "graph", partial(Zvec, None))
register("zvec-hnsw-int8", "graph", partial(Zvec, "INT8"))
