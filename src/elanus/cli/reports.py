"""Reports of ``elanus explain`` on a terminal: a table whose first column is the filter's tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Report = Mapping[str, Any]


def print_filter_report(report: Report, console: Console) -> None:
    """Print what a filter did: totals, the tree of its nodes, the segments."""
    console.print(_headline(report))
    if report["meaning"] != report["filter"]:
        console.print(f"[dim]understood as[/]  {_plain(report['meaning'])}")
    console.print()
    if report["tree"] is not None:
        console.print(_nodes_table(report["tree"], report["seconds"]))
        console.print()
    console.print(_segments_table(report["segments"]))


def _headline(report: Report) -> str:
    read = [one for one in report["segments"] if not one["skipped"]]
    of = f"{len(read)} of {len(report['segments'])} segments read, {report['visible']:,} of {report['rows']:,} rows"
    return (
        f"[bold]{_plain(report['collection'])}[/]  {report['selected']:,} rows selected in "
        f"[bold]{_time(report['seconds'])}[/]  [dim]{of}; planned in {_time(report['planning'])}[/]"
    )


# --- the tree ---


def _nodes_table(tree: Report, total_s: float) -> Table:
    table = _table()
    table.add_column("condition", overflow="fold", ratio=3)
    table.add_column("answered by", overflow="fold", ratio=2)
    table.add_column("rows in", justify="right", no_wrap=True)
    table.add_column("rows out", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for prefix, node in _lines(tree):
        seconds = node["seconds"]
        table.add_row(
            f"[dim]{prefix}[/]{_condition(node)}",
            _how(node),
            f"{node['rows_in']:,}",
            f"{node['rows_out']:,}",
            _time(seconds),
            f"[cyan]{_bar(seconds, total_s)}[/]",
        )
    return table


def _lines(node: Report, lead: str = "", mark: str = "") -> Iterator[tuple[str, Report]]:
    """Yield each node with the branches that lead to it."""
    yield lead + mark, node
    below = lead + {"": "", "├ ": "│ ", "└ ": "  "}[mark]
    for place, inner in enumerate(node["nodes"]):
        last = place == len(node["nodes"]) - 1
        yield from _lines(inner, below, "└ " if last else "├ ")


def _condition(node: Report) -> str:
    """Return a leaf's text; of an inner node, whose items follow, only the operator."""
    return f"[bold]{_plain(node['how'][0][0])}[/]" if node["nodes"] else _plain(node["text"])


def _how(node: Report) -> str:
    if node["nodes"]:
        return ""
    ways = [f"{_plain(way)}{f' [dim]x{count}[/]' if len(node['how']) > 1 else ''}" for way, count in node["how"]]
    looked = [f"[dim]{node['candidates']:,} looked at[/]"] if node["candidates"] >= 0 else []
    return "\n".join(ways + looked)


def _bar(part: float, whole: float, width: int = 8) -> str:
    eighths = round(8 * width * min(part / whole, 1.0)) if whole > 0 else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


# --- segments ---


def _segments_table(segments: list[Report]) -> Table:
    table = _table()
    table.add_column("segment", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("partition", overflow="fold")
    for name in ("rows", "visible", "selected", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("skipped by", overflow="fold")
    for one in segments:
        if not one["skipped"]:
            counts = (f"{one[name]:,}" for name in ("rows", "visible", "selected"))
            table.add_row(str(one["id"]), one["state"], _plain(one["partition"]), *counts, _time(one["seconds"]))
    for reason, skipped in _by_reason(segments).items():
        rows = f"{sum(one['rows'] for one in skipped):,}"
        table.add_row(f"{len(skipped)} others", "", "", rows, "", "", "", _plain(reason), style="dim")
    return table


def _by_reason(segments: list[Report]) -> dict[str, list[Report]]:
    """Return the segments that were not read, by the reason why."""
    reasons: dict[str, list[Report]] = {}
    for one in segments:
        if one["skipped"]:
            reasons.setdefault(one["skipped"], []).append(one)
    return reasons


# --- cells ---


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _time(seconds: float) -> str:
    for limit, unit in ((1e-3, "us"), (1.0, "ms")):
        if seconds < limit:
            return f"{seconds / limit * 1000:.3g} {unit}"
    return f"{seconds:.3g} s"
