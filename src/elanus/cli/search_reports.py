"""Reports of searches on a terminal: what happened in a sentence, phases as bars, segments, the filter's tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from elanus.cli.reports import Report, duration, empty_table, nodes_table, plain, print_skipped, share_bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST_SEGMENTS = 12
"""So many segments are shown one by one, the slowest; the others together."""
BAR = 24


def print_search_report(report: Report, console: Console) -> None:
    """Print what a search did: in a sentence, then where its time went, and what was done in each segment."""
    first, dot, others = report["summary"].partition(". ")
    console.print(f"[bold]{plain(first)}[/]{dot}{plain(others)}")
    console.print(f"[dim]{plain(_asked(report))}[/]")
    if report["meaning"] != report["filter"]:
        console.print(f"[dim]understood as[/]  {plain(report['meaning'])}")
    console.print()
    console.print(_phases_table(report))
    if report["tree"] is not None:
        console.print()
        console.print(nodes_table(report["tree"], report["tree"]["seconds"]))
    if any(not one["skipped"] for one in report["segments"]):
        console.print()
        console.print(_segments_table(report["segments"]))
    if any(one["skipped"] for one in report["segments"]):
        console.print()
        print_skipped(report["segments"], console)
    if report["recalls"]:
        console.print()
        console.print(_recall_line(report["recalls"]))


def _asked(report: Report) -> str:
    """Return what was searched for, and how."""
    several = f"{report['nq']:,} vectors" if report["nq"] > 1 else "a vector"
    limit = f"limit {report['limit']:,}" + (f" offset {report['offset']:,}" if report["offset"] else "")
    params = [f"{name}={value}" for name, value in report["params"].items()]
    index = f"{report['index_type']} {report['metric']}"
    return ", ".join([f"{report['collection']} by {several} in {report['field']}", index, limit, *params])


# --- phases ---


def _phases_table(report: Report) -> Table:
    table = empty_table()
    table.add_column("phase", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=BAR)
    table.add_column("hits", justify="right", no_wrap=True)
    for one in report["phases"]:
        bar = share_bar(one["seconds"], report["seconds"], BAR)
        table.add_row(plain(one["name"]), duration(one["seconds"]), f"[cyan]{bar}[/]", _passage(one))
    return table


def _passage(phase: Report) -> str:
    """Return how many hits went in and came out of a phase that takes hits."""
    if phase["hits_out"] < 0:
        return ""
    before = "" if phase["hits_in"] < 0 else f"{phase['hits_in']:,} → "
    return f"[dim]{before}[/]{phase['hits_out']:,}"


# --- segments ---


def _segments_table(segments: list[Report]) -> Table:
    table = empty_table()
    table.add_column("segment", no_wrap=True)
    for name in ("rows", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("searched by", overflow="fold")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    read = sorted((one for one in segments if not one["skipped"]), key=_seconds, reverse=True)
    for one in read[:MOST_SEGMENTS]:
        table.add_row(*_cells(one))
    for cells in _others(read[MOST_SEGMENTS:]):
        table.add_row(*cells, style="dim")
    return table


def _cells(one: Report) -> tuple[str, ...]:
    place = one["state"] if one["partition"] == "_default" else f"{one['state']}, {one['partition']}"
    return (
        f"{one['id']}\n[dim]{plain(place)}[/]",
        f"{one['rows']:,}",
        _kept([one]),
        _way(one),
        f"{one['scored'] + one['scanned']:,}",
        duration(_seconds(one)),
    )


def _others(segments: list[Report]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of many segments, those together that were searched the same way."""
    ways: dict[str, list[Report]] = {}
    for one in segments:
        ways.setdefault(one["strategy"] or one["why"], []).append(one)
    for way, alike in ways.items():
        rows, measured = (sum(counts) for counts in zip(*((one["rows"], _measured(one)) for one in alike), strict=True))
        spent = duration(sum(map(_seconds, alike)))
        yield _several(alike), f"{rows:,}", _kept(alike), plain(way), f"{measured:,}", spent


def _way(one: Report) -> str:
    """Return how a segment was searched, and why below it."""
    if not one["strategy"]:
        return f"[dim]{plain(one['why'])}[/]"
    width = f" [dim]ef[/] {one['ef']:,}" if one["ef"] else ""
    often = f" [dim]x{one['searches']}[/]" if one["searches"] > 1 else ""
    return f"[bold]{plain(one['strategy'])}[/]{width}{often}\n[dim]{plain(one['why'])}[/]"


def _kept(segments: list[Report]) -> str:
    known = [one["kept"] for one in segments]
    return "[dim]nearest[/]" if min(known) < 0 else f"{sum(known):,}"


def _several(segments: list[Report]) -> str:
    return f"{len(segments)} {'other' if len(segments) == 1 else 'others'}"


def _measured(one: Report) -> int:
    count: int = one["scored"] + one["scanned"]
    return count


def _seconds(one: Report) -> float:
    total: float = one["filter_seconds"] + one["search_seconds"]
    return total


# --- recall ---


def _recall_line(recalls: list[float]) -> str:
    mean = sum(recalls) / len(recalls)
    color = "green" if mean >= 0.95 else "yellow" if mean >= 0.8 else "red"
    spread = (
        "" if len(recalls) == 1 else f"  [dim]mean of {len(recalls)} vectors; the worst found {min(recalls):.3f}[/]"
    )
    return f"recall [bold {color}]{mean:.3f}[/]{spread}"
