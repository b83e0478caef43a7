"""Figures of rows and of groups equal plain Python, over growing, sealed and deleted rows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient, MilvusException
from search_cases import make
from table_rows import DIM, Row, fill

from elanus.query.tables import tabulate
from serving import LocalServer, settings_for

INTEGERS = ("tiny", "small", "number", "large")
NUMBERS = (*INTEGERS, "ratio", "price")
RANKED = (*NUMBERS, "color", "moment")
GROUPED = ("flag", "tiny", "small", "number", "large", "color", "moment")
FIGURES = (
    "count(*)",
    *(f"count({field})" for field in (*RANKED, "flag", "v", "doc", "tags")),
    *(f"count(distinct {field})" for field in (*RANKED, "flag")),
    *(f"{name}({field})" for name in ("sum", "avg") for field in NUMBERS),
    *(f"{name}({field})" for name in ("min", "max") for field in RANKED),
)


@dataclass
class Collection:
    """The collection, and the rows that are in it, by key."""

    server: LocalServer
    client: MilvusClient
    rows: list[Row]
    name: str = "rows"

    def query(self, *outputs: str, where: str = "", **options: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.client.query(self.name, where, output_fields=list(outputs), **options)]

    def grouped(self, keys: Sequence[str], *outputs: str, **options: Any) -> list[dict[str, Any]]:
        return self.query(*outputs, group_by_fields=list(keys), **options)

    def refused(self, *outputs: str, **options: Any) -> str:
        with pytest.raises(MilvusException) as refusal:
            self.query(*outputs, **options)
        assert refusal.value.code == 1100
        return str(refusal.value.message)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with LocalServer(settings_for(tmp_path_factory.mktemp("table"))) as server:
        client = server.connect()
        yield Collection(server, client, fill(client, "rows"))
        client.close()


# --- plain Python ---


def wrapped(total: int) -> int:
    return (total + 2**63) % 2**64 - 2**63


def mean(values: Sequence[Any]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def total(values: Sequence[Any]) -> Any:
    if not values:
        return None
    return math.fsum(values) if isinstance(values[0], float) else wrapped(sum(values))


MADE: dict[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "sum": total,
    "avg": mean,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}


def figure(rows: Sequence[Row], text: str) -> Any:
    """Return what a figure is of some rows."""
    name, source = text[:-1].split("(")
    if source == "*":
        return len(rows)
    field = source.removeprefix("distinct ")
    values = [row[field] for row in rows if row[field] is not None]
    return MADE[name](list(set(values)) if field != source else values)


def groups_of(rows: Sequence[Row], value: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(value(row), []).append(row)
    return groups


def assert_figures(found: dict[str, Any], rows: Sequence[Row], figures: Sequence[str]) -> None:
    for text in figures:
        expected, got = figure(rows, text), found[text]
        assert type(got) is type(expected), f"{text}: {got!r} instead of {expected!r}"
        assert got == (pytest.approx(expected, rel=1e-6) if isinstance(expected, float) else expected), text


# --- figures ---


@pytest.mark.parametrize("where", ["", "small > 300", 'color == "color 1" and id < 500', "id < 0"])
def test_figures_of_all_rows(kept: Collection, where: str) -> None:
    passes: dict[str, Callable[[Row], bool]] = {
        "": lambda row: True,
        "small > 300": lambda row: row["small"] > 300,
        'color == "color 1" and id < 500': lambda row: row["color"] == "color 1" and row["id"] < 500,
        "id < 0": lambda row: False,
    }
    (found,) = kept.query(*FIGURES, where=where)
    assert list(found) == list(FIGURES)
    assert_figures(found, [row for row in kept.rows if passes[where](row)], FIGURES)


@pytest.mark.parametrize("field", GROUPED)
def test_figures_of_groups(kept: Collection, field: str) -> None:
    found = kept.grouped([field], field, *FIGURES)
    groups = groups_of(kept.rows, lambda row: row[field])
    order = sorted(key for key in groups if key is not None) + [None] * (None in groups)
    assert [row[field] for row in found] == order
    for row in found:
        assert_figures(row, groups[row[field]], FIGURES)


def test_groups_of_several_fields_and_only_some_rows(kept: Collection) -> None:
    rows = [row for row in kept.rows if row["part"] == "second" and row["small"] >= 0]
    groups = groups_of(rows, lambda row: (row["number"], row["color"], row["flag"]))
    found = kept.grouped(
        ["number", "color", "flag"],
        *("count(*)", "color", "flag", "number", "sum(price)"),
        where="small >= 0",
        partition_names=["second"],
    )
    assert len(found) == len(groups)
    for row in found:
        assert_figures(row, groups[row["number"], row["color"], row["flag"]], ["count(*)", "sum(price)"])


def test_groups_alone_are_the_distinct_values(kept: Collection) -> None:
    assert [row["number"] for row in kept.grouped(["number"], "number")] == [-3, -2, -1, 0, 1, 2, 3, None]
    assert kept.grouped(["number"], "number", where="id < 0") == []


def test_names_come_back_as_they_were_written(kept: Collection) -> None:
    (found,) = kept.query("COUNT( * )", "Sum(small)", " avg ( price ) ", "count( DISTINCT color )")
    rows = kept.rows
    assert list(found) == ["COUNT( * )", "Sum(small)", " avg ( price ) ", "count( DISTINCT color )"]
    assert found["COUNT( * )"] == len(rows)
    assert found["Sum(small)"] == sum(row["small"] for row in rows)
    assert found["count( DISTINCT color )"] == 5
    assert kept.query("Count(*)") == [{"Count(*)": len(rows)}]


def test_sums_wrap_as_whole_numbers_of_64_bits_do(kept: Collection) -> None:
    (found,) = kept.query("sum(large)")
    plain = sum(row["large"] for row in kept.rows)
    assert plain >= 2**63
    assert found["sum(large)"] == wrapped(plain)


def test_instants_are_shown_where_the_query_says(kept: Collection) -> None:
    (found,) = kept.query("max(moment)", "min(moment)", timezone="Asia/Tokyo")
    instants = [row["moment"] for row in kept.rows if row["moment"]]
    for name, expected in (("max(moment)", max(instants)), ("min(moment)", min(instants))):
        assert found[name].endswith("+09:00")
        assert datetime.fromisoformat(found[name]) == datetime.fromisoformat(expected)


# --- which groups, in which order ---


def test_a_limit_caps_groups_after_an_offset(kept: Collection) -> None:
    every = kept.grouped(["small"], "small", "count(*)")
    assert kept.grouped(["small"], "small", "count(*)", limit=4, offset=3) == every[3:7]


@pytest.mark.parametrize(
    "order", ["count(*):desc", "avg( price ):asc:nulls_first", "color:desc", "sum(tiny):desc,color"]
)
def test_groups_are_ordered_by_keys_and_figures(kept: Collection, order: str) -> None:
    values: dict[str, Callable[[Sequence[Row]], Any]] = {
        "count(*):desc": lambda rows: -len(rows),
        "avg( price ):asc:nulls_first": lambda rows: figure(rows, "avg(price)"),
        "color:desc": lambda rows: (rows[0]["color"] is not None, [-ord(sign) for sign in rows[0]["color"] or ""]),
        "sum(tiny):desc,color": lambda rows: -figure(rows, "sum(tiny)"),
    }
    groups = groups_of(kept.rows, lambda row: row["color"])
    expected = sorted(groups, key=lambda key: (values[order](groups[key]), key is None, key))
    found = kept.grouped(["color"], "color", order_by=order, limit=10)
    assert [row["color"] for row in found] == expected


def test_having_leaves_groups_out(kept: Collection) -> None:
    groups = groups_of(kept.rows, lambda row: row["color"])
    counts = sorted(len(rows) for rows in groups.values())
    least = counts[len(counts) // 2]
    having = (
        f'having count(*) >= {least} and avg(price) > -100 and color in ["color 1", "color 2", "count(*)", "color 0"]'
    )
    found = kept.grouped(["color", having], "color", "count(*)")
    wanted = {"color 0", "color 1", "color 2"}
    expected = {key: len(rows) for key, rows in groups.items() if key in wanted and len(rows) >= least}
    assert {row["color"]: row["count(*)"] for row in found} == expected
    assert 0 < len(expected) < 3
    nulls = kept.grouped(["color", "HAVING color is null"], "color", "count(*)")
    assert nulls == [{"color": None, "count(*)": len(groups[None])}]
    assert kept.query("sum(small)", group_by_fields=["having count(*) < 3"]) == []


def test_having_takes_templates(kept: Collection) -> None:
    groups = groups_of(kept.rows, lambda row: row["number"])
    found = kept.grouped(
        ["number", "having max(price) > {most}"],
        *("number", "max(price)"),
        where="small > {least}",
        filter_params={"least": -5000, "most": 14.6},
    )
    expected = {key: figure(rows, "max(price)") for key, rows in groups.items() if figure(rows, "max(price)") > 14.6}
    assert {row["number"]: row["max(price)"] for row in found} == expected
    assert 0 < len(expected) < len(groups)


@pytest.mark.parametrize(
    ("key", "field", "width", "kind"),
    [
        ("histogram(price, 5)", "price", 5.0, float),
        ("Histogram( price , 2.5 )", "price", 2.5, float),
        ("histogram(small,300)", "small", 300, int),
        ("histogram(small, 1e3)", "small", 1000.0, float),
        ("histogram(ratio, 0.5)", "ratio", 0.5, float),
    ],
)
def test_histograms_count_rows_between_bounds(
    kept: Collection, key: str, field: str, width: float, kind: type[Any]
) -> None:
    def bound(row: Row) -> Any:
        return None if row[field] is None else math.floor(row[field] / width) * width

    groups = groups_of(kept.rows, bound)
    found = kept.grouped([key, "flag"], key, "flag", "count(*)", order_by=f"{key}:desc,flag", limit=1000)
    assert {type(row[key]) for row in found} <= {kind, type(None)}
    counts: dict[Any, int] = {}
    for row in found:
        counts[row[key]] = counts.get(row[key], 0) + row["count(*)"]
    assert counts == {value: len(rows) for value, rows in groups.items()}
    bounds = [row[key] for row in found if row[key] is not None]
    assert bounds == sorted(bounds, reverse=True)


def test_too_many_groups_are_refused(kept: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabulate, "QUERY_GROUPS", 8)
    assert len(kept.grouped(["number"], "number")) == 8
    assert "the number of groups exceeds the limit 8" in kept.refused("small", group_by_fields=["small"])


@pytest.mark.parametrize("codes", [2, 40, 10_000])
def test_distinct_values_are_counted_however_many_there_are(
    kept: Collection, monkeypatch: pytest.MonkeyPatch, codes: int
) -> None:
    monkeypatch.setattr(tabulate, "MOST_CODES", codes)
    groups = groups_of(kept.rows, lambda row: (row["color"], row["small"]))
    figures = ["count(distinct price)", "count(distinct moment)"]
    for row in kept.grouped(["color", "small"], "color", "small", *figures):
        assert_figures(row, groups[row["color"], row["small"]], figures)


def test_a_collection_without_rows_has_figures(kept: Collection) -> None:
    schema = kept.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("s", DataType.VARCHAR, max_length=9)
    make(kept.client, "empty", schema, [("v", "FLAT", "L2", {})])
    outputs = ["count(*)", "count(distinct s)", "max(s)", "avg(id)"]
    (found,) = kept.client.query("empty", "", output_fields=outputs)
    assert dict(found) == {"count(*)": 0, "count(distinct s)": 0, "max(s)": None, "avg(id)": None}
    assert kept.client.query("empty", "", output_fields=["s", *outputs], group_by_fields=["s"]) == []


def test_asynchronous_clients_aggregate_as_well(kept: Collection) -> None:
    async def ask() -> Any:
        client = AsyncMilvusClient(kept.server.uri)
        try:
            return await client.query(kept.name, "", output_fields=["flag", "count(*)"], group_by_fields=["flag"])
        finally:
            await client.close()

    groups = groups_of(kept.rows, lambda row: row["flag"])
    assert {row["flag"]: row["count(*)"] for row in asyncio.run(ask())} == {
        key: len(rows) for key, rows in groups.items()
    }
