"""Texts that say how rows are ordered and grouped."""

from __future__ import annotations

import pytest

from elanus.engine.search import Sort
from elanus.server.grpc.ordering import parse_groups, parse_order, split_at


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ('doc["x,y"],b', ['doc["x,y"]', "b"]),
        ("doc['x, \"y'],b", ["doc['x, \"y']", "b"]),
        (r'doc["x\",y"][0],b', [r'doc["x\",y"][0]', "b"]),
        ("histogram(a, 3),b", ["histogram(a, 3)", "b"]),
        ("a,,b,", ["a", "", "b", ""]),
        ('a,"b,c', ["a", '"b,c']),
        ("a[b,c", ["a[b", "c"]),
        ("", [""]),
    ],
)
def test_commas_within_quotes_and_brackets_part_nothing(text: str, parts: list[str]) -> None:
    assert split_at(text, ",") == parts


def test_texts_that_never_close_are_split_at_once() -> None:
    assert len(split_at('["a"' * 50_000 + "," + "(" * 50_000 + '"' * 49_999 + '\\"' * 50_000, ",")) == 2


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("", ()),
        ("  ", ()),
        ("a", (Sort("a", descending=False, nulls_first=False),)),
        ("a:", (Sort("a", descending=False, nulls_first=False),)),
        ("a:Desc", (Sort("a", descending=True, nulls_first=True),)),
        ("a:desc:nulls_last", (Sort("a", descending=True, nulls_first=False),)),
        (
            'doc["a:b,c"]:asc:NULLS_FIRST,count( distinct x):desc',
            (Sort('doc["a:b,c"]', descending=False, nulls_first=True), Sort("count( distinct x)", True, True)),
        ),
    ],
)
def test_an_item_is_a_name_a_direction_and_a_place_for_nulls(text: str, sorts: tuple[Sort, ...]) -> None:
    assert parse_order({"order_by_fields": text}) == sorts


@pytest.mark.parametrize(
    ("text", "keys", "having"),
    [
        ("", (), ""),
        ("a,b", ("a", "b"), ""),
        ("a, having count(*) > 3, b in [1, 2]", ("a",), "count(*) > 3, b in [1, 2]"),
        ("HAVING\tsum(a) > 1", (), "sum(a) > 1"),
        ("having,histogram(a, 2)", ("having", "histogram(a, 2)"), ""),
        ("behaving x,having y", ("behaving x",), "y"),
    ],
)
def test_what_begins_with_having_is_a_filter_of_groups(text: str, keys: tuple[str, ...], having: str) -> None:
    assert parse_groups({"group_by_fields": text}) == (keys, having)
