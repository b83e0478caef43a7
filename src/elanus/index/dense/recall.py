"""How much of the truth a search found, and what a sample of queries says about all of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 1_000
CONFIDENCE: Final = 0.95
TIE: Final = 4e-6
"""Two float32 sums of the same products in another order differ by about this share."""

Shares = NDArray[np.float64]


def recalls(found: NDArray[np.float32], truth: NDArray[np.float32], k: int) -> Shares:
    """Return for each query the share of its k nearest rows that were found, float64 [nq].

    found, truth  distances, float32 [nq, at least k], ascending, padded with +inf; rows of a query differ
    returns       1 where there is nothing to find. A row as near as the k-th nearest counts as one of them, so that
                  equal rows may stand for each other
    """
    wanted = truth[:, :k]
    available = np.isfinite(wanted).sum(axis=1)
    last = np.take_along_axis(wanted, np.maximum(available - 1, 0)[:, None], axis=1)
    near = (found[:, :k] <= last + TIE * np.abs(last)) & np.isfinite(found[:, :k])
    return np.where(available > 0, np.minimum(near.sum(axis=1), available) / np.maximum(available, 1), 1.0)


class Bootstrap:
    """One-sided 95 % bounds of the mean recall over all queries, from a sample of them.

    Queries are drawn, not neighbours: those of one query are found or missed together. A sample without any miss does
    not prove that there are none, so one query is added to it: one that missed a row for the lower bound, one that
    found all for the upper one.

    source  Efron 1979
    """

    def __init__(self, size: int, seed: int) -> None:
        drawn = np.random.default_rng(seed).multinomial(size + 1, np.full(size + 1, 1.0 / (size + 1)), size=ROUNDS)
        self._weights = (drawn / (size + 1)).astype(np.float32)

    def lower(self, shares: Shares, k: int) -> float:
        """Return what the mean recall among k neighbours is at least, with 95 % confidence; cost 100 microseconds."""
        return self._quantile(shares, 1.0 - 1.0 / k, 1.0 - CONFIDENCE)

    def upper(self, shares: Shares) -> float:
        """Return what the mean recall is at most, with 95 % confidence."""
        return self._quantile(shares, 1.0, CONFIDENCE)

    def _quantile(self, shares: Shares, added: float, quantile: float) -> float:
        means = self._weights @ np.append(shares, added).astype(np.float32)
        return float(np.clip(np.quantile(means, quantile), 0.0, 1.0))
