"""What a read gives, as handlers and front ends exchange it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column
from elanus.model.manifest import UTC
from elanus.model.schema import Field, StructField
from elanus.model.time import Timestamp
from elanus.query.explain.report import HybridReport, SearchReport


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One returned column. ``keys`` are the dynamic keys asked for, when ``column`` is the dynamic field."""

    column: Column
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputStruct:
    """Returned sub-columns of a struct array, those that were asked for."""

    struct: StructField
    columns: tuple[Column, ...]


Output = OutputColumn | OutputStruct


# --- searches ---


@dataclass(frozen=True, slots=True)
class Position:
    """Where a search iterator stands after a page; the attributes are those of ``Iteration``."""

    token: str
    bound: float


@dataclass(frozen=True, slots=True)
class GroupValues:
    """What hits are grouped by.

    columns  a row a hit, a column a field
    listed   as of ``GroupBy``
    """

    columns: tuple[Column, ...]
    listed: bool


@dataclass(frozen=True, slots=True, eq=False)
class BucketHits:
    """Returned hits of the buckets of a level, bucket by bucket.

    counts   int64 [buckets]
    keys     primary keys, int64 or large_string [sum(counts)]
    scores   float32 [sum(counts)], as users see them
    columns  output columns, a row a hit
    """

    counts: NDArray[np.int64]
    keys: pa.Array
    scores: NDArray[np.float32]
    columns: tuple[OutputColumn, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """The buckets of a level, in order within the bucket that they are in.

    parents   int64 [n], ascending: the bucket of the level before, or for the outermost level the query
    keys      the values that make a bucket, a row a bucket
    counts    int64 [n], hits in each
    measures  alias -> figure of each bucket, int64, float64 or large_string
    hits      None when none were asked for
    """

    parents: NDArray[np.int64]
    keys: tuple[Column, ...]
    counts: NDArray[np.int64]
    measures: dict[str, pa.Array]
    hits: BucketHits | None


@dataclass(frozen=True, slots=True)
class Facets:
    """What a search aggregation found: one ``Buckets`` a level, the outermost first."""

    levels: tuple[Buckets, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Hits of all queries, concatenated.

    counts    int64 [nq], hits of each query
    keys      primary keys, int64 or large_string [sum(counts)]
    scores    float32 [sum(counts)], as users see them: similarities, larger is better, or distances; rounded if asked
    columns   output columns, a row a hit
    fields    names of the output fields, wild cards expanded
    timezone  in which instants are shown
    elements  int64 [sum(counts)], which element of its row each hit is; None where hits are rows
    position  of the iterator, None for a search that stands alone
    groups    what hits are grouped by, None where they aren't
    facets    buckets; there are no hits then
    profile   what the search did, where that was asked for
    recalls   float64 [nq], the share of the nearest rows that was found, where that was asked for
    """

    counts: NDArray[np.int64]
    keys: pa.Array
    scores: NDArray[np.float32]
    primary: Field
    columns: tuple[Output, ...]
    fields: tuple[str, ...]
    at: Timestamp
    timezone: str = UTC
    elements: NDArray[np.int64] | None = None
    groups: GroupValues | None = None
    facets: Facets | None = None
    profile: SearchReport | HybridReport | None = None
    recalls: NDArray[np.float64] | None = None
    position: Position | None = None


# --- queries ---


@dataclass(frozen=True, slots=True)
class ElementRuns:
    """Which elements of each row were selected.

    counts  int64 [rows], how many of them, at least one
    places  int64 [sum(counts)], their places in the row's array, ascending
    """

    counts: NDArray[np.int64]
    places: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows as columns, or groups; ``count`` is set instead when nothing but ``count(*)`` was asked for.

    elements  of the rows that an ``element_filter`` selected, None without one
    """

    columns: tuple[Output, ...]
    fields: tuple[str, ...]
    primary: Field
    num_rows: int
    at: Timestamp
    count: int | None = None
    timezone: str = UTC
    elements: ElementRuns | None = None
