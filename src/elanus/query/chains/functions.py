"""The functions of chains: columns in, one column out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.functions.rerank import RerankModel, check_queries, model_scores, open_model
from elanus.functions.resources import find_resource
from elanus.functions.xgboost import load_model
from elanus.model.errors import InvalidParameter
from elanus.model.registry import Registry
from elanus.query.chains.frame import column_of, numbers
from elanus.query.chains.given import Given
from elanus.query.chains.scope import Scope
from elanus.query.chains.spec import ChainStage
from elanus.query.ranking.decay import DECAY_MAX, DECAY_MIN, Decay, DecayFunction, decay_factors

DECIMALS: Final = 6
MODEL_SUFFIX: Final = ".ubj"


class Function(Protocol):
    """A bound function."""

    def apply(self, columns: Sequence[pa.Array], counts: NDArray[np.int64], /) -> pa.Array:
        """Return the output column.

        columns  [n] each, as many and of the types that it was bound with
        counts   int64 [nq], rows of each query
        """


@dataclass(frozen=True, slots=True)
class FunctionKind:
    """A function that chains may call.

    stages  where
    output  type of what it returns
    bind    checks columns and parameters; raises InvalidParameter or MissingParameter
    """

    name: str
    stages: frozenset[ChainStage]
    output: pa.DataType
    bind: Callable[[Given, Sequence[str], Scope], Function]


FUNCTIONS: Final[Registry[FunctionKind]] = Registry("chain function")
BOTH: Final = frozenset({ChainStage.L0_RERANK, ChainStage.L2_RERANK})


# --- decay ---


@dataclass(frozen=True, slots=True)
class DecayFactor:
    """What is left of a score, by a column's value; NULL stays NULL."""

    decay: Decay

    @classmethod
    def bind(cls, given: Given, columns: Sequence[str], scope: Scope) -> DecayFactor:
        """Check the curve."""
        given.only("function", "origin", "scale", "offset", "decay")
        _numeric(given, columns, scope, count=1)
        curve = Decay(
            DecayFunction(given.choice("function", tuple(DecayFunction))),
            origin=given.number("origin"),
            scale=given.number("scale"),
            offset=given.number("offset", 0.0),
            decay=given.number("decay", 0.5),
        )
        if not curve.scale > 0:
            raise InvalidParameter(f"decay: scale must be > 0, got {curve.scale:g}")
        if not curve.offset >= 0:
            raise InvalidParameter(f"decay: offset must be >= 0, got {curve.offset:g}")
        if not DECAY_MIN <= curve.decay <= DECAY_MAX:
            raise InvalidParameter(f"decay: decay must be between {DECAY_MIN} and {DECAY_MAX}, got {curve.decay:g}")
        return cls(curve)

    def apply(self, columns: Sequence[pa.Array], _counts: NDArray[np.int64], /) -> pa.Array:
        """Return the factors, float64 in 0 .. 1."""
        values, valid = numbers(columns[0])
        return column_of(decay_factors(values, None, self.decay), valid)


# --- arithmetic ---


WEIGHTED: Final = "weighted"
AVERAGE: Final = "avg"
_COMBINE: Final[Mapping[str, np.ufunc]] = {
    "multiply": np.multiply,
    "sum": np.add,
    "max": np.maximum,
    "min": np.minimum,
    AVERAGE: np.add,
    WEIGHTED: np.add,
}


@dataclass(frozen=True, slots=True)
class NumCombine:
    """Several columns as one; NULL where one of them is.

    weights  what each is multiplied with first
    """

    mode: str
    weights: tuple[float, ...]

    @classmethod
    def bind(cls, given: Given, columns: Sequence[str], scope: Scope) -> NumCombine:
        """Check mode and weights."""
        given.only("mode", "weights")
        if len(columns) < 2:
            raise InvalidParameter(f"num_combine: expected at least 2 input columns, got {len(columns)}")
        _numeric(given, columns, scope)
        mode, weights = given.choice("mode", tuple(_COMBINE), "multiply"), given.number_list("weights")
        if mode != WEIGHTED:
            if weights:
                raise InvalidParameter("num_combine: weights can only be used with mode weighted")
            return cls(mode, (1 / len(columns) if mode == AVERAGE else 1.0,) * len(columns))
        if len(weights) != len(columns):
            raise InvalidParameter(f"num_combine: weighted mode requires {len(columns)} weights, got {len(weights)}")
        if not all(math.isfinite(weight) for weight in weights):
            raise InvalidParameter(f"num_combine: weights must be finite, got {list(weights)}")
        return cls(mode, weights)

    def apply(self, columns: Sequence[pa.Array], _counts: NDArray[np.int64], /) -> pa.Array:
        """Return the combined numbers, float64."""
        read = [numbers(column) for column in columns]
        valid = np.ones(len(columns[0]), dtype=np.bool_)
        for _, here in read:
            valid &= True if here is None else here
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.stack([values * weight for (values, _), weight in zip(read, self.weights, strict=True)])
            return column_of(_COMBINE[self.mode].reduce(values, axis=0), valid)


@dataclass(frozen=True, slots=True)
class RoundDecimal:
    """A number to some decimals, halves away from zero; NULL stays NULL."""

    decimals: int

    @classmethod
    def bind(cls, given: Given, columns: Sequence[str], scope: Scope) -> RoundDecimal:
        """Check the decimals."""
        given.only("decimal")
        _numeric(given, columns, scope, count=1)
        return cls(given.whole("decimal", low=0, high=DECIMALS))

    def apply(self, columns: Sequence[pa.Array], _counts: NDArray[np.int64], /) -> pa.Array:
        """Return the rounded numbers, float64."""
        values, valid = numbers(columns[0])
        unit = 10.0**self.decimals
        return column_of(np.copysign(np.floor(np.abs(values) * unit + 0.5) / unit, values), valid)


# --- models ---


@dataclass(frozen=True, slots=True)
class RerankByModel:
    """What a rerank model says of texts; NULL is an empty text."""

    model: RerankModel
    queries: tuple[str, ...]

    @classmethod
    def bind(cls, given: Given, columns: Sequence[str], scope: Scope) -> RerankByModel:
        """Check the provider's parameters; nothing is called yet."""
        _count(given, columns, 1)
        kind = scope.read(columns[0])
        if not pa.types.is_large_string(kind):
            raise InvalidParameter(f"rerank_model: input column must be VarChar, got {kind}")
        if "queries" not in given.params:
            raise InvalidParameter("rerank_model: queries must not be empty")
        others = {name: value for name, value in given.params.items() if name != "queries"}
        return cls(open_model(others, scope.functions), check_queries(given.params["queries"]))

    def apply(self, columns: Sequence[pa.Array], counts: NDArray[np.int64], /) -> pa.Array:
        """Return the model's scores, float32."""
        return pa.array(model_scores(self.model, self.queries, columns[0], counts))


@dataclass(frozen=True, slots=True)
class XGBoost:
    """What an XGBoost model predicts from columns; NULL is a missing value, which the model has a way for.

    raw  return the margin, not what the objective makes of it
    """

    path: Path
    raw: bool

    @classmethod
    def bind(cls, given: Given, columns: Sequence[str], scope: Scope) -> XGBoost:
        """Find the model and check that it takes so many columns."""
        given.only("model_resource", "output")
        if not columns:
            raise InvalidParameter("xgboost: expected at least one feature column")
        name = given.text("model_resource")
        output = given.choice("output", ("default", "raw"), "default")
        _numeric(given, columns, scope)
        path = find_resource(name, scope.functions.resources, MODEL_SUFFIX)
        features = load_model(path).features
        if features != len(columns):
            raise InvalidParameter(f"xgboost: expected {features} feature columns, got {len(columns)}")
        return cls(path, raw=output == "raw")

    def apply(self, columns: Sequence[pa.Array], _counts: NDArray[np.int64], /) -> pa.Array:
        """Return the predictions, float32."""
        features = []
        for column in columns:
            values, valid = numbers(column)
            with np.errstate(over="ignore"):
                narrow = values.astype(np.float32)
            features.append(narrow if valid is None else np.where(valid, narrow, np.float32(np.nan)))
        model = load_model(self.path)
        return pa.array(model.margins(features) if self.raw else model.predictions(features))


def _numeric(given: Given, columns: Sequence[str], scope: Scope, *, count: int | None = None) -> None:
    if count is not None:
        _count(given, columns, count)
    for name in columns:
        scope.numeric(given.owner, name)


def _count(given: Given, columns: Sequence[str], count: int) -> None:
    if len(columns) != count:
        raise InvalidParameter(f"{given.owner}: expected {count} input column, got {len(columns)}")


FUNCTIONS.register(FunctionKind("decay", BOTH, pa.float64(), DecayFactor.bind))
FUNCTIONS.register(FunctionKind("num_combine", BOTH, pa.float64(), NumCombine.bind))
FUNCTIONS.register(FunctionKind("round_decimal", BOTH, pa.float64(), RoundDecimal.bind))
FUNCTIONS.register(FunctionKind("rerank_model", frozenset({ChainStage.L2_RERANK}), pa.float32(), RerankByModel.bind))
FUNCTIONS.register(FunctionKind("xgboost", frozenset({ChainStage.L0_RERANK}), pa.float32(), XGBoost.bind))
