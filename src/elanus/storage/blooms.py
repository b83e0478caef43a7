"""Bloom filters of a segment at rest: one file, a filter a column. See docs/formats/segment.md."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from elanus._native.bloom import BLOCK_BYTES, BloomFilter
from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted
from elanus.model.ids import FieldId
from elanus.model.manifest import FileInfo
from elanus.storage.store import ObjectStore, open_object

MAGIC = b"ELBF"
FORMAT_VERSION = 1
ALIGNMENT = 64
"""Filters begin at a cache line, so that no block lies across two."""

_HEADER = struct.Struct("<4sII")
_ENTRY = struct.Struct("<qQQ")


def write_blooms(store: ObjectStore, key: str, filters: Mapping[FieldId, BloomFilter]) -> FileInfo:
    """Write filters by field; durable when it returns."""
    data = encode_blooms(filters)
    store.put(key, data, if_absent=True)
    return FileInfo(key, len(data), crc32c(data))


def read_blooms(store: ObjectStore, file: FileInfo) -> Mapping[int, BloomFilter]:
    """Return the filters by field, over the mapped file; DataCorrupted for what this release can't read."""
    data = open_object(store, file.key)
    try:
        return decode_blooms(data)
    except ValueError as error:
        raise DataCorrupted(f"{store.local_path(file.key) or file.key} holds no Bloom filters: {error}") from error


def encode_blooms(filters: Mapping[FieldId, BloomFilter]) -> bytes:
    """Return a file of filters."""
    place = _aligned(_HEADER.size + _ENTRY.size * len(filters))
    head, body = _HEADER.pack(MAGIC, FORMAT_VERSION, len(filters)), b""
    for field, one in filters.items():
        head += _ENTRY.pack(field, place + len(body), len(one.blocks))
        body += one.blocks.tobytes().ljust(_aligned(len(one.blocks)), b"\0")
    return head.ljust(place, b"\0") + body


def decode_blooms(data: memoryview) -> Mapping[int, BloomFilter]:
    """Return the filters of a file without a copy; ValueError for what isn't one of this format."""
    if len(data) < _HEADER.size:
        raise ValueError(f"{len(data)} bytes are too few")
    magic, version, count = _HEADER.unpack_from(data)
    if magic != MAGIC or version != FORMAT_VERSION:
        raise ValueError(f"it begins with {magic!r} and format {version}, this release reads {FORMAT_VERSION}")
    if _HEADER.size + _ENTRY.size * count > len(data):
        raise ValueError(f"{count} filters do not fit into {len(data)} bytes")
    entries = _ENTRY.iter_unpack(data[_HEADER.size : _HEADER.size + _ENTRY.size * count])
    return {field: BloomFilter(_blocks(data, offset, length)) for field, offset, length in entries}


def _blocks(data: memoryview, offset: int, length: int) -> NDArray[np.uint8]:
    if not length or length % BLOCK_BYTES or offset + length > len(data):
        raise ValueError(f"a filter of {length} bytes at {offset} does not fit into {len(data)} bytes")
    return np.frombuffer(data, np.uint8, length, offset)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
