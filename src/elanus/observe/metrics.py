"""Metrics: numbers by name and labels, and the page that Prometheus reads."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Final

MOST_SERIES: Final = 1_000
OTHER: Final = "other"


class Gauge:
    """A number that goes up and down, one for each combination of label values.

    Past ``most_series`` combinations new ones share one series whose values are all ``other``.
    """

    def __init__(self, name: str, text: str, labels: tuple[str, ...], most_series: int = MOST_SERIES) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self._most = most_series
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {}

    def set(self, value: float, *label_values: str) -> None:
        """Set the number of one series; its label values come in the order of ``labels``."""
        if len(label_values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self.labels)}; {len(label_values)} values came")
        with self._lock:
            if label_values not in self._values and len(self._values) >= self._most:
                label_values = (OTHER,) * len(self.labels)
            self._values[label_values] = value

    def get(self, *label_values: str) -> float | None:
        """Return the number of one series, None when there is none."""
        return self._values.get(label_values)

    def remove(self, *label_values: str) -> None:
        """Forget a series; one that isn't there is fine."""
        with self._lock:
            self._values.pop(label_values, None)

    def lines(self) -> Iterator[str]:
        """Yield the gauge as the text format 0.0.4 has it."""
        with self._lock:
            values = sorted(self._values.items())
        yield f"# HELP {self.name} {_escaped(self.text)}"
        yield f"# TYPE {self.name} gauge"
        for label_values, value in values:
            yield f"{self.name}{self._named(label_values)} {_number(value)}"

    def _named(self, label_values: tuple[str, ...]) -> str:
        pairs = zip(self.labels, label_values, strict=True)
        named = ",".join(f'{label}="{_escaped(value, quotes=True)}"' for label, value in pairs)
        return f"{{{named}}}" if named else ""


class Metrics:
    """The metrics of one server, in the order in which they were declared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gauges: dict[str, Gauge] = {}

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Return the gauge of that name, declared by the first caller; ValueError where its labels differ."""
        with self._lock:
            gauge = self._gauges.setdefault(name, Gauge(name, text, labels))
        if gauge.labels != labels:
            raise ValueError(f"{name} has the labels {gauge.labels}, not {labels}")
        return gauge

    def page(self) -> str:
        """Return every metric in the text format 0.0.4."""
        with self._lock:
            gauges = list(self._gauges.values())
        return "".join(f"{line}\n" for gauge in gauges for line in gauge.lines())


def _escaped(text: str, *, quotes: bool = False) -> str:
    plain = text.replace("\\", "\\\\").replace("\n", "\\n")
    return plain.replace('"', '\\"') if quotes else plain


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
