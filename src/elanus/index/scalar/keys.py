"""Distinct values in ascending order: where constants stand among them, as spans of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native import postings
from elanus.expr.bound import Matching
from elanus.expr.evaluation.texts import Texts
from elanus.index.sections import Section
from elanus.model.columns import varlen_buffers

Spans = NDArray[np.int64]
"""int64 [n, 2]: from the first place up to the second, ascending, none empty."""


class Keys(Protocol):
    """The distinct keys of an index."""

    @property
    def section(self) -> Section:
        """The keys as they are saved."""

    def __len__(self) -> int: ...

    def below(self, value: Any, *, through: bool) -> int:
        """Return how many keys are smaller than a constant; also the constant itself counts with ``through``."""

    def find(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """Return the places of those constants that are keys: ascending, each once."""

    def ascend(self) -> bool:
        """Whether the keys are in order, each once."""


class NumberKeys:
    """Numbers: integers of any width, floats without NaN, booleans as 0 and 1 of uint8."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    @property
    def section(self) -> Section:
        """The numbers."""
        return self.values

    def __len__(self) -> int:
        return len(self.values)

    def below(self, value: Any, *, through: bool) -> int:
        """Return how many keys are smaller than a number, or not larger; float32 against the narrowed number."""
        kind = self.values.dtype
        if kind.kind != "f":
            limits = np.iinfo(kind)
            if not limits.min <= value <= limits.max:
                return 0 if value < limits.min else len(self.values)
        with np.errstate(over="ignore"):
            constant = kind.type(value)
        return int(self.values.searchsorted(constant, "right" if through else "left"))

    def find(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """Return the places of those numbers that are keys."""
        kind = self.values.dtype
        if kind.kind != "f":
            limits = np.iinfo(kind)
            wanted = np.array(values, dtype=np.int64)
            wanted = wanted[(wanted >= limits.min) & (wanted <= limits.max)].astype(kind)
        else:
            wanted = np.array(values, dtype=kind)
        wanted = np.unique(wanted)
        places = np.searchsorted(self.values, wanted)
        inside = places < len(self.values)
        places, wanted = places[inside], wanted[inside]
        found: NDArray[np.int64] = places[self.values[places] == wanted]
        return found

    def ascend(self) -> bool:
        """Whether the numbers are in order, each once; a NaN never is."""
        values = self.values
        ordered = bool((values[1:] > values[:-1]).all())
        return ordered and not (len(values) == 1 and values[0] != values[0])


class TextKeys:
    """Texts, in the order of their UTF-8 bytes."""

    def __init__(self, texts: pa.Array) -> None:
        self.texts = texts
        self._buffers = varlen_buffers(texts)

    @property
    def section(self) -> Section:
        """The texts."""
        return self.texts

    def __len__(self) -> int:
        return len(self.texts)

    def below(self, value: Any, *, through: bool) -> int:
        """Return how many keys are smaller than a text, or not larger."""
        return self._below(value.encode() + b"\0" * through)

    def prefixed(self, prefix: str) -> tuple[int, int]:
        """Return the span of the keys that begin with a text."""
        if not prefix:
            return 0, len(self)
        encoded = prefix.encode()
        return self._below(encoded), self._below(encoded[:-1] + bytes([encoded[-1] + 1]))  # UTF-8 has no byte 0xFF

    def find(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """Return the places of those texts that are keys."""
        wanted = sorted({value.encode() for value in values})
        places = self._all_below(wanted)
        following = self._all_below([value + b"\0" for value in wanted])
        return places[following > places]

    def matching(self, matching: Matching, pattern: str, first: int, end: int) -> NDArray[np.int64]:
        """Return which of the keys from ``first`` up to ``end`` match, counted from ``first``; each is looked at."""
        return Texts(self.texts.slice(first, end - first), None).matches(matching, pattern).value.rows()

    def ascend(self) -> bool:
        """Whether the texts are in order, each once."""
        return postings.ascends(*self._buffers)

    def _below(self, probe: bytes) -> int:
        return postings.lower_bound(*self._buffers, probe)

    def _all_below(self, probes: list[bytes]) -> NDArray[np.int64]:
        return postings.lower_bounds(*self._buffers, *varlen_buffers(pa.array(probes, type=pa.large_binary())))


def keys_of(section: Section) -> NumberKeys | TextKeys:
    """Return keys over an array of distinct values in order."""
    return NumberKeys(section) if isinstance(section, np.ndarray) else TextKeys(section)


def spans_at(places: NDArray[np.int64]) -> Spans:
    """Return the spans of places (ascending, each once), neighbours joined."""
    if not len(places):
        return np.zeros((0, 2), dtype=np.int64)
    gaps = np.flatnonzero(np.diff(places) != 1)
    firsts = places[np.concatenate(([0], gaps + 1))]
    lasts = places[np.concatenate((gaps, [len(places) - 1]))]
    return np.stack([firsts, lasts + 1], axis=1).astype(np.int64, copy=False)


def span(first: int, end: int) -> Spans:
    """Return one span, none when it is empty."""
    return np.array([[first, end]] if first < end else [], dtype=np.int64).reshape(-1, 2)


def outside(spans: Spans, count: int) -> Spans:
    """Return the spans of the places below ``count`` that spans leave out."""
    edges = np.concatenate(([0], spans.reshape(-1), [count])).astype(np.int64).reshape(-1, 2)
    return edges[edges[:, 0] < edges[:, 1]]
