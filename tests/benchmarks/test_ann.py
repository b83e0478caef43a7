"""The benchmark of the vector engine, on the slice in the repository: it runs, and its figures mean what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
SLICE = Path(__file__).parents[1] / "data" / "wordnet"


def run(script: str, *options: object) -> str:
    command = [sys.executable, SCRIPTS / script, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def measure(folder: Path, engines: str, works: str, *options: object) -> tuple[str, dict[str, dict[str, Any]]]:
    kept = folder / "results.json"
    quick = ("--limit", 20, "--budget", 0.02, "--core", -1, "--json", kept)
    shown = run("ann.py", "--engines", engines, "--works", works, *quick, *options)
    return shown, {entry["engine"]: entry for entry in json.loads(kept.read_text())["engines"]}


def test_the_graph_reaches_its_recall_with_and_without_filters(tmp_path: Path) -> None:
    shown, entries = measure(tmp_path, "elanus-sq8", "graph,filter,streams")
    entry = entries["elanus-sq8"]
    assert max(point["recall"] for point in entry["points"]) >= 0.99
    assert set(entry["filtered"]) == {"f50", "f10", "f1", "f01", "c50", "c10", "c1", "c01", "own"}
    for name, points in entry["filtered"].items():
        assert max(point["recall"] for point in points) >= 0.95, name
    assert {(point["batches"], point["batch"]) for point in entry["streams"]} == {(10, 10), (10, 100)}
    assert min(point["recall"] for point in entry["streams"]) >= 0.9
    assert 0 < entry["build"]["bytes_per_row"] < 1_000
    assert "QPS at recall 0.95" in shown


def test_an_exact_scan_is_exact_under_every_filter(tmp_path: Path) -> None:
    shown, entries = measure(tmp_path, "elanus-flat", "flat,filter")
    entry = entries["elanus-flat"]
    recalls = [point["recall"] for points in entry["filtered"].values() for point in points]
    assert recalls == [1.0] * 9
    assert [point["recall"] for point in entry["points"]] == [1.0]
    assert entry["read_bytes_per_s"] > 0
    assert "Exact scan of one query" in shown


def test_the_scan_of_codes_finds_its_neighbours_under_every_filter(tmp_path: Path) -> None:
    shown, entries = measure(tmp_path, "elanus-fastscan", "codes,filter")
    entry = entries["elanus-fastscan"]
    for name, points in {"none": entry["points"], **entry["filtered"]}.items():
        assert max(point["recall"] for point in points) >= 0.98, name
    assert "Scan of 4-bit codes" in shown


def test_a_peer_that_is_not_installed_is_left_out(tmp_path: Path) -> None:
    if importlib.util.find_spec("voyager") is not None:
        pytest.skip("voyager is installed here")
    shown, entries = measure(tmp_path, "voyager-e4m3,elanus-flat", "graph,flat")
    assert entries["voyager-e4m3"]["missing"] == "voyager"
    assert "left out: voyager-e4m3, voyager is not installed" in shown
    assert entries["elanus-flat"]["points"]


def test_results_of_another_machine_data_or_k_are_not_mixed(tmp_path: Path) -> None:
    measure(tmp_path, "elanus-flat", "flat")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        measure(tmp_path, "elanus-flat", "flat", "-k", 5)
    assert "of another machine, data or k" in refused.value.stderr


def test_speed_at_a_recall_is_log_linear_between_sweep_points() -> None:
    program = """
from nearest.curve import at_recall, best_point
points = [{"recall": 0.9, "qps": 10_000}, {"recall": 1.0, "qps": 100}, {"recall": 0.5, "qps": 20_000}]
assert abs(at_recall(points, 0.95) - 1_000) < 1e-6, at_recall(points, 0.95)
assert abs(at_recall(points, 0.4) - 20_000) < 1e-6
assert at_recall(points[:1], 0.95) is None
assert best_point(points)["recall"] == 1.0
assert best_point(points[::2])["recall"] == 0.9
assert best_point([]) is None
"""
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(SCRIPTS)}, check=True)


def test_recall_counts_ties_once_and_no_row_that_the_filter_rejects() -> None:
    program = f"""
from pathlib import Path
import numpy as np
from nearest.data import Dataset
data = Dataset(Path({str(SLICE)!r}), limit=3)
true = [data._truth["c10"][query, :10] for query in range(3)]
assert data.recall(true, 10, "c10") == 1.0
assert data.recall([np.repeat(rows[:1], 10) for rows in true], 10, "c10") == 0.1
rejected = np.flatnonzero(~data.mask("c10"))[:10]
assert data.recall([rejected] * 3, 10, "c10") == 0.0
assert data.recall([np.append(rows[:9], -1) for rows in true], 10, "c10") == 0.9
"""
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(SCRIPTS)}, check=True)


def test_clustered_data_has_exact_neighbours_and_smaller_sets_are_prefixes(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, rows in ((small, 1_000), (large, 3_000)):
        run("clustered.py", folder, "--rows", rows, "--dim", 32, "--queries", 20)
    base, queries = (np.load(large / name).astype(np.float64) for name in ("base.f16.npy", "queries.f16.npy"))
    np.testing.assert_array_equal(np.load(small / "base.f16.npy"), np.load(large / "base.f16.npy")[:1_000])
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    scores = queries @ base.T
    rows, asked = (pq.read_table(large / f"{name}.parquet") for name in ("meta", "queries"))
    u, category = (rows[name].to_numpy() for name in ("u", "category"))
    own = category[None] == asked["category"].to_numpy()[:, None]
    truth = np.load(large / "truth.npz")
    for name, passing in (("all", u[None] < 2), ("f10", u[None] < 0.1), ("f01", u[None] < 0.001), ("own", own)):
        kept = np.where(passing, scores, -np.inf)
        best = np.sort(kept, axis=1)[:, ::-1][:, :100]
        found = np.where(truth[name] >= 0, np.take_along_axis(kept, truth[name].astype(np.int64), 1), -np.inf)
        np.testing.assert_allclose(found, best, atol=1e-6, err_msg=name)
