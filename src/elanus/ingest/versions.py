"""Conditional writes: the version that each row must have for the write to happen.

A row's version is the timestamp of its last write, which a read returns as ``$version``. A write gives what it expects
as a column of that name or, where the dynamic field is on, as a key of each row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.json import Kind, extract_path, without_key
from elanus.ingest.checks import check_values
from elanus.ingest.stored import Stored
from elanus.model.columns import Column, fixed_values, varlen_buffers
from elanus.model.errors import InvalidParameter, VersionConflict
from elanus.model.schema import VERSION

ANY = -1
"""Expected of a row that is written whatever is stored."""
ABSENT = 0
"""Expected of a row that must not be there yet."""

NAMED_CONFLICTS = 3

Versions = NDArray[np.int64]


def take_versions(columns: Sequence[Column], num_rows: int) -> tuple[Sequence[Column], Versions | None]:
    """Return the columns without what is expected of the stored rows, and that: int64 [rows], None for nothing.

    A null stands for a row that must not exist, as 0 does; a row without the dynamic key is written in any case.

    raises  InvalidParameter for what is no version
    cost    one pass over the bytes of the dynamic field
    """
    expected = next((column for column in columns if column.field.id == VERSION.id), None)
    kept = [column for column in columns if column is not expected]
    at = next((at for at, column in enumerate(kept) if column.field.is_dynamic and _mentions(column)), None)
    if at is not None:
        kept[at], keyed = _from_dynamic(kept[at])
        if expected is not None and keyed is not None:
            raise InvalidParameter(f"{VERSION.name} is given as a column and as a dynamic key, one of them is enough")
        return kept, keyed if expected is None else _from_column(expected, num_rows)
    return kept, None if expected is None else _from_column(expected, num_rows)


def check_versions(stored: Stored, expected: Versions) -> None:
    """Raise VersionConflict, naming the first keys, unless every row is at the version expected of it."""
    actual = stored.versions
    rows = np.flatnonzero((expected != ANY) & (expected != actual))
    if not len(rows):
        return
    named = [
        f"{stored.keys[row].as_py()!r} (expected {_said(int(expected[row]))}, actual {_said(int(actual[row]))})"
        for row in rows[:NAMED_CONFLICTS].tolist()
    ]
    more = f" and {len(rows) - len(named)} more" if len(rows) > len(named) else ""
    raise VersionConflict(f"version conflict, nothing is written; primary keys: {', '.join(named)}{more}")


def _said(version: int) -> str:
    return "no row" if version == ABSENT else f"version {version}"


def _from_column(column: Column, num_rows: int) -> Versions:
    if len(column) != num_rows:
        raise InvalidParameter(
            f"the num_rows ({len(column)}) of field ({VERSION.name}) is not equal to passed num_rows ({num_rows})"
        )
    data = pc.fill_null(column.data, ABSENT) if column.data.null_count else column.data
    return _checked(fixed_values(data))


def _checked(versions: Versions) -> Versions:
    if (versions < ABSENT).any():
        row = int((versions < ABSENT).argmax())
        raise InvalidParameter(f"{VERSION.name} of row {row} is {versions[row]}; a version is never negative")
    return versions


def _mentions(column: Column) -> bool:
    """Whether the name occurs in the text; a cheap no for nearly every batch."""
    offsets, data = varlen_buffers(column.data)
    return VERSION.name.encode() in data[offsets[0] : offsets[-1]].tobytes()


def _from_dynamic(column: Column) -> tuple[Column, Versions | None]:
    """Return the dynamic field without the key and what was expected; None when no row has the key."""
    present = Column(column.field, pc.fill_null(column.data, pa.scalar(b"{}", type=pa.large_binary())))
    check_values(present)
    found = extract_path(*present.bytes_and_offsets(), [VERSION.name])
    kinds = found.kinds
    if (kinds == Kind.MISSING).all():
        return column, None
    odd = ~np.isin(kinds, (Kind.MISSING, Kind.NULL, Kind.INT))
    if odd.any():
        raise InvalidParameter(f"{VERSION.name} of row {int(odd.argmax())} is not an integer")
    versions = np.where(kinds == Kind.MISSING, ABSENT, found.numbers)
    versions = np.where(kinds == Kind.MISSING, ANY, _checked(versions))
    offsets, data = without_key(*present.bytes_and_offsets(), VERSION.name)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return Column(column.field, pa.Array.from_buffers(column.data.type, len(column), buffers)), versions
