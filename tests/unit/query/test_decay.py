"""Decay: the curves' check values."""

from __future__ import annotations

import numpy as np
import pytest

from elanus.query.ranking.decay import Decay, DecayFunction, decay_factors

BEYOND = np.array([0.0, 5.0, 10.0, 20.0])
CHECKED = {
    DecayFunction.GAUSS: [1, 0.840896, 0.5, 0.0625],
    DecayFunction.EXP: [1, 0.707107, 0.5, 0.25],
    DecayFunction.LINEAR: [1, 0.75, 0.5, 0.5],
}


@pytest.mark.parametrize("function", DecayFunction)
@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_curves_have_their_check_values_on_both_sides_of_the_origin(
    function: DecayFunction, side: float, offset: float
) -> None:
    decay = Decay(function, origin=100.0, scale=10.0, offset=offset, decay=0.5)
    values = 100.0 + side * (BEYOND + offset)
    np.testing.assert_allclose(decay_factors(values, None, decay), CHECKED[function], atol=1e-6)


@pytest.mark.parametrize("function", DecayFunction)
def test_the_factor_is_decay_at_scale_and_one_within_offset(function: DecayFunction) -> None:
    decay = Decay(function, origin=-3.0, scale=0.25, offset=2.0, decay=0.3)
    np.testing.assert_allclose(decay_factors(np.array([-0.75, -5.0, -1.5]), None, decay), [0.3, 1, 1])


@pytest.mark.parametrize("function", DecayFunction)
def test_rows_without_a_value_keep_nothing(function: DecayFunction) -> None:
    decay = Decay(function, origin=0.0, scale=1.0)
    factors = decay_factors(np.array([0.0, np.nan, 1.0]), np.array([True, False, False]), decay)
    assert factors.tolist() == [1, 0, 0]


def test_instants_far_from_zero_are_told_apart_to_the_microsecond() -> None:
    origin = 1_700_000_000_000_000
    decay = Decay(DecayFunction.EXP, origin=float(origin), scale=1.0)
    np.testing.assert_allclose(decay_factors(np.array([origin + 1.0, origin + 2.0]), None, decay), [0.5, 0.25])
