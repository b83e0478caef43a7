"""What a filter does: for each of its nodes how it was answered, rows in and out, and time, over all segments."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from elanus.expr import SKIPPED, Step
from elanus.expr.describe import describe
from elanus.model.schema import Schema
from elanus.query.explain.report import FilterReport, NodeReport, SegmentReport
from elanus.query.plan import Where
from elanus.query.prune import Choice
from elanus.query.snapshot import Snapshot
from elanus.segment.filtering import Scope, passing, visible
from elanus.segment.view import View


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
    where: Where,
    seen: Snapshot,
    planning: float = 0.0,
) -> FilterReport:
    """Evaluate a filter over what a read sees, segment by segment, and say what happened; nothing is fetched.

    text      the filter as it was written
    planning  seconds that binding took
    """
    schema = seen.view.manifest.schema
    reports, steps = [], []
    for choice, scope in seen.choices(where):
        report, step = _read(choice, scope, seen.view)
        reports.append(report)
        steps += [step] if step is not None else []
    return FilterReport(
        collection=collection,
        filter=text,
        meaning=meaning_of(seen.living(where), schema),
        rows=sum(report.rows for report in reports),
        visible=sum(report.visible for report in reports),
        selected=sum(report.selected for report in reports),
        planning=planning,
        seconds=sum(report.seconds for report in reports),
        tree=summarize(steps, schema),
        segments=tuple(reports),
    )


def meaning_of(where: Where, schema: Schema) -> str:
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
