"""Our evaluation of XGBoost models against what the library said of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from elanus.functions.xgboost.model import load_model, parse_model
from elanus.functions.xgboost.ubjson import UbjsonError, decode
from elanus.model.errors import InvalidParameter

FOLDER = Path(__file__).parents[2] / "data" / "xgboost"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def columns_of(name: str) -> list[np.ndarray]:
    return [np.array([np.nan if value is None else value for value in column], dtype=np.float32)
            for column in EXPECTED[name]["features"]]  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_scores_are_those_of_the_library(name: str) -> None:
    model = load_model(FOLDER / f"{name}.ubj")
    columns = columns_of(name)
    assert any(np.isnan(column).any() for column in columns)
    np.testing.assert_allclose(model.margins(columns), EXPECTED[name]["raw"], atol=2e-6)
    np.testing.assert_allclose(model.predictions(columns), EXPECTED[name]["default"], atol=2e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_scores_are_those_of_the_installed_library(name: str) -> None:
    library = pytest.importorskip("xgboost")
    booster = library.Booster(model_file=str(FOLDER / f"{name}.ubj"))
    random = np.random.default_rng(3)
    rows = random.normal(size=(500, booster.num_features())).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    model = load_model(FOLDER / f"{name}.ubj")
    expected = booster.predict(library.DMatrix(rows), output_margin=True)
    np.testing.assert_allclose(model.margins(list(rows.T)), expected, atol=1e-5)


def test_many_rows_are_scored_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    model, columns = load_model(FOLDER / "binary.ubj"), columns_of("binary")
    whole = model.margins(columns)
    monkeypatch.setattr("elanus.functions.xgboost.model.CELLS_AT_ONCE", 7 * len(model.roots))
    np.testing.assert_array_equal(model.margins(columns), whole)
    assert len(model.margins([column[:0] for column in columns])) == 0


def test_as_many_columns_as_features() -> None:
    with pytest.raises(InvalidParameter, match="expected 4 feature columns, got 1"):
        load_model(FOLDER / "binary.ubj").margins(columns_of("binary")[:1])


@pytest.mark.parametrize(
    ("name", "message"),
    [("linear", "unsupported booster: gblinear"), ("classes", "unsupported objective: multi:softprob")],
)
def test_what_is_not_supported_is_named(name: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        load_model(FOLDER / f"{name}.ubj")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    path.write_bytes((FOLDER / "binary.ubj").read_bytes())
    assert load_model(path).features == 4
    path.write_bytes((FOLDER / "ranking.ubj").read_bytes())
    assert load_model(path).features == 3


def test_damaged_models_are_refused_not_believed() -> None:
    data = (FOLDER / "squared.ubj").read_bytes()
    random = np.random.default_rng(1)
    columns = columns_of("squared")
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        for place in random.integers(len(data), size=2):
            damaged[place] = random.integers(256)
        try:
            model = parse_model(
                bytes(damaged[: random.integers(1, len(data) + 1)] if random.random() < 0.2 else damaged)
            )
            model.margins(columns[: model.features])
        except InvalidParameter:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\x00\x01\x00\x00", 65536),
        (b"D?\xf8\x00\x00\x00\x00\x00\x00", 1.5),
        (b"Si\x02ab", "ab"),
        (b"[i\x01F]", [1, False]),
        (b"[#i\x02i\x01i\x02", [1, 2]),
        (b"{i\x01ai\x05}", {"a": 5}),
        (b"{#i\x01i\x01ai\x05", {"a": 5}),
        (b"{$i#i\x01i\x01a\x05", {"a": 5}),
    ],
)
def test_ubjson_values(data: bytes, value: object) -> None:
    assert decode(data) == value


def test_ubjson_typed_arrays_are_numpy() -> None:
    found = decode(b"[$d#i\x02?\x80\x00\x00@\x00\x00\x00")
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i",
        b"Q",
        b"TT",
        b"[",
        b"[$i",
        b"[$i#i\x05\x01",
        b"Si\x05ab",
        b"SD?\xf8",
        b"Si\x01\xff",
        b"[" * 100,
        b"[#l\x7f\xff\xff\xff",
        b"Si\xff",
    ],
)
def test_what_is_no_ubjson(data: bytes) -> None:
    with pytest.raises(UbjsonError):
        decode(data)
