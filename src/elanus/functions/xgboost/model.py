"""Boosted trees over columns: every row goes down every tree at once, a level at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from elanus.functions.xgboost.ubjson import UbjsonError, decode
from elanus.model.errors import InvalidParameter

Floats = NDArray[np.float32]

KEPT_MODELS: Final = 8
"""Models kept in memory, those used last."""
CELLS_AT_ONCE: Final = 2**15
"""Rows times trees walked in one go, so that memory stays small."""
_EDGE: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Objective:
    """What a model was trained for.

    shown   margins to what the model predicts
    margin  the base score as it is stored to a margin
    """

    shown: Callable[[Floats], Floats]
    margin: Callable[[float], float]


def _same(values: Floats) -> Floats:
    return values


def _logistic(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-values))


def _logit(value: float) -> float:
    clipped = min(max(value, _EDGE), 1 - _EDGE)
    return float(-np.log(1 / clipped - 1))


_PLAIN = Objective(_same, float)
_LOGISTIC = Objective(_logistic, _logit)
_EXPONENTIAL = Objective(np.exp, lambda value: float(np.log(value)))
OBJECTIVES: Final[Mapping[str, Objective]] = {
    "reg:squarederror": _PLAIN,
    "reg:absoluteerror": _PLAIN,
    "reg:pseudohubererror": _PLAIN,
    "reg:squaredlogerror": _PLAIN,
    "reg:logistic": _LOGISTIC,
    "reg:gamma": _EXPONENTIAL,
    "reg:tweedie": _EXPONENTIAL,
    "count:poisson": _EXPONENTIAL,
    "binary:logistic": _LOGISTIC,
    "binary:logitraw": Objective(_same, _logit),
    "rank:pairwise": _PLAIN,
    "rank:ndcg": _PLAIN,
    "rank:map": _PLAIN,
}


@dataclass(frozen=True, slots=True, eq=False)
class TreeModel:
    """A model of many trees, their nodes end to end.

    features   how many columns it takes
    base       margin that all rows begin with
    roots      int64 [trees], position of each tree's first node
    children   int64 [2 * nodes], positions of a node's two: the one for smaller values second; of a leaf itself, twice
    feature    int64 [nodes], the column that a node looks at
    threshold  float32 [nodes], what the value is compared to; of a leaf its value
    missing    bool [nodes], whether rows without a value go left
    levels     steps from a root to the deepest leaf
    """

    features: int
    objective: Objective
    base: float
    roots: NDArray[np.int64]
    children: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing: NDArray[np.bool_]
    levels: int

    def margins(self, columns: Sequence[Floats]) -> Floats:
        """Return the raw score of each row, float32 [rows].

        columns  float32 [rows] for each feature, NaN where a row has no value
        raises   InvalidParameter unless there are as many columns as features
        """
        if len(columns) != self.features:
            raise InvalidParameter(f"xgboost: expected {self.features} feature columns, got {len(columns)}")
        matrix = np.column_stack(columns).astype(np.float32, copy=False)
        step = max(1, CELLS_AT_ONCE // max(1, len(self.roots)))
        sums = [self._sums(matrix[start : start + step]) for start in range(0, len(matrix), step)]
        return np.concatenate(sums) if sums else np.zeros(0, dtype=np.float32)

    def predictions(self, columns: Sequence[Floats]) -> Floats:
        """Return what the model predicts of each row, float32 [rows]: a probability where it was trained for one."""
        return self.objective.shown(self.margins(columns)).astype(np.float32, copy=False)

    def _sums(self, matrix: Floats) -> Floats:
        nodes = np.repeat(self.roots[None], len(matrix), axis=0)
        values, first = np.ascontiguousarray(matrix).reshape(-1), np.arange(len(matrix))[:, None] * self.features
        gaps = bool(np.isnan(values).any())
        for _ in range(self.levels):
            value = values.take(self.feature.take(nodes) + first)
            smaller = value < self.threshold.take(nodes)
            if gaps:
                smaller |= np.isnan(value) & self.missing.take(nodes)
            nodes = self.children.take(2 * nodes + smaller)
        # One tree after the other in 32 bits, base first: the order in which the library adds.
        base = np.full((len(matrix), 1), self.base, dtype=np.float32)
        leaves = np.concatenate((base, self.threshold.take(nodes)), axis=1)
        return np.cumsum(leaves, axis=1, dtype=np.float32)[:, -1]


def load_model(path: Path) -> TreeModel:
    """Return the model in a UBJ file, kept until the file changes; InvalidParameter naming what isn't supported."""
    stat = path.stat()
    return _loaded(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=KEPT_MODELS)
def _loaded(path: Path, _changed_ns: int, _size: int) -> TreeModel:
    return parse_model(path.read_bytes())


def parse_model(data: bytes) -> TreeModel:
    """Return the model that UBJ bytes hold; InvalidParameter for what isn't one, or isn't supported."""
    try:
        return _built(decode(data)["learner"])
    except (UbjsonError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidParameter(f"xgboost: failed to parse UBJ model: {error}") from None


def _built(learner: Mapping[str, Any]) -> TreeModel:
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise InvalidParameter(f"xgboost: unsupported booster: {booster['name']}")
    name = learner["objective"]["name"]
    if name not in OBJECTIVES:
        raise InvalidParameter(f"xgboost: unsupported objective: {name}")
    params, trees = learner["learner_model_param"], booster["model"]["trees"]
    if int(params.get("num_target", 1)) > 1 or int(params.get("num_class", 0)) > 1:
        raise InvalidParameter("xgboost: a model of several outputs is not supported")
    features = int(params["num_feature"])
    base = OBJECTIVES[name].margin(float(str(params["base_score"]).strip("[]")))
    return _joined([_Tree.of(tree, features) for tree in trees], features, OBJECTIVES[name], base)


@dataclass(frozen=True, slots=True)
class _Tree:
    """One tree; children are positions within it, -1 for a leaf's."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing: NDArray[np.bool_]

    @classmethod
    def of(cls, stored: Mapping[str, Any], features: int) -> _Tree:
        """Return a tree as it is stored; ValueError unless its parts fit together."""
        if np.any(stored.get("split_type", 0)):
            raise InvalidParameter("xgboost: categorical splits are not supported")
        left = np.asarray(stored["left_children"], dtype=np.int64)
        right = np.asarray(stored["right_children"], dtype=np.int64)
        feature = np.asarray(stored["split_indices"], dtype=np.int64)
        threshold = np.asarray(stored["split_conditions"], dtype=np.float32)
        missing = np.asarray(stored["default_left"]).astype(np.bool_)
        parts = (left, right, feature, threshold, missing)
        count = len(left)
        children = np.concatenate((left, right))
        if not count or any(part.shape != (count,) for part in parts):
            raise ValueError("parts of a tree differ in length")
        if children.max() >= count or children.min() < -1 or ((left < 0) != (right < 0)).any():
            raise ValueError("a tree has a child that is not in it")
        inner = left >= 0
        if (feature[inner] >= features).any() or (feature[inner] < 0).any():
            raise ValueError("a tree looks at a feature that the model doesn't have")
        return cls(*parts)

    @property
    def levels(self) -> int:
        """Steps from the root to the deepest leaf; ValueError when a child leads back up."""
        level, steps = np.zeros(1, dtype=np.int64), 0
        while True:
            inner = level[self.left[level] >= 0]
            if not len(inner):
                return steps
            level, steps = np.concatenate((self.left[inner], self.right[inner])), steps + 1
            if len(level) > len(self.left):
                raise ValueError("a tree leads back to itself")


def _joined(trees: Sequence[_Tree], features: int, objective: Objective, base: float) -> TreeModel:
    """Return trees end to end, so that one step moves all rows in all of them."""
    sizes = np.array([len(tree.left) for tree in trees], dtype=np.int64)
    roots = np.cumsum(sizes) - sizes
    shift = np.repeat(roots, sizes)
    own = np.arange(int(sizes.sum()))
    left = _all([tree.left for tree in trees], np.int64)
    right = _all([tree.right for tree in trees], np.int64)
    leaf = left < 0
    return TreeModel(
        features=features,
        objective=objective,
        base=base,
        roots=roots.astype(np.int64),
        children=np.where(leaf, own, np.stack((right, left)) + shift).T.reshape(-1).astype(np.int64),
        feature=np.where(leaf, 0, _all([tree.feature for tree in trees], np.int64)).astype(np.int64),
        threshold=_all([tree.threshold for tree in trees], np.float32),
        missing=_all([tree.missing for tree in trees], np.bool_),
        levels=max((tree.levels for tree in trees), default=0),
    )


def _all(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)
