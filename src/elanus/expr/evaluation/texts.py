"""Texts, a row each, as Arrow arrays; compared byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from elanus.expr.bound import Matching
from elanus.expr.evaluation.truth import Truth
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import fixed_values

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_MATCHES: Mapping[Matching, Callable[..., Any]] = {
    Matching.PREFIX: pc.starts_with,
    Matching.SUFFIX: pc.ends_with,
    Matching.CONTAINS: pc.match_substring,
    Matching.REGEX: pc.match_substring_regex,
}


@dataclass(frozen=True, slots=True)
class Texts:
    """Text values.

    data   ``large_string`` [rows]
    known  the rows with a value, None when all have one
    """

    data: pa.Array
    known: Bitset | None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``data op value`` in UTF-8 byte order."""
        scalar = pa.scalar(value, type=pa.large_string())
        return Truth(Bitset.from_mask(fixed_values(_COMPARISONS[op](self.data, scalar))), self.known)

    def compare_with(self, op: str, other: Texts) -> Truth:
        """Return ``data op other``."""
        value = Bitset.from_mask(fixed_values(_COMPARISONS[op](self.data, other.data)))
        return Truth(value, intersect(self.known, other.known))

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the text is one of ``values``; a hash look-up a row."""
        if not values:
            return Truth(Bitset.none(len(self.data)), self.known)
        wanted = pa.array(values, type=pa.large_string())
        return Truth(Bitset.from_mask(fixed_values(pc.is_in(self.data, value_set=wanted))), self.known)

    def matches(self, matching: Matching, pattern: str) -> Truth:
        """Return where the text matches; RE2 is linear in the text."""
        return Truth(Bitset.from_mask(fixed_values(_MATCHES[matching](self.data, pattern=pattern))), self.known)
