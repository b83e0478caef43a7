"""The header beside an index file: what was built, so that a loader opens nothing else (docs/formats/index.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from elanus.expr import Operand
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.types import DataType, Metric

HEADER_FILE = "header.json"
FORMAT = "elanus-index"
MAX_ROWS = 2**32
"""Row numbers in index files have 32 bits."""


class _AnyHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every index file says of itself.

    params  the build parameters as they took effect, by attribute name
    """

    format: str = FORMAT
    kind: str
    version: int
    data_type: int
    rows: int
    params: dict[str, int | float | bool | str]

    def write(self, folder: Path) -> None:
        """Write the header into ``folder``; StorageFailed when the disk refuses."""
        try:
            (folder / HEADER_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        except OSError as error:
            raise StorageFailed(f"cannot write {folder / HEADER_FILE}: {error}") from error


H = TypeVar("H", bound=_AnyHeader)


class Header(_AnyHeader, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header of a vector index.

    dim      values of a vector, bits of a BINARY_VECTOR
    vectors  how many rows have a vector
    facts    what else a kind has to know of its sections
    calibration  what searches were measured to find, as ``index.dense.calibration`` writes it; empty for nothing
    """

    metric: str
    dim: int
    vectors: int
    facts: dict[str, int | float | str] = {}
    calibration: str = ""


class ScalarHeader(_AnyHeader, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header of a scalar index: what it covers, and which of the kind's layouts its sections are in.

    element_type  of an ARRAY's elements, 0 for others
    path          the steps into a JSON field, empty for others
    layout        empty for kinds with one layout
    """

    element_type: int = 0
    path: tuple[str | int, ...] = ()
    layout: str = ""

    @classmethod
    def of(
        cls,
        operand: Operand,
        rows: int,
        *,
        kind: str,
        version: int,
        layout: str = "",
        params: dict[str, int | float | bool | str] | None = None,
    ) -> ScalarHeader:
        """Return the header of an index over ``rows`` rows of an operand."""
        data_type, element_type, path = _place(operand)
        return cls(
            kind=kind,
            version=version,
            data_type=data_type,
            element_type=element_type,
            path=path,
            rows=rows,
            layout=layout,
            params=params or {},
        )


def _place(operand: Operand) -> tuple[int, int, tuple[str | int, ...]]:
    """Return what tells an operand apart in a header: its type, its elements' type, its path."""
    return int(operand.type), int(getattr(operand, "element_type", 0)), tuple(getattr(operand, "path", ()))


def read_header(folder: Path, kind: str, version: int, data_type: DataType, metric: Metric) -> Header:
    """Return the header in ``folder``; DataCorrupted, naming the file, when it isn't that of such an index."""
    header = _read(folder, Header)
    found = (header.format, header.kind, header.version, header.data_type, header.metric)
    _check(folder, (FORMAT, kind, version, int(data_type), metric.value), found)
    return header


def read_scalar_header(folder: Path, kind: str, version: int, operand: Operand) -> ScalarHeader:
    """Return the header in ``folder``; DataCorrupted, naming the file, when it isn't that of such an index."""
    header = _read(folder, ScalarHeader)
    found = (header.format, header.kind, header.version, header.data_type, header.element_type, header.path)
    _check(folder, (FORMAT, kind, version, *_place(operand)), found)
    if not 0 <= header.rows <= MAX_ROWS:
        raise DataCorrupted(f"{folder / HEADER_FILE} speaks of {header.rows} rows")
    return header


def _read(folder: Path, header_type: type[H]) -> H:
    path = folder / HEADER_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=header_type)
    except (OSError, ValueError) as error:
        raise DataCorrupted(f"{path} is no index header: {error}") from error


def _check(folder: Path, wanted: tuple[object, ...], found: tuple[object, ...]) -> None:
    if found != wanted:
        raise DataCorrupted(f"{folder / HEADER_FILE} describes another index: expected {wanted}, found {found}")
