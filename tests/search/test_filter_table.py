"""Every line of the filter table through a stock client: growing, sealed, under each kind of index, after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import filter_collection as table
import pytest
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

import filter_cases
import filter_table
from elanus.model.settings import JobSettings, SegmentSettings
from serving import LocalServer, settings_for

Ask = Callable[[MilvusClient, str, str, dict[str, Any]], list[int]]
BY_FLUSH_ONLY = 3600.0
"""An age, in seconds, at which no row is sealed while tests run."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    segment = SegmentSettings(seal_after_s=BY_FLUSH_ONLY)
    settings = settings_for(tmp_path_factory.mktemp("table"), jobs=JobSettings(index_min_rows=1), segment=segment)
    with LocalServer(settings) as running:
        yield running


def wrong(client: MilvusClient, name: str, ask: Ask = table.queried) -> list[str]:
    """Return the lines whose rows differ from the table's, with what came."""
    differing = []
    for text, expected, values in filter_cases.LEGAL:
        came = ask(client, name, text, values)
        if came != expected:
            differing.append(f"{text!r} with {values}: expected {expected}, found {came}")
    return differing


def explained(server: LocalServer, name: str) -> set[str]:
    """Return how the lines were answered, once their reports count the rows that the table names."""
    explainer = table.Explainer(server.target)
    answered = set()
    for text, expected, values in filter_cases.LEGAL:
        report = explainer.report(name, text, values)
        assert report["selected"] == len(expected), text
        answered |= table.ways(report)
    explainer.close()
    return answered


def first_read(server: LocalServer, name: str) -> set[str]:
    """Return how a JSON path is read that nothing has asked for; once read, its values are kept in memory."""
    explainer = table.Explainer(server.target)
    report = explainer.report(name, 'j["arr"] is null', {})
    explainer.close()
    assert report["selected"] == 7
    return table.ways(report)


# --- growing ---


@pytest.fixture(scope="module")
def growing(server: LocalServer) -> str:
    """A collection of rows in memory."""
    table.create(server.connect(), "growing", filter_table.rows())
    return "growing"


def test_growing_rows_are_selected(server: LocalServer, growing: str) -> None:
    assert wrong(server.connect(), growing) == []


def test_growing_rows_are_found_by_their_vectors(server: LocalServer, growing: str) -> None:
    assert wrong(server.connect(), growing, table.found) == []


def test_what_the_language_refuses_is_refused_with_its_text(server: LocalServer, growing: str) -> None:
    client = server.connect()
    for text, values in filter_cases.REFUSED:
        for ask in (table.queried, table.found):
            with pytest.raises(MilvusException) as caught:
                ask(client, growing, text, values)
            assert caught.value.code == 1100, text
            assert f"cannot parse expression: {text}, error: " in caught.value.message


def test_text_searches_need_a_field_that_is_analysed(server: LocalServer, growing: str) -> None:
    client = server.connect()
    for text, _, values in filter_cases.TEXT_SEARCHES:
        with pytest.raises(MilvusException, match='field "txt" does not enable match') as caught:
            table.queried(client, growing, text, values)
        assert caught.value.code == 1100


def test_a_sample_is_half_of_the_rows_of_its_predicate(server: LocalServer, growing: str) -> None:
    client = server.connect()
    for text, among, values in filter_cases.SAMPLED:
        rows = table.queried(client, growing, text, values)
        assert len(rows) == len(set(rows)) == len(among) // 2
        assert set(rows) <= set(among)


# --- sealed ---


@pytest.fixture(scope="module")
def sealed(server: LocalServer) -> str:
    """A collection of rows in files."""
    client = server.connect()
    table.create(client, "sealed", filter_table.rows())
    client.flush("sealed")
    return "sealed"


def test_sealed_rows_are_selected(server: LocalServer, sealed: str) -> None:
    assert first_read(server, sealed) == {"raw JSON"}
    assert wrong(server.connect(), sealed) == []
    assert wrong(server.connect(), sealed, table.found) == []


@pytest.mark.parametrize("indexes", table.INDEXES)
def test_rows_are_selected_by_index(server: LocalServer, sealed: str, indexes: str) -> None:
    """Each index answers lines, before a restart and after it; none does once it is dropped."""
    client = server.connect()
    names = table.build(client, sealed, indexes)
    wanted = {f"index {name}" for name in names}
    assert wrong(client, sealed) == []
    assert wanted - explained(server, sealed) == set()
    server.restart()
    client = server.connect()
    assert wrong(client, sealed, table.found) == []
    assert wanted - explained(server, sealed) == set()
    table.drop(client, sealed, names)
    assert not any(way.startswith("index ") for way in explained(server, sealed))


def test_rows_are_selected_once_indexes_are_gone(server: LocalServer, sealed: str) -> None:
    client = server.connect()
    table.drop(client, sealed, table.build(client, sealed, "BITMAP"))
    assert wrong(client, sealed) == []


def test_rows_are_selected_from_typed_json(tmp_path_factory: pytest.TempPathFactory) -> None:
    segment = SegmentSettings(seal_after_s=BY_FLUSH_ONLY, typed_json_rows=1)
    settings = settings_for(tmp_path_factory.mktemp("typed"), jobs=JobSettings(index_min_rows=1), segment=segment)
    with LocalServer(settings) as server:
        client = server.connect()
        table.create(client, "typed", filter_table.rows())
        client.flush("typed")
        assert first_read(server, "typed") == {"typed JSON"}
        assert wrong(client, "typed") == []
        table.build(client, "typed", "others")
        assert wrong(client, "typed") == []


# --- growing, sealed and dead ---


@pytest.fixture(scope="module")
def mixed(server: LocalServer) -> str:
    """Odd keys sealed, even ones growing; under all of them rows that are dead and would answer otherwise."""
    client = server.connect()
    table.create(client, "mixed", table.rows_with_values_of_others())
    client.flush("mixed")
    odd, even = filter_table.rows()[::2], filter_table.rows()[1::2]
    client.upsert("mixed", odd)
    client.flush("mixed")
    client.delete("mixed", ids=[row["id"] for row in even])
    client.insert("mixed", even)
    return "mixed"


def test_the_mixed_rows_are_what_they_are_said_to_be(server: LocalServer, mixed: str) -> None:
    explainer = table.Explainer(server.target)
    segments = explainer.report(mixed, "i >= -4", {})["segments"]
    explainer.close()
    assert {segment["state"] for segment in segments} == {"growing", "sealed"}
    assert sum(segment["visible"] for segment in segments) == 8
    assert sum(segment["rows"] for segment in segments) > 8


@pytest.mark.parametrize("indexes", ["INVERTED", "others"])
def test_only_rows_that_live_are_selected(server: LocalServer, mixed: str, indexes: str) -> None:
    client = server.connect()
    names = table.build(client, mixed, indexes)
    assert wrong(client, mixed) == []
    assert wrong(client, mixed, table.found) == []
    assert {f"index {name}" for name in names} - explained(server, mixed) == set()
    table.drop(client, mixed, names)


# --- deletes ---


@pytest.fixture(scope="module")
def indexed(server: LocalServer) -> str:
    """A collection of rows in files, with indexes."""
    client = server.connect()
    table.create(client, "indexed", filter_table.rows())
    client.flush("indexed")
    table.build(client, "indexed", "AUTOINDEX")
    return "indexed"


SELECTING = [[case for case in section if case[1] and len(case[1]) < 8] for section in filter_cases.SECTIONS.values()]


@pytest.mark.parametrize(("text", "expected", "values"), [section[-1] for section in SELECTING if section])
def test_a_delete_takes_the_rows_that_its_filter_selects(
    server: LocalServer, indexed: str, text: str, expected: list[int], values: dict[str, Any]
) -> None:
    client = server.connect()
    assert client.delete(indexed, filter=text, filter_params=values)["delete_count"] == len(expected)
    assert table.queried(client, indexed, "id > 0", {}) == [key for key in range(1, 9) if key not in expected]
    client.insert(indexed, [row for row in filter_table.rows() if row["id"] in expected])
    assert table.queried(client, indexed, text, values) == expected


@pytest.mark.parametrize("text", ["", "true", "1 == 1", "id =="])
def test_a_filter_that_says_nothing_of_the_rows_deletes_none(server: LocalServer, indexed: str, text: str) -> None:
    client = server.connect()
    with pytest.raises(MilvusException):
        client.delete(indexed, filter=text)
    assert len(table.queried(client, indexed, "id > 0", {})) == 8
