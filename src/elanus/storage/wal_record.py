"""The header of a log record: written, read, and put right when one byte of it was changed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from elanus._native.checksum import crc32c
from elanus.model.ids import CollectionId
from elanus.model.time import Timestamp

MAGIC = b"EWL1"
ALIGNMENT = 64
HEADER = struct.Struct("<4sIQQqQQIII")
HEADER_BYTES = ALIGNMENT
SUM = struct.Struct("<I")
SECTOR_BYTES = 512


class RecordKind(IntEnum):
    """What a record's payload is."""

    INSERT = 1
    DELETE = 2


class ShardId(NamedTuple):
    """One shard of one collection."""

    collection: CollectionId
    number: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a record says about itself.

    length    bytes of payload, without padding
    sequence  the record's place in its stream
    high      largest timestamp in the stream up to and including this record
    checksum  CRC32C of payload and padding
    """

    kind: int
    length: int
    sequence: int
    shard: ShardId
    at: Timestamp
    high: Timestamp
    checksum: int

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return HEADER_BYTES + self.length + padding(self.length)


def padding(length: int) -> int:
    """Return how many zeros follow a payload."""
    return -length % ALIGNMENT


def encode_header(header: Header) -> bytes:
    """Return the 64 bytes of a header."""
    shard = header.shard
    fields = (MAGIC, header.kind, header.length, header.sequence, shard.collection, header.at, header.high)
    raw = HEADER.pack(*fields, shard.number, header.checksum, 0)
    return raw + SUM.pack(crc32c(raw))


def decode_header(raw: memoryview) -> Header | None:
    """Return the header that ``raw`` begins with, None when there is no valid one."""
    if len(raw) < HEADER_BYTES or raw[: len(MAGIC)] != MAGIC:
        return None
    if crc32c(raw[: HEADER.size]) != SUM.unpack_from(raw, HEADER.size)[0]:
        return None
    _, kind, length, sequence, collection, at, high, number, checksum, _ = HEADER.unpack_from(raw)
    shard = ShardId(CollectionId(collection), number)
    return Header(kind, length, sequence, shard, Timestamp(at), Timestamp(high), checksum)


def correct_header(raw: memoryview) -> Header | None:
    """Return the header as it was before a single byte of it was changed, None when that doesn't explain it."""
    if len(raw) < HEADER_BYTES:
        return None
    fixed = bytearray(raw[:HEADER_BYTES])
    syndrome = crc32c(fixed[: HEADER.size]) ^ SUM.unpack_from(fixed, HEADER.size)[0]
    if syndrome in _syndromes():
        at, change = _syndromes()[syndrome]
        fixed[at] ^= change
    elif sum(byte != 0 for byte in SUM.pack(syndrome)) == 1:
        SUM.pack_into(fixed, HEADER.size, crc32c(fixed[: HEADER.size]))
    return decode_header(memoryview(fixed))


@cache
def _syndromes() -> dict[int, tuple[int, int]]:
    """Return what each change of one byte does to the checksum; a CRC is linear, so the other bytes don't matter."""
    zero = crc32c(bytes(HEADER.size))
    changes = {}
    for at in range(HEADER.size):
        block = bytearray(HEADER.size)
        for change in range(1, 256):
            block[at] = change
            changes[crc32c(block) ^ zero] = (at, change)
    return changes
