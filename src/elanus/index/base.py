"""What an index is: one protocol for built vector indexes, one descriptor a kind, one registry of kinds.

A kind describes itself. Validation, defaults, ``describe_index``, the executor and the contract tests read the
descriptor; none of them names a kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.direct import Walk
from elanus._native.kernels import Vectors
from elanus.expr import Answer, Operand, Source
from elanus.expr.bound import OperandLeaf, Value
from elanus.model.bitset import Bitset
from elanus.model.errors import SearchFailed
from elanus.model.hits import Hits, Work
from elanus.model.ids import FieldId
from elanus.model.params import Params, param
from elanus.model.registry import Registry
from elanus.model.types import DataType, Metric

if TYPE_CHECKING:
    from elanus.index.dense.adjustment import Promise
    from elanus.index.dense.calibration import Calibration

EXACT_SCAN = "exact scan"
ITERATIVE_FILTER: Final = "iterative_filter"
NO_HINT: Final = "disable"
"""Milvus' own word for no hint."""
HINTS: Final = frozenset({NO_HINT, ITERATIVE_FILTER, "scan", "plain", "alpha", "mix", "bridge", "column"})
"""What a search may be hinted: Milvus' two, and the strategies of a graph."""
CONFIG_INVALID: Final = 2006
Stop: TypeAlias = Callable[[], bool]
"""Asked every so often while an index is built; once it says true the build ends with ``BuildStopped``."""


class BuildStopped(Exception):  # noqa: N818  (nothing failed: nobody wants the index any more)
    """A build was asked to stop."""


@dataclass(frozen=True)
class SearchParams(Params):
    """Base of the parameters that a search may carry; a kind that takes no others uses this.

    hints  how to go about a filtered search: ``iterative_filter`` looks for the nearest rows first and then at whether
           they pass; the names of a graph's strategies force one; empty for none, which ``disable`` stands for
    """

    hints: str = param("")

    def __post_init__(self) -> None:
        if self.hints == NO_HINT:
            object.__setattr__(self, "hints", "")
        if self.hints and self.hints not in HINTS:
            listed = ", ".join(sorted(HINTS))
            raise SearchFailed(f"hints: {self.hints} not supported, supported: {listed}", segcore=CONFIG_INVALID)

    def check(self, k: int) -> None:
        """Raise SearchFailed when the parameters can't give ``k`` results."""


class Stream(Protocol):
    """The rows of a segment from the nearest to one query on, as far as anybody asks."""

    def next(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return about the next ``count`` rows and their distances, ascending within the batch; fewer at the end.

        raises  Expired or Cancelled when the call ends meanwhile; the rows that come next then are none the fewer
        """


class VectorIndex(Protocol):
    """A built index over the dense vectors of one segment: immutable, numbered by row, safe from any thread.

    A search brings the segment's own column of vectors, so that an index needs no copy of them.
    """

    @property
    def num_rows(self) -> int:
        """How many rows it covers, from row 0."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory held; pages of a mapped file are the page cache's and don't count."""

    def search(
        self, queries: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None
    ) -> tuple[Hits, Work]:
        """Return about the k nearest kept rows of each query; by an exact scan where that costs less.

        queries  of the base's type, or FLOAT_VECTOR for halves
        base     the vectors that the index was built from; base.rows == num_rows
        params   of the kind's ``search_params``, already checked against k
        keep     rows that may be returned, None for all; len(keep) == num_rows. Rows without a vector are none of them
        returns  rows int64, distances float32, both [nq, k]; ascending by distance then row, padded with -1 and +inf.
                 As many rows as are kept, up to k
        raises   Expired or Cancelled when the call ends meanwhile
        """

    def stream(self, query: Vectors, base: Vectors, k: int, params: SearchParams, keep: Bitset | None) -> Stream | None:
        """Return the kept rows from the nearest on; None where an index knows no way but ``search``.

        query   one vector
        k       how many will be wanted at least
        others  as for ``search``
        """

    @property
    def calibration(self) -> Calibration | None:
        """What its searches were measured to find, None where nothing was measured."""

    def promise(self, params: SearchParams) -> Promise | None:
        """Return what searches with such parameters owe; None where their user chose how hard to look."""

    def save(self, folder: Path) -> None:
        """Write the index's files into an existing empty folder; the caller syncs, checks and names them."""


@dataclass(frozen=True, slots=True)
class Term:
    """A field, and the only values with which a row can pass a filter."""

    field: FieldId
    values: tuple[Value, ...]


class GroupedIndex(ABC):
    """A vector index that may have graphs of the rows that share a value of a column, beside that of all rows."""

    @abstractmethod
    def with_columns(
        self,
        base: Vectors,
        columns: Mapping[FieldId, pa.Array],
        *,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> VectorIndex:
        """Return the index with graphs of the values of some columns.

        base, keep  as it was built from
        columns     the values of each field, a row each
        raises      BuildStopped when ``stop`` says so
        """

    @abstractmethod
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
        """Return what ``VectorIndex.search`` does, of rows of which each kept one satisfies every term."""

    @abstractmethod
    def walk(self, k: int, params: SearchParams, keep: Bitset | None, terms: Sequence[Term] = ()) -> Walk | None:
        """Return how ``search`` would walk, None where it would scan."""


class Builder(Protocol):
    """Builds an index of one kind."""

    def __call__(
        self,
        base: Vectors,
        metric: Metric,
        params: Any,
        *,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> VectorIndex:
        """Return the index of a segment's vectors.

        keep    the rows that have a vector, None when all have; the others are not indexed
        raises  BuildStopped when ``stop`` says so
        """


class Loader(Protocol):
    """Opens a saved index of one kind."""

    def __call__(self, folder: Path, data_type: DataType, metric: Metric, *, mapped: bool = False) -> VectorIndex:
        """Return the index saved in ``folder``; DataCorrupted when its files aren't those of such an index.

        mapped  leave in the file what can be read from there, rather than in memory
        """


class ScalarIndex(Protocol):
    """A built index over one operand (a column, an array, a JSON path) of one segment: immutable, numbered by row."""

    @property
    def num_rows(self) -> int:
        """How many rows it covers, from row 0."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory held; pages of a mapped file are the page cache's and don't count."""

    @property
    def engine(self) -> str:
        """What it is built as, for ``explain`` and ``describe_index``, such as ``"bitmaps of 12 values"``."""

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Return how it answers a leaf over its operand, None when it does not. See ``elanus.expr.LeafIndex``."""

    def save(self, folder: Path) -> None:
        """Write the index's files into an existing empty folder; the caller syncs, checks and names them."""


@dataclass(frozen=True, slots=True)
class TitledIndex:
    """A scalar index under the name that ``explain`` shows. See ``elanus.expr.LeafIndex``."""

    title: str
    index: ScalarIndex

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Return how it answers a leaf over its operand, None when it does not."""
        return self.index.answer(leaf)


class ScalarBuilder(Protocol):
    """Builds a scalar index of one kind."""

    def __call__(self, operand: Operand, source: Source, params: Any) -> ScalarIndex:
        """Return the index of the operand's values in every row of the source."""


class ScalarLoader(Protocol):
    """Opens a saved scalar index of one kind."""

    def __call__(self, folder: Path, operand: Operand) -> ScalarIndex:
        """Return the index saved in ``folder``, mapped; DataCorrupted when its files aren't those of such an index."""


@dataclass(frozen=True, kw_only=True)
class IndexKind:
    """One kind of index, as it describes itself.

    name      what users write
    version   of its files; a loader reads this one only
    metrics   for each data type it serves the metrics it knows, the default first; none for scalar types
    built     the data types for which an index is built; the others are answered by an exact scan of the column
    engine    what answers the built ones, in words
    aliases   other names that users may write
    elements  the element types of the ARRAY fields it serves; ``struct_elements`` those of a struct's sub-fields
    casts     the types that it can index a JSON path as
    primary_keys  whether a primary key may have one
    mmap      whether users may ask for its files to be mapped; those of scalar indexes are anyway
    refusal   Milvus' words for a field of another type, ``{kind}`` and ``{type}`` filled in
    """

    name: str
    aliases: tuple[str, ...] = ()
    family: Literal["vector", "scalar"]
    metrics: Mapping[DataType, tuple[Metric, ...]]
    version: int = 1
    build_params: type[Params] = Params
    search_params: type[SearchParams] = SearchParams
    built: frozenset[DataType] = field(default_factory=frozenset)
    engine: str = ""
    build: Builder | None = None
    load: Loader | None = None
    build_scalar: ScalarBuilder | None = None
    load_scalar: ScalarLoader | None = None
    elements: frozenset[DataType] = frozenset()
    struct_elements: frozenset[DataType] = frozenset()
    casts: tuple[str, ...] = ()
    primary_keys: bool = True
    mmap: bool = True
    refusal: str = "data type {type} can't build with this index {kind}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that users may write."""
        return (self.name, *self.aliases)

    @property
    def fields(self) -> frozenset[DataType]:
        """The data types it serves."""
        return frozenset(self.metrics)

    def builds(self, data_type: DataType) -> bool:
        """Whether an index is built for that type; otherwise an exact scan of the column answers."""
        return data_type in self.built

    def answered_by(self, data_type: DataType) -> str:
        """Return what answers searches over that type, in words, for ``describe_index``."""
        if self.builds(data_type):
            return self.engine
        return EXACT_SCAN if self.family == "vector" else "scan of the column"

    def default_metric(self, data_type: DataType) -> Metric | None:
        """Return the metric used when none is given, None for a scalar type."""
        return next(iter(self.metrics[data_type]), None)


INDEX_KINDS: Registry[IndexKind] = Registry("index type")
