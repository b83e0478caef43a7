"""What a read sees: which rows, at which moment; every part of a read looks at the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from elanus.model.bitset import Bitset
from elanus.model.ids import PartitionId
from elanus.model.time import Timestamp
from elanus.query.expiry import unless_ended
from elanus.query.plan import Where
from elanus.query.readers import readers, scopes
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Scope
from elanus.segment.view import View


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The segments of a collection and the moment at which they are read.

    at              for each shard the timestamp that is read at; taken before ``view`` was
    expired         rows written at this time or before have expired, 0 when they don't
    now_us          microseconds since 1970 UTC, for rows that say themselves when they end
    partitions      what is read, None for all partitions
    ignore_growing  whether only sealed segments are read
    """

    view: View
    at: Sequence[Timestamp]
    expired: Timestamp
    now_us: int
    partitions: frozenset[PartitionId] | None = None
    ignore_growing: bool = False

    @property
    def time(self) -> Timestamp:
        """The latest moment that is seen."""
        return max(self.at)

    def readers(
        self, where: Where, random: np.random.Generator | None = None
    ) -> Iterator[tuple[SegmentReader, Bitset | None]]:
        """Yield each segment with rows in scope, and those rows (None for all of them). See ``readers``."""
        return readers(
            self.view,
            self.at,
            self._living(where),
            expired=self.expired,
            partitions=self.partitions,
            ignore_growing=self.ignore_growing,
            random=random,
        )

    def scopes(self, where: Where) -> Iterator[tuple[SegmentReader, Scope]]:
        """Yield each segment that may have rows in scope, and that scope; nothing is evaluated."""
        return scopes(
            self.view,
            self.at,
            self._living(where),
            expired=self.expired,
            partitions=self.partitions,
            ignore_growing=self.ignore_growing,
        )

    def _living(self, where: Where) -> Where:
        return unless_ended(where, self.view.manifest, self.now_us)
