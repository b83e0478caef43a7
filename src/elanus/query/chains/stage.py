"""Chains within a search: over each segment's hits before they are merged, and over all hits after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from elanus.model.columns import take
from elanus.model.hits import Hits
from elanus.model.schema import Field
from elanus.query.candidates import Candidates
from elanus.query.chains.compile import Chain
from elanus.query.chains.frame import ID, SCORE, Frame, lowest_for_null
from elanus.query.fetch import fetch
from elanus.segment.base import SegmentReader


@dataclass(frozen=True, slots=True)
class ChainedCandidates:
    """The stage that sends all hits through a chain; they come out in the chain's order."""

    chain: Chain

    def apply(self, candidates: Candidates) -> Candidates:
        """Return the rows that the chain leaves, under its scores; ``$score`` is the score that users see."""
        fields = self.chain.fields
        batch = fetch(candidates.segments, candidates.parts, candidates.rows, fields)
        columns = {field.name: batch[field.id].data for field in fields}
        columns |= {ID: candidates.keys, SCORE: pa.array(candidates.scores)}
        done = self.chain.run(Frame.of(candidates.counts, columns))
        left = candidates.take(done.hits)
        return left.scored(lowest_for_null(done.columns[SCORE])) if self.chain.rescores else left


@dataclass(frozen=True, slots=True)
class ChainedHits:
    """What gives the hits of one segment a chain's scores. ``$score`` is larger for better hits, whatever the metric.

    descending  users see larger scores first afterwards
    """

    chain: Chain
    primary: Field
    descending: bool = True

    def apply(self, segment: SegmentReader, hits: Hits) -> Hits:
        """Return the hits under their new scores, best first."""
        real = hits.rows >= 0
        rows = hits.rows[real]
        if not len(rows):
            return hits
        batch = segment.fetch(rows, [field.id for field in self.chain.fields])
        columns = {field.name: batch[field.id].data for field in self.chain.fields}
        keys = take(segment.column(self.primary.id).data, rows)
        columns |= {ID: keys, SCORE: pa.array(np.float32(0) - hits.distances[real])}
        scores = self.chain.run(Frame.of(real.sum(axis=1), columns)).columns[SCORE]
        distances = np.full(hits.distances.shape, np.inf, dtype=np.float32)
        distances[real] = np.float32(0) - lowest_for_null(scores)
        return replace(hits, distances=distances).ordered()
