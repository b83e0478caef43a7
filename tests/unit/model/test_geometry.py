"""Geometries as text and as WKB: what comes is what is kept, and nothing that comes brings the process down."""

from __future__ import annotations

import math
import struct

import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus.model import geometry
from elanus.model.geometry import GeometryError, wkb_from_wkb, wkb_from_wkt, wkt_from_wkb

coordinates = st.floats(-1e12, 1e12) | st.floats(-1, 1) | st.floats(allow_nan=False, allow_infinity=False)
points = st.tuples(coordinates, coordinates)


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, type=pa.large_string())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | points, max_size=8))
def test_coordinates_come_back_to_the_last_digit(values: list[tuple[float, float] | None]) -> None:
    sent = texts(*(value and f"POINT ({value[0]!r} {value[1]!r})" for value in values))
    returned = wkb_from_wkt(wkt_from_wkb(wkb_from_wkt(sent)))
    assert returned.type == pa.large_binary()
    expected = [value and struct.pack("<BIdd", 1, 1, *value) for value in values]
    found = returned.to_pylist()
    # Text has one zero only.
    assert [one and struct.unpack("<BIdd", one) for one in found] == [
        one and struct.unpack("<BIdd", one) for one in expected
    ]


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("POINT(1 1)", "POINT (1 1)"),
        ("point ( 1.50   -2 )", "POINT (1.5 -2)"),
        ("POINT EMPTY", "POINT EMPTY"),
        ("POINT Z (1 2 3)", "POINT Z (1 2 3)"),
        ("LINESTRING(0 0,1 1)", "LINESTRING (0 0, 1 1)"),
        ("POLYGON((0 0,4 0,4 4,0 0),(1 1,2 1,2 2,1 1))", "POLYGON ((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2, 1 1))"),
        ("MULTIPOINT(1 2, 3 4)", "MULTIPOINT ((1 2), (3 4))"),
        (
            "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
            "GEOMETRYCOLLECTION (POINT (1 1), LINESTRING (0 0, 1 1))",
        ),
        ("POLYGON((0 0,2 2,2 0,0 2,0 0))", "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"),
        ("POINT (1e21 0.30000000000000004)", "POINT (1e+21 0.30000000000000004)"),
        ("MULTIPOINT (EMPTY, (1 1))", "MULTIPOINT ((1 1))"),
        ("MULTIPOINT M ((1 1 2), EMPTY)", "MULTIPOINT M ((1 1 2))"),
        ("MULTILINESTRING ((0 0, 1 1), EMPTY)", "MULTILINESTRING ((0 0, 1 1))"),
        ("MULTIPOLYGON (EMPTY)", "MULTIPOLYGON EMPTY"),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0), EMPTY)", "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
        ("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0), EMPTY))", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"),
        ("GEOMETRYCOLLECTION (POINT (nan nan), POINT (1 1))", "GEOMETRYCOLLECTION (POINT (1 1))"),
        (
            "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POLYGON EMPTY), MULTIPOINT ((1 1), EMPTY), POINT Z (1 2 3))",
            "GEOMETRYCOLLECTION Z (MULTIPOINT ((1 1)), POINT Z (1 2 3))",
        ),
    ],
)
def test_text_is_returned_in_one_form_without_what_is_empty_in_it(sent: str, returned: str) -> None:
    assert wkt_from_wkb(wkb_from_wkt(texts(sent, None))).to_pylist() == [returned, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POINT",
        "POINT (0",
        "POINT (0 0) POINT (1 1)",
        "LINESTRING (0 0)",
        "POLYGON ((0 0, 1 0, 1 1))",
        "SRID=4326;POINT (0 0)",
        "CIRCULARSTRING (0 0, 1 1, 2 0)",
        "GEOMETRYCOLLECTION (CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0)))",
        "GEOMETRYCOLLECTION (" * 100_000 + "POINT (1 1)" + ")" * 100_000,
        "geometrycollection(" * 33,
        "POINT (0 0)\0",
        "(" * 1_000_000,
    ],
)
def test_what_is_no_geometry_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(GeometryError) as caught:
        wkb_from_wkt(texts("POINT (1 1)", None, text, "also none"))
    assert caught.value.row == 2
    assert len(str(caught.value)) < 300


def test_rows_are_counted_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "CHUNK_ROWS", 3)
    sent = texts(*(f"POINT ({row} 0)" for row in range(8)))
    assert wkt_from_wkb(wkb_from_wkt(sent)).to_pylist() == sent.to_pylist()
    for bad in ("POINT (", "CIRCULARSTRING (0 0, 1 1, 2 0)"):
        with pytest.raises(GeometryError) as caught:
            wkb_from_wkt(pa.concat_arrays([sent, texts(bad)]))
        assert caught.value.row == 8


def test_every_dialect_of_wkb_is_kept_as_one() -> None:
    shape = shapely.from_wkt("LINESTRING Z (1 2 3, 4 5 6)")
    dialects = [
        shapely.to_wkb(
            shapely.set_srid(shape, 4326), byte_order=order, flavor=flavor, include_srid=flavor == "extended"
        )
        for order in (0, 1)
        for flavor in ("iso", "extended")
    ]
    kept = wkb_from_wkb(pa.array([*dialects, None], type=pa.large_binary())).to_pylist()
    assert kept == [shapely.to_wkb(shape, byte_order=1, flavor="iso")] * 4 + [None]


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x01\x00\x00\x00", b"POINT (1 1)", bytes(21)])
def test_what_is_no_wkb_is_refused(data: bytes) -> None:
    with pytest.raises(GeometryError, match="is no geometry"):
        wkb_from_wkb(pa.array([None, data], type=pa.large_binary()))


def test_a_point_of_no_numbers_is_empty() -> None:
    (kept,) = wkb_from_wkt(texts("POINT (nan nan)")).to_pylist()
    assert all(math.isnan(value) for value in struct.unpack("<BIdd", kept)[2:])
