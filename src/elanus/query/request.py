"""What a read asks for, as front ends and handlers exchange it."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.types import DataType, Level
from elanus.query.chains.spec import ChainSpec
from elanus.query.grouping.spec import Aggregation, GroupBy, Sort


@dataclass(frozen=True, slots=True)
class Consistency:
    """Which writes a read must see.

    level      None for the collection's own
    guarantee  a timestamp that the read must have reached, 0 for none
    pinned     the read is a page of an iterator: all pages see the same rows, those of the moment ``guarantee``, or of
               the first page where that has none; the result says which moment it was
    """

    level: Level | None = None
    guarantee: int = 0
    pinned: bool = False


DEFAULT_CONSISTENCY = Consistency()


@dataclass(frozen=True, slots=True)
class Iteration:
    """Which page of a search iterator is wanted; its size is the search's limit.

    token  what the first page was answered with, empty for the first page
    bound  the score of the worst hit so far, as users see it; None for the first page
    """

    token: str = ""
    bound: float | None = None


BOOST = "boost"
"""The kind of scorer that runs in each segment."""


@dataclass(frozen=True, slots=True)
class Queries:
    """The vectors searched for.

    type    data type of the vectors, a vector type
    matrix  dense: [nq, width] in the type's dtype; sparse: None
    sparse  sparse: large_binary [nq] of (uint32 index, float32 value) pairs; dense: None
    lists   int64 [nq + 1] where each query is a list of dense vectors: the values of all lists are then the one row of
            ``matrix``, and those of list q begin at lists[q]; otherwise None
    absent  bool [nq], queries that find nothing: the stored vectors that they name are null, in their place are zeros.
            None when there is no such query
    """

    type: DataType
    nq: int
    matrix: NDArray[Any] | None = None
    sparse: pa.Array | None = None
    lists: NDArray[np.int64] | None = None
    absent: NDArray[np.bool_] | None = None

    def take(self, chosen: NDArray[np.int64]) -> Queries:
        """Return the queries at some positions, in that order; none of them is a list of vectors."""
        matrix = None if self.matrix is None else self.matrix[chosen]
        sparse = None if self.sparse is None else self.sparse.take(pa.array(chosen))
        return Queries(self.type, len(chosen), matrix=matrix, sparse=sparse)

    def slice(self, start: int, stop: int) -> Queries:
        """Return the queries from one position up to another, without a copy."""
        if self.lists is None:
            matrix = None if self.matrix is None else self.matrix[start:stop]
            sparse = None if self.sparse is None else self.sparse.slice(start, stop - start)
            return Queries(self.type, stop - start, matrix=matrix, sparse=sparse)
        assert self.matrix is not None
        first, last = self.lists[start], self.lists[stop]
        lists = self.lists[start : stop + 1] - first
        return Queries(self.type, stop - start, matrix=self.matrix[:, first:last], lists=lists)


@dataclass(frozen=True, slots=True)
class RerankFunction:
    """One scorer, as a client describes it.

    kind    ``rrf``, ``weighted``, ``decay``, ``model`` or ``boost``
    inputs  names of the fields that it reads
    params  its parameters, values as JSON gives them or as their text
    """

    kind: str
    name: str = ""
    inputs: tuple[str, ...] = ()
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rerank:
    """How hits are scored anew.

    functions  any number of boosts, and at most one that is none
    params     ``boost_mode`` and ``function_mode``: how boosts meet the score, and each other
    """

    functions: tuple[RerankFunction, ...] = ()
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def boosts(self) -> tuple[RerankFunction, ...]:
        """The boosts among the functions."""
        return tuple(function for function in self.functions if function.kind == BOOST)

    @property
    def main(self) -> RerankFunction | None:
        """The function that is no boost, if any."""
        return next((function for function in self.functions if function.kind != BOOST), None)


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
    iteration  the page of an iterator, None for a search that stands alone
    identity   the id that the collection is expected to have, 0 for any
    rerank     how hits are scored anew, None for not at all
    function_chains  what hits go through, at most one chain a stage; not beside ``rerank``
    group      how hits are put in groups, of which ``limit`` are returned; None for hits alone
    facets     buckets are returned in place of hits; ``group`` and ``limit`` are those that it needs then
    profile    say also what the search did
    recall     say also what it missed, by an exact scan of the same rows
    order      what the best ``offset + limit`` hits are ordered by before the page is cut: fields, keys of the dynamic
               field and paths into JSON; with groups, what these are ordered by. Empty for the order by score
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
    iteration: Iteration | None = None
    identity: int = 0
    rerank: Rerank | None = None
    function_chains: tuple[ChainSpec, ...] = ()
    group: GroupBy | None = None
    facets: Aggregation | None = None
    profile: bool = False
    recall: bool = False
    order: tuple[Sort, ...] = ()

    @property
    def follows_bounds(self) -> bool:
        """Whether it is a page of an iterator that says by scores where the page begins; distances count exactly then.

        A page that names its iteration is continued from what was left, not from a score.
        """
        return self.consistency.pinned and self.iteration is None


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridRequest:
    """Find rows on several routes and rank them together.

    routes    searches of one collection by equally many queries; their offsets, output fields, rounding and
              consistency don't count
    rerank    how the routes' hits are scored; by reciprocal ranks when no function says so. Boosts are those of every
              route without boosts of its own
    timezone  of the reply; empty for the collection's
    group     how hits are put in groups, None for not at all; what its routes say of groups doesn't count
    plan_key  equal only for requests that are planned alike, None for a plan that isn't kept
    group_scorer  how the scores of a group's hits say where it stands: ``max``, ``sum`` or ``avg``
    order     as of a search; what its routes say of it doesn't count
    profile   say also what the search did
    """

    routes: tuple[SearchRequest, ...]
    limit: int
    offset: int = 0
    rerank: Rerank = Rerank()
    output_fields: Sequence[str] = ()
    partitions: tuple[str, ...] = ()
    round_decimal: int = -1
    consistency: Consistency = DEFAULT_CONSISTENCY
    timezone: str = ""
    group: GroupBy | None = None
    group_scorer: str = "max"
    profile: bool = False
    plan_key: Hashable = None
    order: tuple[Sort, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementCursor:
    """An element that came last: the text of its row's primary key, and its place in the row's array."""

    key: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """Return the rows that a filter selects, ascending by primary key; or their number.

    limit     None for all
    timezone  as of a search
    identity  as of a search
    after     the element after which the page begins, where a filter selects elements; None for the first
    order     what rows are ordered by in place of their primary keys; or groups, by their keys and figures
    group_by  what rows are grouped by: fields, and ``histogram(field, width)``. A row a group is returned then, and
              ``output_fields`` name such keys, and figures of each group such as ``count(*)`` or ``avg(field)``
    having    a filter over keys and figures, empty for all groups
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
    identity: int = 0
    after: ElementCursor | None = None
    order: tuple[Sort, ...] = ()
    group_by: tuple[str, ...] = ()
    having: str = ""
