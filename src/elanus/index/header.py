"""The header beside an index file: what was built, so that a loader opens nothing else (docs/formats/index.md)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.types import DataType, Metric

HEADER_FILE = "header.json"
FORMAT = "elanus-index"


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an index file holds.

    dim     values of a vector
    params  the build parameters as they took effect, by attribute name
    """

    format: str = FORMAT
    kind: str
    version: int
    data_type: int
    metric: str
    rows: int
    dim: int
    params: dict[str, int | float | bool | str]

    def write(self, folder: Path) -> None:
        """Write the header into ``folder``; StorageFailed when the disk refuses."""
        try:
            (folder / HEADER_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        except OSError as error:
            raise StorageFailed(f"cannot write {folder / HEADER_FILE}: {error}") from error


def read_header(folder: Path, kind: str, version: int, data_type: DataType, metric: Metric) -> Header:
    """Return the header in ``folder``; DataCorrupted, naming the file, when it isn't that of such an index."""
    path = folder / HEADER_FILE
    try:
        header = msgspec.json.decode(path.read_bytes(), type=Header)
    except (OSError, msgspec.DecodeError) as error:
        raise DataCorrupted(f"{path} is no index header: {error}") from error
    wanted = (FORMAT, kind, version, int(data_type), metric.value)
    found = (header.format, header.kind, header.version, header.data_type, header.metric)
    if found != wanted:
        raise DataCorrupted(f"{path} describes another index: expected {wanted}, found {found}")
    return header
