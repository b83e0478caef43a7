"""Pruning against evaluation: a segment that is passed over has no TRUE row, whatever its rows and the filter."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from elanus.expr import BatchSource, bind, select
from elanus.expr.pruning import check_of
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId, PartitionId, SegmentId
from elanus.model.manifest import FileInfo, SegmentInfo
from elanus.model.schema import Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.segment.statistics import SegmentStatistics, build_blooms, describe
from elanus.storage.blooms import decode_blooms, encode_blooms

# Few values, close together, and rows of one segment closer still: most filters are decided by the bounds.
_INTS = st.one_of(st.integers(-3, 6), st.sampled_from([-(2**63), 2**53 + 1, 2**63 - 1]))
_FLOATS = st.one_of(st.integers(-3, 6).map(float), st.sampled_from([0.1, -0.25, 1e20, -0.0, 2.0**53]))
_TEXTS = st.one_of(
    st.text("abc", max_size=3),
    st.builds(
        lambda char, count, tail: char * count + tail, st.sampled_from("aé😀"), st.integers(14, 70), st.text("ab")
    ),
    st.sampled_from(["\U0010ffff", "\U0010ffff" * 20, "\ud7ff" * 30]),
)
_WORDS = st.sampled_from(["a", "ab", "b", "a" * 64, "é" * 33])

_TYPES: dict[str, tuple[DataType, DataType, st.SearchStrategy[Any]]] = {
    "id": (DataType.INT64, DataType.NONE, _INTS),
    "i8": (DataType.INT8, DataType.NONE, st.integers(-3, 6)),
    "n": (DataType.INT64, DataType.NONE, _INTS),
    "f32": (DataType.FLOAT, DataType.NONE, st.one_of(st.integers(-3, 6).map(float), st.just(0.1))),
    "d": (DataType.DOUBLE, DataType.NONE, _FLOATS),
    "b": (DataType.BOOL, DataType.NONE, st.booleans()),
    "s": (DataType.VARCHAR, DataType.NONE, _TEXTS),
    "a": (DataType.ARRAY, DataType.INT32, st.lists(st.integers(-3, 6), max_size=3)),
    "t": (DataType.ARRAY, DataType.VARCHAR, st.lists(_WORDS, max_size=2)),
    "j": (DataType.JSON, DataType.NONE, st.sampled_from([b"1", b'{"k":1}', b"null"])),
}
_SCHEMA = Schema(
    tuple(
        Field(
            id=FieldId(100 + place), name=name, type=kind, element_type=element, nullable=name != "id",
            is_primary=name == "id",
        )
        for place, (name, (kind, element, _)) in enumerate(_TYPES.items())
    )
)  # fmt: skip


@st.composite
def _column(draw: st.DrawFn, name: str, num_rows: int) -> list[Any]:
    """Draw a column: all null, one value, few, or any."""
    values = _TYPES[name][2]
    pool = draw(st.lists(values, min_size=1, max_size=draw(st.sampled_from([1, 2, 6]))))
    cells = st.sampled_from(pool)
    if name == "id":
        return draw(st.lists(cells, min_size=num_rows, max_size=num_rows))
    kind = draw(st.sampled_from(["full", "full", "some", "none"]))
    if kind == "none":
        return [None] * num_rows
    one = cells if kind == "full" else st.one_of(st.none(), cells)
    return draw(st.lists(one, min_size=num_rows, max_size=num_rows))


@st.composite
def _batches(draw: st.DrawFn) -> ColumnBatch:
    num_rows = draw(st.integers(1, 6))
    columns = {
        field.id: Column(field, pa.array(draw(_column(field.name, num_rows)), type=arrow_type(field)))
        for field in _SCHEMA
    }
    return ColumnBatch(columns, num_rows)


# --- filters, as text ---


def _text(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return values.map(lambda value: json.dumps(value, ensure_ascii=False))


def _list(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[str]:
    return _text(st.lists(values, min_size=least, max_size=4))


_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _comparable(name: str, values: st.SearchStrategy[Any], *, ranges: bool = True) -> st.SearchStrategy[str]:
    parts = [
        st.builds(f"{name} {{}} {{}}".format, _OPS, _text(values)),
        st.builds(f"{name} {{}} {{}}".format, st.sampled_from(["in", "not in"]), _list(values)),
    ]
    if ranges:
        edges = st.tuples(_text(values), st.sampled_from(["<", "<="]), st.sampled_from(["<", "<="]), _text(values))
        parts.append(edges.map(lambda edge: f"{edge[0]} {edge[1]} {name} {edge[2]} {edge[3]}"))
    return st.one_of(parts)


_ARRAYS = st.one_of(
    *(
        st.one_of(
            st.builds(f"array_contains({name}, {{}})".format, _text(values)),
            st.builds(f"array_contains_{{}}({name}, {{}})".format, st.sampled_from(["all", "any"]), _list(values)),
            st.builds(f"{name} {{}} {{}}".format, st.sampled_from(["==", "!="]), _list(values)),
        )
        for name, values in (("a", st.integers(-4, 8)), ("t", _WORDS))
    )
)
_LEAVES = st.one_of(
    *(_comparable(name, _INTS) for name in ("id", "i8", "n", "a[0]")),
    *(_comparable(name, st.one_of(_FLOATS, st.integers(-3, 6))) for name in ("f32", "d")),
    _comparable("b", st.booleans(), ranges=False),
    _comparable("s", _TEXTS),
    _comparable("t[0]", _WORDS),
    st.builds("n + 1 {} {}".format, _OPS, _text(st.integers(-4, 8))),
    st.builds("s like {}".format, _text(_TEXTS.map(lambda text: f"{text}%"))),
    st.builds("s like {}".format, _text(_TEXTS.map(lambda text: f"%{text}"))),
    st.builds("s like {}".format, _text(st.text("ab%_", max_size=4))),
    st.builds(
        "{} {} {}".format, st.sampled_from(["id", "i8", "n", "f32", "d"]), _OPS, st.sampled_from(["n", "d", "f32"])
    ),
    st.builds("{} is {}".format, st.sampled_from([*_TYPES]), st.sampled_from(["null", "not null"])),
    st.sampled_from(['j["k"] == 1', 'exists j["k"]', "array_length(a) == 2", "true", "false"]),
    _ARRAYS,
)
_FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=4,
)


def _statistics(batch: ColumnBatch) -> SegmentStatistics:
    """Return what is known of a segment of these rows, as it comes back from its files."""
    file = FileInfo("blooms", 1, 1)
    info = SegmentInfo(
        id=SegmentId(1), partition=PartitionId(1), shard=0, num_rows=batch.num_rows, low=0, high=0,
        first=Timestamp(1), last=Timestamp(1), schema_version=0, scalars=file, statistics=describe(batch), blooms=file,
    )  # fmt: skip
    blooms = encode_blooms(build_blooms(batch))
    return SegmentStatistics(info, _SCHEMA, lambda: decode_blooms(memoryview(blooms)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_batches(), st.lists(_FILTERS, min_size=1, max_size=6))
def test_a_segment_that_is_passed_over_has_no_true_row(batch: ColumnBatch, filters: list[str]) -> None:
    statistics, source = _statistics(batch), BatchSource(batch)
    for text in filters:
        try:
            bound = bind(text, _SCHEMA)
        except InvalidParameter:
            event("refused")
            continue
        true_rows = select(bound, source).count()
        if check_of(bound)(statistics) is None:
            event("read, rows TRUE" if true_rows else "read in vain")
        else:
            event("passed over")
            assert not true_rows, text
