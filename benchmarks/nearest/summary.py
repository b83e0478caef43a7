"""Ours against the best peer, a line a claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nearest.curve import FILTER_RECALL, RECALLS, at_recall, best_point
from nearest.data import FILTERS
from nearest.engine import CHIEF

Entry: TypeAlias = dict[str, Any]
Value: TypeAlias = Callable[[Entry], float | None]
MEMORY_PEER = "hnswlib16"
"""Whose bytes a row ours are compared with: a plain graph over floats."""


@dataclass(frozen=True)
class Line:
    """One claim: the best peer's figure and ours, with the engines that gave them; ``times`` the better."""

    what: str
    peer: str
    ours: str
    times: str


def is_ours(entry: Entry) -> bool:
    return str(entry["engine"]).startswith("elanus")


def best(entries: Sequence[Entry], value: Value, *, ours: bool, least: bool = False) -> tuple[float, str] | None:
    """Return the best value among ours or among the peers', and whose it is; None where nobody has one."""
    found = [
        (figure, str(entry["engine"]))
        for entry in entries
        if is_ours(entry) is ours and (figure := value(entry)) is not None
    ]
    return (min if least else max)(found, default=None)


def compared(what: str, entries: Sequence[Entry], value: Value, *, least: bool = False, digits: int = 0) -> Line | None:
    """Return the line of one figure, None where ours has none."""
    ours = best(entries, value, ours=True, least=least)
    peer = best(entries, value, ours=False, least=least)
    if ours is None:
        return None
    times = "-" if peer is None else f"{peer[0] / ours[0] if least else ours[0] / peer[0]:.2f}x"
    shown = ["-" if some is None else f"{some[0]:,.{digits}f} ({some[1]})" for some in (peer, ours)]
    return Line(what, shown[0], shown[1], times)


def summary(entries: Sequence[Entry]) -> list[Line]:
    """Return every line that the entries have figures for."""
    if any(entry["engine"] == CHIEF for entry in entries):
        entries = [
            entry for entry in entries if entry["role"] != "graph" or entry["engine"] == CHIEF or not is_ours(entry)
        ]
    graphs = [entry for entry in entries if entry["role"] in ("graph", "lists")]
    codes = [entry for entry in entries if entry["role"] == "codes"]
    flat = [entry for entry in entries if entry["role"] == "flat"]
    lines = [
        compared(f"QPS at recall {recall:.2f}", graphs, lambda e, r=recall: at_recall(e.get("points", ()), r))
        for recall in RECALLS
    ]
    lines += [
        compared("CPU s of the build of a graph that reaches .99", graphs, _build_s, least=True, digits=1),
        compared(f"bytes a row beside the column, against {MEMORY_PEER}", graphs, _plain_bytes, least=True),
        compared("QPS of the code scan at recall .99", codes, lambda e: at_recall(e.get("points", ()), RECALLS[-1])),
    ]
    filtering = [entry for entry in entries if not is_ours(entry) or entry["role"] == "graph"]
    lines += [
        compared(f"QPS under {name} at recall {FILTER_RECALL}", filtering, lambda e, n=name: filtered_qps(e, n))
        for name in FILTERS
    ]
    lines.append(compared("QPS of the exact scan", flat, lambda e: at_recall(e.get("points", ()), 0.0), digits=1))
    return [line for line in lines if line is not None]


def filtered_qps(entry: Entry, name: str) -> float | None:
    """Return the QPS under a filter at the recall that counts, None where it isn't reached."""
    point = best_point(entry.get("filtered", {}).get(name, ()))
    return point["qps"] if point and point["recall"] >= FILTER_RECALL else None


def _build_s(entry: Entry) -> float | None:
    reached = entry["role"] == "graph" and at_recall(entry.get("points", ()), RECALLS[-1]) is not None
    return entry["build"]["cpu_s"] if reached else None


def _plain_bytes(entry: Entry) -> float | None:
    counts = is_ours(entry) or entry["engine"] == MEMORY_PEER
    return entry["build"]["bytes_per_row"] if counts and at_recall(entry.get("points", ()), RECALLS[-1]) else None
