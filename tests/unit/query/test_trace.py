"""Traces book all time once; reasons name what a search went by."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from elanus.index.base import GroupedIndex
from elanus.index.dense.graph import GraphSearch
from elanus.model.hits import Work
from elanus.model.types import DataType
from elanus.query.candidates import Page
from elanus.query.explain import trace as tracing
from elanus.query.explain.reasons import Case, reason, widths
from elanus.query.explain.trace import Trace, title
from elanus.query.ranking.fusion import Fused, ReciprocalRanks


class Clock:
    """Seconds that pass when it is told so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tracing.time, "perf_counter", clock)
    return clock


def test_all_time_is_booked_once(clock: Clock) -> None:
    trace = Trace(_lap=clock())
    for name, seconds in (("filter", 1.0), ("search", 2.0), ("filter", 4.0)):
        clock.now += seconds
        assert trace.lap(name) == seconds
    clock.now += 8.0
    trace.stage("page", 10, 5)
    assert [(phase.name, phase.seconds) for phase in trace.phases] == [("filter", 5.0), ("search", 2.0), ("page", 8.0)]
    assert trace.seconds == 15.0


def test_what_is_done_to_explain_is_booked_nowhere(clock: Clock) -> None:
    trace = Trace(_lap=clock())
    clock.now += 1.0
    with trace.aside():
        clock.now += 50.0
    clock.now += 2.0
    assert trace.lap("search") == 3.0


def test_turns_of_a_phase_add_up_their_hits(clock: Clock) -> None:
    trace = Trace(_lap=clock())
    trace.lap("merge", 20, 10)
    trace.lap("merge", 7, 7)
    (merge,) = trace.phases
    assert (merge.hits_in, merge.hits_out) == (27, 17)


def test_stages_are_named_by_what_they_do() -> None:
    assert title(Page(0, 10)) == "page"
    assert title(Fused(ReciprocalRanks(60.0))) == "reciprocal ranks"


@dataclass
class Graph(GroupedIndex):
    """A graph that would be walked with some width."""

    walks: Any = None
    calibration: Any = None

    def with_columns(self, *_arguments: Any, **_named: Any) -> Any:
        raise NotImplementedError

    def search(self, *_arguments: Any, **_named: Any) -> Any:
        raise NotImplementedError

    def walk(self, *_arguments: Any) -> Any:
        return self.walks


def case(work: Work, index: Graph, *, count: int = 200, **params: Any) -> Case:
    field = SimpleNamespace(type=DataType.FLOAT_VECTOR)
    where = SimpleNamespace(expression=object(), keys=None)
    plan = SimpleNamespace(
        field=field,
        index=None,
        window=None,
        lists=None,
        params=GraphSearch(**params),
        where=where,
        fetch_k=10,
        terms=(),
    )
    segment = SimpleNamespace(num_rows=1_000, index=lambda _index: index)
    return Case(cast(Any, plan), cast(Any, segment), None, count, work)


@pytest.mark.parametrize(
    ("work", "params", "says"),
    [
        (Work("plain"), {}, "20 % of the rows pass"),
        (Work("bridge", switched=True), {}, "20 % of the rows pass; changed its way on the walk"),
        (Work("scan"), {}, "20 % of the rows pass: quicker than a walk"),
        (
            Work("scan", switched=True),
            {},
            "20 % of the rows pass: a walk cost too much or found too few",
        ),
        (Work("column"), {}, "the filter names values with graphs of their own"),
        (Work("column"), {"hints": "column"}, "hints: column"),
        (Work("plain"), {"hints": "column"}, "20 % of the rows pass"),
        (Work("exact"), {"target_recall": 0.999}, "no walk was measured to reach a recall of 0.999"),
        (Work("exact"), {"target_recall": 1.0}, "a recall of 1 is asked for"),
    ],
)
def test_reasons_of_searches_on_a_graph(work: Work, params: dict[str, Any], says: str) -> None:
    assert reason(case(work, Graph(calibration=object()), **params)) == says


def test_a_graph_without_a_calibration_says_so() -> None:
    assert reason(case(Work("exact"), Graph())) == "too few rows for the graph to be calibrated"


def test_widths_are_those_of_the_walk() -> None:
    graph = Graph(walks=SimpleNamespace(ef=64, refine=20))
    assert widths(case(Work("mix"), graph)) == (64, 20)
    assert widths(case(Work("scan"), graph)) == (0, 0)
