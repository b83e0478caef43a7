"""Four-bit product codes: recall beside exact search, filters, growth, saved arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from elanus._native import kernels
from elanus._native.fastscan import FastScan
from elanus._native.kernels import Vectors
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.types import DataType, Metric

WORDNET = Path(__file__).parents[2] / "data" / "wordnet"

PRODUCTS = (Metric.L2, Metric.IP, Metric.COSINE)


@pytest.fixture(scope="module")
def glosses() -> Vectors:
    """Half floats of 384 dimensions."""
    return Vectors.of(np.load(WORDNET / "base.f16.npy"), DataType.FLOAT16_VECTOR)


@pytest.fixture(scope="module")
def asked() -> Vectors:
    """Glosses that are not among the others."""
    return Vectors.of(np.load(WORDNET / "queries.f16.npy")[:100].astype(np.float32))


def clustered(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Return rows around 30 centres, which do not depend on the seed; dimensions differ in their spread."""
    centres = np.random.default_rng(7).standard_normal((30, dim))
    rng = np.random.default_rng(seed)
    spread = 2.0 ** -(np.arange(dim) % 6)
    points = centres[rng.integers(0, 30, rows)] + 0.5 * rng.standard_normal((rows, dim))
    return (points * spread).astype(np.float32)


def recall(found: Hits, exact: Hits) -> float:
    """Return the share of the exact hits found; a row as near as the last of them counts."""
    wanted = exact.rows >= 0
    last = np.where(wanted, exact.distances, -np.inf).max(axis=1, keepdims=True)
    return float(((found.rows >= 0) & (found.distances <= last)).sum() / wanted.sum())


def assert_sound(found: Hits, queries: Vectors, base: Vectors, metric: Metric, keep: NDArray[np.bool_]) -> None:
    """Check that all hits pass, once each, in order, at their exact distances, and that there are enough."""
    expected = min(found.rows.shape[1], int(keep.sum()))
    assert ((found.rows >= 0).sum(axis=1) == expected).all()
    assert (found.rows[:, expected:] == -1).all()
    assert np.isposinf(found.distances[:, expected:]).all()
    rows = found.rows[:, :expected]
    assert keep[rows].all()
    assert all(len(set(line)) == expected for line in rows.tolist())
    np.testing.assert_array_equal(found.distances[:, :expected], kernels.distances_of(queries, base, rows, metric))
    steps = np.diff(found.distances[:, :expected], axis=1)
    assert ((steps > 0) | ((steps == 0) & (np.diff(rows, axis=1) > 0))).all()


@pytest.mark.parametrize("metric", PRODUCTS)
def test_recall_on_sentence_embeddings(glosses: Vectors, asked: Vectors, metric: Metric) -> None:
    exact = kernels.scan(asked, glosses, metric, 10)
    found = FastScan.train(glosses, metric, width=2).search(asked, glosses, 10, refine=80)
    assert recall(found, exact) >= 0.99
    assert_sound(found, asked, glosses, metric, np.ones(glosses.rows, dtype=np.bool_))
    codes = FastScan.train(glosses, metric)
    assert recall(codes.search(asked, glosses, 10), exact) >= 0.99
    assert recall(codes.search(asked, glosses, 100), kernels.scan(asked, glosses, metric, 100)) >= 0.99


@pytest.fixture
def widest_level() -> Iterator[str]:
    before = kernels.simd_level()
    yield before
    kernels.set_simd_level(before)


def test_every_level_has_the_same_codes_and_candidates(widest_level: str) -> None:
    base, queries = Vectors.of(clustered(2000, 50, 1)), Vectors.of(clustered(20, 50, 2))
    found = []
    for level in kernels.simd_levels():
        kernels.set_simd_level(level)
        codes = FastScan.train(base, Metric.L2, width=3)
        rows = codes.search(queries, base, 30, refine=30).rows
        found.append((codes.sections(), np.sort(rows, axis=1)))
    assert widest_level in kernels.simd_levels()
    for sections, rows in found[1:]:
        np.testing.assert_equal(sections, found[0][0])
        np.testing.assert_array_equal(rows, found[0][1])


@pytest.mark.parametrize("metric", PRODUCTS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 1.0])
def test_recall_under_filters(glosses: Vectors, asked: Vectors, metric: Metric, share: float) -> None:
    keep = np.random.default_rng(3).random(glosses.rows) < share
    if share == 0.1:
        # Rows that lie together leave blocks out, and make the rest full.
        keep = np.arange(glosses.rows) // 128 % 10 == 3
    bits = Bitset.from_mask(keep)
    codes = FastScan.train(glosses, metric, width=3)
    found = codes.search(asked, glosses, 10, refine=60, keep=bits)
    assert_sound(found, asked, glosses, metric, keep)
    if keep.any():
        assert recall(found, kernels.scan(asked, glosses, metric, 10, keep=bits)) >= 0.97


@pytest.mark.parametrize("metric", PRODUCTS)
@pytest.mark.parametrize("kind", [DataType.FLOAT_VECTOR, DataType.BFLOAT16_VECTOR, DataType.INT8_VECTOR])
def test_recall_of_every_element(metric: Metric, kind: DataType) -> None:
    def vectors(floats: NDArray[np.float32]) -> Vectors:
        if kind is DataType.INT8_VECTOR:
            return Vectors.of((floats * 30).clip(-128, 127).astype(np.int8), kind)
        if kind is DataType.BFLOAT16_VECTOR:
            return Vectors.of((floats.view(np.uint32) >> 16).astype(np.uint16), kind)
        return Vectors.of(floats)

    base, queries = vectors(clustered(5000, 96, 1)), vectors(clustered(100, 96, 2))
    found = FastScan.train(base, metric).search(queries, base, 10)
    assert recall(found, kernels.scan(queries, base, metric, 10)) >= 0.97


@pytest.mark.parametrize("dim", [*range(1, 34), 63, 64, 65, 100, 127, 128, 129, 130, 1536])
def test_every_number_of_dimensions(dim: int) -> None:
    rows = 1500
    base, queries = Vectors.of(clustered(rows, dim, 1)), Vectors.of(clustered(20, dim, 2))
    everything = np.ones(rows, dtype=np.bool_)
    for metric in PRODUCTS:
        found = FastScan.train(base, metric).search(queries, base, 10, refine=200)
        assert_sound(found, queries, base, metric, everything)
        # In few dimensions many rows share all of their codes.
        assert recall(found, kernels.scan(queries, base, metric, 10)) >= (0.97 if dim >= 8 else 0.6)


def test_more_dimensions_than_sums_of_sixteen_bits_hold() -> None:
    base, queries = Vectors.of(clustered(300, 5000, 1)), Vectors.of(clustered(10, 5000, 2))
    found = FastScan.train(base, Metric.L2, width=1).search(queries, base, 5, refine=25)
    assert recall(found, kernels.scan(queries, base, Metric.L2, 5)) >= 0.97


@pytest.mark.parametrize("metric", PRODUCTS)
@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65])
def test_few_rows_are_all_found(rows: int, metric: Metric) -> None:
    base, queries = Vectors.of(clustered(rows, 5, 1)), Vectors.of(clustered(3, 5, 2))
    codes = FastScan.train(base, metric)
    assert codes.num_rows == rows
    found, exact = codes.search(queries, base, 70, refine=70), kernels.scan(queries, base, metric, 70)
    np.testing.assert_array_equal(found.rows, exact.rows)
    np.testing.assert_array_equal(found.distances, exact.distances)


@pytest.mark.parametrize("metric", PRODUCTS)
@pytest.mark.parametrize("value", [0.0, 1.0, -3e30])
def test_equal_rows_are_found_in_order(metric: Metric, value: float) -> None:
    base = Vectors.of(np.full((5000, 7), value, dtype=np.float32))
    found = FastScan.train(base, metric).search(base.as_queries(), base, 12)
    np.testing.assert_array_equal(found.rows, np.tile(np.arange(12), (5000, 1)))


def test_values_that_are_no_numbers_spoil_no_other_row() -> None:
    array = clustered(4000, 32, 1)
    array[5, 3], array[17, :], array[1234, 0] = np.nan, np.inf, 3e38
    base, queries = Vectors.of(array), Vectors.of(clustered(50, 32, 2))
    found = FastScan.train(base, Metric.L2).search(queries, base, 10)
    assert recall(found, kernels.scan(queries, base, Metric.L2, 10)) >= 0.97


def test_rows_that_are_no_vectors_are_never_found() -> None:
    array = clustered(3000, 16, 1)
    present = np.random.default_rng(1).random(3000) < 0.7
    base, queries = Vectors.of(array), Vectors.of(array[~present][:50])
    first = Vectors.of(array[:1000])
    codes = FastScan.train(first, Metric.L2, keep=Bitset.from_mask(present[:1000]))
    codes.append(base, 3000, keep=Bitset.from_mask(present))
    assert_sound(codes.search(queries, base, 10, refine=20), queries, base, Metric.L2, present)
    opened = FastScan.open(codes.facts, codes.sections())
    everything = Bitset.from_mask(np.ones(3000, dtype=np.bool_))
    assert_sound(opened.search(queries, base, 10, keep=everything), queries, base, Metric.L2, present)


def test_appended_rows_are_found() -> None:
    array = clustered(9000, 24, 1)
    base, queries = Vectors.of(array), Vectors.of(clustered(50, 24, 2))
    codes = FastScan.train(Vectors.of(array[:4000]), Metric.L2)
    for upto in (4001, 4100, 8191, 9000):
        codes.append(base, upto)
        assert codes.num_rows == upto
        last = Vectors.of(array[upto - 1 : upto])
        assert codes.search(last, base, 1).rows[0, 0] == upto - 1
    assert recall(codes.search(queries, base, 10), kernels.scan(queries, base, Metric.L2, 10)) >= 0.97
    fewer = Vectors.of(array[:5000])
    assert_sound(codes.search(queries, fewer, 10), queries, fewer, Metric.L2, np.ones(5000, dtype=np.bool_))
    with pytest.raises(ValueError, match="has no 9001"):
        codes.append(base, 9001)
    with pytest.raises(ValueError, match="rows of 12 dimensions"):
        codes.append(Vectors.of(array[:, :12]), 9000)


@pytest.mark.parametrize("threads", [1, 3])
def test_queries_in_one_call_are_answered_as_alone(glosses: Vectors, asked: Vectors, threads: int) -> None:
    codes = FastScan.train(glosses, Metric.COSINE, threads=threads)
    keep = Bitset.from_mask(np.random.default_rng(3).random(glosses.rows) < 0.3)
    for bits in (None, keep):
        together = codes.search(asked, glosses, 10, refine=30, keep=bits, threads=threads)
        array = np.frombuffer(asked.data, dtype=np.float32).reshape(asked.rows, asked.dim)
        for query in range(0, asked.rows, 17):
            alone = codes.search(Vectors.of(array[query : query + 1]), glosses, 10, refine=30, keep=bits)
            np.testing.assert_array_equal(alone.rows[0], together.rows[query])
            np.testing.assert_array_equal(alone.distances[0], together.distances[query])


def test_opened_codes_are_the_saved_ones(glosses: Vectors, asked: Vectors) -> None:
    codes = FastScan.train(glosses, Metric.IP, width=4)
    opened = FastScan.open(codes.facts, codes.sections())
    assert opened.facts == codes.facts == {"rows": glosses.rows, "dim": 384, "width": 4, "metric": "IP"}
    np.testing.assert_array_equal(opened.search(asked, glosses, 10).rows, codes.search(asked, glosses, 10).rows)
    assert glosses.rows * 48 < codes.memory_bytes < glosses.rows * 64


@pytest.mark.parametrize("name", ["codes", "present", "centroids", "squares"])
def test_sections_that_do_not_fit_are_refused_by_name(name: str) -> None:
    codes = FastScan.train(Vectors.of(clustered(100, 9, 1)), Metric.L2)
    sections = codes.sections()
    whole = sections[name]
    for tampered in (whole[:-1], np.append(whole, whole[:1]), whole.astype(np.float64), whole.reshape(1, -1)):
        with pytest.raises(ValueError, match=f"section {name}"):
            FastScan.open(codes.facts, {**sections, name: tampered})
    with pytest.raises(ValueError, match=f"section {name}: missing"):
        FastScan.open(codes.facts, {key: array for key, array in sections.items() if key != name})


@pytest.mark.parametrize("fact", [{"rows": 500}, {"rows": -1}, {"dim": 1 << 62}, {"width": 0}, {"metric": "HAMMING"}])
def test_facts_that_do_not_fit_are_refused(fact: dict[str, int | str]) -> None:
    codes = FastScan.train(Vectors.of(clustered(100, 9, 1)), Metric.L2)
    with pytest.raises(ValueError, match=r"section|no codes|no product codes"):
        FastScan.open({**codes.facts, **fact}, codes.sections())


def test_what_does_not_go_together_is_refused() -> None:
    base = Vectors.of(clustered(100, 8, 1))
    codes = FastScan.train(base, Metric.L2)
    with pytest.raises(ValueError, match="dimensions"):
        codes.search(base, Vectors.of(clustered(100, 9, 1)), 1)
    with pytest.raises(ValueError, match="dimensions"):
        codes.search(Vectors.of(clustered(100, 9, 1)), base, 1)
    with pytest.raises(ValueError, match="at least one row"):
        codes.search(base, base, 0)
    with pytest.raises(ValueError, match="too short"):
        codes.search(base, base, 1, keep=Bitset.from_mask(np.ones(50, dtype=np.bool_)))
    with pytest.raises(ValueError, match="no product codes"):
        FastScan.train(Vectors.of(np.zeros((4, 2), dtype=np.uint8), DataType.BINARY_VECTOR), Metric.HAMMING)
