"""Make a large set of vectors that behave like sentence embeddings, with exact neighbours, from a seed.

    python benchmarks/clustered.py FOLDER [--rows 1000000] [--dim 768] [--queries 500] [--seed 7]

What embeddings of texts have in common, and what is drawn here: they lie in a cone (one mean far from zero), in topics
of very unequal sizes (Zipf) that themselves gather in categories, variance falls off as a power law over directions
that aren't the axes, each topic spreads along directions of its own, and some rows almost repeat another.

FOLDER gets the files that ``ann.py`` reads: ``base.f16.npy``, ``queries.f16.npy``, ``meta.parquet``,
``queries.parquet``, ``truth.npz``, ``dataset.json``. Rows are drawn in blocks of 65,536, each from its own seed: fewer
rows are a prefix of more. A million rows of 768 take some three minutes of one core and 1.6 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

BLOCK = 65_536
CATEGORIES, TOPICS, SPREADS = 90, 4_000, 12
TOPIC_SKEW, CATEGORY_SKEW = 0.7, 1.3
TOPIC_DECAY, ROW_DECAY = 0.55, 0.50
CONE, CATEGORY_WEIGHT, TOPIC_WEIGHT, ROW_WEIGHT = 0.5, 0.55, 0.75, 0.9
REPEATED, REPEAT_DISTANCE = 0.08, 0.2
SHARES = {"f50": 0.5, "f10": 0.1, "f1": 0.01, "f01": 0.001}
NEIGHBOURS = 100
Floats = NDArray[np.float32]


def power_law(dim: int, decay: float) -> Floats:
    """Return standard deviations that fall as a power of their number, of length one together."""
    falling = np.arange(1, dim + 1, dtype=np.float64) ** -decay
    return (falling / np.linalg.norm(falling)).astype(np.float32)


def zipf(count: int, skew: float) -> NDArray[np.float64]:
    sizes = np.arange(1, count + 1, dtype=np.float64) ** -skew
    return sizes / sizes.sum()


class Source:
    """Where rows are drawn from: everything that all blocks share."""

    def __init__(self, dim: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        self._dim, self._seed = dim, seed
        between = power_law(dim, TOPIC_DECAY)
        cone = CONE * between * rng.standard_normal(dim)
        categories = rng.standard_normal((CATEGORIES, dim)) * between * CATEGORY_WEIGHT
        self._category_of = rng.choice(CATEGORIES, TOPICS, p=zipf(CATEGORIES, CATEGORY_SKEW))
        topics = rng.standard_normal((TOPICS, dim)) * between * TOPIC_WEIGHT
        self._centres = (cone + categories[self._category_of] + topics).astype(np.float32)
        self._share = rng.permutation(zipf(TOPICS, TOPIC_SKEW))
        orders = np.argsort(rng.random((SPREADS, dim)) * np.arange(1, dim + 1) ** 0.5, axis=1)
        self._spreads = power_law(dim, ROW_DECAY)[np.argsort(orders, axis=1)]
        self._spread_of = rng.integers(0, SPREADS, TOPICS)
        self._radius = (ROW_WEIGHT * rng.uniform(0.7, 1.3, TOPICS)).astype(np.float32)
        self._basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)

    def draw(self, rows: int, *stream: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Return the first ``rows`` of a block, float16 [rows, dim], and the category of each."""
        rng = np.random.default_rng([self._seed, 1, *stream])
        topics = rng.choice(TOPICS, BLOCK, p=self._share)
        repeated = np.flatnonzero(rng.random(BLOCK) < REPEATED)
        original = repeated - rng.integers(1, 1000, len(repeated))
        repeated, original = repeated[original >= 0], original[original >= 0]
        topics, repeated, original = topics[:rows], repeated[repeated < rows], original[repeated < rows]
        vectors = rng.standard_normal((rows, self._dim), dtype=np.float32)
        vectors *= self._spreads[self._spread_of[topics]]
        vectors *= self._radius[topics, None]
        away = REPEAT_DISTANCE * vectors[repeated]
        vectors += self._centres[topics]
        vectors[repeated] = vectors[original] + away
        topics[repeated] = topics[original]
        turned = vectors @ self._basis
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        return turned.astype(np.float16), self._category_of[topics]


def categories_of_share(categories: NDArray[np.int64], share: float) -> list[int]:
    """Return categories that together hold about that share of the rows, the largest that fit first."""
    counts = np.bincount(categories, minlength=CATEGORIES) / len(categories)
    chosen: list[int] = []
    held = 0.0
    for category in np.argsort(-counts, kind="stable"):
        if counts[category] > 0 and held + counts[category] <= 1.04 * share:
            chosen.append(int(category))
            held += counts[category]
    return chosen or [int(np.flatnonzero(counts)[np.argmin(counts[counts > 0])])]


@dataclass
class Nearest:
    """The best rows of each query so far, by cosine."""

    scores: Floats
    rows: NDArray[np.int32]

    @classmethod
    def none(cls, queries: int) -> Nearest:
        shape = (queries, NEIGHBOURS)
        return cls(np.full(shape, -np.inf, dtype=np.float32), np.full(shape, -1, dtype=np.int32))

    def take(self, scores: Floats, rows: NDArray[np.int64]) -> None:
        """Let ``rows`` compete; ``scores`` [queries, rows], -inf for one that must not."""
        best = np.arange(len(rows))[None].repeat(len(scores), 0)
        if len(rows) > NEIGHBOURS:
            best = np.argpartition(-scores, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        found = np.take_along_axis(scores, best, axis=1)
        numbers = np.where(np.isfinite(found), rows[best], -1).astype(np.int32)
        found, numbers = np.concatenate((self.scores, found), 1), np.concatenate((self.rows, numbers), 1)
        order = np.argsort(-found, axis=1, kind="stable")[:, :NEIGHBOURS]
        self.scores, self.rows = np.take_along_axis(found, order, 1), np.take_along_axis(numbers, order, 1)


def unit(halves: NDArray[np.float16]) -> Floats:
    floats = halves.astype(np.float32)
    return floats / np.linalg.norm(floats, axis=1, keepdims=True)


def truth_of(
    base: NDArray[np.float16],
    queries: NDArray[np.float16],
    masks: dict[str, NDArray[np.bool_]],
    own: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> dict[str, NDArray[np.int32]]:
    """Return the nearest rows of each query, for no filter (``all``), each mask, and the query's own category."""
    asked = unit(queries)
    best = {name: Nearest.none(len(asked)) for name in ("all", *masks, "own")}
    for start in range(0, len(base), BLOCK):
        scores = asked @ unit(base[start : start + BLOCK]).T
        rows = np.arange(start, start + scores.shape[1])
        best["all"].take(scores, rows)
        for name, mask in masks.items():
            passing = mask[rows]
            best[name].take(scores[:, passing], rows[passing])
        for category in np.unique(own[1]):
            asking, passing = own[1] == category, own[0][rows] == category
            some = Nearest(best["own"].scores[asking], best["own"].rows[asking])
            some.take(scores[np.ix_(asking, passing)], rows[passing])
            best["own"].scores[asking], best["own"].rows[asking] = some.scores, some.rows
    return {name: nearest.rows for name, nearest in best.items()}


def named(categories: Sequence[int] | NDArray[np.int64]) -> list[str]:
    return [f"c{category:02d}" for category in categories]


def generate(folder: Path, rows: int, dim: int, num_queries: int, seed: int) -> None:
    """Write the whole set into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    source = Source(dim, seed)
    queries, asked = source.draw(num_queries, 1)
    np.save(folder / "queries.f16.npy", queries)
    base = np.lib.format.open_memmap(folder / "base.f16.npy", mode="w+", dtype=np.float16, shape=(rows, dim))
    held = np.empty(rows, dtype=np.int64)
    for block, start in enumerate(range(0, rows, BLOCK)):
        stop = min(rows, start + BLOCK)
        base[start:stop], held[start:stop] = source.draw(stop - start, 0, block)
        print(f"{stop:>10,} rows drawn, {time.perf_counter() - begun:.0f} s", flush=True)
    base.flush()
    u = np.random.default_rng([seed, 2]).random(rows)
    chosen = {f"c{name[1:]}": categories_of_share(held, share) for name, share in SHARES.items()}
    masks = {name: u < share for name, share in SHARES.items()}
    masks |= {name: np.isin(held, some) for name, some in chosen.items()}
    np.savez_compressed(folder / "truth.npz", **truth_of(base, queries, masks, (held, asked)))
    table = pa.table({"id": np.arange(rows), "u": u, "category": named(held)})
    pq.write_table(table, folder / "meta.parquet", compression="zstd")
    pq.write_table(pa.table({"qid": np.arange(num_queries), "category": named(asked)}), folder / "queries.parquet")
    expressions = {name: f"u < {share}" for name, share in SHARES.items()}
    expressions |= {name: f"category in {json.dumps(named(some))}" for name, some in chosen.items()}
    described = {
        "name": f"clustered-{rows}x{dim}",
        "n": rows,
        "dim": dim,
        "metric": "COSINE",
        "seed": seed,
        "filters": {name: round(float(mask.mean()), 5) for name, mask in masks.items()},
        "exprs": expressions,
        "own_column": "category",
    }
    (folder / "dataset.json").write_text(json.dumps(described, indent=1))
    print(f"{folder}: {time.perf_counter() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nice", type=int, default=0, help="how far to step back for other processes")
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    generate(arguments.folder, arguments.rows, arguments.dim, arguments.queries, arguments.seed)


if __name__ == "__main__":
    main()
