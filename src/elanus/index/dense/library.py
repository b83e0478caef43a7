"""FAISS at arm's length: imported at the first build or load, one thread a search, results as ``Hits``.

Every call sets the number of OpenMP threads first: OpenMP keeps it for each thread of its own, and setting it costs a
tenth of a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus.index.dense.vectors import Floats, Matrix, as_floats
from elanus.index.header import Header
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.hits import Hits
from elanus.model.types import Metric

INDEX_FILE: Final = "index.faiss"


@cache
def faiss() -> Any:
    """Return the FAISS module, loaded at the first call (about 150 ms)."""
    import faiss as module

    return module


def metric_number(metric: Metric) -> int:
    """Return FAISS' number of a metric; COSINE is the inner product of vectors of unit length."""
    return int(faiss().METRIC_L2 if metric is Metric.L2 else faiss().METRIC_INNER_PRODUCT)


@contextmanager
def building(threads: int) -> Iterator[None]:
    """Let FAISS use ``threads`` threads for what this thread asks meanwhile."""
    faiss().omp_set_num_threads(max(1, threads))
    try:
        yield
    finally:
        faiss().omp_set_num_threads(1)


def selector(keep: Bitset) -> Any:
    """Return the FAISS selector of the kept rows; reads the bitset's own bits, which must outlive it."""
    module = faiss()
    return module.IDSelectorBitmap(len(keep.bits), module.swig_ptr(keep.bits))


def search(native: Any, queries: Matrix, k: int, metric: Metric, parameters: Any) -> Hits:
    """Return what FAISS finds, as inner distances in the order that ``Hits`` promises.

    cost  about 10 microseconds a call beyond FAISS' own search; 5 more with a filter, 10 more where distances tie
    """
    module = faiss()
    floats = as_floats(queries, metric)
    shape = (len(floats), k)
    distances, rows = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int64)
    pointer = module.swig_ptr
    module.omp_set_num_threads(1)
    native.search_c(len(floats), pointer(floats), k, pointer(distances), pointer(rows), parameters)
    if metric.larger_is_nearer:
        np.negative(distances, out=distances)
    return _in_order(rows, distances)


def _in_order(rows: np.ndarray[Any, np.dtype[np.int64]], distances: Floats) -> Hits:
    """Sort by (distance, row) unless distances already ascend strictly, which most results do."""
    k = rows.shape[1]
    full = rows[:, -1].min() >= 0
    if full and (not np.isnan(distances).any() if k == 1 else (distances[:, 1:] > distances[:, :-1]).all()):
        return Hits(rows, distances)
    distances[(rows < 0) | np.isnan(distances)] = np.inf
    order = np.lexsort((rows.view(np.uint64), distances), axis=-1)  # a row of -1 becomes the largest, hence last
    return Hits(np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1))


def write(native: Any, header: Header, folder: Path) -> None:
    """Write the index and its header into ``folder``; StorageFailed when the disk refuses."""
    path = folder / INDEX_FILE
    try:
        faiss().write_index(native, str(path))
    except RuntimeError as error:
        raise StorageFailed(f"cannot write {path}: {error}") from error
    header.write(folder)


def read(folder: Path, header: Header, class_name: str) -> Any:
    """Return the index in ``folder``, its vectors and links mapped from the file rather than copied.

    raises  DataCorrupted, naming the file, when it isn't the index that the header describes
    """
    module, path = faiss(), folder / INDEX_FILE
    try:
        native = module.read_index(str(path), module.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError) as error:  # lengths read from damaged bytes ask for any amount of memory
        raise DataCorrupted(f"{path} cannot be read: {error}") from error
    wanted = (class_name, header.vectors, header.dim, metric_number(Metric(header.metric)))
    found = (type(native).__name__, native.ntotal, native.d, native.metric_type)
    if found != wanted:
        raise DataCorrupted(f"{path} isn't what its header says: expected {wanted}, found {found}")
    return native
