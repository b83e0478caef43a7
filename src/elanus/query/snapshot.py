"""What a read sees: which rows, at which moment; every part of a read looks at the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from elanus.model.ids import PartitionId
from elanus.model.manifest import TTL_FIELD
from elanus.model.time import NEVER, Timestamp
from elanus.query.expiry import unless_ended
from elanus.query.explain.trace import Trace
from elanus.query.plan import Where
from elanus.query.prune import Choice, prune
from elanus.query.sampling import sample
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned, Scope, keep
from elanus.segment.view import View

Epoch = tuple[View, tuple[Timestamp, ...]]
"""What stays the same as long as nothing is written: a view, and for each shard up to where its writes are seen."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The segments of a collection and the moment at which they are read.

    at              for each shard the timestamp that is read at; taken before ``view`` was
    expired         rows written at this time or before have expired, 0 when they don't
    now_us          microseconds since 1970 UTC, for rows that say themselves when they end
    partitions      what is read, None for all partitions
    ignore_growing  whether only sealed segments are read
    moment          the name under which later pages of an iterator see the same, 0 for other reads
    """

    view: View
    at: Sequence[Timestamp]
    expired: Timestamp
    now_us: int
    partitions: frozenset[PartitionId] | None = None
    ignore_growing: bool = False
    moment: Timestamp = NEVER

    @property
    def time(self) -> Timestamp:
        """The latest moment that is seen, or the name of the pinned one."""
        return self.moment or max(self.at)

    @property
    def epoch(self) -> Epoch:
        """What later reads of the same rows have in common."""
        return self.view, tuple(self.at)

    @property
    def lasts(self) -> bool:
        """Whether a later read sees the same rows as long as none is written: none ends by the clock."""
        return not self.expired and TTL_FIELD not in self.view.manifest.property_map

    def readers(
        self, where: Where, random: np.random.Generator | None = None, *, trace: Trace | None = None
    ) -> Iterator[Pinned]:
        """Yield each segment with rows in scope, and those rows (None for all of them).

        random  what a random sample is drawn with; None for a seed of its own
        trace   takes what was done, when given
        """
        passing = self._passing(where, trace)
        if where.sample is None:
            return passing
        return sample(passing, where.sample, np.random.default_rng() if random is None else random)

    def _passing(self, where: Where, trace: Trace | None) -> Iterator[Pinned]:
        for segment, scope in self.scopes(where, trace=trace):
            rows = keep(segment, scope) if trace is None else trace.keep(segment, scope)
            if rows is None or rows.count():
                yield segment, rows

    def scopes(self, where: Where, *, trace: Trace | None = None) -> Iterator[tuple[SegmentReader, Scope]]:
        """Yield each segment that may have rows in scope, and that scope; nothing is evaluated, no sample drawn."""
        for choice, scope in self.choices(where):
            if trace is not None:
                trace.chose(choice)
            if choice.skip is None:
                yield choice.segment, scope

    def choices(self, where: Where) -> Iterator[tuple[Choice, Scope]]:
        """Yield every segment, with the reason to pass it over where there is one, and what else is read of it."""
        living = self.living(where)
        for choice in prune(
            self.view,
            self.at,
            living.pruner,
            expired=self.expired,
            partitions=self.partitions,
            ignore_growing=self.ignore_growing,
        ):
            scope = Scope(choice.at, self.expired, living.expression, living.keys, living.raw_json, living.rest)
            yield choice, scope

    def living(self, where: Where) -> Where:
        """Return a filter that leaves out the rows whose own end, in the collection's TTL field, has come."""
        return unless_ended(where, self.view.manifest, self.now_us)
