"""What AUTOINDEX promises: a graph finds its target recall without a parameter, or says that it can't."""

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.graph import Graph
from elanus._native.kernels import Vectors
from elanus.index.dense.adjustment import MOST, STEP, Adjustment
from elanus.index.dense.calibrating import MIN_ROWS, calibrate
from elanus.index.dense.calibration import (
    DEFAULT_TARGET,
    KS,
    LEVELS,
    SHARES,
    TARGETS,
    Band,
    Calibration,
    Setting,
    described,
    target_recall,
)
from elanus.index.dense.code_choice import choose_code
from elanus.index.dense.recall import Bootstrap, recalls
from elanus.index.dense.sampling import joined, made_queries, take
from elanus.model.bitset import Bitset
from elanus.model.types import DataType, Metric
from wordnet_slice import load

ROWS = 4_000
ASKED = 200


def measured(graph, base):
    """Return the graph as calibration asks it; walked where nothing is filtered, though a scan may be quicker."""

    def search(queries, k, ef, refine, keep=None):
        strategy = "plain" if keep is None else "auto"
        return graph.search(queries, base, k, ef=ef, refine=refine, keep=keep, strategy=strategy)[0]

    return search


def gaussian(rng):
    return rng.standard_normal((ROWS + ASKED, 48), dtype=np.float32)


def clustered(rng):
    centres = 3.0 * rng.standard_normal((40, 48), dtype=np.float32)
    return centres[rng.integers(0, 40, ROWS + ASKED)] + rng.standard_normal((ROWS + ASKED, 48), dtype=np.float32)


def duplicates(rng):
    return rng.standard_normal((ROWS // 20, 32), dtype=np.float32)[rng.integers(0, ROWS // 20, ROWS + ASKED)]


def wide_norms(rng):
    norms = np.exp(rng.standard_normal((ROWS + ASKED, 1))).astype(np.float32)
    return norms * rng.standard_normal((ROWS + ASKED, 24), dtype=np.float32)


def few_dims(rng):
    return rng.standard_normal((ROWS + ASKED, 3), dtype=np.float32)


def wordnet(rng):
    return np.concatenate((load().vectors[:ROWS], load().queries[:ASKED]))


SHAPES = {
    "gaussian": (gaussian, Metric.L2),
    "clustered": (clustered, Metric.COSINE),
    "duplicates": (duplicates, Metric.L2),
    "wordnet": (wordnet, Metric.COSINE),
    "wide norms": (wide_norms, Metric.IP),
    "few dims": (few_dims, Metric.L2),
}


@cache
def built(shape, code="sq8"):
    """Return vectors, held-out queries, graph and calibration of a shape."""
    make, metric = SHAPES[shape]
    both = np.ascontiguousarray(make(np.random.default_rng(11)))
    base, asked = Vectors.of(both[:ROWS]), Vectors.of(both[ROWS:])
    graph = Graph.build(base, metric, code=code)
    return base, asked, graph, calibrate(measured(graph, base), base, metric, code=code)


# --- the promise ---


@pytest.mark.parametrize("k", [1, 10, 30, 100, 400])
@pytest.mark.parametrize("shape", SHAPES)
def test_new_queries_find_the_default_recall_without_a_parameter(shape, k):
    base, asked, graph, calibration = built(shape)
    metric = SHAPES[shape][1]
    exact = kernels.scan(asked, base, metric, k)
    if calibration.falls_short(k):
        return  # answered by a scan, which finds everything
    ef, refine = calibration.ef_for(k)
    hits = measured(graph, base)(asked, k, ef, refine)
    # k = 1 gives each query one try: 200 of them tell 0.95 from 0.97 only roughly.
    measured_for = k in KS  # beyond them, widths are extrapolated
    assert recalls(hits.distances, exact.distances, k).mean() >= (0.92 if k == 1 or not measured_for else 0.95)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_graph_that_works_is_walked(shape):
    assert not built(shape)[3].falls_short(10)
    assert built(shape)[3].setting(10).bound >= DEFAULT_TARGET


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", SHARES)
def test_new_queries_find_the_default_recall_under_a_random_filter(shape, share):
    base, asked, graph, calibration = built(shape)
    if calibration.falls_short(10):
        return
    keep = Bitset.from_mask(np.random.default_rng(5).random(ROWS) < share)
    ef, refine = calibration.ef_for(10, share=share)
    hits, _ = graph.search(asked, base, 10, ef=ef, refine=refine, keep=keep)
    exact = kernels.scan(asked, base, SHAPES[shape][1], 10, keep=keep)
    assert recalls(hits.distances, exact.distances, 10).mean() >= 0.95


def test_a_higher_target_finds_more_of_hard_data():
    base, asked, graph, calibration = built("gaussian")
    exact = kernels.scan(asked, base, Metric.L2, 10)

    def found(target):
        ef, refine = calibration.ef_for(10, target)
        return recalls(measured(graph, base)(asked, 10, ef, refine).distances, exact.distances, 10).mean()

    assert found(0.90) >= 0.89
    assert found(0.99) >= 0.98
    assert calibration.ef_for(10, 0.90)[0] < calibration.ef_for(10, 0.99)[0]


def test_the_same_seed_measures_the_same():
    base, _, graph, calibration = built("wordnet")
    assert calibrate(measured(graph, base), base, Metric.COSINE, code="sq8") == calibration


def test_a_graph_that_finds_nothing_falls_short():
    base, _, graph, _ = built("few dims")
    answered = measured(graph, base)

    def blind(queries, k, ef, refine, keep):
        hits = answered(queries, k, ef, refine, keep)
        hits.distances[:, : (k + 1) // 2] = np.inf
        hits.distances.sort(axis=1)
        return hits

    calibration = calibrate(blind, base, Metric.L2)
    assert calibration.falls_short(10)
    assert calibration.setting(10).bound < 0.6


def test_few_rows_are_not_calibrated():
    base = Vectors.of(np.zeros((MIN_ROWS + 500, 4), dtype=np.float32))
    assert calibrate(None, base, Metric.L2, Bitset.first(MIN_ROWS - 1, base.rows)) is None


def test_rows_outside_the_graph_are_neither_asked_for_nor_missed():
    base, *_ = built("few dims")
    keep = Bitset.first(ROWS // 2, ROWS)
    graph = Graph.build(base, Metric.L2, keep=keep)
    calibration = calibrate(measured(graph, base), base, Metric.L2, keep, code="sq8")
    assert calibration.setting(10).bound >= DEFAULT_TARGET


def test_logged_queries_join_the_sample():
    base, asked, graph, alone = built("wordnet")
    calibration = calibrate(measured(graph, base), base, Metric.COSINE, code="sq8", logged_queries=asked)
    assert calibration.logged == ASKED
    assert calibration.sample == alone.sample + ASKED
    with pytest.raises(ValueError, match="of dim 7 beside"):
        calibrate(None, base, Metric.COSINE, logged_queries=Vectors.of(np.zeros((1, 7), dtype=np.float32)))


# --- the code ---


def tight_clusters(rng):
    """Clusters far narrower than a step of an 8-bit code over vectors so long."""
    centres = 100.0 * rng.standard_normal((8, 32), dtype=np.float32)
    return centres[np.arange(ROWS) % 8] + 0.02 * rng.standard_normal((ROWS, 32), dtype=np.float32)


def test_a_code_too_coarse_for_the_data_is_told_and_replaced():
    base = Vectors.of(tight_clusters(np.random.default_rng(2)))
    tried = []

    def measure(graph, code):
        tried.append(code)
        return calibrate(measured(graph, base), base, Metric.L2, code=code)

    graph, calibration, code = choose_code(lambda code: Graph.build(base, Metric.L2, code=code), measure)
    assert tried[0] == "sq8"
    assert code == "column"
    assert graph.facts["code"] == code
    assert calibration.setting(10).bound >= DEFAULT_TARGET


@pytest.mark.parametrize("shape", ["clustered", "duplicates", "wordnet", "few dims"])
def test_an_ordinary_shape_keeps_the_small_code(shape):
    assert built(shape)[3].needs_code == ""


def test_a_finer_code_that_finds_no_more_is_not_kept():
    _, _, _, calibration = built("wordnet")
    hopeless = dataclasses.replace(calibration, needs_code="bf16")
    assert choose_code(lambda code: code, lambda graph, code: hopeless)[2] == "sq8"


# --- queries ---


@pytest.mark.parametrize("metric", [Metric.L2, Metric.IP, Metric.COSINE])
@pytest.mark.parametrize(
    ("vector_type", "dtype"),
    [
        (DataType.FLOAT_VECTOR, np.float32),
        (DataType.FLOAT16_VECTOR, np.float16),
        (DataType.BFLOAT16_VECTOR, np.uint16),
        (DataType.INT8_VECTOR, np.int8),
    ],
)
def test_queries_are_made_of_every_dense_type(vector_type, dtype, metric):
    values = np.random.default_rng(1).standard_normal((300, 8)) * 30.0
    stored = values.astype(np.float32).view(np.uint32) >> 16 if dtype is np.uint16 else values
    base = Vectors.of(stored.astype(dtype), vector_type)
    queries = made_queries(base, metric, None, 50, seed=3)
    assert queries.rows == 50
    nearest = kernels.scan(queries, base, metric, 1)
    assert len(np.unique(nearest.rows)) > 10


def test_binary_queries_lie_among_the_rows():
    rng = np.random.default_rng(1)
    centres = rng.random((20, 128)) < 0.5
    bits = centres[rng.integers(0, 20, 1_000)] ^ (rng.random((1_000, 128)) < 0.05)
    base = Vectors.of(np.packbits(bits, axis=1), DataType.BINARY_VECTOR)
    queries = made_queries(base, Metric.HAMMING, None, 60, seed=3)
    assert kernels.scan(queries, base, Metric.HAMMING, 1).distances.max() < 30  # 64 to a row of another cluster


def test_queries_are_made_of_kept_rows_alone():
    values = np.zeros((400, 2), dtype=np.float32)
    values[:200, 0] = np.linspace(0.0, 1.0, 200)
    values[200:] = 1e6
    queries = made_queries(Vectors.of(values), Metric.L2, Bitset.first(200, 400), 64, seed=1)
    assert np.abs(np.frombuffer(queries.data, dtype=np.float32)).max() < 10.0


def test_made_queries_lie_about_as_far_from_rows_as_new_data_does():
    base, asked, *_ = built("wordnet")
    made = made_queries(base, Metric.COSINE, None, ASKED, seed=1)

    def median(queries):
        return math.sqrt(2.0 + 2.0 * np.median(kernels.scan(queries, base, Metric.COSINE, 10).distances[:, 9]))

    assert 0.9 < median(made) / median(asked) < 1.25


def test_vectors_of_two_kinds_are_not_joined():
    floats = Vectors.of(np.zeros((2, 8), dtype=np.float32))
    whole = Vectors.of(np.zeros((2, 8), dtype=np.int8), DataType.INT8_VECTOR)
    assert joined(floats, floats).rows == 4
    assert take(whole, np.array([1, 0, 1])).rows == 3
    with pytest.raises(ValueError, match="beside"):
        joined(floats, whole)


# --- recall and its bounds ---


def test_recall_counts_equally_near_rows_as_found():
    truth = np.array([[1, 2, 2, 2]], dtype=np.float32)
    assert recalls(np.array([[1, 2, 2]], dtype=np.float32), truth, 3) == 1.0
    assert recalls(np.array([[1, 2, 3]], dtype=np.float32), truth, 3) == pytest.approx(2 / 3)
    assert recalls(np.array([[-2, -1, np.inf]], dtype=np.float32), np.array([[-2, -1, -1]], np.float32), 3) == (
        pytest.approx(2 / 3)
    )


def test_recall_of_fewer_rows_than_k_is_of_those():
    truth = np.array([[1, np.inf], [np.inf, np.inf]], dtype=np.float32)
    found = np.array([[1, np.inf], [np.inf, np.inf]], dtype=np.float32)
    assert recalls(found, truth, 2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_bounds_hold_for_about_nineteen_of_twenty_samples(spread):
    rng = np.random.default_rng(8)
    bootstrap = Bootstrap(128, 1)
    samples = [np.clip(rng.normal(0.9, spread, 128), 0, 1) for _ in range(300)]
    mean = np.clip(rng.normal(0.9, spread, 1_000_000), 0, 1).mean()
    assert np.mean([bootstrap.lower(one, 10) <= mean for one in samples]) > 0.9
    assert np.mean([bootstrap.upper(one) >= mean for one in samples]) > 0.9
    assert np.mean([bootstrap.lower(one, 10) > mean - 3 * spread / math.sqrt(128) for one in samples]) > 0.8


def test_a_sample_without_a_miss_proves_little_of_one_neighbour():
    found = np.ones(256)
    bootstrap = Bootstrap(256, 1)
    assert 0.98 < bootstrap.lower(found, 1) < 0.995
    assert bootstrap.lower(found, 1) < bootstrap.lower(found, 100) < 1.0


# --- the table ---


def table(ef=lambda k, target: math.ceil(k + 20 / (1 - target)), rows=1_000_000):
    settings = tuple(
        Setting(k, target, ef(k, target), min(2 * k, ef(k, target)), target, target) for k in KS for target in TARGETS
    )
    bands = tuple(Band(share, widening, 0.97, 0.96) for share, widening in zip(SHARES, (1.0, 1.5, 3.0), strict=True))
    return Calibration(settings, bands, rows, 256, 1)


def test_measured_settings_are_used_as_they_are():
    calibration = table()
    for one in calibration.table:
        assert calibration.ef_for(one.k, one.target) == (one.ef, one.refine)


def test_width_never_shrinks_with_results_target_or_filter():
    calibration = table()
    ks = [1, 2, 5, 10, 11, 49, 50, 99, 100, 101, 200, 1_000, 16_384]
    for target in (0.0, 0.5, 0.93, 0.97, 0.995, 0.999):
        widths = [calibration.ef_for(k, target) for k in ks]
        assert widths == sorted(widths)
        assert all(k <= refine <= ef for k, (ef, refine) in zip(ks, widths, strict=True))
    targets = [calibration.ef_for(10, target)[0] for target in np.linspace(0.9, 1.0, 50)]
    assert targets == sorted(targets)
    shares = [calibration.ef_for(10, share=share)[0] for share in (1.0, 0.9, 0.5, 0.3, 0.1, 0.05, 0.02, 0.001, 0.0)]
    assert shares == sorted(shares)
    assert shares[-1] == 3 * shares[0]


def test_many_results_widen_a_walk_by_less_than_they_are():
    ef, _ = table().ef_for(10_000)
    assert 10_000 < ef < 30_000


def test_no_walk_is_wider_than_the_segment_unless_more_is_asked():
    calibration = table(lambda k, target: 2_000, rows=2_000)
    assert calibration.ef_for(10, 0.9999, share=0.01) == (2_000, 20)
    assert calibration.ef_for(5_000) == (5_000, 5_000)


def test_levels_ascend_and_the_default_is_one_of_them():
    assert sorted(LEVELS) == list(range(1, 11))
    assert sorted(LEVELS.values()) == list(LEVELS.values())
    assert DEFAULT_TARGET in LEVELS.values()
    assert target_recall(0.0, 0) == DEFAULT_TARGET
    assert target_recall(0.0, 10) == 0.999
    assert target_recall(0.92, 10) == 0.92


def test_a_target_of_one_asks_for_a_scan():
    assert table().falls_short(10, 1.0)
    assert not table().falls_short(10, 0.999)


def test_describe_says_the_least_recall_and_the_range_of_widths():
    wide = table(lambda k, target: 300)
    pairs = dict(described([table(), wide]))
    assert pairs["elanus.ef"] == "300-510"
    assert pairs["elanus.recall_bound"] == "0.9600"
    assert pairs["elanus.calibrated_queries"] == "512"
    assert described([]) == ()


# --- in a header ---


def test_a_calibration_survives_its_json():
    for calibration in (table(), built("wordnet")[3]):
        calibration.ef_for(33)  # what is remembered of answers is not part of it
        text = calibration.to_json()
        assert len(text) < 8_000
        assert Calibration.from_json(text) == calibration
        assert Calibration.from_json(text).ef_for(33) == calibration.ef_for(33)


def changed(**values):
    return json.dumps({**json.loads(table().to_json()), **values})


def changed_setting(place=0, **values):
    content = json.loads(table().to_json())
    content["table"][place].update(values)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 50_000,
        " " * 100_000,
        changed(table=[]),
        changed(table=json.loads(table().to_json())["table"][::-1]),
        changed(table=json.loads(table().to_json())["table"] * 2),
        changed(bands=[]),
        changed(rows=0),
        changed(rows=-1),
        changed(rows=50),
        changed(rows=2**40),
        changed(rows=1e300),
        changed(rows="many"),
        changed(rows=None),
        changed(sample=0),
        changed(needs_code="rm -rf"),
        changed_setting(ef=0),
        changed_setting(ef=-5),
        changed_setting(ef=2**31),
        changed_setting(ef=1.5),
        changed_setting(ef=2_000_000),
        changed_setting(place=12, ef=49),
        changed_setting(refine=0),
        changed_setting(refine=10**6),
        changed_setting(recall=1.01),
        changed_setting(recall=-0.01),
        changed_setting(target=0.91),
        changed_setting(k=2),
        changed().replace('"recall": 0.9,', '"recall": NaN,'),
        changed().replace('"widening": 1.0', '"widening": 1e9'),
        changed().replace('"widening": 1.0', '"widening": 0.0'),
    ],
)
def test_a_hostile_header_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Calibration.from_json(text)


# --- adjustment ---


def test_an_adjustment_widens_in_steps_up_to_its_end():
    adjustment = Adjustment()
    assert adjustment.widened(40, 1_000) == 40
    assert adjustment.raise_step() == STEP
    assert adjustment.widened(40, 1_000) == 50
    assert adjustment.widened(40, 45) == 45
    assert adjustment.widened(400, 300) == 400
    while not adjustment.exhausted:
        adjustment.raise_step()
    assert adjustment.raise_step() == MOST
