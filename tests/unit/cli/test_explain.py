"""``elanus explain`` as a person runs it: a process, its output, its exit code."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pymilvus import DataType
from typer.testing import CliRunner, Result

from elanus.cli.commands import app
from serving import LocalServer, settings_for

ROWS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(settings_for(tmp_path_factory.mktemp("explain"))) as running:
        client = running.connect()
        schema = client.create_schema(enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("price", DataType.INT64)
        schema.add_field("name", DataType.VARCHAR, max_length=50)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        client.create_collection("shop", schema=schema)
        rows = [
            {"id": n, "price": n % 100, "name": f"chair {n}", "color": "red" if n % 2 else "blue", "v": [n, 1]}
            for n in range(ROWS)
        ]
        client.insert("shop", rows[: ROWS // 2])
        client.flush("shop")
        client.insert("shop", rows[ROWS // 2 :])
        index = client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="L2")
        client.create_index("shop", index)
        client.load_collection("shop")
        yield running


def explain(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "elanus", "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "160", "PATH": ""})


def run(server: LocalServer, *arguments: str, width: int = 160) -> Result:
    """Run the command in this process: it is asked many times."""
    return CliRunner().invoke(app, ["explain", *arguments, "--uri", server.uri], env={"COLUMNS": str(width)})


def report(server: LocalServer, text: str, *options: str) -> dict:
    done = run(server, "shop", text, "--json", *options)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_report_counts_the_rows_that_a_query_returns(server: LocalServer) -> None:
    text = 'price < 50 and color == "red" and name like "%7%"'
    told = report(server, text)
    (row,) = server.connect().query("shop", text, output_fields=["count(*)"])
    assert told["selected"] == row["count(*)"] > 0
    assert told["visible"] == told["rows"] == ROWS
    assert [one["state"] for one in told["segments"]] == ["sealed", "growing"]


def test_each_condition_is_asked_about_what_the_one_before_it_left(server: LocalServer) -> None:
    tree = report(server, 'name like "%7%" and price < 50 and color == "red"')["tree"]
    conditions = tree["nodes"]
    assert next(one["text"] for one in conditions) == "price < 50"
    assert conditions[0]["rows_in"] == ROWS
    for before, after in itertools.pairwise(conditions):
        assert after["rows_in"] == before["rows_out"]
    assert conditions[-1]["rows_out"] == tree["rows_out"]


def test_the_table_shows_every_condition_and_its_way(server: LocalServer) -> None:
    done = explain("shop", 'price < 50 or color == "red"', "--uri", server.uri)
    assert done.returncode == 0, done.stderr
    for shown in ("price < 50", 'color == "red"', "column", "JSON", "sealed", "growing", "rows in", "_default"):
        assert shown in done.stdout


def test_templates_and_partitions_are_taken(server: LocalServer) -> None:
    told = report(server, "price in {chosen}", "--value", "chosen=[1, 2]", "--partition", "_default")
    assert told["selected"] == 6
    assert told["meaning"] == "price in [1, 2]"


def test_a_folder_is_enough(server: LocalServer) -> None:
    done = explain("shop", "price == 1", "--data", str(server.settings.data), "--json")
    assert json.loads(done.stdout)["selected"] == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("shop", "price <"), "cannot parse expression"),
        (("shop", "nothing_such("), "cannot parse expression"),
        (("absent", "price < 1"), "collection not found"),
        (("shop", "price == {x}", "--value", "x"), "NAME=JSON"),
        (("shop", "price == {x}"), "{x}"),
    ],
)
def test_what_cannot_be_explained_is_said_in_a_line(server: LocalServer, arguments: tuple[str, ...], says: str) -> None:
    done = run(server, *arguments)
    assert done.exit_code == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_server_or_folder_is_named(tmp_path: Path) -> None:
    assert "127.0.0.1:1" in explain("shop", "true", "--uri", "http://127.0.0.1:1").stderr
    absent = str(tmp_path / "absent")
    assert absent in explain("shop", "true", "--data", absent).stderr


# --- searches ---


def searched(server: LocalServer, *options: str) -> dict:
    done = run(server, "shop", *options, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_finds_what_a_stored_row_is_like(server: LocalServer) -> None:
    told = searched(server, "price < 50", "--search", "v", "--like", "7", "--limit", "3", "--recall")
    assert (told["field"], told["metric"], told["limit"], told["hits"]) == ("v", "L2", 3, 3)
    assert told["filter"] == told["tree"]["text"] == "price < 50"
    assert told["recalls"] == [1.0]


@pytest.mark.parametrize("vector", ["[7, 1]", "[[7, 1], [8, 1]]"])
def test_vectors_are_taken_as_json_or_from_a_file(server: LocalServer, vector: str, tmp_path: Path) -> None:
    file = tmp_path / "asked.npy"
    np.save(file, np.array(json.loads(vector)))
    written = searched(server, "--search", "v", "--vector", vector, "--param", "radius=100.5")
    loaded = searched(server, "--search", "v", "--vector", str(file), "--param", "radius=100.5")
    assert written["nq"] == loaded["nq"] == np.atleast_2d(json.loads(vector)).shape[0]
    assert written["params"]["radius"] == 100.5
    assert written["segments"][0]["scanned"] == loaded["segments"][0]["scanned"] > 0


@pytest.mark.parametrize("width", [80, 120])
def test_a_searchs_report_fits_the_terminal(server: LocalServer, width: int) -> None:
    done = run(server, "shop", "price < 50", "--search", "v", "--like", "7", "--recall", width=width)
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= width
    for shown in ("10 hits in", "from the 150 of 300 rows", "FLAT is an exact scan", "phase", "merge", "recall 1.000"):
        assert shown in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("shop",), "give a filter"),
        (("shop", "--like", "1"), "go with --search"),
        (("shop", "--search", "v"), "--like KEY"),
        (("shop", "--search", "v", "--like", "1", "--vector", "[1, 2]"), "--like KEY"),
        (("shop", "--search", "name", "--like", "1"), "there is no vector field name in shop; it has v"),
        (("shop", "--search", "v", "--like", "x"), "the primary key is an integer"),
        (("shop", "--search", "v", "--like", "9999"), "do not exist"),
        (("shop", "--search", "v", "--vector", "[1, 2"), "neither a .npy file nor JSON"),
        (("shop", "--search", "v", "--vector", "[1, 2, 3]"), "vector dimension mismatch"),
        (("shop", "--search", "v", "--vector", "absent.npy"), "absent.npy"),
        (("shop", "--search", "v", "--like", "1", "--param", "ef"), "NAME=VALUE"),
        (("shop", "price <", "--search", "v", "--like", "1"), "cannot parse expression"),
    ],
)
def test_what_cannot_be_searched_is_said_in_a_line(server: LocalServer, arguments: tuple[str, ...], says: str) -> None:
    done = run(server, *arguments)
    assert done.exit_code == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
