"""What an index is: one protocol for built vector indexes, one descriptor a kind, one registry of kinds.

A kind describes itself. Validation, defaults, ``describe_index``, the executor and the contract tests read the
descriptor; none of them names a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.expr import Answer, Operand, Source
from elanus.expr.bound import OperandLeaf
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.params import Params
from elanus.model.registry import Registry
from elanus.model.types import DataType, Metric

Matrix: TypeAlias = NDArray[np.generic]
EXACT_SCAN = "exact scan"


@dataclass(frozen=True)
class SearchParams(Params):
    """Base of the parameters that a search may carry; a kind that takes none uses this."""

    def check(self, k: int) -> None:
        """Raise SearchFailed when the parameters can't give ``k`` results."""


class VectorIndex(Protocol):
    """A built index over the dense vectors of one segment: immutable, numbered by row, safe from any thread."""

    @property
    def num_rows(self) -> int:
        """How many rows it covers, from row 0."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory held; pages of a mapped file are the page cache's and don't count."""

    def search(self, queries: Matrix, k: int, params: SearchParams, keep: Bitset | None) -> Hits:
        """Return about the k nearest kept rows of each query.

        queries  [nq, dim] of the field's vector dtype or float32
        params   of the kind's ``search_params``, already checked against k
        keep     rows that may be returned, None for all; len(keep) == num_rows
        returns  rows int64, distances float32, both [nq, k]; ascending by distance then row, padded with -1 and +inf.
                 May come back short though enough rows are kept: whoever needs all k scans then.
        """

    def walk_rows(self, params: SearchParams, k: int, selectivity: float) -> float:
        """Estimate the time of a search of one query, in rows that an exact scan scores meanwhile.

        selectivity  share of the rows that are kept, 0 to 1
        use          scan when no more rows than this are kept, walk otherwise
        """

    def save(self, folder: Path) -> None:
        """Write the index's files into an existing empty folder; the caller syncs, checks and names them."""


class Builder(Protocol):
    """Builds an index of one kind."""

    def __call__(
        self, matrix: Matrix, data_type: DataType, metric: Metric, params: Any, *, threads: int = 1
    ) -> VectorIndex:
        """Return the index of ``matrix`` ([rows, dim] of the type's dtype), built on ``threads`` threads."""


class Loader(Protocol):
    """Opens a saved index of one kind."""

    def __call__(self, folder: Path, data_type: DataType, metric: Metric) -> VectorIndex:
        """Return the index saved in ``folder``; DataCorrupted when its files aren't those of such an index."""


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
