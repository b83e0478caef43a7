"""Which segments of a view a read has to look at, and why it passes the others over. No column is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.expr import BoundExpr, possible_values
from elanus.expr.pruning import Proof, check_of
from elanus.model.columns import arrow_type
from elanus.model.ids import PartitionId
from elanus.model.manifest import Manifest
from elanus.model.schema import Field, Schema
from elanus.model.time import NEVER, Timestamp
from elanus.segment.base import SegmentReader
from elanus.segment.placement import shards_of, slots_of
from elanus.segment.view import View


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a read passes a segment over.

    reasons  all of them together, such as ``statistics of price``
    """

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Choice:
    """A segment that a read came across.

    at    the timestamp that its shard is read at
    skip  None when the segment has to be read
    """

    segment: SegmentReader
    at: Timestamp
    skip: Skip | None


EMPTY = Skip(("no rows",))
OTHER_PARTITION = Skip(("partition",))
BY_PARTITION_KEY = Skip(("partition key",))
BY_SHARD = Skip(("shard of the primary key",))
EXPIRED = Skip(("time to live",))
ALWAYS_FALSE = Skip(("the filter is false",))


class Pruner:
    """What a filter says about where its rows lie; made once a plan, safe from any thread.

    Lists of keys are hashed and sorted when the first segment asks, however many segments follow.
    """

    def __init__(self, schema: Schema, expression: BoundExpr) -> None:
        self._names: dict[int, str] = {field.id: field.name for field in schema}
        self._check = check_of(expression)
        self._primary = _Listed(expression, schema.primary)
        self._partition_key = None if schema.partition_key is None else _Listed(expression, schema.partition_key)

    def partitions(self, manifest: Manifest) -> frozenset[PartitionId] | None:
        """Return the partitions that the filter's partition keys lie in, None for all."""
        key = self._partition_key
        slots = None if key is None else key.places(slots_of, len(manifest.partitions))
        return None if slots is None else frozenset(manifest.partitions[slot].id for slot in slots)

    def shards(self, manifest: Manifest) -> frozenset[int] | None:
        """Return the shards that the filter's primary keys lie in, None for all."""
        return None if manifest.shards == 1 else self._primary.places(shards_of, manifest.shards)

    def skip(self, segment: SegmentReader) -> Skip | None:
        """Return why no row of a segment can pass the filter; None when one may, as in any growing segment."""
        statistics = segment.statistics
        proof = None if statistics is None else self._check(statistics)
        return None if proof is None else self._skip(proof)

    def _skip(self, proof: Proof) -> Skip:
        reasons = tuple(f"{ground.evidence} of {self._names[ground.field_id]}" for ground in proof)
        return Skip(reasons) if reasons else ALWAYS_FALSE


class _Listed:
    """The values of one field that a filter lists, and where their rows lie."""

    def __init__(self, expression: BoundExpr, field: Field) -> None:
        self._expression = expression
        self._field = field
        self._places: dict[int, frozenset[int]] = {}

    @cached_property
    def _values(self) -> pa.Array | None:
        values = possible_values(self._expression, self._field)
        return None if values is None else pa.array(list(values), type=arrow_type(self._field))

    def places(self, rule: Callable[[pa.Array, int], NDArray[np.int64]], count: int) -> frozenset[int] | None:
        """Return the places below ``count`` that a rule of placement gives the values, None without a list."""
        if self._values is None:
            return None
        if count not in self._places:
            self._places[count] = frozenset(rule(self._values, count).tolist())
        return self._places[count]


def prune(
    view: View,
    at: Sequence[Timestamp],
    pruner: Pruner | None,
    *,
    expired: Timestamp = NEVER,
    partitions: frozenset[PartitionId] | None = None,
    ignore_growing: bool = False,
) -> Iterator[Choice]:
    """Yield every segment of a view, with the reason to pass it over where there is one.

    pruner  None without a filter
    cost    microseconds a segment; a Bloom filter is mapped and verified when it is first asked
    """
    keyed = None if pruner is None else pruner.partitions(view.manifest)
    shards = None if pruner is None else pruner.shards(view.manifest)
    for shard, time in enumerate(at):
        for segment in _segments(view, shard, time, ignore_growing=ignore_growing):
            if shards is not None and shard not in shards:
                skip: Skip | None = BY_SHARD
            else:
                skip = _skip(segment, partitions, keyed, expired) or (pruner.skip(segment) if pruner else None)
            yield Choice(segment, time, skip)


def _skip(
    segment: SegmentReader,
    partitions: frozenset[PartitionId] | None,
    keyed: frozenset[PartitionId] | None,
    expired: Timestamp,
) -> Skip | None:
    """Return why a segment has no row to read whatever its columns hold."""
    if not segment.num_rows:
        return EMPTY
    if partitions is not None and segment.partition not in partitions:
        return OTHER_PARTITION
    if keyed is not None and segment.partition not in keyed:
        return BY_PARTITION_KEY
    if segment.statistics is not None and segment.statistics.last_at <= expired:
        return EXPIRED
    return None


def _segments(view: View, shard: int, at: Timestamp, *, ignore_growing: bool) -> Iterator[SegmentReader]:
    """Yield a shard's segments, the growing ones as they were at ``at``."""
    yield from view.sealed[shard]
    if not ignore_growing:
        for growing in view.growing[shard]:
            yield growing.reader(at)
