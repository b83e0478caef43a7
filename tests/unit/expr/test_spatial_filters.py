"""Spatial predicates over columns, held against shapely and plain formulas, one geometry at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus.expr import BatchSource, bind, select
from elanus.expr.bound import Relation
from elanus.expr.evaluation import geometry as evaluation
from elanus.model import geometry as model
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch
from elanus.model.geometry import wkb_from_wkt
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

G = Field(id=FieldId(101), name="g", type=DataType.GEOMETRY, nullable=True)
SCHEMA = Schema((Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True), G))
PLANAR = [relation.value for relation in Relation if relation is not Relation.DWITHIN]

# A small grid, so that borders meet, points coincide and lines cross.
grid = st.integers(-3, 3)
points = st.tuples(grid, grid)
lines = st.lists(points, min_size=2, max_size=4).filter(lambda line: len(set(line)) > 1)
rings = st.lists(points, min_size=3, max_size=5, unique=True)
boxes = st.tuples(points, st.integers(1, 3), st.integers(1, 3)).map(
    lambda box: shapely.box(*box[0], box[0][0] + box[1], box[0][1] + box[2])
)
shapes: st.SearchStrategy[Any] = st.one_of(
    points.map(shapely.Point),
    lines.map(shapely.LineString),
    rings.map(shapely.Polygon),
    boxes,
    st.lists(points, min_size=1, max_size=3).map(shapely.MultiPoint),
    st.lists(lines, min_size=1, max_size=2).map(shapely.MultiLineString),
    st.sampled_from(["POINT EMPTY", "POLYGON EMPTY", "GEOMETRYCOLLECTION EMPTY"]).map(shapely.from_wkt),
    st.builds(lambda point, box: shapely.GeometryCollection([shapely.Point(point), box]), points, boxes),
)


# What GEOS says of geometries that are not valid depends on the way it goes.
valid_shapes = shapes.filter(lambda shape: bool(shape.is_valid))


def source(geometries: list[Any]) -> BatchSource:
    texts = pa.array([None if shape is None else shape.wkt for shape in geometries], type=pa.large_string())
    columns = {100: Column(SCHEMA["id"], pa.array(range(len(geometries)))), 101: Column(G, wkb_from_wkt(texts))}
    return BatchSource(ColumnBatch(columns, len(geometries)))


def selected(text: str, geometries: list[Any], within: Bitset | None = None) -> list[int]:
    return select(bind(text, SCHEMA), source(geometries), within).rows().tolist()


def holds(predicate: Callable[[Any, Any], Any], row: Any, constant: Any) -> bool | None:
    """Return the truth of one row; a geometry that GEOS cannot work out is in no relation."""
    if row is None:
        return None
    try:
        return bool(predicate(row, constant))
    except shapely.GEOSException:
        return False


@pytest.mark.parametrize("relation", PLANAR)
@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.none() | valid_shapes, max_size=8), constant=valid_shapes)
def test_planar_predicates_are_those_of_geos(relation: str, rows: list[Any], constant: Any) -> None:
    predicate = getattr(shapely, relation)
    truths = [holds(predicate, row, constant) for row in rows]
    call = f'st_{relation}(g, "{constant.wkt}")'
    assert selected(call, rows) == [row for row, truth in enumerate(truths) if truth]
    assert selected(f"not {call}", rows) == [row for row, truth in enumerate(truths) if truth is False]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.none() | shapes, max_size=8))
def test_validity_is_that_of_geos(rows: list[Any]) -> None:
    assert selected("st_isvalid(g)", rows) == [
        row for row, shape in enumerate(rows) if shape is not None and shape.is_valid
    ]
    assert selected("not st_isvalid(g)", rows) == [
        row for row, shape in enumerate(rows) if shape is not None and not shape.is_valid
    ]


def great_circle(one: Any, other: Any) -> float:
    """The haversine formula with a radius of 6,371 km."""
    from_lat, to_lat = math.radians(one.y), math.radians(other.y)
    h = math.sin((to_lat - from_lat) / 2) ** 2
    h += math.cos(from_lat) * math.cos(to_lat) * math.sin(math.radians(other.x - one.x) / 2) ** 2
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(h)))


def distance(shape: Any, center: Any) -> float:
    if shape.is_empty:
        return math.inf
    if shape.geom_type == "Point":
        return great_circle(shape, center)
    return shape.distance(center) * 111_320 * math.sqrt((1 + math.cos(math.radians(center.y)) ** 2) / 2)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.none() | shapes, max_size=8),
    center=st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(shapely.Point) | points.map(shapely.Point),
    radius=st.floats(0, 2e7) | st.integers(0, 700_000),
)
def test_distances_in_metres(rows: list[Any], center: Any, radius: float) -> None:
    found = selected(f"st_dwithin(g, 'POINT ({center.x!r} {center.y!r})', {radius!r})", rows)
    for row, shape in enumerate(rows):
        away = math.inf if shape is None else distance(shape, center)
        if not math.isclose(away, radius, rel_tol=1e-9, abs_tol=1e-3):
            assert (row in found) == (away <= radius), (shape, away)


def test_distances_that_are_known() -> None:
    london, paris = shapely.Point(-0.1276, 51.5072), shapely.Point(2.3522, 48.8566)
    assert selected("st_dwithin(g, 'POINT (2.3522 48.8566)', 343000)", [london, paris]) == [1]
    assert selected("st_dwithin(g, 'POINT (2.3522 48.8566)', 344000)", [london, paris]) == [0, 1]
    assert selected("st_dwithin(g, 'POINT (179.99 0)', 3000)", [shapely.Point(-179.99, 0)]) == [0]
    assert selected("st_dwithin(g, 'POINT (0 0)', 0)", [shapely.Point(0, 0), shapely.Point(1e-9, 0)]) == [0]
    round_the_world = [shapely.Point(0, 0), shapely.Point(360, 0), shapely.Point(0, 360), shapely.Point(0, 89)]
    for center in ("0 0", "0 360", "-360 0"):
        assert selected(f"st_dwithin(g, 'POINT ({center})', 10)", round_the_world) == [0, 1, 2]


def test_geometries_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (model, evaluation):
        monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    rows = [shapely.Point(x, 0).buffer(0.4) for x in range(50)]
    window = 'st_within(g, "POLYGON ((9 -1, 31 -1, 31 1, 9 1, 9 -1))")'
    assert selected(window, rows) == list(range(10, 31))
    assert selected(window, rows, Bitset.from_rows(np.array([3, 10, 30, 31]), 50)) == [10, 30]


def test_a_geometry_that_geos_fails_over_does_not_pass_and_hides_no_other() -> None:
    class Failing:
        """Stands for a predicate that gives up over one value."""

        def __call__(self, rows: Any) -> Any:
            if 13 in rows:
                raise shapely.GEOSException("TopologyException")
            return np.ones(len(rows), dtype=np.bool_)

    rows = np.arange(20)
    assert np.flatnonzero(~evaluation._outcome(Failing(), rows)).tolist() == [13]


@pytest.mark.parametrize("relation", PLANAR)
def test_empty_parts_bring_no_process_down(relation):
    """GEOS crashes over each of these pairs in one relation or another."""
    box = "POLYGON ((0 0, 3 0, 3 2, 0 2, 0 0))"
    squares = "POLYGON ((2 1, 3 1, 3 4, 2 4, 2 1)), POLYGON ((2 1, 3 1, 3 3, 2 3, 2 1))"
    hollow = f"GEOMETRYCOLLECTION (POINT EMPTY, GEOMETRYCOLLECTION ({squares}), POLYGON EMPTY)"
    texts = [
        box,
        hollow,
        "MULTIPOINT (EMPTY, (1 1))",
        "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), EMPTY)",
        "MULTILINESTRING ((3 1.5, 0 0.5), (2 3, 1.5 0.5, 2 0, 1.5 1))",
        "GEOMETRYCOLLECTION (POLYGON ((0 1, 3 1, 3 4, 0 4, 0 1)), POINT (0.5 3))",
    ]
    wkb = wkb_from_wkt(pa.array(texts, type=pa.large_string()))
    columns = {100: Column(SCHEMA["id"], pa.array(range(len(texts)))), 101: Column(G, wkb)}
    rows = BatchSource(ColumnBatch(columns, len(texts)))
    passing = {text: select(bind(f'st_{relation}(g, "{text}")', SCHEMA), rows) for text in texts}
    if relation in ("equals", "intersects", "contains", "within"):
        assert all(passing[text].mask()[row] for row, text in enumerate(texts))
