"""Pin a view: the segments that a read goes over, each with what it may see of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from elanus.model.bitset import Bitset
from elanus.model.ids import PartitionId
from elanus.model.time import NEVER, Timestamp
from elanus.query.plan import Where
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Scope, keep
from elanus.segment.view import View


def readers(
    view: View,
    at: Sequence[Timestamp],
    where: Where,
    *,
    expired: Timestamp = NEVER,
    partitions: frozenset[PartitionId] | None = None,
    ignore_growing: bool = False,
) -> Iterator[tuple[SegmentReader, Bitset | None]]:
    """Yield each segment with rows in scope, and those rows (None for all of them).

    at          for each shard the timestamp that is read at; taken before ``view`` was
    partitions  None for all
    """
    for shard, time in enumerate(at):
        scope = Scope(time, expired, where.expression, where.keys)
        for segment in segments(view, shard, time, ignore_growing=ignore_growing):
            if segment.num_rows and (partitions is None or segment.partition in partitions):
                rows = keep(segment, scope)
                if rows is None or rows.count():
                    yield segment, rows


def segments(view: View, shard: int, at: Timestamp, *, ignore_growing: bool) -> Iterator[SegmentReader]:
    """Yield a shard's segments, the growing ones as they were at ``at``."""
    yield from view.sealed[shard]
    if not ignore_growing:
        for growing in view.growing[shard]:
            yield growing.reader(at)
