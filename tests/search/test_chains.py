"""Function chains through a server: every operation and function, on growing, sealed and deleted rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.function_chain import FunctionChain, FunctionChainStage, col, fn
from pymilvus.function_chain.chain import FunctionChainExpr, FunctionChainOp

from elanus.functions.xgboost import load_model
from elanus.model.settings import FunctionSettings
from rerank_service import RerankService, score_of
from serving import LocalServer, settings_for

DIM, SEALED, GROWING, K = 4, 60, 30, 40
MODELS = Path(__file__).parents[1] / "data" / "xgboost"
RANDOM = np.random.default_rng(8)
QUERIES = RANDOM.normal(size=(3, DIM)).astype(np.float32)
WORDS = ["ant", "bee", "cat", "dog", "eel"]

Row = dict[str, Any]


def drawn(first: int, count: int) -> list[Row]:
    return [
        {
            "id": row,
            "v": RANDOM.normal(size=DIM).astype(np.float32).tolist(),
            "price": int(RANDOM.integers(100)),
            "weight": None if row % 7 == 3 else float(RANDOM.normal()),
            "word": None if row % 9 == 4 else WORDS[int(RANDOM.integers(5))],
            "new": bool(RANDOM.random() < 0.5),
            "doc": {"a": row},
        }
        for row in range(first, first + count)
    ]


@dataclass
class Animals:
    """A collection on a server, the rows that are in it, and the service that its chains call."""

    client: MilvusClient
    name: str
    metric: str
    rows: dict[int, Row]
    service: RerankService

    def search(self, *chains: FunctionChain, limit: int = 10, **options: Any) -> list[list[tuple[int, float]]]:
        found = self.client.search(
            self.name, data=QUERIES.tolist(), anns_field="v", limit=limit, function_chains=list(chains), **options
        )
        return [[(hit["id"], hit["distance"]) for hit in hits] for hits in found]

    def score(self, query: np.ndarray, row: Row) -> float:
        """What a plain search gives a row."""
        vector = np.array(row["v"], dtype=np.float32)
        return float(query @ vector) if self.metric == "IP" else float(((query - vector) ** 2).sum())

    def nearest(self, query: np.ndarray, count: int) -> list[Row]:
        sign = -1 if self.metric == "IP" else 1
        return sorted(self.rows.values(), key=lambda row: (sign * self.score(query, row), row["id"]))[:count]

    def refused(self, *chains: FunctionChain, **options: Any) -> MilvusException:
        with pytest.raises(MilvusException) as refusal:
            self.search(*chains, **options)
        return refusal.value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    settings = settings_for(tmp_path_factory.mktemp("chains") / "data")
    functions = FunctionSettings(resources=MODELS, retry_after_s=0.001)
    with LocalServer(replace(settings, functions=functions)) as running:
        yield running


@pytest.fixture(scope="module", params=["IP", "L2"])
def animals(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Animals]:
    """Sealed rows, growing ones, and some of both deleted."""
    client = server.connect()
    name = f"animals_{request.param.lower()}"
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("price", DataType.INT32)
    schema.add_field("weight", DataType.DOUBLE, nullable=True)
    schema.add_field("word", DataType.VARCHAR, max_length=16, nullable=True)
    schema.add_field("new", DataType.BOOL)
    schema.add_field("doc", DataType.JSON)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type=request.param)
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
    sealed, growing = drawn(0, SEALED), drawn(SEALED, GROWING)
    client.insert(name, sealed)
    client.flush(name)
    client.insert(name, growing)
    gone = [5, 6, SEALED + 5]
    client.delete(name, ids=gone)
    rows = {row["id"]: row for row in sealed + growing if row["id"] not in gone}
    with RerankService() as service:
        yield Animals(client, name, request.param, rows, service)
    client.close()


def l2() -> FunctionChain:
    return FunctionChain(FunctionChainStage.L2_RERANK, name="late")


def l0() -> FunctionChain:
    return FunctionChain(FunctionChainStage.L0_RERANK, name="early")


def op(chain: FunctionChain, name: str, **parts: Any) -> FunctionChain:
    """Add an operation that the client has no method for."""
    chain._ops.append(FunctionChainOp(name, **parts))
    return chain


def call(name: str, *columns: str, **params: Any) -> FunctionChainExpr:
    return FunctionChainExpr(name, tuple(col(column) for column in columns), params)


def check(found: list[list[tuple[int, float]]], expected: list[list[tuple[int, float]]]) -> None:
    assert [[key for key, _ in hits] for hits in found] == [[key for key, _ in hits] for hits in expected]
    for hits, wanted in zip(found, expected, strict=True):
        assert [score for _, score in hits] == pytest.approx([score for _, score in wanted], rel=1e-5, abs=1e-5)


def by_score(rows: list[Row], score: Callable[[Row], float | None]) -> list[tuple[int, float]]:
    """Return rows best first, equal ones as they stood, those without a score last."""
    scored = [(row["id"], score(row)) for row in rows]
    return [
        (key, -math.inf if value is None else value)
        for key, value in sorted(scored, key=lambda pair: math.inf if pair[1] is None else -pair[1])
    ]


# --- after the merge ---


def test_map_and_sort_order_by_the_new_score(animals: Animals) -> None:
    chain = l2().map("cheap", fn.decay(col("price"), function="exp", origin=10, scale=20, offset=2, decay=0.3))
    chain.map("$score", fn.num_combine(col("$score"), col("cheap"), mode="weighted", weights=[0.5, 2.0]))
    chain.sort(col("$score"), desc=True, tie_break_col=col("$id"))

    def score(row: Row, query: np.ndarray) -> float:
        factor = math.exp(math.log(0.3) / 20 * max(0, abs(row["price"] - 10) - 2))
        return 0.5 * animals.score(query, row) + 2 * factor

    expected = [by_score(animals.nearest(query, 10), lambda row, query=query: score(row, query)) for query in QUERIES]
    check(animals.search(chain), expected)


def test_scores_change_without_a_sort_and_hits_keep_their_order(animals: Animals) -> None:
    found = animals.search(l2().map("$score", fn.num_combine(col("price"), col("price"), mode="max")))
    check(found, [[(row["id"], row["price"]) for row in animals.nearest(query, 10)] for query in QUERIES])


def test_a_missing_score_sorts_last(animals: Animals) -> None:
    chain = l2().map("$score", fn.num_combine(col("weight"), col("price"), mode="sum")).sort("$score")
    expected = [
        by_score(animals.nearest(query, K), lambda row: None if row["weight"] is None else row["weight"] + row["price"])
        for query in QUERIES
    ]
    assert any(score == -math.inf for hits in expected for _, score in hits)
    check(animals.search(chain, limit=K), expected)


def test_sort_takes_any_column_both_ways_and_breaks_ties(animals: Animals) -> None:
    for descending in (True, False):
        found = animals.search(l2().sort("word", desc=descending, tie_break_col="price"), limit=K)
        for query, hits in zip(QUERIES, found, strict=True):
            near = sorted(animals.nearest(query, K), key=lambda row: row["price"])
            known = sorted((row for row in near if row["word"]), key=lambda row: row["word"], reverse=descending)
            if descending:  # ``reverse`` keeps equal words in their order
                known = sorted(known, key=lambda row: -WORDS.index(row["word"]))
            assert [key for key, _ in hits] == [row["id"] for row in known + [row for row in near if not row["word"]]]


def test_limit_cuts_each_query_before_the_requests_page(animals: Animals) -> None:
    found = animals.search(l2().limit(5, offset=2), limit=8, offset=1)
    assert [[key for key, _ in hits] for hits in found] == [
        [row["id"] for row in animals.nearest(query, 9)[3:7]] for query in QUERIES
    ]


def test_numbers_as_large_as_the_wire_takes_are_no_limit(animals: Animals) -> None:
    chain = l2().limit(2**63 - 1, offset=1)
    chain = op(chain, "group_by", params={"field": "id", "size": 2**63 - 1, "limit": 2**63 - 1, "offset": 1})
    assert [len(hits) for hits in animals.search(chain, limit=9)] == [7, 7, 7]
    assert animals.search(l2().limit(1, offset=2**63 - 1)) == [[], [], []]


def test_filter_keeps_what_is_true(animals: Animals) -> None:
    expected = [[row["id"] for row in animals.nearest(query, K) if row["new"]] for query in QUERIES]
    for chain in (op(l2(), "filter", inputs=("new",)), op(l2(), "filter", params={"column": "new"})):
        assert [[key for key, _ in hits] for hits in animals.search(chain, limit=K)] == expected


def test_select_hides_the_other_columns(animals: Animals) -> None:
    chain = op(l2(), "select", params={"columns": ["$id", "price"]})
    assert animals.search(chain.sort("price", tie_break_col="$id"))
    assert 'column "word" not found' in animals.refused(chain.sort("word")).message


@pytest.mark.parametrize("scorer", ["max", "sum", "avg"])
def test_group_by_puts_the_best_groups_first(animals: Animals, scorer: str) -> None:
    chain = l2().map("$score", fn.num_combine(col("price"), col("$id"), mode="sum"))
    chain = op(chain, "group_by", params={"field": "word", "size": 3, "offset": 1, "limit": 3, "scorer": scorer})
    score_group = {"max": max, "sum": sum, "avg": lambda scores: sum(scores) / len(scores)}[scorer]
    expected = []
    for query in QUERIES:
        groups: dict[str | None, list[Row]] = {}
        for row in sorted(animals.nearest(query, K), key=lambda row: -row["price"] - row["id"]):
            groups.setdefault(row["word"], []).append(row)
        kept = [rows[:3] for rows in groups.values()]
        kept.sort(key=lambda rows: -score_group([row["price"] + row["id"] for row in rows]))
        expected.append([(row["id"], row["price"] + row["id"]) for rows in kept[1:4] for row in rows])
    check(animals.search(chain, limit=K), expected)


def test_a_later_step_reads_the_groups_scores(animals: Animals) -> None:
    chain = op(l2(), "group_by", params={"field": "new", "group_size": 2, "limit": 2})
    found = animals.search(chain.map("$score", fn.num_combine(col("$group_score"), col("$group_score"), mode="avg")))
    for hits in found:
        scores = [score for _, score in hits]
        assert len(scores) == 4
        assert scores[0] == scores[1] >= scores[2] == scores[3]


@pytest.mark.parametrize("mode", ["sum", "multiply", "max", "min", "avg"])
def test_num_combine_modes(animals: Animals, mode: str) -> None:
    function = {"sum": sum, "multiply": math.prod, "max": max, "min": min, "avg": lambda three: sum(three) / 3}[mode]
    chain = l2().map("$score", fn.num_combine(col("$score"), col("price"), col("$id"), mode=mode)).sort("$score")
    expected = [
        by_score(
            animals.nearest(query, 10),
            lambda row, query=query: function([animals.score(query, row), row["price"], row["id"]]),
        )
        for query in QUERIES
    ]
    check(animals.search(chain), expected)


def test_num_combine_multiplies_when_no_mode_is_sent(animals: Animals) -> None:
    found = animals.search(l2().map("$score", call("num_combine", "price", "$id")))
    check(found, [[(row["id"], row["price"] * row["id"]) for row in animals.nearest(query, 10)] for query in QUERIES])


def test_round_decimal(animals: Animals) -> None:
    found = animals.search(l2().map("$score", fn.round_decimal(col("$score"), decimal=2)))
    for query, hits in zip(QUERIES, found, strict=True):
        for key, score in hits:
            assert score == pytest.approx(round(animals.score(query, animals.rows[key]), 2), abs=1e-6)


def test_fields_that_chains_read_are_not_returned(animals: Animals) -> None:
    chain = l2().map("twice", fn.num_combine(col("price"), col("price"), mode="sum")).sort("twice")
    (hits, *_) = animals.client.search(
        animals.name, data=QUERIES.tolist(), anns_field="v", limit=5, function_chains=chain, output_fields=["word"]
    )
    assert all(set(hit["entity"]) == {"word"} for hit in hits)
    prices = [animals.rows[hit["id"]]["price"] for hit in hits]
    assert prices == sorted(prices, reverse=True)


def test_no_hits_go_through_every_step(animals: Animals) -> None:
    chain = l2().map("$score", fn.num_combine(col("$score"), col("price"), mode="sum"))
    chain = op(op(chain, "filter", inputs=("new",)), "group_by", params={"field": "word", "size": 1, "limit": 1})
    assert animals.search(chain.sort("$score").limit(1), filter="id < 0") == [[], [], []]
    early = l0().map("$score", fn.num_combine(col("$score"), col("price"), mode="sum"))
    assert animals.search(early, filter="id < 0") == [[], [], []]


# --- before the merge ---


def early_score(animals: Animals, query: np.ndarray, row: Row) -> float:
    """What chains see in a segment: larger is better for every metric."""
    return animals.score(query, row) * (1 if animals.metric == "IP" else -1)


def test_scores_of_segments_decide_what_is_merged(animals: Animals) -> None:
    chain = l0().map("$score", fn.num_combine(col("$score"), col("price"), mode="sum"))
    expected = [
        sorted(
            ((row["id"], early_score(animals, query, row) + row["price"]) for row in animals.rows.values()),
            key=lambda pair: -pair[1],
        )[:7]
        for query in QUERIES
    ]
    # As many hits as a segment has rows: all of them are scored.
    check([hits[:7] for hits in animals.search(chain, limit=SEALED)], expected)


def test_missing_scores_are_merged_last(animals: Animals) -> None:
    chain = l0().map("$score", fn.num_combine(col("weight"), col("weight"), mode="max"))
    for hits in animals.search(chain, limit=SEALED + GROWING):
        assert len(hits) == len(animals.rows)
        weights = [animals.rows[key]["weight"] for key, _ in hits]
        known = [weight for weight in weights if weight is not None]
        assert known == sorted(known, reverse=True)
        assert weights[len(known) :] == [None] * (len(weights) - len(known))


def test_both_stages_run_one_after_the_other(animals: Animals) -> None:
    early = l0().map("$score", fn.num_combine(col("price"), col("price"), mode="sum"))
    late = l2().map("$score", fn.num_combine(col("$score"), col("$id"), mode="sum")).sort("$score").limit(3)
    rows = sorted(animals.rows.values(), key=lambda row: (-row["price"], row["id"]))
    for hits in animals.search(early, late, limit=SEALED + GROWING):
        assert hits == by_score(rows, lambda row: 2.0 * row["price"] + row["id"])[:3]


@pytest.mark.parametrize("output", ["default", "raw"])
def test_an_xgboost_model_scores_hits(animals: Animals, output: str) -> None:
    model = load_model(MODELS / "ranking.ubj")
    expression = fn.xgboost(col("weight"), col("price"), col("$score"), model_resource="ranking", output=output)
    (hits, *_) = animals.search(l0().map("$score", expression), limit=SEALED + GROWING)
    rows = [animals.rows[key] for key, _ in hits]
    columns = [
        np.array([np.nan if row["weight"] is None else row["weight"] for row in rows], dtype=np.float32),
        np.array([row["price"] for row in rows], dtype=np.float32),
        np.array([early_score(animals, QUERIES[0], row) for row in rows], dtype=np.float32),
    ]
    expected = model.margins(columns)
    assert len(hits) == len(animals.rows)
    assert (np.diff(expected) <= 1e-6).all()
    assert [score for _, score in hits] == pytest.approx(expected.tolist(), abs=1e-5)


# --- models in services ---


def test_a_rerank_model_scores_texts_in_batches(animals: Animals) -> None:
    animals.service.asked.clear()
    asked = ["ant cat", "bee", "dog eel"]
    expression = fn.rerank_model(
        col("word"), queries=asked, provider="TEI", endpoint=animals.service.uri, max_client_batch_size=4
    )
    found = animals.search(l2().map("$score", expression).sort("$score"))
    expected = [
        by_score(animals.nearest(vector, 10), lambda row, query=query: score_of(query, row["word"] or ""))
        for query, vector in zip(asked, QUERIES, strict=True)
    ]
    check(found, expected)
    assert sorted(len(each.body["texts"]) for each in animals.service.asked) == [2, 2, 2, 4, 4, 4, 4, 4, 4]


def test_other_queries_are_no_repetition_of_the_same_request(animals: Animals) -> None:
    def top(word: str) -> str | None:
        expression = fn.rerank_model(col("word"), queries=[word] * 3, provider="tei", endpoint=animals.service.uri)
        (hits, *_) = animals.search(l2().map("$score", expression).sort("$score"), limit=K)
        return animals.rows[hits[0][0]]["word"]

    assert [top("dog"), top("cat"), top("dog")] == ["dog", "cat", "dog"]


# --- refusals ---


def model_of(animals: Animals, **params: Any) -> FunctionChain:
    given = {"queries": ["a"] * 3, "provider": "tei", "endpoint": animals.service.uri} | params
    return l2().map("$score", call("rerank_model", "word", **given))


TS = fn.num_combine(col("$score"), col("price"), mode="sum")
REFUSED: dict[str, Callable[[Animals], list[FunctionChain]]] = {
    "has no operation": lambda _: [l2()],
    "L1_rerank is not supported for search": lambda _: [FunctionChain(FunctionChainStage.L1_RERANK).map("$score", TS)],
    "stage L2_rerank appears more than once": lambda _: [l2().limit(1), l2().limit(2)],
    'type "sort" is not supported by L0 rerank function chain': lambda _: [l0().sort("$score")],
    'L2_rerank function chain: op[1] shuffle: unknown operator type "shuffle"': lambda _: [
        op(l2().limit(1), "shuffle")
    ],
    'unknown function "sqrt"': lambda _: [l2().map("a", call("sqrt", "price"))],
    'op[1] map: column "nothing" is neither': lambda _: [
        l2().limit(3).map("a", fn.round_decimal(col("nothing"), decimal=1))
    ],
    '"doc" has unsupported field type JSON': lambda _: [l2().sort("doc")],
    '"v" has unsupported field type FloatVector': lambda _: [l2().sort("v")],
    'system output "$id" is not writable': lambda _: [l0().map("$id", TS)],
    'system output "$tmp" is not writable': lambda _: [l2().map("$tmp", TS)],
    'system input "$seg_offset" is not readable': lambda _: [
        l0().map("$score", fn.num_combine(col("$seg_offset"), col("$score")))
    ],
    'system input "$seg_offset" is not supported': lambda _: [l2().sort("$seg_offset")],
    "num_combine: unsupported input column type": lambda _: [
        l2().map("$score", fn.num_combine(col("word"), col("price")))
    ],
    "expected at least 2 input columns": lambda _: [l2().map("a", call("num_combine", "price"))],
    "weighted mode requires 2 weights, got 1": lambda _: [
        l2().map("a", call("num_combine", "price", "$id", mode="weighted", weights=[1.0]))
    ],
    "weights can only be used with mode weighted": lambda _: [
        l2().map("a", call("num_combine", "price", "$id", mode="sum", weights=[1.0, 2.0]))
    ],
    "num_combine: mode must be one of": lambda _: [l2().map("a", call("num_combine", "price", "$id", mode="xor"))],
    "num_combine: argument 1 must be a column": lambda _: [
        l2().map("a", FunctionChainExpr("num_combine", (col("price"), 3)))
    ],
    "decay: function must be one of": lambda _: [
        l2().map("a", call("decay", "price", function="cubic", origin=1, scale=1))
    ],
    "decay: origin is required": lambda _: [l2().map("a", call("decay", "price", function="exp", scale=1))],
    "decay: scale must be > 0": lambda _: [l2().map("a", fn.decay(col("price"), function="exp", origin=0, scale=0))],
    "decay: offset must be >= 0": lambda _: [
        l2().map("a", fn.decay(col("price"), function="exp", origin=0, scale=1, offset=-1))
    ],
    "decay: decay must be between 0.001 and 0.999": lambda _: [
        l2().map("a", fn.decay(col("price"), function="exp", origin=0, scale=1, decay=1))
    ],
    "decay: origin must be a number, got 'here'": lambda _: [
        l2().map("a", call("decay", "price", function="exp", origin="here", scale=1))
    ],
    "decay: origin must be a number, got nan": lambda _: [
        l2().map("a", fn.decay(col("price"), function="exp", origin=math.nan, scale=1))
    ],
    "decay: expected 1 input column, got 2": lambda _: [
        l2().map("a", call("decay", "price", "$id", function="exp", origin=1, scale=1))
    ],
    "round_decimal: decimal must be in [0, 6], got 7": lambda _: [
        l2().map("a", call("round_decimal", "price", decimal=7))
    ],
    "map: expr is required": lambda _: [op(l2(), "map", outputs=("a",))],
    "map: expected exactly 1 output, got 2": lambda _: [op(l2(), "map", expr=TS, outputs=("a", "b"))],
    "sort: column is required": lambda _: [op(l2(), "sort")],
    "sort: desc must be a boolean": lambda _: [op(l2(), "sort", params={"column": "price", "desc": 1})],
    'sort: unknown parameter "descending"': lambda _: [
        op(l2(), "sort", params={"column": "price", "descending": True})
    ],
    "limit: limit must be greater than or equal to 1, got 0": lambda _: [op(l2(), "limit", params={"limit": 0})],
    "limit: offset must be greater than or equal to 0, got -1": lambda _: [
        op(l2(), "limit", params={"limit": 1, "offset": -1})
    ],
    'filter: column "price" must be boolean': lambda _: [op(l2(), "filter", inputs=("price",))],
    "filter: expected exactly 1 boolean column": lambda _: [op(l2(), "filter")],
    "select: columns must be a list": lambda _: [op(l2(), "select")],
    "group_by: field is required": lambda _: [op(l2(), "group_by", params={"size": 1, "limit": 1})],
    "group_by: size is required": lambda _: [op(l2(), "group_by", params={"field": "word", "limit": 1})],
    "group_by: scorer must be one of": lambda _: [
        op(l2(), "group_by", params={"field": "word", "size": 1, "limit": 1, "scorer": "median"})
    ],
    'function "xgboost" is not supported at stage L2_rerank': lambda _: [
        l2().map("$score", fn.xgboost(col("price"), model_resource="ranking"))
    ],
    "file resource missing not found": lambda _: [
        l0().map("$score", fn.xgboost(col("price"), model_resource="missing"))
    ],
    "file resource ../xgboost/ranking not found": lambda _: [
        l0().map("$score", fn.xgboost(col("price"), model_resource="../xgboost/ranking"))
    ],
    "xgboost: output must be one of": lambda _: [
        l0().map("$score", call("xgboost", "price", model_resource="ranking", output="probability"))
    ],
    "xgboost: expected 3 feature columns, got 1": lambda _: [
        l0().map("$score", fn.xgboost(col("price"), model_resource="ranking"))
    ],
    "xgboost: unsupported input column type": lambda _: [
        l0().map("$score", fn.xgboost(col("word"), model_resource="ranking"))
    ],
    "xgboost: unsupported booster": lambda _: [l0().map("$score", fn.xgboost(col("price"), model_resource="linear"))],
    "xgboost: unsupported objective": lambda _: [
        l0().map("$score", fn.xgboost(col("price"), model_resource="classes"))
    ],
    "xgboost: failed to parse UBJ model": lambda _: [
        l0().map("$score", fn.xgboost(col("price"), model_resource="expected.json"))
    ],
    'function "rerank_model" is not supported at stage L0_rerank': lambda _: [
        l0().map("$score", fn.rerank_model(col("word"), queries=["a"], provider="tei"))
    ],
    "input column must be VarChar": lambda _: [
        l2().map("$score", fn.rerank_model(col("price"), queries=["a"], provider="tei", endpoint="http://x"))
    ],
    "unsupported rerank service provider: [oracle]": lambda animals: [model_of(animals, provider="oracle")],
    "nq must equal to queries size, but got nq [3], queries size [1]": lambda animals: [
        model_of(animals, queries=["a"])
    ],
    "endpoint: [ftp://x] is not a valid http/https link": lambda animals: [model_of(animals, endpoint="ftp://x")],
    "rerank provider tei has no parameter [temperature]": lambda animals: [model_of(animals, temperature=1)],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_can_not_be_done_is_named(animals: Animals, message: str) -> None:
    refusal = animals.refused(*REFUSED[message](animals))
    assert refusal.code in (1100, 1101)
    assert message in refusal.message


def test_a_failing_service_fails_the_search_with_its_words(animals: Animals) -> None:
    from rerank_service import Answer, tei

    try:
        animals.service.answer = lambda _: Answer({"error": "no such model"}, status=422)
        refusal = animals.refused(model_of(animals))
        assert refusal.code == 2400
        assert "no such model" in refusal.message
        animals.service.answer = lambda _: Answer({"error": "overloaded"}, status=503)
        refusal = animals.refused(model_of(animals))
        assert refusal.code == 2
        assert "503" in refusal.message
        assert "overloaded" in refusal.message
    finally:
        animals.service.answer = tei


def test_an_order_comes_after_chains(animals: Animals) -> None:
    order = [{"field": "price", "order": "desc:nulls_last"}]
    ranked = animals.search(l2().sort("word"), limit=12)
    found = animals.search(l2().sort("word"), limit=9, offset=3, order_by_fields=order)
    for before, after in zip(ranked, found, strict=True):
        prices = [animals.rows[key]["price"] for key, _ in before]
        expected = sorted(before, key=lambda hit: -animals.rows[hit[0]]["price"])
        assert len(set(prices)) > 1
        assert after == expected[3:]


def test_groups_and_chains(animals: Animals) -> None:
    found = animals.search(l2().sort("price"), group_by_field="word", limit=3)
    for query, hits in zip(QUERIES, found, strict=True):
        assert len(hits) == 3
        assert query is not None
        prices = [animals.rows[key]["price"] for key, _ in hits]
        assert prices == sorted(prices, reverse=True)
    early = l0().map("$score", TS)
    assert "segment scorer" in animals.refused(early, group_by_field="word").message
    selecting = op(l2(), "select", params={"columns": ["$id"]})
    assert "drops columns" in animals.refused(selecting, group_by_field="word").message
