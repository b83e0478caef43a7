"""Codes of growing rows: every row is found whether it has a code or not, at the distances of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.index.dense.growing_codes import LEAST_ROWS, STEP_ROWS, GrowingCodes
from elanus.model.bitset import Bitset
from elanus.model.types import Metric

DIM, K = 16, 10
RANDOM = np.random.default_rng(3)
CENTRES = RANDOM.normal(size=(30, DIM))


def vectors(rows: int) -> Vectors:
    near = CENTRES[RANDOM.integers(0, 30, rows)] + 0.3 * RANDOM.normal(size=(rows, DIM))
    return Vectors.of(near.astype(np.float32))


BASE = vectors(3 * LEAST_ROWS + 77)
QUERIES = vectors(20)


def share_found(codes: GrowingCodes, rows: int, metric: Metric, keep: Bitset | None = None) -> float:
    base, index = BASE.head(rows), codes.reader(rows)
    assert index is not None
    hits, work = index.search(QUERIES, base, K, keep)
    truth = kernels.scan(QUERIES, base, metric, K, keep=keep)
    assert (hits.distances[:, 1:] >= hits.distances[:, :-1]).all()
    assert (hits.rows < rows).all()
    assert work.strategy == "codes"
    kept = K if keep is None else min(K, keep.count())
    assert ((hits.rows >= 0).sum(axis=1) == kept).all()
    both = [set(found) & set(true) for found, true in zip(hits.rows[:, :kept], truth.rows[:, :kept], strict=True)]
    return sum(map(len, both)) / (len(both) * kept)


@pytest.mark.parametrize("metric", [Metric.L2, Metric.IP, Metric.COSINE])
def test_coded_rows_and_those_behind_them_are_found(metric: Metric) -> None:
    codes = GrowingCodes(metric)
    for rows in (LEAST_ROWS, LEAST_ROWS + 5, 2 * LEAST_ROWS + 1, BASE.rows):
        codes.extend(BASE.head(rows), None)
        assert codes.num_rows == rows // STEP_ROWS * STEP_ROWS
        assert share_found(codes, rows, metric) >= 0.97


def test_a_reader_of_fewer_rows_than_are_coded_sees_its_own() -> None:
    codes = GrowingCodes(Metric.L2)
    codes.extend(BASE, None)
    for rows in (LEAST_ROWS, LEAST_ROWS + 3, 2 * LEAST_ROWS - 1):
        assert share_found(codes, rows, Metric.L2) >= 0.97


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 1.0])
def test_only_kept_rows_are_found_and_all_of_them_when_few(share: float) -> None:
    codes = GrowingCodes(Metric.L2)
    codes.extend(BASE, None)
    keep = Bitset.from_mask(np.random.default_rng(1).random(BASE.rows) < share)
    assert share_found(codes, BASE.rows, Metric.L2, keep) >= 0.97


def test_rows_without_a_vector_are_not_found() -> None:
    present = Bitset.from_mask(np.arange(BASE.rows) % 3 != 0)
    codes = GrowingCodes(Metric.L2)
    codes.extend(BASE, present)
    assert share_found(codes, BASE.rows, Metric.L2, present) >= 0.97


def test_few_rows_have_no_codes() -> None:
    codes = GrowingCodes(Metric.L2)
    assert not codes.due(LEAST_ROWS - 1)
    assert codes.due(LEAST_ROWS)
    assert codes.reader(LEAST_ROWS) is None
    codes.extend(BASE.head(LEAST_ROWS), None)
    assert not codes.due(LEAST_ROWS + STEP_ROWS - 1)
    assert codes.reader(LEAST_ROWS - 1) is None
