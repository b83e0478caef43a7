"""What the binder makes of AND and OR: fewer leaves, the same rows, UNKNOWN kept."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import filter_table
from elanus.expr import BatchSource, bind, select
from elanus.expr.bound import Always, And, Between, Compare, In, Or
from elanus.expr.describe import describe
from elanus.model.columns import Column, ColumnBatch
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

_JSON = Schema((Field(id=FieldId(104), name="j", type=DataType.JSON),))
_SCHEMA = filter_table.SCHEMA
_SOURCE = filter_table.source()


def _rows(text, values=None):
    return select(bind(text, _SCHEMA, values or {}), _SOURCE).rows().tolist()


def _form(text, values=None):
    return describe(bind(text, _SCHEMA, values or {}), _SCHEMA)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        # equalities: a list
        ("i == 1 or i == 2", "i in [1, 2]"),
        ("i == 1 or s == 'x' or i in [2, 3] or i == 4", 'i in [1, 2, 3, 4] or s == "x"'),
        ("i != 1 and i not in [2]", "i not in [1, 2]"),
        ("not (i == 1 or i == 2)", "i not in [1, 2]"),
        ("not (i != 1 and i != 2)", "i in [1, 2]"),
        ("i + 1 == 1 or i + 1 == 2", "i + 1 == 1 or i + 1 == 2"),
        ("i + 1 > 1 and i + 1 < 5", "i + 1 > 1 and i + 1 < 5"),
        ("i + 1 > 1 and i + 1 > 1", "i + 1 > 1"),
        ("i + 1 == 1 or i + 2 == 2", "i + 1 == 1 or i + 2 == 2"),
        ("a[0] == 1 or a[0] == 2 or a[1] == 3", "a[0] in [1, 2] or a[1] == 3"),
        # bounds: a range
        ("i > 1 and i < 5", "1 < i < 5"),
        ("i >= 1 and n > 2 and i < 5", "1 <= i < 5 and n > 2"),
        ("i > 1 and i > 3 and i >= 2", "i > 3"),
        ("i >= 1 and i > 1", "i > 1"),
        ("i < 1 and i <= 1", "i < 1"),
        ("0 < i < 9 and 3 <= i < 12", "3 <= i < 9"),
        ("i >= 2 and i <= 2", "2 <= i <= 2"),
        ("s >= 'a' and s < 'b'", '"a" <= s < "b"'),
        ("f > 1 and f < 2.5", "1.0 < f < 2.5"),
        ("array_length(a) > 1 and array_length(a) < 4", "1 < array_length(a) < 4"),
        ("not (i > 1 and i < 5)", "not (1 < i < 5)"),
        ("not (i > 1) or not (i < 5)", "not (1 < i < 5)"),
        # nothing left
        ("i > 9 and i < 5", "i in []"),
        ("i > 5 and i < 5", "i in []"),
        ("i > 5 and i <= 5", "i in []"),
        ("not (i > 9 and i < 5)", "i not in []"),
        ("i == 1 and i == 2", "i in []"),
        # lists and ranges together
        ("i in [1, 2, 3] and i in [3, 2, 9]", "i in [2, 3]"),
        ("i in [1, 5, 9] and i > 2 and i < 9", "i in [5]"),
        ("i == 5 and i > 2", "i in [5]"),
        # the same twice
        ("i > 1 and i > 1", "i > 1"),
        ("s like 'a%' or s like 'a%'", 's like "a%"'),
        ("n is null or n is null or i == 1", "n is null or i == 1"),
        ("i < n and i < n", "i < n"),
        ("not not (i > 1)", "i > 1"),
        ("not (not (i > 1 and not (n > 2)))", "i > 1 and n <= 2"),
        # constants
        ("i > 1 and true", "i > 1"),
        ("i > 1 and (false or i < 5)", "1 < i < 5"),
        ("i > 1 or 1 < 2", "true"),
        ("i > 1 and not true", "false"),
        # chains of chains are flat
        ("i > 1 and (n > 2 and (i < 5 and n < 9))", "1 < i < 5 and 2 < n < 9"),
        ("i == 1 or (i == 2 or (n == 3 or i == 3))", "i in [1, 2, 3] or n == 3"),
    ],
)
def test_filter_takes_its_normal_form(text, form):
    assert _form(text) == form


@pytest.mark.parametrize(
    "text",
    [
        'j["k"] == 1 or j["k"] == "1"',
        'j["k"] == 1 or j["k"] == 1.5',
        'j["k"] == 1 and j["k"] == true',
        'j["k"] == 1 and j["k"] == 1.0',
        'j["k"] == 1 and j["k"] > 0',
        'j["k"] > 1 and j["k"] < "z"',
        'j["k"] > 1 and j["k"] < 2.5',
        'j["k"] > 9 and j["k"] < 5',
        'j["k"] == [1] or j["k"] == [2]',
        "a == [1] or a == [2]",
        "b > false and b < true",
        "i > 1 or i < 5",
        "i > 1 and n < 5",
        "i > 1 and i + 1 < 5",
        "s like 'a%' or s like 'b%'",
    ],
)
def test_conditions_that_are_unknown_in_other_rows_stay_apart(text):
    bound = bind(text, _SCHEMA)
    assert isinstance(bound, And | Or)
    assert len(bound.items) == 2


def test_a_bound_that_is_no_number_is_left_alone():
    bound = bind("f > {nan} and f > 1 and f < 5", _SCHEMA, {"nan": float("nan")})
    assert [type(item) for item in bound.items] == [Compare, Between]
    assert select(bound, _SOURCE).count() == 0


def test_an_empty_range_is_false_only_where_the_operand_is_known():
    assert _rows("n > 9 and n < 5") == []
    assert _rows("not (n > 9 and n < 5)") == [0, 2, 3, 4, 6, 7]
    assert _rows("not (n == 1 and n == 2)") == [0, 2, 3, 4, 6, 7]


def test_json_bounds_that_are_one_double_stay_apart():
    """A row of 9007199254740992.0 passes the second alone: beside a double both constants are that double."""
    bounds = ['j["k"] > 9007199254740992', 'j["k"] >= 9007199254740993']
    assert _form(" and ".join(bounds)) == " and ".join(bounds)
    rows = BatchSource(
        ColumnBatch({104: Column(_JSON["j"], pa.array([b'{"k": 9007199254740992.0}'], pa.large_binary()))}, 1)
    )
    found = [select(bind(text, _JSON), rows).count() for text in (*bounds, " and ".join(bounds))]
    assert found == [0, 1, 0]


def test_json_equalities_of_different_types_stay_apart():
    """A union would know rows that the disjunction does not."""
    assert _rows('not (j["k"] == 2 or j["k"] == "2")') == []
    assert _rows('j["k"] not in [2, "2"]') == [0, 1, 2]


def test_equalities_with_whole_arrays_are_not_merged():
    assert _rows("a == [3] or a == [0]") == [2, 5]
    assert _rows('j["k"] == [1, 2] or j["k"] == [3]') == [7]


def test_a_chain_of_equalities_is_one_list_however_it_is_written():
    chain = bind(" or ".join(f"i == {number}" for number in range(50)), _SCHEMA)
    assert chain == In(chain.operand, tuple(range(50)))
    assert bind("i == 1 or i == -2 or i == 0x10 or 3 == i or (i == 4)", _SCHEMA).values == (1, -2, 16, 3, 4)
    assert bind("i == 1 Or i == 2 || i == 3", _SCHEMA).values == (1, 2, 3)
    texts = bind(r"""color == "a" or color == "\x62" or color == r"\d" or color == 1""", _SCHEMA).items[0]
    assert texts.values == ("a", "b", r"\d")
    assert bind("i != 1 && i != 2 and i != 3", _SCHEMA) == In(chain.operand, (1, 2, 3), negated=True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("i == 1 or i == 2 + 3", "i in [1, 5]"),
        ("i == 1 or i == 2 and n == 7", "i == 1 or (i == 2 and n == 7)"),
        ("i == 1 or i == 2 or n == 7", "i in [1, 2] or n == 7"),
        ("i != 1 and i != 2 or n == 7", "i not in [1, 2] or n == 7"),
        ("i == - 1 or i == - 4", "i in [-1, -4]"),
        ("(i == 1 or i == 2) and n is null", "i in [1, 2] and n is null"),
        ('j["k"] == 1 or j["k"] == 2 or j["k"] == "1"', 'j["k"] in [1, 2] or j["k"] == "1"'),
        ("j['k'] == 1 or j['k'] == true or j['k'] == 2", 'j["k"] == 1 or j["k"] == true or j["k"] == 2'),
        ("not i == 1 or i == 2 or i == 3", "i != 1 or i in [2, 3]"),
    ],
)
def test_a_chain_of_equalities_ends_where_it_must(text, same):
    assert _rows(text) == _rows(same)


def test_equal_looking_constants_of_json_are_not_duplicates():
    assert len(bind('j["k"] == 1 and j["k"] == 1.0 and j["k"] == 1', _SCHEMA).items) == 2


def test_constants_in_and_or_need_no_column():
    assert bind("true or n > 0", _SCHEMA) == Always(True)
    assert bind("false and (n > 0 or i == 1)", _SCHEMA) == Always(False)


# --- any tree of leaves: the rows of the whole are those that Kleene's tables give ---

_LEAVES = [
    *(f"i {op} {value}" for op in ("==", "!=", "<", "<=", ">", ">=") for value in (0, 2)),
    *(f"n {op} {value}" for op in ("==", "!=", "<", ">=") for value in (0, 7)),
    *(f"f {op} {value}" for op in ("==", "<", ">") for value in ("0.5", "1")),
    "i in [0, 2, 100]", "n in [0, 5, 7]", "n not in [10]", "n in []", "2 <= n < 8", "0 < i <= 3", "n is null",
    's > "a"', 's <= "a_b"', 's == "apple"', 's in ["apple", ""]', 's like "a%"', "b == true", "b > false",
    'j["k"] == 1', 'j["k"] == 1.0', 'j["k"] == true', 'j["k"] == "1"', 'j["k"] > 0', 'j["k"] < 2', 'j["k"] < 1.5',
    'j["k"] in [1, 2]', 'j["k"] != 1', "a[0] == 3", "a[0] > 1", "a[0] < 4", "array_length(t) > 0",
    "array_length(t) < 2", "i + 1 > 1", "i + 1 < 4", "true", "false",
]  # fmt: skip
_TREES = st.recursive(
    st.sampled_from(_LEAVES),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=5)),
    ),
    max_leaves=10,
)
_KNOWN: dict[str, tuple[set[int], set[int]]] = {}


def _written(tree):
    if isinstance(tree, str):
        return f"({tree})"
    if tree[0] == "not":
        return f"(not {_written(tree[1])})"
    return f"({f' {tree[0]} '.join(_written(item) for item in tree[1])})"


def _kleene(tree):
    """Return the rows where a tree is TRUE and where it is FALSE."""
    if isinstance(tree, str):
        if tree not in _KNOWN:
            _KNOWN[tree] = set(_rows(tree)), set(_rows(f"not ({tree})"))
        return _KNOWN[tree]
    if tree[0] == "not":
        return _kleene(tree[1])[::-1]
    true, false = zip(*map(_kleene, tree[1]), strict=True)
    if tree[0] == "and":
        return set.intersection(*true), set.union(*false)
    return set.union(*true), set.intersection(*false)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(_TREES)
def test_normal_forms_select_what_the_leaves_say(tree):
    true, false = _kleene(tree)
    assert set(_rows(_written(tree))) == true
    assert set(_rows(f"not {_written(tree)}")) == false
