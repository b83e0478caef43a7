"""Spatial predicates: bounding boxes first, GEOS only for the rows whose boxes leave it open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.rtree import POINT_KIND, Boxes
from elanus.expr.bound import IsValidGeometry, Relation, Spatial
from elanus.expr.evaluation.cost import row_cost
from elanus.expr.evaluation.leaves import evaluate
from elanus.expr.evaluation.source import Source
from elanus.expr.evaluation.truth import Mask, Truth
from elanus.model import deadline
from elanus.model.columns import Column
from elanus.model.geometry import CHUNK_ROWS, geometries_of, geometry_of

EARTH_RADIUS_M: Final = 6_371_000.0
DEGREE_M: Final = 111_320.0
"""A degree of latitude, and of longitude at the equator."""

POLE: Final = 90.0

SPATIAL_NS: Final = 150.0
"""A look at the box, and at the geometry in one row of twenty."""
VALID_NS: Final = 1000.0

Floats = NDArray[np.float64]
Geometries = NDArray[Any]
_Test = Callable[[Geometries], NDArray[np.bool_]]


@evaluate.register
def evaluate_spatial(leaf: Spatial, source: Source) -> Truth:
    """Compare the column with the constant geometry."""
    column = source.column(leaf.operand.field_id)
    boxes = source.boxes(leaf.operand.field_id)
    found = _near(leaf, column, boxes) if leaf.relation is Relation.DWITHIN else _related(leaf, column, boxes)
    return Truth.of(found, column.valid)


@evaluate.register
def evaluate_valid(leaf: IsValidGeometry, source: Source) -> Truth:
    """Test each geometry; a point is always valid."""
    import shapely

    column = source.column(leaf.operand.field_id)
    found = source.boxes(leaf.operand.field_id).kind == POINT_KIND
    _test(column, ~found, shapely.is_valid, found)
    return Truth.of(found, column.valid)


@row_cost.register
def spatial_cost(_leaf: Spatial, _source: Source) -> float:
    """Return the cost of a selective predicate."""
    return SPATIAL_NS


@row_cost.register
def valid_cost(_leaf: IsValidGeometry, _source: Source) -> float:
    """Return the cost of a walk over the geometry."""
    return VALID_NS


# --- planar predicates ---


def _related(leaf: Spatial, column: Column, boxes: Boxes) -> Mask:
    import shapely

    constant = geometry_of(leaf.geometry)
    found = np.zeros(len(column), dtype=np.bool_)
    if constant.is_empty:
        # An empty geometry equals every other empty one, and stands in no other relation to anything.
        if leaf.relation is Relation.EQUALS:
            found = np.isnan(boxes.min_x) & (boxes.kind > 0)
        return found
    candidates = _BOX_TESTS[leaf.relation](boxes, constant.bounds)
    if leaf.relation in POINT_TESTS:
        points = np.flatnonzero(candidates & _are_points(boxes))
        found[points] = POINT_TESTS[leaf.relation](leaf, boxes.min_x[points], boxes.min_y[points])
        candidates[points] = False
    predicate = getattr(shapely, _MIRRORED.get(leaf.relation, leaf.relation).value)
    _test(column, candidates, lambda rows: predicate(constant, rows), found)
    return found


# The constant stands on the left, where GEOS makes use of its preparation.
_MIRRORED: Final[Mapping[Relation, Relation]] = {
    Relation.CONTAINS: Relation.WITHIN,
    Relation.WITHIN: Relation.CONTAINS,
}

_Window = tuple[float, float, float, float]


def _meets(boxes: Boxes, window: _Window) -> Mask:
    low_x, low_y, high_x, high_y = window
    in_x = (boxes.max_x >= low_x) & (boxes.min_x <= high_x)
    meets: Mask = in_x & (boxes.max_y >= low_y) & (boxes.min_y <= high_y)
    return meets


def _holds(boxes: Boxes, window: _Window) -> Mask:
    low_x, low_y, high_x, high_y = window
    in_x = (boxes.min_x <= low_x) & (boxes.max_x >= high_x)
    holds: Mask = in_x & (boxes.min_y <= low_y) & (boxes.max_y >= high_y)
    return holds


def _lies_within(boxes: Boxes, window: _Window) -> Mask:
    low_x, low_y, high_x, high_y = window
    in_x = (boxes.min_x >= low_x) & (boxes.max_x <= high_x)
    within: Mask = in_x & (boxes.min_y >= low_y) & (boxes.max_y <= high_y)
    return within


def _is_same(boxes: Boxes, window: _Window) -> Mask:
    low_x, low_y, high_x, high_y = window
    in_x = (boxes.min_x == low_x) & (boxes.max_x == high_x)
    same: Mask = in_x & (boxes.min_y == low_y) & (boxes.max_y == high_y)
    return same


_BOX_TESTS: Final[Mapping[Relation, Callable[[Boxes, _Window], Mask]]] = {
    Relation.EQUALS: _is_same,
    Relation.CONTAINS: _holds,
    Relation.WITHIN: _lies_within,
    **dict.fromkeys((Relation.TOUCHES, Relation.OVERLAPS, Relation.CROSSES, Relation.INTERSECTS), _meets),
}


# --- points ---


def _are_points(boxes: Boxes) -> Mask:
    """Return the rows that are points whose box is where they lie; not those with a coordinate that is no number."""
    points: Mask = (boxes.kind == POINT_KIND) & (boxes.min_x == boxes.max_x) & (boxes.min_y == boxes.max_y)
    return points


def _points_intersect(leaf: Spatial, x: Floats, y: Floats) -> Mask:
    import shapely

    passing: Mask = shapely.intersects_xy(geometry_of(leaf.geometry), x, y)
    return passing


def _points_within(leaf: Spatial, x: Floats, y: Floats) -> Mask:
    import shapely

    passing: Mask = shapely.contains_xy(geometry_of(leaf.geometry), x, y)
    return passing


def _points_near(leaf: Spatial, x: Floats, y: Floats) -> Mask:
    center = geometry_of(leaf.geometry)
    return great_circle_m(x, y, center.x, center.y) <= leaf.distance


POINT_TESTS: Final[Mapping[Relation, Callable[[Spatial, Floats, Floats], Mask]]] = {
    Relation.INTERSECTS: _points_intersect,
    Relation.WITHIN: _points_within,
    Relation.DWITHIN: _points_near,
}
"""What points answer from their coordinates (float64 [points]) alone, at a tenth of the cost of a geometry."""


# --- distance ---


def _near(leaf: Spatial, column: Column, boxes: Boxes) -> Mask:
    """Points by the great circle, everything else by planar degrees, scaled at the latitude of the center."""
    import shapely

    center = geometry_of(leaf.geometry)
    points = np.flatnonzero(_are_points(boxes) & _may_be_near(boxes.min_y, center.y, leaf.distance))
    found = np.zeros(len(column), dtype=np.bool_)
    found[points] = _points_near(leaf, boxes.min_x[points], boxes.min_y[points])
    degree_m = planar_degree_m(center.y)
    reach = np.nextafter(leaf.distance / degree_m, np.inf)
    window = (center.x - reach, center.y - reach, center.x + reach, center.y + reach)
    candidates = _meets(boxes, window) & (boxes.kind != POINT_KIND)
    _test(column, candidates, lambda rows: shapely.distance(center, rows) * degree_m <= leaf.distance, found)
    return found


def _may_be_near(latitude: Floats, from_latitude: float, distance_m: float) -> Mask:
    """Return the rows in a band of latitudes; beyond the poles, where latitudes come round again, all of them."""
    reach = np.degrees(distance_m / EARTH_RADIUS_M) * (1 + 1e-9) + 1e-9
    if abs(from_latitude) > POLE:
        return np.ones(len(latitude), dtype=np.bool_)
    near: Mask = (np.abs(latitude - from_latitude) <= reach) | (np.abs(latitude) > POLE)
    return near


def great_circle_m(longitude: Floats, latitude: Floats, from_longitude: float, from_latitude: float) -> Floats:
    """Return distances in metres on a sphere, float64 [rows]; angles in degrees."""
    phi, from_phi = np.radians(latitude), np.radians(from_latitude)
    across = np.sin((phi - from_phi) / 2) ** 2
    along = np.cos(phi) * np.cos(from_phi) * np.sin(np.radians(longitude - from_longitude) / 2) ** 2
    distances: Floats = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(across + along, 0.0, 1.0)))
    return distances


def planar_degree_m(latitude: float) -> float:
    """Return what a degree is taken for near a latitude, in metres: the mean square of its two directions."""
    return float(DEGREE_M * np.sqrt((1 + np.cos(np.radians(latitude)) ** 2) / 2))


# --- GEOS ---


def _test(column: Column, candidates: Mask, test: _Test, found: Mask) -> None:
    """Set in ``found`` which candidates pass a test, some thousand geometries at a time."""
    rows = np.flatnonzero(candidates)
    for start in range(0, len(rows), CHUNK_ROWS):
        deadline.check()
        chunk = rows[start : start + CHUNK_ROWS]
        (geometries,) = geometries_of(column.data.take(pa.array(chunk)))
        found[chunk] = _outcome(test, geometries)


def _outcome(test: _Test, geometries: Geometries) -> NDArray[np.bool_]:
    """Return a test's answers; where GEOS fails over a geometry that is not valid, that one does not pass."""
    import shapely

    try:
        with np.errstate(all="ignore"):
            return test(geometries)
    except shapely.GEOSException:
        if len(geometries) == 1:
            return np.zeros(1, dtype=np.bool_)
        middle = len(geometries) // 2
        return np.concatenate([_outcome(test, geometries[:middle]), _outcome(test, geometries[middle:])])
