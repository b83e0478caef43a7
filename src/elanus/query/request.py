"""What a read asks for and what it gives, as front ends and handlers exchange them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column
from elanus.model.manifest import UTC
from elanus.model.schema import Field, StructField
from elanus.model.time import Timestamp
from elanus.model.types import DataType, Level


@dataclass(frozen=True, slots=True)
class Consistency:
    """Which writes a read must see.

    level      None for the collection's own
    guarantee  a timestamp that the read must have reached, 0 for none
    """

    level: Level | None = None
    guarantee: int = 0


DEFAULT_CONSISTENCY = Consistency()


@dataclass(frozen=True, slots=True)
class Queries:
    """The vectors searched for.

    type    data type of the vectors, a vector type
    matrix  dense: [nq, width] in the type's dtype; sparse: None
    sparse  sparse: large_binary [nq] of (uint32 index, float32 value) pairs; dense: None
    """

    type: DataType
    nq: int
    matrix: NDArray[Any] | None = None
    sparse: pa.Array | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """Find the nearest rows.

    field      anns field; empty when the collection has one vector field
    queries    vectors, or None with ``ids``
    ids        primary keys whose stored vectors are searched for, int64 or large_string
    metric     what the client named, empty for the index's own
    params     search parameters as the client gave them (ef, nprobe, radius, range_filter, ...), values from JSON
    values     template values of the filter
    plan_key   equal only for requests that are planned alike; spares their comparison part by part
    timezone   where instants in the filter and the reply are that name no offset; empty for the collection's
    """

    queries: Queries | None
    limit: int
    field: str = ""
    offset: int = 0
    ids: pa.Array | None = None
    metric: str = ""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    filter: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    output_fields: Sequence[str] = ()
    partitions: tuple[str, ...] = ()
    round_decimal: int = -1
    ignore_growing: bool = False
    consistency: Consistency = DEFAULT_CONSISTENCY
    plan_key: Hashable = None
    timezone: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """Return the rows that a filter selects, ascending by primary key; or their number.

    limit     None for all
    timezone  as of a search
    """

    filter: str
    limit: int | None = None
    offset: int = 0
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    output_fields: Sequence[str] = ()
    partitions: tuple[str, ...] = ()
    ignore_growing: bool = False
    consistency: Consistency = DEFAULT_CONSISTENCY
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows as columns; ``count`` is set instead when ``count(*)`` was asked for."""

    columns: tuple[Output, ...]
    fields: tuple[str, ...]
    primary: Field
    num_rows: int
    at: Timestamp
    count: int | None = None
    timezone: str = UTC
