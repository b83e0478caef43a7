"""What a filter does: for each of its nodes how it was answered, rows in and out, and time, over all segments."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from elanus.expr import SKIPPED, Step
from elanus.expr.describe import describe
from elanus.model.ids import PartitionId
from elanus.model.schema import Schema
from elanus.model.time import NEVER, Timestamp
from elanus.query.plan import QueryPlan, Where
from elanus.query.prune import Choice, prune
from elanus.segment.filtering import Scope, passing, visible
from elanus.segment.view import View


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


def summarize(steps: Sequence[Step], schema: Schema) -> NodeReport | None:
    """Return the traces of one filter over several segments as one; None of no traces."""
    return _summary(steps, schema) if steps else None


def _summary(steps: Sequence[Step], schema: Schema) -> NodeReport:
    inner: dict[int, list[Step]] = {}
    for step in steps:
        for child in step.steps:
            inner.setdefault(id(child.node), []).append(child)
    known = [step.candidates for step in steps if step.candidates >= 0]
    return NodeReport(
        text=describe(steps[0].node, schema),
        how=_ways(steps),
        rows_in=sum(step.rows_in for step in steps),
        rows_out=sum(step.rows_out for step in steps),
        candidates=sum(known) if known else -1,
        seconds=sum(step.seconds for step in steps),
        nodes=tuple(_summary(children, schema) for children in inner.values()),
    )


def _ways(steps: Sequence[Step]) -> tuple[tuple[str, int], ...]:
    """Return each way with the number of segments, the most frequent first and what was skipped last."""
    counts = Counter(step.how for step in steps).most_common()
    return tuple(sorted(counts, key=lambda way: way[0] == SKIPPED))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return time.perf_counter() - self._begun


def explain_filter(
    collection: str,
    text: str,
    plan: QueryPlan,
    view: View,
    at: Sequence[Timestamp],
    *,
    expired: Timestamp = NEVER,
    partitions: frozenset[PartitionId] | None = None,
    planning: float = 0.0,
) -> FilterReport:
    """Evaluate a query's filter over a view, segment by segment, and say what happened; nothing is fetched.

    at, expired, partitions  as ``readers`` takes them
    """
    schema, where = view.manifest.schema, plan.where
    reports, steps = [], []
    for choice in prune(
        view, at, where.pruner, expired=expired, partitions=partitions, ignore_growing=plan.ignore_growing
    ):
        scope = Scope(choice.at, expired, where.expression, where.keys, where.raw_json, where.rest)
        report, step = _read(choice, scope, view)
        reports.append(report)
        steps += [step] if step is not None else []
    return FilterReport(
        collection=collection,
        filter=text,
        meaning=_meaning(where, schema),
        rows=sum(report.rows for report in reports),
        visible=sum(report.visible for report in reports),
        selected=sum(report.selected for report in reports),
        planning=planning,
        seconds=sum(report.seconds for report in reports),
        tree=summarize(steps, schema),
        segments=tuple(reports),
    )


def _meaning(where: Where, schema: Schema) -> str:
    """Return a filter as it was understood; a sample is named, though it is not drawn."""
    text = "true" if where.expression is None else describe(where.expression, schema)
    return text if where.sample is None else f"({text}) and random_sample({where.sample})"


def _read(choice: Choice, scope: Scope, view: View) -> tuple[SegmentReport, Step | None]:
    """Evaluate the filter over one segment, unless it is passed over."""
    segment = choice.segment
    watch, seen, found, step = Stopwatch(), 0, 0, None
    if choice.skip is None:
        rows = visible(segment, scope)
        seen = segment.num_rows if rows is None else rows.count()
        step = None if scope.where is None else Step(scope.where)
        passed = passing(segment, scope, rows, step)
        found = segment.num_rows if passed is None else passed.count()
    report = SegmentReport(
        id=segment.id,
        state="sealed" if segment.sorted_by_key else "growing",
        partition=view.manifest.partitions_by_id[segment.partition].name,
        rows=segment.num_rows,
        visible=seen,
        selected=found,
        seconds=watch.seconds,
        skipped="" if choice.skip is None else str(choice.skip),
    )
    return report, step
