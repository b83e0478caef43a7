"""Instants from and to ISO 8601 text, in any time zone of the IANA database.

An instant is int64 microseconds since 1970-01-01 UTC, of the years 1 to 9999. Texts come and go as offsets int64
[rows + 1] into uint8 data, as of ``Column.bytes_and_offsets``. Calls over rows release the interpreter.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus._native import core

UTC: Final = "UTC"
FIRST_INSTANT: Final = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z."""
LAST_INSTANT: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z."""
SHOWN_CHARACTERS: Final = 100

Instants = NDArray[np.int64]
Offsets = NDArray[np.int64]
Bytes = NDArray[np.uint8]


class InstantError(ValueError):
    """A text that is no instant: ``text`` as messages show it, the ``row`` it stands in."""

    def __init__(self, text: str, row: int, reason: str) -> None:
        super().__init__(f"invalid timestamp string: '{text}'. {reason}")
        self.text = text
        self.row = row


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone with all its changes of the clock. Immutable, safe from any thread."""

    name: str
    _native: core.TimeZone

    def parse(self, offsets: Offsets, data: Bytes) -> Instants:
        """Return the instants of texts, int64 [rows]; a text without an offset is a local time of this zone.

        Such as ``2025-01-31T08:00:00.25+08:00``: ``T`` or a space in the middle, the seventh and further digits of the
        fraction are cut off, ``Z`` or ``±hh[:mm]`` within -12:00..+14:00 or nothing. A local time that comes twice or
        never, because clocks were changed, means what Go's ``time.ParseInLocation`` takes it for: the offset is that
        of the instant one arrives at with the offset that the zone has when the local time is taken for UTC.
        raises  InstantError for the first text that is none
        """
        instants, refused = self._native.parse(np.ascontiguousarray(offsets), np.ascontiguousarray(data))
        if refused is not None:
            row, reason = refused
            start, end = int(offsets[row]), int(offsets[row + 1])
            text = data[start : min(end, start + SHOWN_CHARACTERS)].tobytes().decode(errors="replace")
            raise InstantError(text, row, reason)
        return instants

    def parse_text(self, text: str) -> int:
        """Return the instant of one text; raises InstantError."""
        data = np.frombuffer(text.encode(errors="replace"), dtype=np.uint8)
        return int(self.parse(np.array([0, len(data)], dtype=np.int64), data)[0])

    def format(self, instants: Instants) -> tuple[Offsets, Bytes]:
        """Return instants as RFC 3339 texts: no trailing zeros in the fraction, this zone's offset or ``Z``."""
        return self._native.format(np.ascontiguousarray(instants))

    def format_text(self, instant: int) -> str:
        """Return one instant as text."""
        _, data = self.format(np.array([instant], dtype=np.int64))
        return data.tobytes().decode()

    def to_local(self, instants: Instants) -> NDArray[np.int64]:
        """Return this zone's local times of instants, int64 [rows] in microseconds since a local 1970-01-01."""
        return self._native.to_local(np.ascontiguousarray(instants))


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """Return a time zone of the IANA database by its name; ValueError when the database has none.

    The database is the system's, or the one of the package tzdata, as ``zoneinfo`` finds it.
    """
    if name == UTC:
        return Zone(name, core.TimeZone.utc())
    try:
        zoneinfo.ZoneInfo(name)  # refuses names that are none, such as paths
        return Zone(name, core.TimeZone(_file(name)))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown or invalid IANA Time Zone ID: {name[:SHOWN_CHARACTERS]}") from None


def _file(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
