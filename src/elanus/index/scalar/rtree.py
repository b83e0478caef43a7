"""RTREE: the rows whose bounding boxes lie where a spatial predicate may hold; of points the answer itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from elanus._native import rtree
from elanus._native.rtree import Packed, Test, Window
from elanus.expr import Answer, Operand, Source, Truth
from elanus.expr.bound import OperandLeaf, Relation, Spatial
from elanus.expr.evaluation.geometry import EARTH_RADIUS_M, POINT_TESTS, planar_degree_m
from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.header import ScalarHeader, read_scalar_header
from elanus.index.sections import (
    KNOWN,
    Section,
    Sections,
    known_section,
    read_known,
    read_sections,
    write_sections,
)
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted
from elanus.model.params import Params
from elanus.model.types import DataType

KIND: Final = "RTREE"
VERSION: Final = 1

POINT_TEST_ROWS: Final = 50
"""An exact test of a point takes as long as setting the bits of so many listed rows."""

ROUNDING_DEGREES: Final = 1e-6
"""Added to the reach of a distance: more than computed distances are off by, less than a metre."""

WORLD: Final[Window] = (-180.0, -90.0, 180.0, 90.0)

_TESTS: Final[Mapping[Relation, Test]] = {
    Relation.EQUALS: "holds",
    Relation.CONTAINS: "holds",
    Relation.WITHIN: "within",
    **dict.fromkeys(
        (Relation.TOUCHES, Relation.OVERLAPS, Relation.CROSSES, Relation.INTERSECTS, Relation.DWITHIN), "meets"
    ),
}


class RTreeIndex:
    """The bounding boxes of one column. See ``ScalarIndex``."""

    def __init__(self, header: ScalarHeader, tree: Packed, known: Bitset | None, *, mapped: bool) -> None:
        self._header = header
        self._tree = tree
        self._bounds = rtree.bounds(tree)
        self._known = known
        self._mapped = mapped
        self.num_rows = header.rows

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: nothing of a mapped index."""
        return 0 if self._mapped else sum(section.nbytes for section in self._sections().values())

    @property
    def engine(self) -> str:
        """What lies in the tree, and how much of it."""
        return f"R-tree of {len(self._tree.rows)} {'points' if self._tree.is_points else 'boxes'}"

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Answer with the rows whose boxes pass; of points, with those that pass themselves.

        A window that no answer lies out of is needed: None where nothing lies in it, or everything may.
        """
        window = self._window(leaf) if isinstance(leaf, Spatial) else None
        if window is None or not isinstance(leaf, Spatial):
            return None
        rows = rtree.estimate(self._tree, window, _TESTS[leaf.relation])
        if self._tree.is_points and leaf.relation in POINT_TESTS:
            return Answer(True, rows * POINT_TEST_ROWS, partial(self._points, leaf, window))
        return Answer(False, rows, partial(self._boxes, leaf, window))

    def _boxes(self, leaf: Spatial, window: Window) -> Truth:
        bits = rtree.rows_near(self._tree, window, _TESTS[leaf.relation], self.num_rows)
        return Truth(Bitset(bits, self.num_rows), self._known)

    def _points(self, leaf: Spatial, window: Window) -> Truth:
        points = rtree.points_in(self._tree, window)
        passing = POINT_TESTS[leaf.relation](leaf, points.x, points.y)
        return Truth(Bitset.from_rows(points.rows[passing], self.num_rows), self._known)

    def _window(self, leaf: Spatial) -> Window | None:
        """Return what the boxes of all answers meet; None when nothing does, or everything may."""
        box = _box_of(leaf.geometry)
        if math.isnan(box[0]):
            return None
        if leaf.relation is not Relation.DWITHIN:
            return box
        # A sphere is round: coordinates beyond it are places on it again, which no window tells.
        if not (_lies_within(box, WORLD) and _lies_within(self._bounds, WORLD)):
            return None
        return circle_window(box[0], box[1], leaf.distance, planar=not self._tree.is_points)

    def save(self, folder: Path) -> None:
        """Write header and sections into ``folder``."""
        write_sections(folder, self._sections())
        self._header.write(folder)

    def _sections(self) -> dict[str, Section]:
        return {KNOWN: known_section(self._known), **self._tree._asdict()}


def circle_window(longitude: float, latitude: float, metres: float, *, planar: bool) -> Window:
    """Return what every place within a distance of a place on the sphere lies in.

    planar  also what lies within it where degrees are taken for planar, as geometries other than points are
    """
    degrees = math.degrees(metres / EARTH_RADIUS_M)
    if planar:
        degrees = max(degrees, metres / planar_degree_m(latitude))
    reach = degrees * (1 + 1e-9) + ROUNDING_DEGREES
    low, high = latitude - reach, latitude + reach
    across = _reach_across(latitude, reach)
    if longitude - across < WORLD[0] or longitude + across > WORLD[2]:
        return WORLD[0], low, WORLD[2], high
    return longitude - across, low, longitude + across, high


def _reach_across(latitude: float, reach: float) -> float:
    """Return how far a circle reaches in degrees of longitude; all around when a pole lies in it."""
    if abs(latitude) + reach >= 90:
        return 360.0
    sine = math.sin(math.radians(reach)) / math.cos(math.radians(latitude))
    return math.degrees(math.asin(min(sine, 1.0))) * (1 + 1e-9) + ROUNDING_DEGREES


def _box_of(wkb: bytes) -> Window:
    """Return the box of one geometry, NaN when it is empty."""
    box = rtree.boxes(np.array([0, len(wkb)]), np.frombuffer(wkb, dtype=np.uint8))
    return float(box.min_x[0]), float(box.min_y[0]), float(box.max_x[0]), float(box.max_y[0])


def _lies_within(box: Window, window: Window) -> bool:
    return box[0] >= window[0] and box[1] >= window[1] and box[2] <= window[2] and box[3] <= window[3]


# --- building and opening ---


def build_rtree(operand: Operand, source: Source, params: Any) -> RTreeIndex:
    """Return the index of a column's boxes; cost about 0.3 us a row."""
    column = source.column(operand.field_id)
    try:
        tree = rtree.build(*column.bytes_and_offsets())
    except ValueError as error:
        raise DataCorrupted(f"field {column.field.name} can't be indexed: {error}") from error
    header = ScalarHeader.of(operand, source.num_rows, kind=KIND, version=VERSION, params=asdict(params))
    return RTreeIndex(header, tree, column.validity, mapped=False)


def load_rtree(folder: Path, operand: Operand) -> RTreeIndex:
    """Return the index, mapped; cost one pass over the row numbers, which are checked."""
    header = read_scalar_header(folder, KIND, VERSION, operand)
    sections = read_sections(folder)
    tree = _read_tree(sections, header.rows)
    return RTreeIndex(header, tree, read_known(sections, header.rows), mapped=True)


def _read_tree(sections: Sections, num_rows: int) -> Packed:
    rows = sections.numbers("rows", np.uint32)
    if len(rows) and int(rows.max()) >= num_rows:
        raise sections.damaged("rows", f"there is no row {rows.max()} among {num_rows}")
    tree = Packed(rows, sections.numbers("items", np.float64), sections.numbers("nodes", np.float64))
    try:
        rtree.bounds(tree)
    except ValueError as error:
        raise sections.damaged("nodes", str(error)) from error
    return tree


INDEX_KINDS.register(
    IndexKind(
        name=KIND,
        family="scalar",
        version=VERSION,
        metrics={DataType.GEOMETRY: ()},
        build_params=Params,
        built=frozenset({DataType.GEOMETRY}),
        engine="bounding boxes",
        build_scalar=build_rtree,
        load_scalar=load_rtree,
        mmap=False,
        refusal="RTREE index can only be built on geometry field, got {type}",
    )
)
