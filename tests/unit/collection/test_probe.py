"""The recall probe: it notices walks that find too little, and widens them."""

import gc
import random
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from elanus._native.graph import Graph
from elanus._native.kernels import Vectors
from elanus.collection.probe import AnsweredWalk, RecallProbe, Reservoir, recall_estimate
from elanus.index.base import SearchParams
from elanus.index.dense.adjustment import Adjustment, Promise
from elanus.model.bitset import Bitset
from elanus.model.hits import Hits
from elanus.model.ids import FieldId, IndexId, SegmentId
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field
from elanus.model.types import DataType, Metric
from elanus.observe.metrics import Metrics
from elanus.query.output import OutputPlan
from elanus.query.plan import SearchPlan, Where
from elanus.query.request import Queries

ROWS = 3_000
DIM = 32
K = 10
FIELD = Field(id=FieldId(101), name="embedding", type=DataType.FLOAT_VECTOR, dim=DIM)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@dataclass(eq=False)
class Segment:
    """A segment of one vector column."""

    id: SegmentId

    def base(self, field):
        assert field is FIELD
        return column()[0]


@cache
def column():
    base = Vectors.of(np.random.default_rng(3).standard_normal((ROWS, DIM), dtype=np.float32))
    return base, Graph.build(base, Metric.L2, code="column")


def plan(k=K):
    index = IndexInfo(id=IndexId(7), name="embedding", field=FIELD.id, kind="HNSW", metric=Metric.L2)
    return SearchPlan(
        primary=FIELD,
        field=FIELD,
        index=index,
        metric=Metric.L2,
        params=SearchParams(),
        fetch_k=k,
        offset=0,
        limit=k,
        window=None,
        where=Where(),
        output=OutputPlan((), (), (), ()),
        partitions=None,
        ignore_growing=False,
    )


class Searched:
    """A collection of one segment, searched at an ef and watched by a probe."""

    def __init__(self, ef, target=0.96):
        self.clock = Clock()
        self.metrics = Metrics()
        self.gauge = recall_estimate(self.metrics)
        self.probe = RecallProbe("books", self.gauge, clock=self.clock, seed=1)
        self.segment = Segment(SegmentId(42))
        self.ef = ef
        self.adjustment = Adjustment()
        self.promise = Promise(target, self.adjustment)
        self._rng = np.random.default_rng(9)

    def search(self, times=64, kept=None, k=K):
        base, graph = column()
        for _ in range(times):
            matrix = self._rng.standard_normal((1, DIM), dtype=np.float32)
            ef = self.adjustment.widened(self.ef, ROWS)
            hits, _ = graph.search(Vectors.of(matrix), base, k, ef=ef, refine=ef, keep=kept, strategy="plain")
            queries = Queries(DataType.FLOAT_VECTOR, 1, matrix=matrix)
            self.probe.offer(plan(k), queries, self.segment, kept=kept, hits=hits, promise=self.promise)

    def an_hour_later(self):
        self.clock.now += 3_600.0
        assert self.probe.due()
        self.probe.run()

    @property
    def estimate(self):
        return self.gauge.get("books", "embedding")


def test_a_bad_width_is_noticed_widened_and_told(caplog):
    searched = Searched(ef=K)
    with caplog.at_level("WARNING", "elanus.collection"):
        searched.search()
        searched.an_hour_later()
    assert searched.estimate < 0.8
    assert searched.adjustment.factor == 1.25
    assert "collection=books segment=42 field=embedding" in caplog.text


def test_widening_goes_on_until_recall_is_there_and_then_stops():
    searched = Searched(ef=24)
    for _ in range(16):
        searched.search()
        searched.an_hour_later()
    settled = searched.adjustment.factor
    assert 1.25 < settled < 8.0
    assert searched.estimate > 0.93
    for _ in range(8):
        searched.search()
        searched.an_hour_later()
    assert searched.adjustment.factor == settled


def test_what_narrower_walks_missed_is_not_held_against_wider_ones():
    searched = Searched(ef=K)
    searched.search()
    searched.an_hour_later()
    searched.ef = 400
    for _ in range(2):
        searched.search()
        searched.an_hour_later()
    assert searched.adjustment.factor == 1.25


def test_a_good_width_is_left_alone(caplog):
    searched = Searched(ef=400)
    for _ in range(4):
        searched.search()
        searched.an_hour_later()
    assert searched.estimate > 0.98
    assert searched.adjustment.factor == 1.0
    assert not caplog.records


def test_the_estimate_is_the_recall_of_the_answers_that_were_given():
    searched = Searched(ef=60)
    searched.search(times=32)  # as many as a round takes
    base, graph = column()
    rng = np.random.default_rng(9)
    asked = Vectors.of(np.concatenate([rng.standard_normal((1, DIM), dtype=np.float32) for _ in range(32)]))
    found = graph.search(asked, base, K, ef=60, refine=60, strategy="plain")[0].rows
    exact = graph.search(asked, base, K, ef=60, strategy="scan")[0].rows
    share = np.mean([len(set(one) & set(other)) / K for one, other in zip(found, exact, strict=True)])
    searched.an_hour_later()
    assert searched.estimate == pytest.approx(share)


def test_filtered_walks_are_compared_within_their_filter():
    searched = Searched(ef=1_500)
    for seed in range(4):
        kept = Bitset.from_mask(np.random.default_rng(seed).random(ROWS) < 0.3)
        searched.search(times=8, kept=kept)
    searched.an_hour_later()
    assert searched.estimate > 0.99


def test_results_of_several_sizes_are_compared_each_at_its_own():
    searched = Searched(ef=1_500)
    searched.search(times=10, k=3)
    searched.search(times=10, k=50)
    searched.search(times=10, k=2_000)  # too many to be compared
    searched.an_hour_later()
    assert searched.estimate > 0.99


def test_few_queries_are_estimated_but_prove_nothing():
    searched = Searched(ef=K)
    searched.search(times=5)
    searched.an_hour_later()
    assert searched.estimate < 0.9
    assert searched.adjustment.factor == 1.0


def test_nothing_is_due_before_the_hour_or_without_a_search():
    searched = Searched(ef=K)
    assert not searched.probe.due()
    searched.search(times=1)
    searched.clock.now += 3_599.0
    assert not searched.probe.due()
    searched.probe.run()
    assert searched.estimate is None


def test_a_round_that_is_stopped_scans_nothing():
    searched = Searched(ef=K)
    searched.search()
    searched.clock.now += 3_600.0
    searched.probe.run(stop=lambda: True)
    assert searched.estimate is None
    assert searched.adjustment.factor == 1.0


def test_a_segment_that_is_gone_is_not_kept_alive_and_not_checked():
    searched = Searched(ef=K)
    searched.search()
    searched.segment = None
    gc.collect()
    searched.an_hour_later()
    assert searched.estimate is None
    assert not searched.probe.due()


def test_a_closed_collection_has_no_series():
    searched = Searched(ef=60)
    searched.search()
    searched.an_hour_later()
    assert searched.probe.estimates() == {"embedding": searched.estimate}
    searched.probe.close()
    assert "books" not in searched.metrics.page()


# --- the sample ---


def walk(number):
    return AnsweredWalk(number, DataType.FLOAT_VECTOR, None, Hits.none(1, 1).distances, Promise(0.96, Adjustment()))


def test_a_reservoir_holds_each_of_what_passes_by_with_equal_chance():
    draw = random.Random(4)
    counts = np.zeros(400)
    for _ in range(600):
        reservoir = Reservoir(8, draw)
        for number in range(400):
            if not reservoir.passes_over():
                reservoir.take(walk(number))
        for one in reservoir.clear():
            counts[one.query] += 1
    by_tenth = counts.reshape(10, 40).sum(axis=1)  # 480 each expected, deviation 21
    assert counts.sum() == 600 * 8
    assert by_tenth.min() > 380
    assert by_tenth.max() < 580


def test_a_full_reservoir_looks_at_few_of_what_passes_by():
    reservoir = Reservoir(32, random.Random(1))
    taken = 0
    for number in range(100_000):
        if not reservoir.passes_over():
            reservoir.take(walk(number))
            taken += 1
    assert len(reservoir) == 32
    assert taken < 500  # 32 * (1 + ln(100,000 / 32)) expected


def test_a_cleared_reservoir_begins_anew():
    reservoir = Reservoir(2, random.Random(1))
    for number in range(1_000):
        if not reservoir.passes_over():
            reservoir.take(walk(number))
    assert len(reservoir.clear()) == 2
    assert not reservoir.passes_over()
    assert len(reservoir) == 0
