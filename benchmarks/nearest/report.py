"""Tables of the results: every engine, then ours against the best peer."""

from __future__ import annotations

from collections.abc import Sequence

from nearest.curve import FILTER_RECALL, RECALLS, at_recall, best_point
from nearest.data import FILTERS
from nearest.summary import Entry, best, is_ours, summary

SHARED = 1.25
"""Where the clock ran so many times longer than the CPU, the core was shared and its caches with it."""


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def ratio(ours: float | None, other: float | None) -> str:
    return f"{ours / other:.2f}x" if ours and other else "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def show(results: Entry) -> None:
    """Print every table that the results have figures for."""
    machine, entries = results["machine"], results["engines"]
    print(f"\n{machine['cpu']}, {machine['simd']}; {results['data']}, k = {results['k']}, one thread, one query a call")
    for entry in entries:
        if "missing" in entry:
            print(f"left out: {entry['engine']}, {entry['missing']} is not installed")
        elif "failed" in entry:
            print(f"FAILED: {entry['engine']}: {entry['failed']}")
    measured = [entry for entry in entries if entry.get("points")]
    _graphs([entry for entry in measured if entry["role"] in ("graph", "lists")])
    _codes([entry for entry in measured if entry["role"] == "codes"])
    _flat([entry for entry in measured if entry["role"] == "flat"])
    _filters([entry for entry in entries if any(entry.get("filtered", {}).values())])
    for entry in entries:
        _threads(entry)
        _streams(entry)
        _auto(entry)
    lines = summary(entries)
    if lines:
        print("\nOurs against the best peer\n")
        table(["", "best peer", "Elanus", "ratio"], [[line.what, line.peer, line.ours, line.times] for line in lines])
    _shared(entries)


def _graphs(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    peers = [best(entries, lambda e, r=recall: at_recall(e["points"], r), ours=False) for recall in RECALLS]
    rows = []
    for entry in sorted(entries, key=lambda e: -(at_recall(e["points"], RECALLS[0]) or 0)):
        cells = [entry["engine"]]
        for recall, peer in zip(RECALLS, peers, strict=True):
            qps = at_recall(entry["points"], recall)
            cells += [number(qps), ratio(qps, peer and peer[0])]
        built, most = entry["build"], max(point["recall"] for point in entry["points"])
        rows.append([*cells, number(built["cpu_s"], 1), number(built["bytes_per_row"]), f"{most:.4f}"])
    print("\nGraphs and lists; ratios against the best peer\n")
    head = ["engine"]
    for recall in RECALLS:
        head += [f"QPS at {recall:.2f}", "ratio"]
    table([*head, "build CPU s", "bytes a row beside the column", "best recall"], rows)


def _codes(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    print("\nScan of 4-bit codes, re-ranked exactly\n")
    rows = []
    for entry in entries:
        points = ", ".join(f"{p['parameter']}k: {p['recall']:.4f} {p['qps']:,.0f}" for p in entry["points"])
        qps, built = at_recall(entry["points"], RECALLS[-1]), entry["build"]
        rows.append([entry["engine"], number(qps), number(built["cpu_s"], 1), number(built["bytes_per_row"]), points])
    table(["engine", "QPS at 0.99", "train CPU s", "bytes a row", "candidates: recall, QPS"], rows)


def _flat(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    reading = max((e for e in entries if "read_qps" in e), key=lambda e: e["read_qps"], default=None)
    rows = []
    for entry in entries:
        qps = max(point["qps"] for point in entry["points"])
        rows.append([entry["engine"], number(qps, 1), f"{100 * qps / reading['read_qps']:.0f} %" if reading else "-"])
    print("\nExact scan of one query")
    if reading:
        rate = reading["read_bytes_per_s"] / 1e9
        print(f"The plainest read of the same bytes: {rate:.1f} GB/s, {reading['read_qps']:,.1f} times a second")
    print()
    table(["engine", "QPS", "of the bandwidth"], rows)


def _filters(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    shown = [name for name in FILTERS if any(entry["filtered"].get(name) for entry in entries)]
    print(f"\nFiltered: QPS @ recall of the fastest point at {FILTER_RECALL} or better, else of the most exact\n")
    rows = []
    for entry in sorted(entries, key=is_ours):
        cells = [best_point(entry["filtered"].get(name, ())) for name in shown]
        rows.append([entry["engine"], *(f"{c['qps']:,.0f} @ {c['recall']:.3f}" if c else "-" for c in cells)])
        ways = [", ".join(c["strategies"]) if c else "" for c in cells]
        if any(ways):
            rows.append([f"{entry['engine']}: strategies", *ways])
    table(["engine", *shown], rows)


def _threads(entry: Entry) -> None:
    if "two_threads" in entry:
        one, two = entry["build"], entry["two_threads"]
        print(
            f"\n{entry['engine']}: build on one thread {one['wall_s']:.1f} s (CPU {one['cpu_s']:.1f}), on two "
            f"{two['wall_s']:.1f} s (CPU {two['cpu_s']:.1f}): {one['wall_s'] / two['wall_s']:.2f}x by the clock"
        )


def _streams(entry: Entry) -> None:
    if not entry.get("streams"):
        return
    print(f"\n{entry['engine']}: batches of a stream against one search of as many rows at that recall or better\n")
    rows = []
    for point in entry["streams"]:
        one = at_recall(point["one_shot"], point["recall"])
        what = f"{point['batches']} x {point['batch']}"
        cells = [what, str(point["parameter"]), f"{point['recall']:.4f}", number(point["qps"]), number(one)]
        rows.append([*cells, ratio(point["qps"], one)])
    table(["batches", "ef", "recall", "streams a second", "searches a second", "ratio"], rows)


def _auto(entry: Entry) -> None:
    if not entry.get("auto"):
        return
    print("\nAUTOINDEX without any parameter\n")
    rows = [
        [found["shape"], found["kind"], f"{found['recall']:.4f}", number(found["qps"]), number(found["build_s"], 1)]
        for found in entry["auto"]
    ]
    table(["data", "kind", "recall", "QPS", "build CPU s"], rows)


def _shared(entries: Sequence[Entry]) -> None:
    """Warn where another process had a part of the core."""
    shared = []
    for entry in entries:
        points = [*entry.get("points", ()), *(p for some in entry.get("filtered", {}).values() for p in some)]
        if any(point["qps"] > SHARED * point["wall_qps"] for point in points):
            shared.append(entry["engine"])
    if shared:
        print(f"\nThe core was shared in part, so caches were colder than alone: {', '.join(shared)}")
