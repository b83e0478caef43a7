"""JSON columns: values at a path or at many, elements of arrays, strict validation, top-level keys.

Rows come as ``Column.bytes_and_offsets`` gives them: offsets int64 [rows + 1] into uint8 data. Every call releases the
interpreter; ``ValueError`` means that the offsets do not cut the data into rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus._native import core

Step = str | int
Offsets = NDArray[np.int64]
Bytes = NDArray[np.uint8]

HOLLOW = 0x10
"""Added to the kind of an array or object that holds nothing but nulls and containers of that sort."""


class Kind(IntEnum):
    """What a JSON value is."""

    MISSING = 0
    NULL = 1
    BOOL = 2
    INT = 3
    DOUBLE = 4
    STRING = 5
    ARRAY = 6
    OBJECT = 7


class Extracted(NamedTuple):
    """Values as columns.

    kinds    uint8 [rows]: a ``Kind``, plus ``HOLLOW``
    numbers  int64 [rows]: integers, booleans as 0 and 1, the IEEE bits of doubles; zero for other kinds
    offsets  int64 [rows + 1] into ``text``
    text     uint8: strings with their escapes resolved, arrays as JSON
    """

    kinds: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    offsets: Offsets
    text: Bytes


def extract_path(offsets: Offsets, data: Bytes, steps: Sequence[Step]) -> Extracted:
    """Return the value of every row that the steps lead to; rows that are not JSON count as missing.

    steps  a text is an object's key; a number an array's position, or in an object the key of those digits
    cost   one pass over the rows, each only as far as its value
    """
    return Extracted(*core.json_extract_path(offsets, data, steps))


class Limits(NamedTuple):
    """How much is tracked of columns with very many paths.

    paths      distinct paths that are counted, the root among them
    depth      keys on the way to a value
    key_bytes  bytes of the keys of one path together
    """

    paths: int
    depth: int
    key_bytes: int


class Found(NamedTuple):
    """A path of object keys that some rows have.

    keys   what leads to it, nothing for the whole value
    rows   how many have it
    kinds  what they hold there
    """

    keys: tuple[str, ...]
    rows: int
    kinds: frozenset[Kind]


class Paths:
    """The paths of object keys in a JSON column; arrays are not gone into.

    least, most  the paths that at least so many rows have are kept, the most frequent where they are too many; with a
                 path all that lead to it are kept
    cost         one walk over the rows; memory for at most ``limits.paths`` paths
    """

    def __init__(self, offsets: Offsets, data: Bytes, limits: Limits, *, least: int, most: int) -> None:
        self._paths = core.JsonPaths(offsets, data, limits, least, most)

    @property
    def complete(self) -> bool:
        """Whether no row has a path other than those of ``kept`` and ``left_out``."""
        return self._paths.complete

    def kept(self) -> list[Found]:
        """Return the paths that ``read`` reads."""
        return _found(self._paths.kept())

    def left_out(self) -> list[Found]:
        """Return the paths that too few rows have."""
        return _found(self._paths.left_out())

    def read(self, offsets: Offsets, data: Bytes) -> list[Extracted]:
        """Return each kept path's value of the given rows, as ``extract_path`` does; one walk for all of them."""
        return [Extracted(*values) for values in self._paths.read(offsets, data)]


def _found(paths: list[tuple[list[str], int, int]]) -> list[Found]:
    kinds_of = {bits: frozenset(kind for kind in Kind if bits >> kind & 1) for _, _, bits in paths}
    return [Found(tuple(keys), rows, kinds_of[bits]) for keys, rows, bits in paths]


def explode(values: Extracted) -> tuple[Offsets, Extracted]:
    """Return where each row's elements end (int64 [rows + 1], leading zero) and the elements of all arrays in order."""
    ends, elements = core.json_explode(values.kinds, values.offsets, values.text)
    return ends, Extracted(*elements)


def validate_json(offsets: Offsets, data: Bytes, *, must_be_object: bool) -> int:
    """Return the first row that is not one RFC 8259 value in UTF-8, nested at most 512 deep; -1 when all are.

    must_be_object  refuse values that are not objects, as the dynamic field does
    """
    return core.json_first_invalid(offsets, data, must_be_object)


def object_keys_conflict(offsets: Offsets, data: Bytes, names: Sequence[str]) -> tuple[int, str] | None:
    """Return the first row with a top-level key among ``names`` and that name; None when there is none."""
    found = core.json_find_key(offsets, data, names)
    return None if found is None else (found[0], names[found[1]])


def project_keys(offsets: Offsets, data: Bytes, keys: Sequence[str]) -> tuple[Offsets, Bytes]:
    """Return each row's object cut down to the members named by ``keys``, ``{}`` for a row without any."""
    return core.json_project_keys(offsets, data, keys)


def without_key(offsets: Offsets, data: Bytes, name: str) -> tuple[Offsets, Bytes]:
    """Return each row's object without the member of that name."""
    return core.json_without_key(offsets, data, name)


def merge_objects(older: tuple[Offsets, Bytes], newer: tuple[Offsets, Bytes]) -> tuple[Offsets, Bytes]:
    """Return each row's object with the members of ``newer`` in it: new ones and those that it had under their keys.

    The values' own texts are kept as they are, whatever numbers they hold.
    """
    return core.json_merge_objects(*older, *newer)
