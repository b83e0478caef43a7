"""What is measured of one engine, in its own process; each work adds to the engine's entry of the results."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearest.data import Dataset
from nearest.engine import CHIEF, Engine, Kind, Role
from nearest.timing import Pass, best_pass, spent_by

ENOUGH = 0.9995
"""No dearer sweep point is measured past this recall."""
STREAM_QUERIES = 200
Entry: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What a worker was asked for.

    budget_s  seconds for the passes of one sweep point
    note      called after each measurement, so that a worker that dies leaves what it had
    """

    data: Dataset
    k: int
    budget_s: float
    entry: Entry
    note: Callable[[], None]


def resident_bytes() -> int:
    """Return the memory of this process that is its own: no mapped files, and nothing freed but kept by malloc."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        _, resident, shared = file.read().split()[:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def build(engine: Engine, task: Task) -> None:
    """Build, and note the seconds and the bytes a row beside the vector column."""
    data = task.data
    rows = data.rows
    assert len(data.queries)
    importlib.import_module(engine.module)
    before = resident_bytes()
    spent = spent_by(lambda: engine.build(data))
    grown = max(resident_bytes() - before, 0)
    held = engine.memory_bytes()
    task.entry["build"] = {
        **asdict(spent),
        "bytes_per_row": (grown if held is None else held) / rows,
        "grown_per_row": grown / rows,
    }
    task.note()


def point_of(found: Pass, recall: float, parameter: Any) -> Entry:
    return {
        "parameter": parameter,
        "recall": recall,
        "qps": found.qps,
        "wall_qps": 1 / found.wall_s,
        "queries": len(found.found),
    }


def sweep(engine: Engine, task: Task) -> None:
    """Measure every value of the search parameter until the recall is as good as exact."""
    data, points = task.data, task.entry.setdefault("points", [])
    for parameter in engine.sweep:
        search = engine.searcher(data, task.k, parameter)
        found = best_pass(search, data.num_queries(None), task.budget_s)
        points.append(point_of(found, data.recall(found.found, task.k), parameter))
        task.note()
        if points[-1]["recall"] > ENOUGH:
            break


def filters(engine: Engine, task: Task) -> None:
    """Measure the sweep under each filter, cheap to dear, until the recall is as good as exact."""
    data, filtered = task.data, task.entry.setdefault("filtered", {})
    for name in data.filters if engine.filter_sweep else ():
        points = filtered.setdefault(name, [])
        for parameter in engine.filter_sweep:
            search = engine.searcher(data, task.k, parameter, name)
            found = best_pass(search, data.num_queries(name), task.budget_s)
            point = point_of(found, data.recall(found.found, task.k, name), parameter)
            points.append(point | {"strategies": engine.explain(data, task.k, parameter, name)})
            task.note()
            if point["recall"] > ENOUGH:
                break


def threads(engine: Engine, task: Task) -> None:
    """Build again with two threads on any cores, to be compared by the clock with the first build."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        task.entry["two_threads"] = asdict(spent_by(lambda: engine.build(task.data, threads=2)))
    finally:
        os.sched_setaffinity(0, allowed)
    task.note()


def bandwidth(_engine: Engine, task: Task) -> None:
    """Read the very bytes that a scan reads, in the plainest ways there are; note the fastest's bytes a second."""
    flat = task.data.base.reshape(-1)
    words = flat.view(np.int64)
    readers = (lambda _: flat.dot(flat), lambda _: flat.sum(), lambda _: words.max())
    fastest = max(best_pass(read, 5, task.budget_s).qps for read in readers)
    task.entry["read_bytes_per_s"] = fastest * flat.nbytes
    task.entry["read_qps"] = fastest
    task.note()


def streams(engine: Engine, task: Task) -> None:
    """Measure ten batches of 10 and of 100 against one search of as many rows at the same recall."""
    from nearest.elanus_engines import ElanusGraph

    assert isinstance(engine, ElanusGraph)
    data, found = task.data, task.entry.setdefault("streams", [])
    queries = min(STREAM_QUERIES, data.num_queries(None))
    for batch in (10, 100):
        wanted = min(10 * batch, data.rows // 2)
        truth = exact_rows(data, queries, wanted)
        one_shot = []
        for factor in (1.0, 1.15, 1.35, 1.6, 2.0, 3.0, 4.0):
            search = engine.searcher(data, wanted, int(factor * wanted))
            one = best_pass(search, queries, task.budget_s)
            one_shot.append(point_of(one, shared_rows(one.found, truth), int(factor * wanted)))
        for ef in (16, 32, 64):
            some = best_pass(engine.streamer(data, batch, wanted // batch, ef), queries, task.budget_s)
            point = point_of(some, shared_rows(some.found, truth), ef)
            found.append(point | {"batch": batch, "batches": wanted // batch, "one_shot": one_shot})
            task.note()


def exact_rows(data: Dataset, queries: int, count: int) -> NDArray[np.int64]:
    """Return the nearest rows of the first queries, int64 [queries, count]."""
    euclidean = data.metric == "L2"
    lengths = np.einsum("ij,ij->i", data.base, data.base) if euclidean else np.float32(0)
    nearest = []
    for query in data.queries[:queries]:
        distances = lengths - (2 if euclidean else 1) * (data.base @ query)
        nearest.append(np.argpartition(distances, count - 1)[:count])
    return np.stack(nearest).astype(np.int64)


def shared_rows(found: list[NDArray[np.int64]], truth: NDArray[np.int64]) -> float:
    """Return the share of the true rows that was found, of the queries that were asked."""
    shares = [len(np.intersect1d(rows, true)) / len(true) for rows, true in zip(found, truth, strict=False)]
    return float(np.mean(shares))


def automatic(_engine: Engine, task: Task) -> None:
    """Ask AUTOINDEX without any parameter on each shape of data."""
    from nearest.shapes import recalls

    task.entry["auto"] = recalls(task.data, task.k, task.budget_s)
    task.note()


Work: TypeAlias = Callable[[Engine, Task], None]
WORKS: dict[str, dict[Role, tuple[Work, ...]]] = {
    "graph": {"graph": (sweep,), "lists": (sweep,)},
    "filter": dict.fromkeys(("graph", "lists", "codes", "flat"), (filters,)),
    "codes": {"codes": (sweep,)},
    "flat": {"flat": (bandwidth, sweep)},
    "streams": {"graph": (streams,)},
    "auto": {"auto": (automatic,)},
    "threads": {"graph": (threads,)},
}
"""Works by name, in the order they are done in: what engines of each role do for it."""

CHIEF_ALONE = ("threads", "streams")
"""Works of our default code alone."""


def works_of(kind: Kind, wanted: list[str]) -> list[Work]:
    """Return what is to be measured of an engine, in order; nothing where it has no part in what is wanted."""
    names = [name for name in WORKS if name in wanted and (kind.name == CHIEF or name not in CHIEF_ALONE)]
    return [work for name in names for work in WORKS[name].get(kind.role, ())]


def perform(kind: Kind, wanted: list[str], task: Task) -> None:
    """Build the engine and do the works."""
    engine = kind.make()
    if kind.role != "auto":
        build(engine, task)
    for work in works_of(kind, wanted):
        work(engine, task)
