"""What statistics prove of a filter: no row of the segment can be TRUE, or one may be."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from elanus._native.bloom import BloomFilter
from elanus.expr import bind, possible_values
from elanus.expr.bound import BoundExpr
from elanus.expr.pruning import Evidence, Keys, check_of
from elanus.model.ids import FieldId
from elanus.model.manifest import ColumnStatistics
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

ROWS = 10


def field(number: int, name: str, kind: DataType, element: DataType = DataType.NONE) -> Field:
    return Field(id=FieldId(number), name=name, type=kind, element_type=element, nullable=number > 100)


SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        field(101, "i", DataType.INT64),
        field(102, "one", DataType.INT32),
        field(103, "none", DataType.INT64),
        field(104, "f32", DataType.FLOAT),
        field(105, "d", DataType.DOUBLE),
        field(106, "b", DataType.BOOL),
        field(107, "s", DataType.VARCHAR),
        field(108, "a", DataType.ARRAY, DataType.INT32),
        field(109, "j", DataType.JSON),
        field(110, "full", DataType.JSON),
        field(111, "unknown", DataType.INT64),
        field(112, "open", DataType.VARCHAR),
        field(113, "ts", DataType.TIMESTAMPTZ),
        field(114, "g", DataType.GEOMETRY),
    )
)
BOUNDS: Mapping[str, tuple] = {
    "id": (0, 0, 99),
    "i": (2, 10, 20),
    "one": (1, 5, 5),
    "none": (ROWS, None, None),
    "f32": (0, -0.5, 0.10000000149011612),
    "d": (0, 10.0, 12.5),
    "b": (0, False, False),
    "s": (1, "apple", "apricot"),
    "a": (1, 1, 9),
    "j": (ROWS, None, None),
    "full": (0, None, None),
    "open": (0, "m", None),
    "ts": (0, 1_735_689_600_000_000, 1_767_139_200_000_000),  # the year 2025
    "g": (ROWS, None, None),
}
HELD = {"id": [3, 7, 50], "s": ["apple", "apricot"], "a": [1, 4, 9]}


class Known:
    """Statistics of one segment."""

    num_rows = ROWS

    def __init__(self, *, blooms: bool = True) -> None:
        ids = {name: SCHEMA[name].id for name in BOUNDS}
        self.columns = {ids[name]: ColumnStatistics(ids[name], *values) for name, values in BOUNDS.items()}
        filters = {ids[name]: BloomFilter.build(Keys(values).hashes, 32) for name, values in HELD.items()}
        self.blooms = filters if blooms else {}

    def column(self, field_id: int) -> ColumnStatistics | None:
        return self.columns.get(field_id)

    def bloom(self, field_id: int) -> BloomFilter | None:
        return self.blooms.get(field_id)


def bound(text: str) -> BoundExpr:
    return bind(text, SCHEMA)


def reasons(text: str) -> list[str] | None:
    proof = check_of(bound(text))(Known())
    return None if proof is None else [f"{one.evidence} of {SCHEMA.by_id(one.field_id).name}" for one in proof]


PRUNED = [
    *("i < 10", "i <= 9", "i > 20", "i >= 21", "i == 9", "i == 21", "20 < i < 30", "0 < i < 10"),
    *("i in [1, 9, 21, 100]", "i == 9223372036854775807", "not (i >= 10)", "not (0 < i < 30)", "not (i <= 20)"),
    *("one != 5", "not (one == 5)", "one not in [4, 5]", "not (one in [5])", "one > 5", "one == 4"),
    *("none == 1", "none != 1", "none in [1]", "none not in [1]", "none + 1 == 2", "none > 0 and i == 15"),
    *("none is not null", "id is null", "full is null", "j is not null", 'j["k"] == 1', 'not (j["k"] == 1)'),
    *("f32 > 0.1", "f32 == 0.2", "f32 < -0.5", "d == 13", "d > 12.5", "d in [1, 2.5, 13]"),
    *("b == true", "b > false", "b != false"),
    *('s == "a"', 's > "apricot"', 's < "apple"', 's like "b%"', 's like "aq%"', 's in ["a", "b"]'),
    *('not (s like "ap%")', 's == "banana"', 'open == "l"', 'open < "m"', 'open like "l%"'),
    *("array_contains(a, 10)", "array_contains_any(a, [0, 10])", "array_contains_all(a, [1, 10])", "a[0] == 10"),
    *("a[3] > 9", "a == [1, 10]", "a == [0]", "array_contains_all(a, [1, 2])"),
    *("i == d and false", "false", "i in []", "one > i", "i < one", "one == d", "one == i", "one != one", "i == none"),
    *('ts < ISO "2025-01-01T00:00:00Z"', 'ts + INTERVAL "P2D" > ISO "2026-01-02T12:00:00Z"'),
    *('ts == ISO "2024-06-01T00:00:00Z"', 'ts > ISO "2026-01-01T00:00:00Z" and random_sample(0.5)'),
    *('st_equals(g, "POINT (0 0)")', "not st_isvalid(g)", 's like "b%x"', 's like "aq_%"'),
    *("i < 10 and unknown > 1", "i < 10 or i > 20", "(i < 10 and b == false) or none == 2", "i > 5 and id == 60"),
]
KEPT = [
    *("i < 11", "i <= 10", "i > 19", "i >= 20", "i == 10", "i == 20", "19 < i < 30", "i in [1, 12]", "i not in [10]"),
    *("one == 5", "one != 4", "one not in [4]", "none is null", "i is null", "i is not null", "j is null"),
    *("i + 1 == 100", "f32 >= 0.1", "f32 == 0.1", "f32 < 0", "d == 10", "d > 12", "b == false", "b < true"),
    *('s like "ap%"', 's like "apr%"', 's like "a%"', 's like "%x"', 'not (s like "apr%")', 's > "apri"'),
    *('s == "apple"', 's != "apple"', 'open == "z"', 'open > "zzz"', 'open like "z%"', 'not (open like "m%")'),
    *("array_contains(a, 4)", "array_contains_any(a, [4, 10])", "not array_contains(a, 10)", "a[0] != 1"),
    *("a == []", "a != [10]", "array_length(a) == 100", 'full["k"] == 1', 'exists j["k"]', 'not exists j["k"]'),
    *('ts <= ISO "2025-01-01T00:00:00Z"', 'ts + INTERVAL "P1M" > ISO "2030-01-01T00:00:00Z"', "random_sample(0.5)"),
    *('s like "ap%x"', 's like "_pple"', r's like r"\_p%y"', 'not (s like "b%x")', 's =~ "^zzz"', 's like "%zzz%"'),
    *(
        "unknown == 1",
        "unknown is null",
        "true",
        "i < 10 or unknown == 1",
        "i < 10 or one == 5",
        "i > d",
        "d > i",
        "i < d",
        "i != one",
    ),
    *("id == 7", "id in [7, 60]", "id in [60, 3]", "id != 60", "not (id == 60)", "d <= i"),
]


@pytest.mark.parametrize("text", PRUNED)
def test_a_segment_without_a_true_row_is_passed_over(text):
    assert reasons(text) is not None


@pytest.mark.parametrize("text", KEPT)
def test_a_segment_that_may_have_a_true_row_is_read(text):
    assert reasons(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i == 9", ["statistics of i"]),
        ("one == 5 and i > 30", ["statistics of i"]),
        ("id == 60", ["bloom of id"]),
        ("id in [60, 61, 62, 63, 64, 65]", ["bloom of id"]),
        ("id in [60, 100]", ["bloom of id"]),
        ("id == 100", ["statistics of id"]),
        ('s == "apqx"', ["bloom of s"]),
        ("array_contains(a, 5)", ["bloom of a"]),
        ("array_contains_all(a, [1, 5])", ["bloom of a"]),
        ("a == [1, 5]", ["bloom of a"]),
        ("i < 10 or id == 60", ["statistics of i", "bloom of id"]),
        ("i < 10 or i > 20 or none == 1", ["statistics of i", "statistics of none"]),
        ("d < i and i < 10", ["statistics of i"]),
        ("one == d", ["statistics of one", "statistics of d"]),
        ("false", []),
    ],
)
def test_a_proof_names_what_it_rests_on(text, expected):
    assert reasons(text) == expected


def test_without_statistics_nothing_is_proven_but_what_is_false_anyway():
    class Nothing(Known):
        def column(self, field_id):
            return None

        def bloom(self, field_id):
            return None

    kept = [text for text in PRUNED if check_of(bound(text))(Nothing()) is None]
    assert [text for text in PRUNED if text not in kept] == ["i == d and false", "false", "i in []"]


def test_bounds_are_looked_at_before_a_filter_is_opened():
    class Closed(Known):
        def bloom(self, field_id):
            raise AssertionError(f"the filter of {field_id} was opened")

    for text in ("id == 100", "id in [100, -1]", "i > 3 and s == 'z'"):
        assert check_of(bound(text))(Closed()) is not None


def test_a_long_list_is_sorted_once_for_all_segments(monkeypatch):
    sorts = []
    segment, plain = Known(), Keys.values.func
    monkeypatch.setattr(Keys.values, "func", lambda keys: sorts.append(1) or plain(keys))
    check = check_of(bound(f"id in {list(range(1000, 6000, 3))}"))
    assert [one.evidence for _ in range(50) for one in check(segment)] == [Evidence.STATISTICS] * 50
    assert len(sorts) == 1


def test_integers_beside_doubles_compare_as_doubles():
    known = Known()
    known.columns[SCHEMA["i"].id] = ColumnStatistics(SCHEMA["i"].id, 0, 2**53 + 1, 2**53 + 1)
    known.columns[SCHEMA["d"].id] = ColumnStatistics(SCHEMA["d"].id, 0, 2.0**53, 2.0**53)
    # Rows compare in doubles, where both are 2^53.
    assert check_of(bound("i == d"))(known) is None
    assert check_of(bound("i > d"))(known) is not None


def test_a_check_can_be_sent_to_another_process():
    for text in (*PRUNED, *KEPT):
        check = check_of(bound(text))
        assert pickle.loads(pickle.dumps(check))(Known()) == check(Known())


# --- the values that a filter lists ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i == 1", {1}),
        ("i in [1, 2]", {1, 2}),
        ("i in []", set()),
        ("i == 1 and one == 2", {1}),
        ("i in [1, 2, 3] and i in [2, 3, 4]", {2, 3}),
        ("i == 1 and i == 2", set()),
        ("i == 1 or i == 2", {1, 2}),
        ("i == 1 or (i in [2, 3] and d > 1)", {1, 2, 3}),
        ("(i == 1 or i == 2) and (i == 2 or i == 9)", {2}),
        ("i == 1 or d > 1", None),
        ("i != 1", None),
        ("i not in [1]", None),
        ("not (i == 1)", None),
        ("not (i != 1)", {1}),
        ("i > 1", None),
        ("i + 1 == 2", None),
        ("one == 1", None),
        ("i is null", None),
        ("true", None),
        ("false", set()),
        ("i == 1 or false", {1}),
        ("i == one", None),
    ],
)
def test_the_values_that_a_filter_lists(text, expected):
    values = possible_values(bound(text), SCHEMA["i"])
    assert values == (None if expected is None else frozenset(expected))
