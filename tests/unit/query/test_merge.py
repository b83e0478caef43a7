"""Hits of several segments in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from elanus.model.columns import Column
from elanus.model.hits import Hits
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.query.merge import merge
from elanus.query.order import TOLERANCE

NUMBER = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
TEXT = Field(id=FieldId(100), name="id", type=DataType.VARCHAR, is_primary=True, max_length=9)


@dataclass(frozen=True)
class Rows:
    """A segment that has nothing but keys."""

    primary: Field
    keys: pa.Array
    sorted_by_key = False

    @property
    def num_rows(self) -> int:
        return len(self.keys)

    def column(self, _field: int) -> Column:
        return Column(self.primary, self.keys)


def segment(keys: list[int], *, text: bool) -> Rows:
    values = [f"k{key:03}" for key in keys] if text else keys
    return Rows(TEXT if text else NUMBER, pa.array(values, type=pa.large_string() if text else pa.int64()))


def expected(found: list[tuple[Rows, Hits]], query: int, offset: int, limit: int) -> list[tuple[float, Any]]:
    """Return a query's page as sorted pairs of distance and key."""
    pairs = [
        (float(distance) + 0.0, rows.keys[int(row)].as_py())
        for rows, hits in found
        for row, distance in zip(hits.rows[query], hits.distances[query], strict=True)
        if row >= 0
    ]
    return sorted(pairs)[offset : offset + limit]


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[tuple[Rows, Hits]], int]:
    """Hits of one to four segments for some queries; no key stands in two segments."""
    count, nq, text = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.booleans())
    keys = draw(st.permutations(range(5 * count)))
    found = []
    for part in range(count):
        rows, distances = np.full((nq, 4), -1, np.int64), np.full((nq, 4), np.inf, np.float32)
        for query in range(nq):
            own = draw(st.lists(st.integers(0, 4), unique=True, max_size=4))
            near = sorted(draw(st.lists(st.sampled_from([-0.0, 0.0, 0.5, 2.0]), min_size=len(own), max_size=len(own))))
            rows[query, : len(own)], distances[query, : len(own)] = own, near
        found.append((segment(list(keys[5 * part : 5 * part + 5]), text=text), Hits(rows, distances)))
    return found, nq


@given(searches(), st.integers(0, 5), st.integers(1, 9), st.sampled_from([0.0, float(TOLERANCE)]))
def test_a_page_holds_the_nearest_hits_equal_ones_by_key(
    search: tuple[list[tuple[Rows, Hits]], int], offset: int, limit: int, tolerance: float
) -> None:
    found, nq = search
    page = merge(found, nq, found[0][0].primary, offset, limit, descending=True, tolerance=tolerance)
    pages = [expected(found, query, offset, limit) for query in range(nq)]
    assert page.counts.tolist() == [len(one) for one in pages]
    hits = zip((page.distances + 0.0).tolist(), page.keys.to_pylist(), strict=True)
    assert list(hits) == [hit for one in pages for hit in one]
    keys = [found[part][0].keys[int(row)].as_py() for part, row in zip(page.parts, page.rows, strict=True)]
    assert keys == page.keys.to_pylist()


def test_nearly_equal_hits_are_ordered_by_key() -> None:
    found = [
        (segment([7], text=False), Hits(np.array([[0]]), np.array([[0.0]], np.float32))),
        (segment([3], text=False), Hits(np.array([[0]]), np.array([[1e-9]], np.float32))),
    ]
    assert merge(found, 1, NUMBER, 0, 2, descending=False).keys.to_pylist() == [3, 7]
