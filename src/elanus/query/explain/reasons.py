"""Why a segment was searched the way it was, in words; found out afterwards, from what the search went by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from elanus.index.base import ITERATIVE_FILTER, GroupedIndex, VectorIndex
from elanus.index.dense.graph import GraphSearch
from elanus.index.served import is_built
from elanus.model.bitset import Bitset
from elanus.model.hits import Work
from elanus.model.types import DataType
from elanus.query.plan import SearchPlan
from elanus.query.streams import BUDGET_SHARE, RANGE
from elanus.query.structs.embedding_lists import ELEMENTS
from elanus.segment.base import VectorRows

SCAN, EXACT, CODES, LISTS, PLAIN, COLUMN = "scan", "exact", "codes", "lists", "plain", "column"
WALKS: Final = frozenset({PLAIN, "alpha", "mix", "bridge", COLUMN})


@dataclass(frozen=True)
class Case:
    """A search of one segment that has been done.

    kept   the rows that it went over, None for all
    count  how many these are, -1 where the filter was asked about the nearest rows alone
    """

    plan: SearchPlan
    segment: VectorRows
    kept: Bitset | None
    count: int
    work: Work

    @cached_property
    def index(self) -> VectorIndex | None:
        """What the segment is searched by, None where there is nothing."""
        sparse = self.plan.field.type is DataType.SPARSE_FLOAT_VECTOR
        return None if sparse else self.segment.index(self.plan.index)

    @property
    def share(self) -> float:
        """The part of the rows that were kept."""
        return self.count / max(self.segment.num_rows, 1)

    @property
    def hint(self) -> str:
        """The strategy that the user asked for, empty for none."""
        return self.plan.params.hints


def reason(case: Case) -> str:
    """Return why the search went the way it did."""
    work = case.work
    if work.strategy in _BY_STRATEGY:
        return _BY_STRATEGY[work.strategy](case)
    if case.index is None:
        return _without_index(case)
    if case.plan.lists is not None:
        return "every list is measured: quicker than to ask the index"
    if case.plan.window is not None:
        return _whole_window(case)
    if work.strategy in WALKS | {SCAN} and isinstance(case.index, GroupedIndex):
        return _on_graph(case)
    if work.strategy == PLAIN:
        return "links of growing rows"
    if work.strategy == SCAN:
        return f"{_kept(case)}: fewer than lists hold"
    return _exactly(case)


def widths(case: Case) -> tuple[int, int]:
    """Return how wide a graph was walked and how many rows it was to measure exactly, 0 and 0 where it wasn't."""
    index, plan = case.index, case.plan
    if not isinstance(index, GroupedIndex) or case.work.strategy not in WALKS:
        return 0, 0
    walk = index.walk(min(plan.fetch_k, case.segment.num_rows), plan.params, case.kept, plan.terms)
    return (0, 0) if walk is None else (walk.ef, walk.refine)


# --- without a choice ---


def _without_index(case: Case) -> str:
    plan = case.plan
    if case.hint == SCAN:
        return "hints: scan"
    if plan.field.type is DataType.SPARSE_FLOAT_VECTOR:
        return "sparse vectors are scanned"
    if not is_built(plan.field, plan.index):
        return f"{plan.index.kind} is an exact scan"
    return "no index yet" if case.segment.sorted_by_key else "too few growing rows for codes"


def _iteratively(_case: Case) -> str:
    return f"hints: {ITERATIVE_FILTER}"


def _within(_case: Case) -> str:
    return "nearest first, to the end of the range"


def _by_elements(_case: Case) -> str:
    return "the index finds elements, their rows are measured"


def _by_codes(case: Case) -> str:
    part = "" if case.share >= 1 else ", kept ones"
    return f"growing rows{part}, by their codes"


def _by_lists(_case: Case) -> str:
    return "the lists nearest to the query"


_BY_STRATEGY: Final[Mapping[str, Callable[[Case], str]]] = {
    ITERATIVE_FILTER: _iteratively,
    RANGE: _within,
    ELEMENTS: _by_elements,
    CODES: _by_codes,
    LISTS: _by_lists,
}


def _whole_window(case: Case) -> str:
    if case.hint == SCAN:
        return "hints: scan"
    return f"the range reaches over more than 1/{BUDGET_SHARE} of the rows, or its index has no order"


# --- on a graph ---


def _on_graph(case: Case) -> str:
    """Return why a graph was walked that way, or scanned in its place."""
    work = case.work
    if case.hint and case.hint == work.strategy:
        return f"hints: {case.hint}"
    if work.strategy == SCAN:
        return _scanned(case)
    words = "the filter names values with graphs of their own" if work.strategy == COLUMN else _kept(case)
    return f"{words}; changed its way on the walk" if work.switched else words


def _scanned(case: Case) -> str:
    if case.work.switched:
        return f"{_kept(case)}: a walk cost too much or found too few"
    return f"{_kept(case)}: quicker than a walk"


def _kept(case: Case) -> str:
    where = case.plan.where
    left = "pass" if where.expression is not None or where.keys is not None else "are visible"
    return f"all rows {left}" if case.share >= 1 else f"{_percent(case.share)} of the rows {left}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _exactly(case: Case) -> str:
    """Return why every row was measured though there is an index."""
    index, params = case.index, case.plan.params
    if not isinstance(params, GraphSearch) or not isinstance(index, GroupedIndex):
        return "codes of these growing rows tell them apart too little"
    if params.recall >= 1:
        return "a recall of 1 is asked for"
    assert case.index is not None
    if case.index.calibration is None:
        return "too few rows for the graph to be calibrated"
    return f"no walk was measured to reach a recall of {params.recall:g}"
