"""What a read sees: the timestamp of each shard, and what has expired."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from elanus.collection.collection import Collection
from elanus.engine.instance import Instance
from elanus.engine.iterators import other_collection
from elanus.model.errors import DeadlineExceeded
from elanus.model.ids import PartitionId
from elanus.model.time import NEVER, Timestamp, compose, physical_ms
from elanus.query.request import DEFAULT_CONSISTENCY, Consistency
from elanus.query.snapshot import Snapshot
from elanus.segment.view import View

MAX_WAIT_S = 60
"""How long a read waits for its guarantee timestamp to come."""

TTL = "collection.ttl.seconds"


def pin(collection: Collection, consistency: Consistency = DEFAULT_CONSISTENCY) -> tuple[View, list[Timestamp]]:
    """Return the view to read and for each shard the timestamp to read at: everything acknowledged.

    A guarantee that lies in the future is waited for; DeadlineExceeded when it lies too far ahead.
    The view is the current one while the timestamps are taken: an older view may lack the segment of a write that
    they cover, a newer one may lack, after a merge, rows that were deleted only later.
    """
    # The clock runs ahead of the wall after a restart; what it has passed needs no waiting.
    if consistency.guarantee and consistency.guarantee > collection.services.clock.now():
        _wait_until(physical_ms(consistency.guarantee))
    while True:
        view = collection.view
        at = [collection.published(shard) for shard in range(view.manifest.shards)]
        if collection.view is view:
            return view, at


def check_identity(collection: Collection, expected: int) -> None:
    """Raise InvalidParameter when an iterator's collection, by its id, is another one now; 0 expects none."""
    if expected and expected != collection.id:
        raise other_collection(expected, collection.id)


def snapshot(
    instance: Instance,
    collection: Collection,
    consistency: Consistency = DEFAULT_CONSISTENCY,
    partitions: frozenset[PartitionId] | None = None,
    *,
    ignore_growing: bool = False,
) -> Snapshot:
    """Return what a read sees, of some partitions or all: now, or for a page of an iterator what its others saw."""
    if consistency.pinned:
        seen = _pinned(instance, collection, consistency)
        return replace(seen, partitions=partitions, ignore_growing=ignore_growing)
    view, at = pin(collection, consistency)
    now_us = physical_ms(instance.services.clock.now()) * 1000
    return Snapshot(view, at, expired(instance, collection), now_us, partitions, ignore_growing)


def _pinned(instance: Instance, collection: Collection, consistency: Consistency) -> Snapshot:
    """Return the rows of an iterator's moment, the present one unless the read names one; remembered for more pages.

    A moment that isn't remembered any more is read from the current view: rows that were written later are left out,
    and those deleted since are there as long as no merge has dropped them.
    """
    clock = instance.services.clock
    # Some clients send a level's number in place of a moment.
    wanted = Timestamp(consistency.guarantee) if physical_ms(consistency.guarantee) else NEVER
    known = instance.iterators.pinned(collection.id, wanted) if wanted else None
    if known is not None:
        return known
    view, at = pin(collection, consistency)
    if wanted:
        at = [min(published, wanted) for published in at]
    seen_ms = physical_ms(wanted or clock.now())
    seen = Snapshot(view, at, _expired_at(collection, seen_ms), seen_ms * 1000, moment=wanted)
    return instance.iterators.pin(collection.id, seen, clock.now)


def _wait_until(unix_ms: int) -> None:
    missing_s = unix_ms / 1000 - time.time()
    if missing_s > MAX_WAIT_S:
        raise DeadlineExceeded(
            f"the guarantee timestamp lies {missing_s:.0f} s ahead; at most {MAX_WAIT_S} s are waited"
        )
    if missing_s > 0:
        threading.Event().wait(missing_s)


def expired(instance: Instance, collection: Collection) -> Timestamp:
    """Return the time up to which rows have expired, 0 when they don't."""
    return _expired_at(collection, physical_ms(instance.services.clock.now()))


def _expired_at(collection: Collection, unix_ms: int) -> Timestamp:
    seconds = int(collection.manifest.property_map.get(TTL, "0"))
    if seconds <= 0:
        return Timestamp(0)
    return compose(unix_ms - seconds * 1000)
