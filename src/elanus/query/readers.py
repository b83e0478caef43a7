"""Pin a view: the segments that a read goes over, each with what it may see of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from elanus.model.bitset import Bitset
from elanus.model.ids import PartitionId
from elanus.model.time import NEVER, Timestamp
from elanus.query.plan import Where
from elanus.query.prune import prune
from elanus.query.sampling import sample
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
    random: np.random.Generator | None = None,
) -> Iterator[tuple[SegmentReader, Bitset | None]]:
    """Yield each segment with rows in scope, and those rows (None for all of them).

    at          for each shard the timestamp that is read at; taken before ``view`` was
    partitions  None for all
    random      what a random sample is drawn with; None for a seed of its own
    """
    pinned = _pinned(view, at, where, expired, partitions, ignore_growing=ignore_growing)
    if where.sample is not None:
        pinned = sample(pinned, where.sample, np.random.default_rng() if random is None else random)
    yield from pinned


def _pinned(
    view: View,
    at: Sequence[Timestamp],
    where: Where,
    expired: Timestamp,
    partitions: frozenset[PartitionId] | None,
    *,
    ignore_growing: bool,
) -> Iterator[tuple[SegmentReader, Bitset | None]]:
    for segment, scope in scopes(
        view, at, where, expired=expired, partitions=partitions, ignore_growing=ignore_growing
    ):
        rows = keep(segment, scope)
        if rows is None or rows.count():
            yield segment, rows


def scopes(
    view: View,
    at: Sequence[Timestamp],
    where: Where,
    *,
    expired: Timestamp = NEVER,
    partitions: frozenset[PartitionId] | None = None,
    ignore_growing: bool = False,
) -> Iterator[tuple[SegmentReader, Scope]]:
    """Yield each segment that may have rows in scope, and that scope; nothing is evaluated, nor drawn as a sample.

    others  as for ``readers``
    """
    for choice in prune(view, at, where.pruner, expired=expired, partitions=partitions, ignore_growing=ignore_growing):
        if choice.skip is None:
            scope = Scope(choice.at, expired, where.expression, where.keys, where.raw_json, where.rest)
            yield choice.segment, scope
