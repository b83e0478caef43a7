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
        console.print(f"[dim]understood as[/]  {plain(report['meaning'])}")
    console.print()
    if report["tree"] is not None:
        console.print(nodes_table(report["tree"], report["seconds"]))
        console.print()
    console.print(_segments_table(report["segments"]))
    print_skipped(report["segments"], console)


def _headline(report: Report) -> str:
    read = [one for one in report["segments"] if not one["skipped"]]
    of = f"{len(read)} of {len(report['segments'])} segments read, {report['visible']:,} of {report['rows']:,} rows"
    return (
        f"[bold]{plain(report['collection'])}[/]  {report['selected']:,} rows selected in "
        f"[bold]{duration(report['seconds'])}[/]  [dim]{of}; planned in {duration(report['planning'])}[/]"
    )


# --- the tree ---


def nodes_table(tree: Report, total_s: float) -> Table:
    """Return the table of a filter's nodes.

    total_s  what the bars are parts of, seconds
    """
    table = empty_table()
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
            duration(seconds),
            f"[cyan]{share_bar(seconds, total_s)}[/]",
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
    return f"[bold]{plain(node['how'][0][0])}[/]" if node["nodes"] else plain(node["text"])


def _how(node: Report) -> str:
    if node["nodes"]:
        return ""
    ways = [f"{plain(way)}{f' [dim]x{count}[/]' if len(node['how']) > 1 else ''}" for way, count in node["how"]]
    looked = [f"[dim]{node['candidates']:,} looked at[/]"] if node["candidates"] >= 0 else []
    return "\n".join(ways + looked)


def share_bar(part: float, whole: float, width: int = 8) -> str:
    """Return a bar that is as much of ``width`` characters as a part is of a whole."""
    eighths = round(8 * width * min(part / whole, 1.0)) if whole > 0 else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


# --- segments ---


def _segments_table(segments: list[Report]) -> Table:
    table = empty_table()
    table.add_column("segment", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("partition", no_wrap=True)
    for name in ("rows", "visible", "selected", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in segments:
        if not one["skipped"]:
            counts = (f"{one[name]:,}" for name in ("rows", "visible", "selected"))
            table.add_row(str(one["id"]), one["state"], plain(one["partition"]), *counts, duration(one["seconds"]))
    return table


def print_skipped(segments: list[Report], console: Console) -> None:
    """Print how many segments were not read, a line for each reason why."""
    reasons: dict[str, list[Report]] = {}
    for one in segments:
        if one["skipped"]:
            reasons.setdefault(one["skipped"], []).append(one)
    for reason, skipped in reasons.items():
        count = f"{len(skipped)} segment{'' if len(skipped) == 1 else 's'}"
        rows = sum(one["rows"] for one in skipped)
        console.print(f"[dim]{count} passed over, {rows:,} rows:[/] {plain(reason)}")


# --- cells ---


def empty_table() -> Table:
    """Return a table in the style of all reports."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 1))


def plain(text: str) -> str:
    """Return a text that may stand in markup."""
    from rich.markup import escape

    return escape(text)


def duration(seconds: float) -> str:
    """Return a time with its unit, three digits."""
    for limit, unit in ((1e-3, "us"), (1.0, "ms")):
        if seconds < limit:
            return f"{seconds / limit * 1000:.3g} {unit}"
    return f"{seconds:.3g} s"
