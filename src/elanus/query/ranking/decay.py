"""Decay: how much of a score is left, the further a row's value lies from where it is best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

DECAY_MIN, DECAY_MAX = 0.001, 0.999
"""The range of ``Decay.decay``, both included."""

Curve = Callable[[NDArray[np.float64], "Decay"], NDArray[np.float64]]


class DecayFunction(StrEnum):
    """The curve along which a score falls."""

    GAUSS = "gauss"
    EXP = "exp"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Decay:
    """A curve that is 1 up to ``offset`` from ``origin`` and ``decay`` another ``scale`` further.

    scale   greater than 0
    offset  at least 0
    decay   in ``DECAY_MIN .. DECAY_MAX``
    """

    function: DecayFunction
    origin: float
    scale: float
    offset: float = 0.0
    decay: float = 0.5


def decay_factors(values: NDArray[np.float64], valid: NDArray[np.bool_] | None, decay: Decay) -> NDArray[np.float64]:
    """Return what is left of each row's score, float64 [n] in 0 .. 1; 0 for rows without a value.

    values  float64 [n]
    valid   bool [n], which rows have a value; None when all do
    """
    beyond = np.maximum(0.0, np.abs(values - decay.origin) - decay.offset)
    factors = _CURVES[decay.function](beyond, decay)
    return factors if valid is None else np.where(valid, factors, 0.0)


def _gauss(beyond: NDArray[np.float64], decay: Decay) -> NDArray[np.float64]:
    return np.exp(math.log(decay.decay) * np.square(beyond / decay.scale))


def _exp(beyond: NDArray[np.float64], decay: Decay) -> NDArray[np.float64]:
    return np.exp(math.log(decay.decay) * (beyond / decay.scale))


def _linear(beyond: NDArray[np.float64], decay: Decay) -> NDArray[np.float64]:
    # Milvus' line ends at ``decay``; elsewhere such lines run down to zero.
    return np.maximum(decay.decay, 1.0 - (1.0 - decay.decay) * (beyond / decay.scale))


_CURVES: dict[DecayFunction, Curve] = {
    DecayFunction.GAUSS: _gauss,
    DecayFunction.EXP: _exp,
    DecayFunction.LINEAR: _linear,
}
