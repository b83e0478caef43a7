"""Figures of several servers side by side, with what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    aim  the bound that is aimed at, below it for a ``lower`` one
    """

    value: float
    unit: str
    aim: float | None = None
    lower: bool = True

    @property
    def met(self) -> bool:
        """Whether there is no aim or it is reached."""
        return self.aim is None or (self.value <= self.aim if self.lower else self.value >= self.aim)


@dataclass(slots=True)
class Figures:
    """What was measured of one server, by part and by what it is; ``notes`` are texts that belong to a part."""

    name: str
    values: dict[str, dict[str, Figure]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def most(self, part: str, what: str, value: float, unit: str, aim: float | None = None) -> None:
        """Note a number that is good when it is small."""
        self.values.setdefault(part, {})[what] = Figure(value, unit, aim)

    def least(self, part: str, what: str, value: float, unit: str, aim: float | None = None) -> None:
        """Note a number that is good when it is large."""
        self.values.setdefault(part, {})[what] = Figure(value, unit, aim, lower=False)

    def note(self, part: str, text: str) -> None:
        """Note a text."""
        self.notes.setdefault(part, []).append(text)

    def plain(self) -> dict[str, object]:
        """Return all of it for JSON."""
        parts = {part: {what: asdict(figure) for what, figure in found.items()} for part, found in self.values.items()}
        return {"name": self.name, "figures": parts, "notes": self.notes}


def show(found: Sequence[Figures], machine: str) -> None:
    """Print a table for each part, then what misses its aim."""
    print(f"\n{machine}")
    missed: list[str] = []
    for part in dict.fromkeys(part for figures in found for part in (*figures.values, *figures.notes)):
        _show_part(part, found, missed)
    print("\nmissed: " + ("; ".join(missed) or "nothing"))


def _show_part(part: str, found: Sequence[Figures], missed: list[str]) -> None:
    names = "".join(f"{figures.name:>14s}" for figures in found)
    print(f"\n{part:66s}{'aim':>10s}{names}" + (f"{'ratio':>9s}" if len(found) == 2 else ""))
    for what in dict.fromkeys(what for figures in found for what in figures.values.get(part, {})):
        figures = [one.values.get(part, {}).get(what) for one in found]
        first = next(figure for figure in figures if figure is not None)
        aim = "" if first.aim is None else f"{'<=' if first.lower else '>='} {first.aim:,g}"
        cells = "".join(f"{'--' if figure is None else _number(figure.value):>14s}" for figure in figures)
        mark = "" if figures[0] is None or figures[0].met else "  missed"
        ratio = ""
        if len(figures) == 2:
            ours, theirs = figures
            known = ours is not None and theirs is not None and theirs.value
            ratio = f"{ours.value / theirs.value:9.3f}" if known and ours and theirs else f"{'--':>9s}"
        print(f"  {f'{what}, {first.unit}' if first.unit else what:64s}{aim:>10s}{cells}{ratio}{mark}")
        if mark:
            missed.append(f"{part}: {what}")
    for one in found:
        for text in one.notes.get(part, []):
            print(
                "\n".join(
                    f"  {one.name}: {line}" if not at else f"    {line}" for at, line in enumerate(text.split("\n"))
                )
            )


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"
    return f"{value:.3g}" if value < 1 else f"{value:.4g}"
