"""JSON of sealed segments: paths read from their typed columns, from the rows' texts where there are none."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from elanus.expr import JsonValues, extract_json
from elanus.model.columns import Column
from elanus.model.errors import DataCorrupted, ElanusError, StorageFailed
from elanus.model.manifest import SegmentInfo
from elanus.segment.files import SegmentFiles
from elanus.storage.shredded import ShreddedColumn

log = logging.getLogger("elanus.segment")

JsonPath = tuple[str | int, ...]

CACHE_BYTES: Final = 256 * 2**20
ENTRY_BYTES: Final = 1024
"""What a path of a segment takes in memory beside its values."""
_UNREADABLE = (DataCorrupted, StorageFailed)


class Place(NamedTuple):
    """A path of a segment's field; ``owner`` is a number that the cache gave to the segment."""

    owner: int
    field: int
    path: JsonPath


class JsonCache:
    """The typed values of paths that filters asked for, of any number of segments; the least recent go first.

    limit_bytes  what they may take together; one path is kept however large it is
    cost         of every call, a few microseconds, however many values are kept
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._limit = limit_bytes
        self._values: OrderedDict[Place, JsonValues] = OrderedDict()
        self._costs: dict[Place, int] = {}
        self._places: dict[int, set[Place]] = {}
        self._numbers = count()
        self._gone: deque[int] = deque()
        self._num_bytes = 0
        self._lock = threading.Lock()

    @property
    def num_bytes(self) -> int:
        """Bytes of what is kept."""
        return self._num_bytes

    def __contains__(self, place: object) -> bool:
        return place in self._values

    def number(self, owner: SealedJson) -> int:
        """Return a number for a segment, which is not held; when it is gone, the next ``put`` lets go of its values."""
        number = next(self._numbers)
        # Called amid anything, perhaps while this very thread holds the lock: it only leaves a note.
        weakref.finalize(owner, self._gone.append, number).atexit = False
        return number

    def get(self, place: Place) -> JsonValues | None:
        """Return kept values."""
        with self._lock:
            values = self._values.get(place)
            if values is not None:
                self._values.move_to_end(place)
                self._charge(place, values)
            return values

    def put(self, place: Place, values: JsonValues) -> None:
        """Keep values and let go of others: those of segments that are gone, then the least recent."""
        with self._lock:
            while self._gone:
                self._remove_all(self._gone.popleft())
            self._remove(place)
            self._values[place] = values
            self._places.setdefault(place.owner, set()).add(place)
            self._charge(place, values)

    def _charge(self, place: Place, values: JsonValues) -> None:
        """Count what an entry takes by now, the newest one, and let go of others until all fit."""
        cost = values.nbytes + ENTRY_BYTES
        self._num_bytes += cost - self._costs.get(place, 0)
        self._costs[place] = cost
        while self._num_bytes > self._limit and len(self._values) > 1:
            self._remove(next(iter(self._values)))

    def forget(self, owner: int) -> None:
        """Let go of the values of one segment."""
        with self._lock:
            self._remove_all(owner)

    def _remove_all(self, owner: int) -> None:
        for place in tuple(self._places.get(owner, ())):
            self._remove(place)

    def _remove(self, place: Place) -> None:
        if self._values.pop(place, None) is None:
            return
        self._num_bytes -= self._costs.pop(place)
        places = self._places[place.owner]
        places.discard(place)
        if not places:
            del self._places[place.owner]


class SealedJson:
    """The JSON fields of one sealed segment.

    A file of typed columns that can't be read is reported in the log and passed over: the texts hold the same values.
    """

    def __init__(self, files: SegmentFiles, info: SegmentInfo, cache: JsonCache) -> None:
        self._files = files
        self._info = info
        self._cache = cache
        self._owner = cache.number(self)
        self._shredded: dict[int, ShreddedColumn | None] = {}
        self._opening = threading.Lock()

    def values(self, field_id: int, path: JsonPath, column: Callable[[], Column]) -> JsonValues:
        """Return what a field holds under a path, as typed columns; kept for the next filter.

        column  the field's texts, asked for when nothing else tells
        """
        place = Place(self._owner, field_id, path)
        values = self._cache.get(place)
        if values is None:
            values = self._read(field_id, path) or extract_json(column(), path)
            self._cache.put(place, values)
        return values

    def holds(self, field_id: int, path: JsonPath) -> bool:
        """Whether ``values`` needs no texts."""
        if Place(self._owner, field_id, path) in self._cache:
            return True
        shredded = self._open(field_id)
        return shredded is not None and shredded.holds(path)

    def cool(self) -> None:
        """Let go of everything that can be read again."""
        self._cache.forget(self._owner)
        with self._opening:
            self._shredded = {}

    def _read(self, field_id: int, path: JsonPath) -> JsonValues | None:
        shredded = self._open(field_id)
        if shredded is None:
            return None
        try:
            extracted = shredded.read(path)
        except _UNREADABLE as error:
            _report(error)
            self._shredded[field_id] = None
            return None
        return None if extracted is None else JsonValues(extracted)

    def _open(self, field_id: int) -> ShreddedColumn | None:
        known = self._shredded
        if field_id not in known:
            with self._opening:
                if field_id not in known:
                    known[field_id] = self._opened(field_id)
        return known[field_id]

    def _opened(self, field_id: int) -> ShreddedColumn | None:
        try:
            return self._files.open_shredded(self._info, field_id)
        except _UNREADABLE as error:
            _report(error)
            return None


def _report(error: ElanusError) -> None:
    log.error("typed JSON columns can't be read, filters read the JSON texts until it is loaded again: %s", error)
