"""Views: a collection's readable state as one immutable object. Writers make the next one and swap a reference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from elanus.model.ids import PartitionId
from elanus.model.manifest import Manifest
from elanus.segment.growing import GrowingSegment
from elanus.segment.sealed import SealedSegment

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """The segments that hold a collection's rows, under one manifest.

    growing  by shard: segments that take writes, and full ones that are being written to files
    sealed   by shard
    """

    manifest: Manifest
    growing: tuple[tuple[GrowingSegment, ...], ...]
    sealed: tuple[tuple[SealedSegment, ...], ...]

    def with_growing(
        self, shard: int, change: Callable[[tuple[GrowingSegment, ...]], Iterable[GrowingSegment]]
    ) -> View:
        """Return the view with one shard's growing segments changed."""
        return replace(self, growing=_changed(self.growing, shard, tuple(change(self.growing[shard]))))

    def with_sealed(self, shard: int, change: Callable[[tuple[SealedSegment, ...]], Iterable[SealedSegment]]) -> View:
        """Return the view with one shard's sealed segments changed."""
        return replace(self, sealed=_changed(self.sealed, shard, tuple(change(self.sealed[shard]))))

    def without_partitions_but(self, kept: frozenset[PartitionId]) -> View:
        """Return the view with only the segments of some partitions."""
        return replace(
            self,
            growing=tuple(tuple(s for s in shard if s.partition in kept) for shard in self.growing),
            sealed=tuple(tuple(s for s in shard if s.partition in kept) for shard in self.sealed),
        )

    def all_sealed(self) -> Iterable[SealedSegment]:
        """Yield the sealed segments of every shard."""
        return (segment for shard in self.sealed for segment in shard)

    def all_growing(self) -> Iterable[GrowingSegment]:
        """Yield the growing segments of every shard."""
        return (segment for shard in self.growing for segment in shard)


def _changed(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])


class ViewCell:
    """Holds the current view; a swap is atomic against other swaps, a read takes no lock.

    swapped  called after each swap, to let go of what was known of the view before
    """

    def __init__(self, view: View, swapped: Callable[[], None]) -> None:
        self.view = view
        self._swapped = swapped
        self._lock = threading.Lock()

    def swap(self, change: Callable[[View], View]) -> View:
        """Replace the view by what ``change`` makes of it."""
        with self._lock:
            self.view = change(self.view)
            self._swapped()
            return self.view
