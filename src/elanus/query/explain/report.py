"""What reads did, as data: for people on a terminal, for programs as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = -1

# --- filters ---


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node of the filter, over all segments that were read.

    text        the node, in the filter language
    how         each way in which it was answered, and in how many segments; the most frequent first
    candidates  rows that inexact indexes left to be looked at, -1 when there was none
    seconds     wall time, inner nodes included
    nodes       the inner nodes, in the order of their evaluation in the first segment
    """

    text: str
    how: tuple[tuple[str, int], ...]
    rows_in: int
    rows_out: int
    candidates: int
    seconds: float
    nodes: tuple[NodeReport, ...]


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment.

    state     growing or sealed
    visible   rows that the read sees: neither deleted, nor expired, nor written later
    selected  visible rows that pass the filter
    skipped   why the segment wasn't read, empty when it was
    """

    id: int
    state: str
    partition: str
    rows: int
    visible: int
    selected: int
    seconds: float
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class FilterReport:
    """What a filter did over a collection.

    filter    as it was written
    meaning   as it was understood: names resolved, constants folded, in the filter language
    planning  seconds to parse and bind
    seconds   to evaluate, all segments one after the other
    tree      None when no segment had to be read
    """

    collection: str
    filter: str
    meaning: str
    rows: int
    visible: int
    selected: int
    planning: float
    seconds: float
    tree: NodeReport | None
    segments: tuple[SegmentReport, ...]


# --- searches ---


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a search.

    hits_in, hits_out  candidates of all queries before and after it, -1 where it has none
    """

    name: str
    seconds: float
    hits_in: int = UNKNOWN
    hits_out: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class SearchedSegment:
    """One segment.

    state     growing or sealed
    visible   rows that the search sees: neither deleted, nor expired, nor written later; -1 where it wasn't read
    kept      those of them that pass the filter and have a vector; of a search for elements, elements; -1 where the
              filter was asked about the nearest rows alone
    strategy  how rows were found, empty where none were looked for
    why       why so, or why nothing was looked for
    ef        width of the walk, 0 without one
    refine    most rows that were measured exactly after it, a query
    hops      nodes of a graph whose links were followed, all queries together; so are the next two
    scored    rows that were measured by their codes along the way
    scanned   rows that were measured one after the other
    switched  whether another strategy took over on the way
    searches  how often the segment was searched
    skipped   why the segment wasn't read, empty when it was
    """

    id: int
    state: str
    partition: str
    rows: int
    visible: int
    kept: int
    strategy: str
    why: str
    ef: int
    refine: int
    hops: int
    scored: int
    scanned: int
    switched: bool
    searches: int
    filter_seconds: float
    search_seconds: float
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search did.

    summary  in a sentence
    index    its name, ``index_type`` its kind
    params   those of the index and the search, as they were understood
    filter   as it was written, ``meaning`` as it was understood; both empty without one
    hits     of all queries together, those that were returned
    rows     of all segments; ``visible`` and ``kept`` count those that were read and searched
    seconds  all phases together
    tree     how the filter was answered, None without one
    recalls  of each query the share of its nearest rows that was found, None unless it was asked for
    """

    summary: str
    collection: str
    field: str
    index: str
    index_type: str
    metric: str
    params: Mapping[str, Any]
    nq: int
    limit: int
    offset: int
    filter: str
    meaning: str
    rows: int
    visible: int
    kept: int
    hits: int
    seconds: float
    tree: NodeReport | None
    segments: tuple[SearchedSegment, ...]
    phases: tuple[Phase, ...]
    recalls: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class HybridReport:
    """What a hybrid search did: on each route, then with the hits of all.

    hits     of all queries together, those that were returned
    phases   of the search as a whole, its routes among them
    seconds  all phases together
    """

    summary: str
    collection: str
    nq: int
    limit: int
    offset: int
    hits: int
    seconds: float
    routes: tuple[SearchReport, ...]
    phases: tuple[Phase, ...]
