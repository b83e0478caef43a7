"""RTREE: boxes are those of GEOS, no row that passes is left out, and files are checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import example, given, reject
from hypothesis import strategies as st

from elanus._native import rtree
from elanus.expr import BatchSource
from elanus.expr.bound import IsValidGeometry, Relation, Spatial
from elanus.expr.evaluation.leaves import evaluate
from elanus.index.operands import indexed_operand
from elanus.index.scalar.rtree import RTreeIndex, build_rtree, circle_window, load_rtree
from elanus.index.sections import SECTIONS_FILE, read_sections, write_sections
from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import DataCorrupted
from elanus.model.ids import FieldId
from elanus.model.params import Params
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
PLACE = Field(id=FieldId(101), name="g", type=DataType.GEOMETRY, nullable=True)
SCHEMA = Schema((KEY, PLACE))
OPERAND = indexed_operand(SCHEMA, PLACE.id, "g")

# --- geometries ---

PLANAR = [relation for relation in Relation if relation is not Relation.DWITHIN]
Shape = shapely.Geometry
Strategy = st.SearchStrategy[Any]


def shapes(coordinates: Strategy) -> Strategy:
    """Every type, empty ones and collections in collections among them."""
    places = st.tuples(coordinates, coordinates)
    points = st.one_of(places.map(shapely.Point), st.just(shapely.Point()))
    lines = st.lists(places, min_size=2, max_size=4).map(shapely.LineString)
    boxes = st.tuples(places, places).map(lambda pair: shapely.MultiPoint(pair).envelope)
    circles = st.tuples(places, st.floats(0.5, 3)).map(lambda pair: shapely.Point(pair[0]).buffer(pair[1], quad_segs=2))
    simple = st.one_of(points, lines, boxes, circles, st.just(shapely.Polygon()))
    several = st.one_of(
        st.lists(places, max_size=3).map(shapely.MultiPoint),
        st.lists(lines, max_size=2).map(shapely.MultiLineString),
        st.lists(circles, max_size=2).map(shapely.MultiPolygon),
    )
    return st.recursive(
        st.one_of(simple, several),
        lambda inner: st.lists(inner, max_size=3).map(shapely.GeometryCollection),
        max_leaves=4,
    )


GRID = st.integers(-4, 4).map(float)
ANYWHERE = st.floats(-1e300, 1e300)
POINTS = st.tuples(GRID, GRID).map(shapely.Point)


def source_of(geometries: Sequence[Shape | None]) -> BatchSource:
    wkb = [None if one is None else shapely.to_wkb(one, byte_order=1, flavor="iso") for one in geometries]
    columns = {
        KEY.id: Column(KEY, pa.array(range(len(wkb)), pa.int64())),
        PLACE.id: Column(PLACE, pa.array(wkb, pa.large_binary())),
    }
    return BatchSource(ColumnBatch(columns, len(wkb)))


def index_of(source: BatchSource) -> RTreeIndex:
    return build_rtree(OPERAND, source, Params())


def asked(relation: Relation, geometry: Shape, distance: float = 0.0) -> Spatial:
    return Spatial(OPERAND, relation, shapely.to_wkb(geometry, byte_order=1, flavor="iso"), distance)


def assert_sound(index: RTreeIndex, leaf: Spatial, source: BatchSource) -> bool | None:
    """Check the candidates; return whether they are the answer, None when the index has nothing to say."""
    answer = index.answer(leaf)
    if answer is None:
        return None
    found, true = answer.truth(), evaluate(leaf, source)
    wanted, candidates = (truth.true_rows(negated=False) for truth in (true, found))
    assert (wanted - candidates).count() == 0, (leaf, (wanted - candidates).rows())
    assert found.known == true.known
    assert not answer.exact or candidates == wanted
    return answer.exact


# --- boxes ---


def columns_of(parts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return offsets, np.frombuffer(b"".join(parts), dtype=np.uint8)


@given(
    st.lists(shapes(ANYWHERE), max_size=8),
    st.sampled_from([0, 1]),
    st.sampled_from(["iso", "extended"]),
    st.booleans(),
)
def test_boxes_and_kinds_are_those_of_geos(geometries: list[Shape], order: int, flavor: str, deep: bool) -> None:
    if deep:
        geometries = [shapely.force_3d(one, 5.0) for one in geometries]
    srid = flavor == "extended"
    placed = shapely.set_srid(geometries, 4326) if srid else geometries
    parts = [shapely.to_wkb(one, byte_order=order, flavor=flavor, include_srid=srid) for one in placed]
    found = rtree.boxes(*columns_of([*parts, b""]))
    np.testing.assert_array_equal(np.stack(found[:4], axis=1)[:-1], shapely.bounds(geometries).reshape(-1, 4))
    types = {0: 1, 1: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}
    assert found.kind.tolist() == [*(types[shapely.get_type_id(one)] for one in geometries), 0]
    assert np.isnan(found.min_x[-1])


@given(st.lists(shapes(GRID), min_size=1, max_size=4), st.data())
def test_changed_bytes_are_refused_or_have_a_box(geometries: list[Shape], data: st.DataObject) -> None:
    parts = [bytearray(shapely.to_wkb(one)) for one in geometries]
    for part in parts:
        place = data.draw(st.integers(0, len(part) - 1))
        part[place] = data.draw(st.integers(0, 255))
        del part[data.draw(st.integers(len(part) // 2, len(part))) :]
    try:
        found = rtree.boxes(*columns_of([bytes(part) for part in parts]))
    except ValueError:
        return
    assert len(found.kind) == len(parts)


def test_a_row_that_is_no_geometry_is_named() -> None:
    with pytest.raises(ValueError, match="row 1 is no WKB"):
        rtree.boxes(*columns_of([shapely.to_wkb(shapely.Point(1, 2)), b"\x01\x09\x00\x00\x00"]))
    with pytest.raises(ValueError, match="row 0"):
        rtree.boxes(np.array([0, 99]), np.zeros(9, np.uint8))


# --- answers ---


@given(st.lists(st.one_of(st.none(), shapes(GRID)), max_size=25), shapes(GRID), st.sampled_from(PLANAR))
def test_candidates_hold_every_row_that_passes(
    geometries: list[Shape | None], constant: Shape, relation: Relation
) -> None:
    source = source_of(geometries)
    exact = assert_sound(index_of(source), asked(relation, constant), source)
    assert (exact is None) == constant.is_empty


@given(st.lists(st.one_of(st.none(), POINTS), max_size=40), shapes(GRID), st.sampled_from(PLANAR))
def test_points_answer_exactly_without_their_geometry(
    points: list[Shape | None], constant: Shape, relation: Relation
) -> None:
    source, leaf = source_of(points), asked(relation, constant)
    exact = assert_sound(index_of(source), leaf, source)
    if not constant.is_empty:
        try:
            wanted = [point is not None and getattr(shapely, relation.value)(point, constant) for point in points]
        except shapely.errors.GEOSException:
            reject()  # GEOS itself can't tell where a polygon without an area lies
        assert evaluate(leaf, source).true_rows(negated=False).mask().tolist() == wanted
        assert exact == (relation in (Relation.INTERSECTS, Relation.WITHIN))


LONGITUDES = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, -179.999, 0.0, 179.999, 180.0]))
LATITUDES = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -89.999, 0.0, 45.0, 89.999, 90.0]))
METRES = st.one_of(st.floats(0, 2.1e7), st.sampled_from([0.0, 1e-3, 10.0, 1e5, math.pi * 6_371_000, 1e12]))
SITES = st.tuples(LONGITUDES, LATITUDES)


@given(st.lists(SITES, max_size=30), SITES, METRES, st.booleans())
@example([(-179.99, 10.0)], (179.99, 10.0), 10_000.0, False)
@example([(0.0, 89.9), (180.0, 89.9)], (90.0, 89.95), 20_000.0, False)
@example([(0.0, -90.0)], (0.0, 90.0), math.pi * 6_371_000, True)
def test_no_point_within_a_distance_is_left_out(
    sites: list[tuple[float, float]], center: tuple[float, float], metres: float, mixed: bool
) -> None:
    lines = [shapely.LineString([site, center]) for site in sites[:3]] if mixed else []
    source = source_of([*map(shapely.Point, sites), shapely.Point(center), *lines, None])
    exact = assert_sound(index_of(source), asked(Relation.DWITHIN, shapely.Point(center), metres), source)
    assert exact is (not lines)


@given(SITES, st.floats(0, 1e5), st.floats(0, 2 * math.pi), st.floats(0, 1))
def test_what_is_planar_within_a_distance_lies_in_the_window(
    center: tuple[float, float], metres: float, angle: float, share: float
) -> None:
    degrees = share * metres / (111_320 * math.sqrt((1 + math.cos(math.radians(center[1])) ** 2) / 2))
    x, y = center[0] + degrees * math.cos(angle), center[1] + degrees * math.sin(angle)
    low_x, low_y, high_x, high_y = circle_window(*center, metres, planar=True)
    assert low_y <= y <= high_y
    assert low_x <= x <= high_x or not -180 <= x <= 180


@pytest.mark.parametrize("outside", [(181.0, 0.0), (-540.0, 0.0), (0.0, 91.0)])
def test_places_beyond_the_sphere_are_left_to_the_column(outside: tuple[float, float]) -> None:
    inside = (1.0, 1.0)
    for place, center in ((outside, inside), (inside, outside)):
        source = source_of([shapely.Point(place)])
        assert index_of(source).answer(asked(Relation.DWITHIN, shapely.Point(center), 1.0)) is None
        assert assert_sound(index_of(source), asked(Relation.INTERSECTS, shapely.Point(center)), source)


def test_validity_is_no_matter_of_boxes() -> None:
    assert index_of(source_of([shapely.Point(1, 1)])).answer(IsValidGeometry(OPERAND)) is None


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 1.0])
def test_estimates_are_near_and_windows_leave_out_the_rest(share: float) -> None:
    rng = np.random.default_rng(4)
    corners = rng.random((20_000, 2))
    source = source_of(shapely.box(*corners.T, *(corners + 0.001).T).tolist())
    leaf = asked(Relation.INTERSECTS, shapely.box(0.3, 0.3, 0.3 + math.sqrt(share), 0.3 + math.sqrt(share)))
    index = index_of(source)
    answer = index.answer(leaf)
    assert answer is not None
    assert not answer.exact
    found, true = answer.truth().value.count(), evaluate(leaf, source).value.count()
    assert found <= 1.05 * true + 20
    assert 0.5 * found - 50 <= answer.work <= 1.5 * found + 50


def test_what_may_lie_anywhere_is_always_a_candidate() -> None:
    source = source_of([shapely.Point(1, 1), shapely.Point(float("nan"), 3)])
    index = index_of(source)
    assert index.engine == "R-tree of 2 boxes"
    answer = index.answer(asked(Relation.INTERSECTS, shapely.Point(50, 50)))
    assert answer is not None
    assert answer.truth().value.rows().tolist() == [1]


# --- building and files ---

NOTHING = [shapely.Point(), shapely.Polygon(), shapely.GeometryCollection([shapely.Point(), shapely.LineString()])]


@pytest.mark.parametrize(
    "geometries",
    [[], [None], [None] * 9, NOTHING, [shapely.Point(1, 1)], [shapely.Point(1, 1)] * 300,
     [None, *NOTHING, shapely.GeometryCollection([shapely.Point(1, 1), shapely.LineString([(0, 0), (5, 5)])])]],
)  # fmt: skip
def test_odd_segments(geometries: list[Shape | None], tmp_path: Path) -> None:
    source = source_of(geometries)
    index_of(source).save(tmp_path)
    opened = load_rtree(tmp_path, OPERAND)
    assert (opened.num_rows, opened.memory_bytes) == (len(geometries), 0)
    for relation in PLANAR:
        assert assert_sound(opened, asked(relation, shapely.Point(1, 1)), source) is not None
        assert opened.answer(asked(relation, shapely.Polygon())) is None
    assert_sound(opened, asked(Relation.DWITHIN, shapely.Point(1, 1), 5.0), source)


def test_a_column_with_a_broken_geometry_is_damage() -> None:
    source = source_of([shapely.Point(1, 1)])
    broken = {**source.batch.columns, PLACE.id: Column(PLACE, pa.array([b"\x01\x01\x00"], pa.large_binary()))}
    with pytest.raises(DataCorrupted, match=r"field g .* row 0"):
        index_of(BatchSource(ColumnBatch(broken, 1)))


TAMPERED: dict[str, Any] = {
    "rows: of another segment": lambda found: found["rows"] + np.uint32(200),
    "nodes: too few": lambda found: found["nodes"][:-4],
    "items: too few": lambda found: found["items"][:-1],
    "known: too long": lambda found: np.zeros(99, np.uint8),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_sections_that_do_not_fit_together_are_damage(case: str, tmp_path: Path) -> None:
    name = case.partition(":")[0]
    index_of(source_of([shapely.Point(x, x) for x in range(200)])).save(tmp_path)
    opened = read_sections(tmp_path)
    types = {"rows": np.uint32, "items": np.float64, "nodes": np.float64, "known": np.uint8}
    found = {section: opened.numbers(section, dtype).copy() for section, dtype in types.items()}
    (tmp_path / SECTIONS_FILE).unlink()
    write_sections(tmp_path, found | {name: TAMPERED[case](found)})
    with pytest.raises(DataCorrupted, match=f"section {'nodes' if name == 'items' else name}"):
        load_rtree(tmp_path, OPERAND)
