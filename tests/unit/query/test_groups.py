"""Groups of hits, the stage that pages them, and what JSON values are grouped as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.expr import JsonValues, extract_json
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.query.candidates import Candidates
from elanus.query.grouping.groups import Grouped, Groups, GroupScorer
from elanus.query.grouping.key import NO_GROUP, FieldPart, GroupKey, JsonPart

KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
COLOR = Field(id=FieldId(101), name="color", type=DataType.VARCHAR, max_length=9, nullable=True)
SIZE = Field(id=FieldId(102), name="size", type=DataType.INT32, nullable=True)
DOC = Field(id=FieldId(103), name="doc", type=DataType.JSON)


@dataclass(frozen=True)
class Rows:
    """A segment as far as grouping reads it."""

    columns: dict[int, Column]
    num_rows: int

    @classmethod
    def of(cls, values: dict[Field, list[Any]]) -> Rows:
        columns = {
            field.id: Column(field, pa.array(listed, type=arrow_type(field))) for field, listed in values.items()
        }
        return cls(columns, len(next(iter(values.values()))))

    def column(self, field_id: int) -> Column:
        return self.columns[field_id]

    def fetch(self, rows: Any, fields: Any) -> ColumnBatch:
        return ColumnBatch({field: self.columns[field].take(rows) for field in fields}, len(rows))

    def json_values(self, field_id: int, path: tuple[str | int, ...]) -> JsonValues:
        return extract_json(self.columns[field_id], path)


def hits(segments: list[Any], counts: list[int], places: list[tuple[int, int]], distances: list[float]) -> Candidates:
    parts, rows = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    keys = pa.array([1000 * part + row for part, row in places], type=pa.int64())
    scores = np.array(distances, dtype=np.float32)
    return Candidates(segments, np.array(counts), parts, rows, keys, scores, descending=True)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=40))
def test_groups_are_numbered_by_query_then_first_hit(given_hits: list[tuple[int, int]]) -> None:
    ordered = sorted(given_hits, key=lambda hit: hit[0])
    query, codes = (np.array([hit[side] for hit in ordered], dtype=np.int64) for side in (0, 1))
    groups = Groups.of_hits(query, codes)
    seen: dict[tuple[int, int], int] = {}
    counts: dict[tuple[int, int], int] = {}
    for at, hit in enumerate(ordered):
        number = seen.setdefault(hit, len(seen))
        assert (groups.of[at], groups.places[at]) == (number, counts.setdefault(hit, 0))
        counts[hit] += 1
    assert groups.counts.tolist() == [counts[hit] for hit in seen]
    assert groups.query.tolist() == [asked for asked, _ in seen]
    within: dict[int, int] = {}
    for (asked, _), number in zip(seen, groups.number.tolist(), strict=True):
        assert number == within.setdefault(asked, 0)
        within[asked] += 1


def test_codes_agree_between_segments_and_null_is_a_value() -> None:
    segments = [Rows.of({COLOR: ["red", None, "blue"]}), Rows.of({COLOR: ["green", "red", None]})]
    codes, count = GroupKey((FieldPart(COLOR),)).codes(segments, [None, None])
    first, second = np.split(codes, [3])
    assert count == 4
    assert first[0] == second[1]
    assert first[1] == second[2]
    assert len({*first.tolist(), *second.tolist()}) == 4


def test_segments_of_which_no_row_is_asked_for_change_no_code() -> None:
    segments: list[Any] = [Rows.of({COLOR: colors}) for colors in (["red"], ["green", None], ["blue"], ["red", "blue"])]
    key, nothing = GroupKey((FieldPart(COLOR),)), np.zeros(0, dtype=np.int64)
    codes, _ = key.codes(segments, [nothing, None, nothing, None])
    assert len(codes) == len(set(codes.tolist())) == 4
    places = np.array([3, 1, 3, 1]), np.array([0, 1, 1, 1])
    red, none, blue, again = key.codes_of(segments, *places).tolist()
    assert none == again
    assert len({red, none, blue}) == 3
    assert key.codes(segments, [nothing] * 4) == (pytest.approx([]), 0)


def test_several_values_make_one_code() -> None:
    segment = Rows.of({COLOR: ["a", "a", "b", "b", None, "a"], SIZE: [1, 2, 1, None, None, 1]})
    codes, count = GroupKey((FieldPart(COLOR), FieldPart(SIZE))).codes([segment], [None])
    assert count == 5
    assert codes[0] == codes[5]
    assert len(set(codes.tolist())) == 5


def stage(scorer: GroupScorer = GroupScorer.MAX, *, size: int = 2, offset: int = 0, limit: int = 10) -> Grouped:
    return Grouped(GroupKey((FieldPart(COLOR),)), size, offset, limit, scorer)


SEGMENTS = [Rows.of({COLOR: ["red", "red", "red", "blue"]}), Rows.of({COLOR: ["blue", None, "green"]})]
PLACES = [(0, 0), (1, 0), (0, 3), (0, 1), (0, 2), (1, 1), (1, 2)]
DISTANCES = [-9.0, -8.0, -7.5, -2.0, -1.0, -0.5, -0.25]


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (GroupScorer.MAX, [0, 1, 1000, 3, 1001, 1002]),
        (GroupScorer.SUM, [1000, 3, 0, 1, 1001, 1002]),
        (GroupScorer.AVG, [1000, 3, 0, 1, 1001, 1002]),
    ],
)
def test_the_scorer_says_which_group_is_best(scorer: GroupScorer, expected: list[int]) -> None:
    page = stage(scorer).apply(hits(SEGMENTS, [7], PLACES, DISTANCES))
    assert page.keys.to_pylist() == expected


def test_an_average_counts_only_the_hits_that_are_kept() -> None:
    page = stage(GroupScorer.AVG, size=1).apply(hits(SEGMENTS, [7], PLACES, DISTANCES))
    assert page.keys.to_pylist() == [0, 1000, 1001, 1002]


def test_a_page_counts_groups_in_each_query() -> None:
    candidates = hits(SEGMENTS, [7, 0, 3], [*PLACES, (1, 2), (1, 1), (0, 0)], [*DISTANCES, -3.0, -2.0, -1.0])
    page = stage(size=2, offset=1, limit=2).apply(candidates)
    assert page.counts.tolist() == [3, 0, 2]
    assert page.keys.to_pylist() == [1000, 3, 1001, 1001, 0]
    assert page.distances.tolist() == [-8.0, -7.5, -0.5, -2.0, -1.0]


def test_no_hits_make_no_groups() -> None:
    none = Candidates.none(2, KEY, descending=True)
    assert stage().apply(none).counts.tolist() == [0, 0]


VALUES: list[Any] = [True, 7, 7.0, -0.0, 300, 2.5, "7", "", None, [1, "a"], {"b": 1}, 1e300, 9_223_372_036_854_775_807]
CASTS: list[tuple[DataType, list[Any]]] = [
    (DataType.BOOL, [True, *[None] * 12]),
    (DataType.INT8, [None, 7, 7, 0, *[None] * 9]),
    (DataType.INT64, [None, 7, 7, 0, 300, *[None] * 7, 2**63 - 1]),
    (
        DataType.VARCHAR,
        ["true", "7", "7", "-0", "300", "2.5", "7", "", None, '[1,"a"]', None, "1e+300", "9223372036854775807"],
    ),
]


@pytest.mark.parametrize(("kind", "expected"), CASTS, ids=lambda given: getattr(given, "label", ""))
@pytest.mark.parametrize("strict", [False, True])
def test_json_is_cast(kind: DataType, expected: list[Any], strict: bool) -> None:
    segment = Rows.of({DOC: [orjson.dumps({"k": value}) for value in VALUES] + [b"{}"]})
    shown = Field(id=DOC.id, name="doc", type=kind, nullable=True)
    key = GroupKey((JsonPart(shown, DOC, ("k",), strict),))
    (column,) = key.columns([segment], np.zeros(14, np.int64), np.arange(14))
    assert column.data.to_pylist() == [*expected, None]
    codes, _ = key.codes([segment], [None])
    there = np.array([value is not None for value in VALUES] + [False])
    dropped = there & np.array([value is None for value in [*expected, None]]) & strict
    assert (codes == NO_GROUP).tolist() == dropped.tolist()
