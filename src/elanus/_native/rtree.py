"""Bounding boxes read straight out of WKB, and a packed R-tree over them.

Rows come as ``Column.bytes_and_offsets`` gives them: offsets int64 [rows + 1] into uint8 data, a null row without
bytes. The seven types are read, collections in one another (64 deep), Z and M, an SRID and both byte orders. A window
is ``(min_x, min_y, max_x, max_y)``, borders included. Work on whole columns releases the interpreter.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elanus._native import core

Window = tuple[float, float, float, float]

Test = Literal["meets", "holds", "within"]
"""How a row's box stands to the window: they meet, it holds the window, it lies within the window."""

POINT_KIND = 1


class Boxes(NamedTuple):
    """Boxes, a row each; NaN where a geometry is empty, infinite where a coordinate is no number.

    min_x, min_y, max_x, max_y  float64 [rows]
    kind                        uint8 [rows]: WKB's type, 1 (point) to 7 (collection); 0 for a row without bytes
    """

    min_x: NDArray[np.float64]
    min_y: NDArray[np.float64]
    max_x: NDArray[np.float64]
    max_y: NDArray[np.float64]
    kind: NDArray[np.uint8]


class Packed(NamedTuple):
    """A packed R-tree (docs/formats/index.md).

    rows   uint32 [items], the row of each item; rows without a box are in none
    items  float64 [items * 2] when all are points, else [items * 4]
    nodes  float64 [nodes * 4], the lowest level first
    """

    rows: NDArray[np.uint32]
    items: NDArray[np.float64]
    nodes: NDArray[np.float64]

    @property
    def is_points(self) -> bool:
        """Whether every item is a point, so that ``points`` may be asked."""
        return len(self.items) == 2 * len(self.rows)


class Points(NamedTuple):
    """Points, in no particular order.

    rows  int64 [points]
    x, y  float64 [points]
    """

    rows: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def boxes(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Boxes:
    """Return the box of every row.

    raises  ValueError, naming the row, when one is no WKB
    cost    one pass over the bytes, about 15 ns a point
    """
    return Boxes(*core.rtree_boxes(offsets, data))


def build(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Packed:
    """Return the tree of the rows that are neither null nor empty; raises as ``boxes``."""
    return Packed(*core.rtree_build(offsets, data))


def bounds(tree: Packed) -> Window:
    """Return the box of everything; of a tree without items the smallest are infinite and the largest minus infinite.

    raises  ValueError, here and below, when the arrays don't go together
    """
    low_x, low_y, high_x, high_y = core.rtree_bounds(tree)
    return low_x, low_y, high_x, high_y


def rows_near(tree: Packed, window: Window, test: Test, num_rows: int) -> NDArray[np.uint8]:
    """Return the rows whose box passes as bits, uint8 [ceil(num_rows / 8)]; ValueError on a row past ``num_rows``."""
    return core.rtree_rows(tree, window, test, num_rows)


def points_in(tree: Packed, window: Window) -> Points:
    """Return the points in a window; ValueError when the tree is not one of points."""
    return Points(*core.rtree_points(tree, window))


def estimate(tree: Packed, window: Window, test: Test) -> int:
    """Return about how many rows pass; looks at some hundred nodes."""
    return core.rtree_estimate(tree, window, test)
