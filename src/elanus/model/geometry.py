"""Geometries as columns: text (WKT) to little-endian ISO well-known binary (WKB) and back, by GEOS.

Shapely is imported when the first geometry comes: most collections have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    import shapely

MAX_COLLECTIONS: Final = 32
"""Geometry collections in one geometry: GEOS follows nested ones by recursion, and overflows the stack."""
CHUNK_ROWS: Final = 16_384
"""Rows that are objects of GEOS at a time."""
SHOWN_CHARACTERS: Final = 100

_COLLECTION: Final = "COLLECTION"
_PARTED: Final = {4: "multipoint", 5: "multilinestring", 6: "multipolygon", 7: "geometrycollection"}
"""What is made of other geometries, by GEOS' numbers."""
_CURVES: Final = r"(?i)CIRCULARSTRING|COMPOUNDCURVE|CURVEPOLYGON|MULTICURVE|MULTISURFACE"
# Places behind the point, more than any number needs that is written without an exponent; zeros are trimmed.
_PRECISION: Final = 30


class GeometryError(ValueError):
    """A value that is no geometry: the ``row`` it stands in, and what GEOS or a limit has against it."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


def wkb_from_wkt(texts: pa.Array) -> pa.Array:
    """Return texts (``large_string``) as WKB (``large_binary``); nulls stay null.

    raises  GeometryError for the first text that is no geometry; curves are none
    cost    about 2 us a row, 16,384 rows at a time
    """
    return _converted(texts, _read_texts)


def wkb_from_wkb(values: pa.Array) -> pa.Array:
    """Return WKB of any dialect and byte order as the one that is kept; raises GeometryError.

    Nested collections must have been ruled out: GEOS follows them by recursion.
    """
    return _converted(values, _read_binaries)


def wkt_from_wkb(values: pa.Array) -> pa.Array:
    """Return WKB (``large_binary``) as texts (``large_string``) such as ``POINT (1 1)``; nulls stay null."""
    import shapely

    parts = [
        pa.array(shapely.to_wkt(geometries, rounding_precision=_PRECISION, trim=True), type=pa.large_string())
        for geometries in geometries_of(values)
    ]
    return pa.concat_arrays(parts) if parts else pa.array([], type=pa.large_string())


def wkb_of_text(text: str) -> bytes:
    """Return one text as WKB; raises GeometryError, also for a coordinate that is not finite."""
    import shapely

    wkb: bytes = wkb_from_wkt(pa.array([text], type=pa.large_string()))[0].as_py()
    if not np.isfinite(shapely.get_coordinates(shapely.from_wkb(wkb))).all():
        raise GeometryError(0, "a coordinate is not finite")
    return wkb


def geometries_of(values: pa.Array) -> Iterator[NDArray[Any]]:
    """Yield the rows of a WKB column as shapely geometries, ``CHUNK_ROWS`` at a time; nulls as None."""
    import shapely

    for start in range(0, len(values), CHUNK_ROWS):
        yield shapely.from_wkb(values.slice(start, CHUNK_ROWS).to_numpy(zero_copy_only=False))


def _converted(values: pa.Array, read: Callable[[pa.Array, int], NDArray[Any]]) -> pa.Array:
    import shapely

    parts = []
    with np.errstate(all="ignore"):  # numbers that are too large, or none, become infinite or NaN without a word
        for start in range(0, len(values), CHUNK_ROWS):
            chunk = values.slice(start, CHUNK_ROWS)
            geometries = read(chunk, start)
            refused = shapely.is_missing(geometries) & chunk.is_valid().to_numpy(zero_copy_only=False)
            if refused.any():
                row = int(refused.argmax())
                raise GeometryError(start + row, f"{_shown(chunk[row].as_py())} is no geometry")
            parts.append(_binaries(_tidied(geometries)))
    return pa.concat_arrays(parts) if parts else pa.array([], type=pa.large_binary())


def _read_texts(chunk: pa.Array, start: int) -> NDArray[Any]:
    import shapely

    nested = pc.greater(pc.count_substring(chunk, _COLLECTION, ignore_case=True), MAX_COLLECTIONS)
    _refuse(nested, start, f"it has more than {MAX_COLLECTIONS} geometry collections")
    _refuse(pc.match_substring_regex(chunk, _CURVES), start, "curves are not supported")
    _refuse(pc.match_substring(chunk, "\0"), start, "a text ends at a NUL character")
    read: NDArray[Any] = shapely.from_wkt(chunk.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return read


def _read_binaries(chunk: pa.Array, _start: int) -> NDArray[Any]:
    import shapely

    read: NDArray[Any] = shapely.from_wkb(chunk.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return read


def _tidied(geometries: NDArray[Any]) -> NDArray[Any]:
    """Return the geometries with what is empty left out of those around it: over some such parts GEOS crashes."""
    return _without_empty_parts(_without_empty_holes(geometries))


def _without_empty_holes(geometries: NDArray[Any]) -> NDArray[Any]:
    import shapely

    rows = np.flatnonzero(shapely.get_num_interior_rings(geometries) > 0)
    rings, owners = shapely.get_rings(geometries[rows], return_index=True)
    filled = ~shapely.is_empty(rings)
    if filled.all():
        return geometries
    tidy = geometries.copy()
    tidy[rows] = shapely.polygons(rings[filled], indices=owners[filled])
    return tidy


def _without_empty_parts(geometries: NDArray[Any]) -> NDArray[Any]:
    import shapely

    rows = np.flatnonzero(shapely.get_type_id(geometries) >= min(_PARTED))
    if not len(rows):
        return geometries
    # Only WKB tells a point of two NaN, which a text may have, to be an empty one.
    whole = shapely.from_wkb(shapely.to_wkb(geometries[rows]))
    parts, owners = shapely.get_parts(whole, return_index=True)
    tidy_parts = _tidied(parts)
    filled = ~shapely.is_empty(tidy_parts)
    if tidy_parts is parts and filled.all():
        return geometries
    kinds = shapely.get_type_id(whole)
    for kind, name in _PARTED.items():
        whole[kinds == kind] = shapely.from_wkt(f"{name} EMPTY")
        chosen = filled & (kinds[owners] == kind)
        getattr(shapely, f"{name}s")(tidy_parts[chosen], indices=owners[chosen], out=whole)
    tidy = geometries.copy()
    tidy[rows] = whole
    return tidy


def _refuse(rows: pa.Array, start: int, reason: str) -> None:
    row = pc.index(rows, True).as_py()
    if row >= 0:
        raise GeometryError(start + row, reason)


def _binaries(geometries: NDArray[Any]) -> pa.Array:
    import shapely

    written = shapely.to_wkb(geometries, byte_order=1, flavor="iso", include_srid=False)
    return pa.array(written, type=pa.large_binary())


def _shown(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"WKB of {len(value)} bytes"
    return repr(value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}...")


def geometry_of(wkb: bytes) -> shapely.Geometry:
    """Return one geometry, prepared for many comparisons."""
    import shapely

    geometry = shapely.from_wkb(wkb)
    shapely.prepare(geometry)
    return geometry
