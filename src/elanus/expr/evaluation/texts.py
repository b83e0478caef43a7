"""Texts, a row each, as Arrow arrays; compared byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from elanus._native import filter
from elanus._native.filter import Interval
from elanus.expr.bound import Matching
from elanus.expr.evaluation.truth import Truth
from elanus.expr.like import Wildcard, parts
from elanus.expr.members import Members
from elanus.model.bitset import Bitset, intersect
from elanus.model.columns import fixed_values, varlen_buffers


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
        if op == "==":
            return Truth(filter.texts_with(varlen_buffers(self.data), "whole", value), self.known)
        return self.within(Interval.of(op, value))

    def within(self, interval: Interval) -> Truth:
        """Return where the text lies in an interval."""
        return Truth(filter.texts_within(varlen_buffers(self.data), interval), self.known)

    def compare_with(self, op: str, other: Texts) -> Truth:
        """Return ``data op other``."""
        value = filter.compare_texts(varlen_buffers(self.data), op, varlen_buffers(other.data))
        return Truth(value, intersect(self.known, other.known))

    def is_in(self, members: Members) -> Truth:
        """Return where the text is one of ``members``."""
        if len(members) == 1:
            return self.compare("==", members.values[0])
        return Truth(filter.in_texts(varlen_buffers(self.data), members.texts), self.known)

    def matches(self, matching: Matching, pattern: str) -> Truth:
        """Return where the text matches; RE2 is linear in the text."""
        if matching is Matching.REGEX:
            value = Bitset.from_mask(fixed_values(pc.match_substring_regex(self.data, pattern=pattern)))
        elif matching is Matching.LIKE:
            wanted = [part is Wildcard.RUN if isinstance(part, Wildcard) else part for part in parts(pattern)]
            value = filter.texts_like(varlen_buffers(self.data), wanted)
        else:
            value = filter.texts_with(varlen_buffers(self.data), matching.value, pattern)
        return Truth(value, self.known)
