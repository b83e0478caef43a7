"""Make a report of the trace of a search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from elanus.model.manifest import Manifest
from elanus.query.candidates import Candidates
from elanus.query.explain.filter import meaning_of, summarize
from elanus.query.explain.report import HybridReport, Phase, SearchedSegment, SearchReport
from elanus.query.explain.trace import SegmentTrace, Trace
from elanus.query.plan import SearchPlan
from elanus.query.request import HybridRequest, SearchRequest

MOST_REASONS: Final = 2


def report_search(
    plan: SearchPlan, request: SearchRequest, found: Candidates, trace: Trace, manifest: Manifest
) -> SearchReport:
    """Return what a search did.

    found  what it returned
    """
    segments = tuple(_segment(one, manifest) for one in trace.segments.values())
    filtered = plan.where.expression is not None or plan.where.keys is not None
    recalls = None if trace.recalls is None else tuple(trace.recalls.tolist())
    report = SearchReport(
        summary="",
        collection=trace.collection,
        field=plan.field.name,
        index=plan.index.name,
        index_type=plan.index.kind,
        metric=plan.metric.value,
        params=_params(plan),
        nq=found.nq,
        limit=plan.limit,
        offset=plan.offset,
        filter=request.filter,
        meaning=meaning_of(plan.where, manifest.schema) if filtered else "",
        rows=sum(one.rows for one in segments),
        visible=sum(max(one.visible, 0) for one in segments),
        kept=sum(max(one.kept, 0) for one in segments),
        hits=len(found),
        seconds=trace.seconds,
        tree=summarize(trace.steps, manifest.schema),
        segments=segments,
        phases=_phases(trace),
        recalls=recalls,
    )
    return replace(report, summary=_summary(report))


def report_hybrid(
    request: HybridRequest, routes: Sequence[SearchReport], found: Candidates, trace: Trace
) -> HybridReport:
    """Return what a hybrid search did.

    found  what it returned
    trace  of the search as a whole
    """
    return HybridReport(
        summary=f"{_count(len(found), 'hit')} of {_count(len(routes), 'route')} in {_time(trace.seconds)}.",
        collection=trace.collection,
        nq=found.nq,
        limit=request.limit,
        offset=request.offset,
        hits=len(found),
        seconds=trace.seconds,
        routes=tuple(routes),
        phases=_phases(trace),
    )


def _phases(trace: Trace) -> tuple[Phase, ...]:
    return tuple(Phase(one.name, one.seconds, one.hits_in, one.hits_out) for one in trace.phases)


def _params(plan: SearchPlan) -> dict[str, Any]:
    """Return the parameters that say something, as the user writes them."""
    params = {name: value for name, value in asdict(plan.params).items() if value not in ("", 0)}
    if plan.window is not None:
        sign = -1 if plan.metric.larger_is_nearer else 1
        bounds = {"radius": plan.window.nearer_than, "range_filter": plan.window.not_nearer_than}
        params |= {name: sign * bound for name, bound in bounds.items() if bound is not None}
    if plan.lists is not None:
        params |= asdict(plan.lists)
    if plan.grouping is not None:
        params |= {"group_size": plan.grouping.size, "strict_group_size": plan.grouping.strict}
    return params


def _segment(one: SegmentTrace, manifest: Manifest) -> SearchedSegment:
    work, segment = one.work, one.segment
    return SearchedSegment(
        id=segment.id,
        state="sealed" if segment.sorted_by_key else "growing",
        partition=manifest.partitions_by_id[segment.partition].name,
        rows=segment.num_rows,
        visible=one.visible,
        kept=one.kept if work is not None or one.skip is not None else 0,
        strategy="" if work is None else work.strategy,
        why=one.why if work is not None or one.skip is not None else _nothing(one),
        ef=one.ef,
        refine=one.refine,
        hops=0 if work is None else work.hops,
        scored=0 if work is None else work.scored,
        scanned=0 if work is None else work.scanned,
        switched=work is not None and work.switched,
        searches=one.searches,
        filter_seconds=one.filter_s,
        search_seconds=one.search_s,
        skipped="" if one.skip is None else str(one.skip),
    )


def _nothing(one: SegmentTrace) -> str:
    """Return why there was nothing to search in a segment that was read."""
    if not one.visible:
        return "no row is visible"
    return "no row passes" if not one.kept else "no row that passes has a vector"


# --- in words ---


def _summary(report: SearchReport) -> str:
    """Return what happened and why, in two or three sentences."""
    filtered = f" from the {report.kept:,} of {report.visible:,} rows that pass the filter" if report.meaning else ""
    sentences = [f"{_count(report.hits, 'hit')} in {_time(report.seconds)}{filtered}"]
    searched = [one for one in report.segments if one.strategy]
    said = [f"{_count(len(searched), 'segment')} searched{_ways(searched)}"] if searched else []
    empty = Counter(one.why for one in report.segments if not one.strategy and not one.skipped)
    said += [f"{_count(number, 'segment')} looked at where {why}" for why, number in empty.items()]
    skipped = Counter(one.skipped for one in report.segments if one.skipped)
    if skipped:
        said.append(f"{_count(skipped.total(), 'segment')} passed over by {', '.join(skipped)}")
    if said:
        sentences.append("; ".join(said))
    if report.recalls:
        sentences.append(f"Recall {sum(report.recalls) / len(report.recalls):.3g}")
    return ". ".join(sentences) + "."


def _ways(searched: Sequence[SearchedSegment]) -> str:
    """Return how segments were searched, the most frequent way first, with its most frequent reason."""
    reasons: dict[str, Counter[str]] = {}
    for one in searched:
        reasons.setdefault(one.strategy, Counter())[f"ef {one.ef}, {one.why}" if one.ef else one.why] += 1
    ways = sorted(reasons.items(), key=lambda way: -way[1].total())
    told = [(strategy, why.total(), _mostly(why)) for strategy, why in ways]
    if len(told) == 1:
        return f" by {told[0][0]} ({told[0][2]})"
    return ": " + ", ".join(f"{count} by {strategy} ({why})" for strategy, count, why in told)


def _mostly(reasons: Counter[str]) -> str:
    """Return one reason or two, of more the most frequent one."""
    common = [why for why, _ in reasons.most_common()]
    return "; ".join(common) if len(common) <= MOST_REASONS else f"mostly {common[0]}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
