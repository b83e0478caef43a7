"""A layered neighbour graph (Malkov and Yashunin 2018) over the vectors of one segment, built and walked natively.

The graph is walked on codes; what it finds is measured again on the segment's own column, so distances are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, get_args

import msgspec
import pyarrow as pa

from elanus._native import kernels
from elanus._native.direct import Walk
from elanus._native.graph import SECTIONS, CodeName, Graph, GraphStream, Strategy
from elanus._native.kernels import ELEMENTS, Vectors
from elanus._native.memory import resident
from elanus.index.base import BuildStopped, GroupedIndex, SearchParams, Stop, Term
from elanus.index.dense.adjustment import Adjustment, Promise
from elanus.index.dense.calibrating import calibrate
from elanus.index.dense.calibration import Calibration, target_recall
from elanus.index.dense.code_choice import choose_code
from elanus.index.dense.column_graphs import NO_COLUMNS, ColumnGraphs, graph_fields, spelled
from elanus.index.header import Header, read_header
from elanus.index.sections import SECTIONS_FILE, read_sections, write_sections
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, SearchFailed
from elanus.model.hits import Hits, Work
from elanus.model.ids import FieldId
from elanus.model.params import INT32_MAX, Params, param
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, Metric

EXACT: Final = "exact"
THOROUGH: Final = 0.99
"""The recall for which rows are measured again where users say how wide to walk."""
KNOWHERE_ERROR: Final = 2099

REMEASURED: Final[dict[str, int]] = {"sq8": 2, "sq4": 3, "f16": 2, "bf16": 2, "column": 1}
"""For each result so many of a walk's best are measured exactly: the coarser the code, the less its order is worth."""

FORCED: Final = frozenset(get_args(Strategy)) - {"auto"}


@dataclass(frozen=True)
class GraphBuild(Params):
    """How a graph is built: links of a row on each layer above the base, and the beam that looks for them.

    column_graphs  names of the scalar fields whose values get graphs of their own, between commas
    """

    M: int = param(30, low=2, high=2048)
    ef_construction: int = param(360, low=1, high=INT32_MAX, wire="efConstruction")
    column_graphs: str = param("")

    @classmethod
    def parse(cls, pairs: Mapping[str, Any]) -> Self:
        """Return the parameters that ``pairs`` name; see ``Params.parse``."""
        return super().parse(spelled(pairs))


@dataclass(frozen=True)
class GraphSearch(SearchParams):
    """How a graph is walked.

    ef             width of the beam; when absent the index takes the one that was measured to reach the recall
    level          1 (fast) to 10 (thorough): a recall to aim at, see ``calibration.LEVELS``
    target_recall  the recall to aim at, 1 for an exact scan; 0.96 when absent
    """

    ef: int = param(0, low=1, high=INT32_MAX)
    level: int = param(0, low=1, high=10)
    target_recall: float = param(0.0, low=0.01, high=1)

    def check(self, k: int) -> None:
        """Raise SearchFailed when ``ef`` is given and smaller than ``k``."""
        if 0 < self.ef < k:
            raise SearchFailed(f"ef({self.ef}) should be larger than k({k})", segcore=KNOWHERE_ERROR)

    @property
    def recall(self) -> float:
        """The recall to aim at."""
        return target_recall(self.target_recall, self.level)

    def candidates(self, k: int) -> int:
        """Return how many rows are to be measured exactly for ``k`` results, at least."""
        return k

    @property
    def strategy(self) -> Strategy:
        """How to walk under a filter."""
        return self.hints if self.hints in FORCED else "auto"  # type: ignore[return-value]  # one of its names


def grouped_fields(schema: Schema, params: Params, *, partition_key: bool) -> list[Field]:
    """Return the fields whose values have graphs beside the one built with ``params``; none beside other indexes.

    partition_key  whether the field of the partition key is one of them anyway
    """
    if not isinstance(params, GraphBuild):
        return []
    return graph_fields(schema, params.column_graphs, partition_key=partition_key)


class GraphIndex(GroupedIndex):
    """A graph over the vectors of one segment. See ``VectorIndex``."""

    def __init__(self, graph: Graph, header: Header, *, mapped: bool) -> None:
        self._graph = graph
        self._header = header
        self._mapped = mapped
        self._columns = NO_COLUMNS
        self._calibration = Calibration.from_json(header.calibration) if header.calibration else None
        self._adjustment = Adjustment()
        self.num_rows = header.rows

    @classmethod
    def build(
        cls,
        base: Vectors,
        metric: Metric,
        params: GraphBuild,
        code: CodeName,
        *,
        kind: str,
        version: int,
        finer: bool = False,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> GraphIndex:
        """Return the graph over the kept rows of ``base``, as a kind and version of files; see ``Builder``.

        finer  build it anew on a finer code where ``code`` is measured to be too coarse for the data
        cost   about 0.15 ms of CPU a row at M 16, efConstruction 200 and 384 dimensions, and a tenth to measure it;
               the same graph on one thread
        """

        make = partial(_graph, base, metric, params, keep=keep, threads=threads, stop=stop)
        measure = partial(_calibration, base, metric, params, present=keep)
        if finer:
            graph, calibration, _ = choose_code(make, measure, code)
        else:
            graph = make(code)
            calibration = measure(graph, code)
        header = Header(
            kind=kind,
            version=version,
            data_type=base.type,
            metric=metric,
            rows=base.rows,
            dim=base.dim,
            vectors=base.rows if keep is None else keep.count(),
            params=asdict(params),
            facts=graph.facts,
            calibration=calibration.to_json() if calibration else "",
        )
        return cls(graph, header, mapped=False)

    @classmethod
    def load(
        cls, folder: Path, data_type: DataType, metric: Metric, *, kind: str, version: int, mapped: bool = False
    ) -> GraphIndex:
        """Return the graph saved in ``folder``; DataCorrupted when the files aren't such a graph.

        mapped  leave codes and links in the file: less memory, and a fifth more time for a search
        """
        header = read_header(folder, kind, version, data_type, metric)
        facts = header.facts
        wanted = (header.rows, header.dim, header.metric, ELEMENTS[data_type])
        if (found := tuple(facts.get(name) for name in ("rows", "dim", "metric", "element"))) != wanted:
            raise DataCorrupted(f"{folder / 'header.json'} contradicts itself: expected {wanted}, found {found}")
        sections = read_sections(folder)
        arrays = {name: sections.numbers(name, dtype) for name, dtype in SECTIONS.items()}
        if not mapped:
            arrays = {name: resident(array) for name, array in arrays.items()}
        try:
            graph = Graph.open(facts, arrays)
        except ValueError as error:
            raise DataCorrupted(f"{folder / SECTIONS_FILE}, {error}") from error
        try:
            index = cls(graph, header, mapped=mapped)
        except ValueError as error:
            raise DataCorrupted(f"{folder / 'header.json'}: {error}") from error
        index._columns = ColumnGraphs.read(sections, facts, header.rows, mapped=mapped)
        return index

    def with_columns(
        self,
        base: Vectors,
        columns: Mapping[FieldId, pa.Array],
        *,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> GraphIndex:
        """Return the graph with graphs of the values of some columns; see ``GroupedIndex``."""
        other = copy(self)
        other._columns = ColumnGraphs.build(self._graph, base, columns, keep=keep, threads=threads, stop=stop)
        other._header = msgspec.structs.replace(self._header, facts={**self._header.facts, **other._columns.facts()})
        return other

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: codes and links, unless they are mapped."""
        return 0 if self._mapped else self._graph.nbytes + self._columns.nbytes

    def search(
        self,
        queries: Vectors,
        base: Vectors,
        k: int,
        params: SearchParams,
        keep: Bitset | None,
        *,
        terms: Sequence[Term] = (),
    ) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query; the graph walks or scans by what costs less."""
        assert isinstance(params, GraphSearch)
        walk = self.walk(k, params, keep, terms)
        if walk is None:
            kept = self.num_rows if keep is None else keep.count()
            work = Work(EXACT, scanned=queries.rows * kept)
            return kernels.scan(queries, base, Metric(self._header.metric), k, keep=keep), work
        return self._graph.search(
            queries,
            base,
            k,
            ef=walk.ef,
            refine=walk.refine,
            keep=_unless_all(keep),
            strategy=params.strategy,
            among=walk.among,
        )

    def walk(self, k: int, params: SearchParams, keep: Bitset | None, terms: Sequence[Term] = ()) -> Walk | None:
        """Return how ``search`` would walk, None where no walk was measured to reach what is asked for."""
        assert isinstance(params, GraphSearch)
        if self._only_exact(params, k):
            return None
        kept = self.num_rows if keep is None else keep.count()
        ef, refine = self._width(params, k, kept / max(self.num_rows, 1))
        among = self._columns.among(terms) if terms else None
        return Walk(self._graph, self._bounded(max(ef, refine)), self._bounded(refine), among)

    def _only_exact(self, params: GraphSearch, k: int) -> bool:
        """Whether no walk was measured to reach the recall that is asked for; one that is told how to walk does."""
        if params.ef or params.strategy != "auto":
            return False
        return self._calibration is None or self._calibration.falls_short(k, params.recall)

    def _width(self, params: GraphSearch, k: int, share: float) -> tuple[int, int]:
        """Return how wide to walk for ``k`` results, and how many rows to measure exactly.

        share  of the rows that are kept
        """
        wanted = max(k, params.candidates(k))
        if params.ef:
            least = max(wanted, k * REMEASURED[str(self._graph.facts["code"])])
            return params.ef, max(least, min(self._refined(k, share), params.ef))
        if self._calibration is None:
            return self.num_rows, wanted
        ef, refine = self._calibration.ef_for(k, params.recall, share)
        return self._adjustment.widened(ef, self.num_rows), max(wanted, refine)

    def _refined(self, k: int, share: float) -> int:
        """Return how many rows were found worth measuring where nearly all of the true ones are wanted."""
        return self.num_rows if self._calibration is None else self._calibration.ef_for(k, THOROUGH, share)[1]

    def promise(self, params: SearchParams) -> Promise | None:
        """Return what searches owe whose width is left to the index, None for others."""
        assert isinstance(params, GraphSearch)
        left = not params.ef and params.strategy == "auto" and self._calibration is not None
        return Promise(params.recall, self._adjustment) if left else None

    @property
    def calibration(self) -> Calibration | None:
        """What searches were measured to find, None for a graph that is too small."""
        return self._calibration

    def _bounded(self, width: int) -> int:
        """Return a number of rows that is no larger than it has to be: users may ask for any."""
        return max(1, min(width, self.num_rows))

    def stream(self, query: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None) -> GraphStream:
        """Return the kept rows from the nearest on."""
        assert isinstance(params, GraphSearch)
        ef, _ = self._width(params, k, 1.0)
        return self._graph.stream(query, base, ef=self._bounded(ef), keep=_unless_all(keep))

    def save(self, folder: Path) -> None:
        """Write the graph and its header into ``folder``."""
        write_sections(folder, {**self._graph.sections(), **self._columns.sections()})
        self._header.write(folder)


def _unless_all(keep: Bitset | None) -> Bitset | None:
    return None if keep is None or keep.count() == keep.num_rows else keep


def _graph(
    base: Vectors,
    metric: Metric,
    params: GraphBuild,
    code: str,
    *,
    keep: Bitset | None,
    threads: int,
    stop: Stop | None,
) -> Graph:
    """Return the native graph on one code; BuildStopped when ``stop`` says so."""
    graph = Graph.build(
        base,
        metric,
        code=code,  # type: ignore[arg-type]  # one of its names
        m=params.M,
        ef_construction=params.ef_construction,
        keep=keep,
        threads=threads,
        stop=stop,
    )
    if graph is None:
        raise BuildStopped(f"the build of a graph over {base.rows} rows was stopped")
    return graph


def _calibration(
    base: Vectors, metric: Metric, params: GraphBuild, graph: Graph, code: str, *, present: Bitset | None
) -> Calibration | None:
    """Return what walks over a graph find, None for one that is too small."""

    def walked(queries: Vectors, k: int, ef: int, refine: int, keep: Bitset | None) -> Hits:
        return graph.search(queries, base, k, ef=ef, refine=refine, keep=keep)[0]

    return calibrate(walked, base, metric, present, code=code, ef_construction=params.ef_construction)
