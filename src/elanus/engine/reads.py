"""What a read sees: the timestamp of each shard, and what has expired."""

from __future__ import annotations

import threading
import time

from elanus.collection.collection import Collection
from elanus.engine.instance import Instance
from elanus.model.errors import DeadlineExceeded
from elanus.model.ids import PartitionId
from elanus.model.time import Timestamp, compose, physical_ms
from elanus.query.expiry import unless_ended
from elanus.query.plan import Where
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


def snapshot(
    instance: Instance,
    collection: Collection,
    consistency: Consistency = DEFAULT_CONSISTENCY,
    partitions: frozenset[PartitionId] | None = None,
) -> Snapshot:
    """Return what a read sees now, of some partitions or all. See ``pin``."""
    view, at = pin(collection, consistency)
    now_us = physical_ms(instance.services.clock.now()) * 1000
    return Snapshot(view, at, expired(instance, collection), now_us, partitions)


def _wait_until(unix_ms: int) -> None:
    missing_s = unix_ms / 1000 - time.time()
    if missing_s > MAX_WAIT_S:
        raise DeadlineExceeded(
            f"the guarantee timestamp lies {missing_s:.0f} s ahead; at most {MAX_WAIT_S} s are waited"
        )
    if missing_s > 0:
        threading.Event().wait(missing_s)


def living(instance: Instance, collection: Collection, where: Where) -> Where:
    """Return a filter that leaves out the rows whose own end, in the collection's TTL field, has come."""
    return unless_ended(where, collection.manifest, physical_ms(instance.services.clock.now()) * 1000)


def expired(instance: Instance, collection: Collection) -> Timestamp:
    """Return the time up to which rows have expired, 0 when they don't."""
    seconds = int(collection.manifest.property_map.get(TTL, "0"))
    if seconds <= 0:
        return Timestamp(0)
    return compose(physical_ms(instance.services.clock.now()) - seconds * 1000)
