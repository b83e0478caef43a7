"""Which rows a sample takes: how many, from where, with what chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from elanus.model.bitset import Bitset
from elanus.query.sampling import sample


@dataclass(frozen=True)
class Rows:
    """All that a sample asks of a segment."""

    name: str
    num_rows: int


def _drawn(pinned, fraction, seed=7):
    drawn = sample(pinned, fraction, np.random.default_rng(seed))
    return {
        segment.name: list(range(segment.num_rows)) if rows is None else rows.rows().tolist() for segment, rows in drawn
    }


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.5, 10), (0.24, 4), (0.26, 5), (0.001, 1), (0.0499, 1), (0.999, 19)]
)
def test_a_sample_has_the_floor_of_its_part_and_at_least_one_row(fraction, expected):
    pinned = [(Rows("a", 8), None), (Rows("b", 100), Bitset.from_rows(np.arange(20, 30), 100)), (Rows("c", 2), None)]
    for seed in range(20):
        drawn = _drawn(pinned, fraction, seed)
        assert sum(map(len, drawn.values())) == expected
        assert all(len(set(rows)) == len(rows) for rows in drawn.values())
        assert set(drawn.get("b", ())) <= set(range(20, 30))


def test_a_sample_of_nothing_is_empty():
    assert _drawn([], 0.5) == {}
    assert _drawn([(Rows("a", 4), Bitset.none(4))], 0.5) == {}


def test_the_one_row_that_passes_is_always_taken():
    pinned = [(Rows("a", 1000), Bitset.none(1000)), (Rows("b", 9), Bitset.from_rows(np.array([4]), 9))]
    assert all(_drawn(pinned, 0.01, seed) == {"b": [4]} for seed in range(20))


def test_the_same_seed_draws_the_same_rows():
    pinned = [(Rows("a", 1000), None), (Rows("b", 1000), None)]
    assert _drawn(pinned, 0.1, 1) == _drawn(pinned, 0.1, 1)
    assert _drawn(pinned, 0.1, 1) != _drawn(pinned, 0.1, 2)


def test_every_row_has_the_same_chance_wherever_it_lies():
    """Chi-squared over 40 rows: 39 degrees of freedom stay below 80 but for one seed in ten thousand."""
    pinned = [(Rows("a", 5), None), (Rows("b", 70), Bitset.from_rows(np.arange(0, 60, 2), 70)), (Rows("c", 5), None)]
    random = np.random.default_rng(3)
    times = dict.fromkeys([("a", row) for row in range(5)] + [("b", row) for row in range(0, 60, 2)], 0)
    times.update(dict.fromkeys([("c", row) for row in range(5)], 0))
    rounds = 2000
    for _ in range(rounds):
        for segment, rows in sample(pinned, 0.25, random):
            for row in range(segment.num_rows) if rows is None else rows.rows().tolist():
                times[segment.name, row] += 1
    expected = rounds * 10 / 40
    assert sum(times.values()) == rounds * 10
    assert sum((count - expected) ** 2 / expected for count in times.values()) < 80
