"""What gives the hits of a segment other scores, before segments are merged."""

from __future__ import annotations

from typing import Final, Protocol

from elanus.model.hits import Hits
from elanus.segment.base import SegmentReader

ALONE: Final = "don't support use segment scorer with group_by or search_iterator"
"""What a search is told that asks for a scorer together with one of these."""


class HitScorer(Protocol):
    """Scores the hits of one segment anew."""

    @property
    def descending(self) -> bool:
        """Whether users see negated distances afterwards: scores of which larger ones are better."""

    def apply(self, segment: SegmentReader, hits: Hits) -> Hits:
        """Return a segment's hits under their new scores, best first; equal ones by row and element."""
