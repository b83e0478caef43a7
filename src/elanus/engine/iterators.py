"""Iterators between their pages: the rows that all pages see, and searches that are continued.

Both are kept for a while after they were last asked for. A page that comes later, or after a restart, is answered from
what it says itself: the moment that it sees, and for a search the score of the worst hit so far.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np

from elanus.model.errors import InvalidParameter
from elanus.model.ids import CollectionId
from elanus.model.manifest import TTL_FIELD
from elanus.model.time import Timestamp
from elanus.query.candidates import Candidates
from elanus.query.iterators import SearchWalk
from elanus.query.plan import SearchPlan, search_key
from elanus.query.request import Iteration, Queries, SearchRequest
from elanus.query.result import Position
from elanus.query.snapshot import Snapshot

KEPT_S: Final = 600.0
"""How long after its last page an iterator is remembered."""
MAX_KEPT: Final = 1_000
MAX_BYTES: Final = 1 << 30
FLOAT_MAX: Final = float(np.finfo(np.float32).max)


class Kept(Protocol):
    """Something of one collection that is remembered between calls."""

    @property
    def collection(self) -> CollectionId:
        """The collection."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that it holds, about."""


@dataclass(frozen=True, slots=True)
class PinnedView:
    """The rows that the pages of an iterator see. The collection holds them in any case, for a while at least."""

    collection: CollectionId
    snapshot: Snapshot
    num_bytes: int = 0


@dataclass(slots=True, eq=False)
class SearchSession:
    """A search between two pages.

    search   what is searched, the size of the page aside
    bound    the worst score so far; None before the first page
    earlier  the same before the last page, with which that page can be asked for again
    """

    collection: CollectionId
    search: Hashable
    walk: SearchWalk
    bound: float | None = None
    earlier: float | None = None
    page: Candidates | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that it holds, about."""
        return self.walk.num_bytes

    def follow(self, bound: float | None, count: int) -> tuple[Candidates, float | None] | None:
        """Return the page after ``bound`` and the bound after it; None when another page was to follow.

        A client that did not get the last page may ask for it again.
        """
        with self.lock:
            if self.page is not None and bound != self.bound:
                return (self.page, self.bound) if bound == self.earlier else None
            self.page = self.walk.next(count)
            self.earlier, self.bound = self.bound, _bound_after(self.page, self.bound)
            return self.page, self.bound


@dataclass(slots=True)
class _Entry:
    """What is remembered, when it was last asked for and what it held then."""

    kept: Kept
    used: float = 0.0
    num_bytes: int = 0


class Iterators:
    """What is remembered of the iterators of one instance, least recently used first. Safe from any thread."""

    def __init__(
        self,
        *,
        kept_s: float = KEPT_S,
        max_kept: int = MAX_KEPT,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept_s, self._max_kept, self._max_bytes = kept_s, max_kept, max_bytes
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    # --- the rows that pages see ---

    def pinned(self, collection: CollectionId, at: Timestamp) -> Snapshot | None:
        """Return the rows that an iterator began with at a moment, None when they are not remembered."""
        kept = self._find((collection, at))
        return kept.snapshot if isinstance(kept, PinnedView) else None

    def pin(self, collection: CollectionId, snapshot: Snapshot, now: Callable[[], Timestamp]) -> Snapshot:
        """Remember the rows that an iterator begins with, for the pages that name their moment.

        now      gives a moment that nothing else has
        returns  the snapshot with its moment; one that shows the same if there is any
        """
        moment = snapshot.time
        known = self.pinned(collection, moment)
        if known is not None and _alike(known, snapshot):
            return known
        named = replace(snapshot, moment=moment if known is None else now())
        self._keep((collection, named.moment), PinnedView(collection, named))
        return named

    # --- searches ---

    def page(
        self, collection: CollectionId, request: SearchRequest, plan: SearchPlan, queries: Queries, seen: Snapshot
    ) -> tuple[Candidates, Position]:
        """Return a page of a search iterator, and where the iterator stands then.

        request  with an iteration
        seen     the rows that all pages see
        raises   InvalidParameter for several queries or a token of another collection
        """
        iteration = request.iteration or Iteration()
        _check(plan, queries)
        search, bound = (search_key(replace(request, limit=1)), _bytes(queries)), _single(iteration.bound)
        session = self._find(iteration.token) if iteration.token else None
        if isinstance(session, SearchSession):
            _check_same(session, collection)
            followed = self._followed(session, bound, request.limit) if session.search == search else None
            if followed is not None:
                return followed[0], Position(iteration.token, _shown(followed[1], plan))
        token = iteration.token or str(uuid.uuid4())
        session = SearchSession(collection, search, SearchWalk(plan, queries, seen, _beyond(plan, bound)), bound)
        first = session.follow(bound, request.limit)
        assert first is not None  # nothing was to follow yet
        self._keep(token, session)
        return first[0], Position(token, _shown(first[1], plan))

    def _followed(
        self, session: SearchSession, bound: float | None, count: int
    ) -> tuple[Candidates, float | None] | None:
        try:
            return session.follow(bound, count)
        except BaseException:
            self._forget(lambda kept: kept is session)  # it may have lost rows on the way
            raise

    # --- what is kept ---

    def drop(self, collection: CollectionId) -> None:
        """Forget the iterators of a collection."""
        self._forget(lambda kept: kept.collection == collection)

    def expire(self) -> None:
        """Forget the iterators that nobody has asked for lately."""
        with self._lock:
            self._trim()

    def _find(self, key: Hashable) -> Kept | None:
        with self._lock:
            self._trim()
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._touch(key, entry)
            return entry.kept

    def _keep(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._remove(key)
            entry = self._entries[key] = _Entry(kept)
            self._touch(key, entry)
            self._trim()

    def _touch(self, key: Hashable, entry: _Entry) -> None:
        num_bytes = entry.kept.num_bytes
        self._bytes += num_bytes - entry.num_bytes
        entry.used, entry.num_bytes = self._clock(), num_bytes
        self._entries.move_to_end(key)

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        self._bytes -= 0 if entry is None else entry.num_bytes

    def _forget(self, chosen: Callable[[Kept], bool]) -> None:
        with self._lock:
            for key in [key for key, entry in self._entries.items() if chosen(entry.kept)]:
                self._remove(key)

    def _trim(self) -> None:
        """Forget the least recently used: those of long ago, and those that are too many or too large together."""
        oldest = self._clock() - self._kept_s
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.used >= oldest and len(self._entries) <= self._max_kept and self._bytes <= self._max_bytes:
                return
            self._remove(key)


def _alike(known: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots show the same rows."""
    same = tuple(known.at) == tuple(other.at) and known.expired == other.expired
    return same and TTL_FIELD not in known.view.manifest.property_map


def _check(plan: SearchPlan, queries: Queries) -> None:
    if queries.nq != 1:
        raise InvalidParameter("search iterator does not support processing multiple vectors simultaneously")
    if queries.absent is not None:
        raise InvalidParameter(f"the provided primary key has no vector in field {plan.field.name}")
    if plan.lists is not None:
        raise InvalidParameter("search iterator is not supported for multi-search-multi on embedding list fields")


def _check_same(session: SearchSession, collection: CollectionId) -> None:
    if session.collection != collection:
        raise other_collection(session.collection, collection)


def other_collection(expected: int, found: CollectionId) -> InvalidParameter:
    """Return the error of an iterator whose collection's name has gone to another one."""
    return InvalidParameter(
        f"collection id:{expected} in the request is not consistent to that in the search context, "
        f"alias or database may have been changed: {found}"
    )


# --- bounds: the scores of worst hits ---


def _single(bound: float | None) -> float | None:
    return None if bound is None else float(np.float32(bound))


def _beyond(plan: SearchPlan, bound: float | None) -> float | None:
    """Return the inner distance beyond which the page lies."""
    return bound if bound is None or not plan.metric.larger_is_nearer else -bound


def _bound_after(page: Candidates, before: float | None) -> float | None:
    if not len(page):
        return before
    worst = float(page.scores[-1])
    if before is None:
        return worst
    return min(before, worst) if page.descending else max(before, worst)


def _shown(bound: float | None, plan: SearchPlan) -> float:
    """Return the bound that a reply names; without any hit so far, the one that excludes none."""
    if bound is not None:
        return bound
    return FLOAT_MAX if plan.metric.larger_is_nearer else -FLOAT_MAX


def _bytes(queries: Queries) -> bytes:
    if queries.matrix is not None:
        return bytes(queries.matrix.tobytes())
    return b"".join(value.as_py() for value in queries.sparse) if queries.sparse is not None else b""
