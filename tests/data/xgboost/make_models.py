"""Train the models of this folder and write what the library says of them; needs xgboost, which no test does.

    python tests/data/xgboost/make_models.py

The files here were made with xgboost 3.2.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

FOLDER = Path(__file__).parent
RANDOM = np.random.default_rng(5)
GAPS = 0.1
Rows = np.ndarray


def drawn(rows: int, features: int) -> Rows:
    """Return random rows with some values missing."""
    values = RANDOM.normal(size=(rows, features)).astype(np.float32)
    values[RANDOM.random(values.shape) < GAPS] = np.nan
    return values


def made(name: str, features: int, label: Callable[[Rows], Rows], trees: int, group: int = 0, **params: Any) -> Any:
    """Train and save a model; return columns of other rows, and their scores."""
    rows = drawn(400, features)
    data = xgboost.DMatrix(rows, label=label(np.nan_to_num(rows)))
    if group:
        data.set_group([group] * (len(rows) // group))
    model = xgboost.train({"seed": 3, "max_depth": 4, "eta": 0.3} | params, data, trees)
    model.save_model(FOLDER / f"{name}.ubj")
    asked = drawn(60, features)
    return {
        "features": [[None if np.isnan(value) else float(value) for value in column] for column in asked.T],
        "raw": model.predict(xgboost.DMatrix(asked), output_margin=True).astype(float).tolist(),
        "default": model.predict(xgboost.DMatrix(asked)).astype(float).tolist(),
    }


def graded(rows: Rows) -> Rows:
    """Return grades 0 to 3."""
    return np.digitize(rows[:, 0] + 0.5 * rows[:, 1], [-1, 0, 1])


def main() -> None:
    """Write all files."""
    expected = {
        "binary": made(
            "binary", 4, lambda rows: rows[:, 0] + rows[:, 1] * rows[:, 2] > 0, 20, objective="binary:logistic"
        ),
        "ranking": made("ranking", 3, graded, 15, group=20, objective="rank:ndcg"),
        "pairwise": made("pairwise", 2, lambda rows: rows[:, 0] > 0, 5, group=20, objective="rank:pairwise"),
        "poisson": made("poisson", 2, lambda rows: np.floor(3 * np.abs(rows[:, 0])), 8, objective="count:poisson"),
        "squared": made("squared", 2, lambda rows: rows[:, 0], 1, objective="reg:squarederror", base_score=0.5),
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected))
    data = xgboost.DMatrix(RANDOM.normal(size=(50, 2)), label=RANDOM.integers(3, size=50))
    linear = {"booster": "gblinear", "objective": "reg:squarederror"}
    xgboost.train(linear, data, 2).save_model(FOLDER / "linear.ubj")
    classes = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2}
    xgboost.train(classes, data, 1).save_model(FOLDER / "classes.ubj")


if __name__ == "__main__":
    main()
