"""Texts, a row each, as Arrow arrays; compared byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus.expr.bound import Matching
from elanus.expr.evaluation.truth import Mask, Truth, both_known
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
    known  bool [rows], None when every row has a value
    """

    data: pa.Array
    known: Mask | None

    def compare(self, op: str, value: Any) -> Truth:
        """Return ``data op value`` in UTF-8 byte order."""
        scalar = pa.scalar(value, type=pa.large_string())
        return Truth(fixed_values(_COMPARISONS[op](self.data, scalar)), self.known)

    def compare_with(self, op: str, other: Texts) -> Truth:
        """Return ``data op other``."""
        value = fixed_values(_COMPARISONS[op](self.data, other.data))
        return Truth(value, both_known(self.known, other.known))

    def is_in(self, values: tuple[Any, ...]) -> Truth:
        """Return where the text is one of ``values``; a hash look-up a row."""
        if not values:
            return Truth(np.zeros(len(self.data), dtype=np.bool_), self.known)
        wanted = pa.array(values, type=pa.large_string())
        return Truth(fixed_values(pc.is_in(self.data, value_set=wanted)), self.known)

    def matches(self, matching: Matching, pattern: str) -> Truth:
        """Return where the text matches; RE2 is linear in the text."""
        return Truth(fixed_values(_MATCHES[matching](self.data, pattern=pattern)), self.known)
