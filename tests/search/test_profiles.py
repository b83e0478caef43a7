"""What a search says of itself: reports and recalls through stock pymilvus, on growing, sealed and deleted rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, MilvusClient, MilvusException, RRFRanker
from pymilvus.client import search_result
from pymilvus.client.prepare import Prepare

from elanus.engine import explain
from elanus.model.settings import JobSettings
from elanus.query import retrieve
from elanus.query.explain.trace import Trace
from elanus.server.grpc import messages as pb
from elanus.server.grpc.explain import SERVICE
from serving import LocalServer, settings_for

SEALED, GROWING, YOUNG, DIM, K = 6_000, 300, 4_608, 16, 10
NAME, SMALL, GROWS = "goods", "small", "young"
DRAW = np.random.default_rng(11)
VECTORS = DRAW.normal(size=(SEALED + GROWING, DIM)).astype(np.float32)
ASKED = (2.0 * DRAW.normal(size=(8, DIM))).astype(np.float32)
LIVING = np.array([n for n in range(SEALED + GROWING) if n % 9 != 4])
SPARSE = {n: {n % 40: 1.0 + n / 10_000, 40 + n % 7: 0.5} for n in range(SEALED + GROWING)}


def row(n: int) -> dict[str, Any]:
    vector = VECTORS[n].tolist()
    animal = ("ant", "ant", "bee", "bee", "cat")[n % 5]
    return {"id": n, "price": n % 100, "animal": animal, "v": vector, "lists": vector, "flat": vector, "s": SPARSE[n]}


def wait_for_indexes(client: MilvusClient, name: str, *fields: str) -> None:
    while any(client.describe_index(name, field)["pending_index_rows"] for field in fields):
        pass


def collection(client: MilvusClient, name: str, params: dict[str, Any], *others: str) -> None:
    """Create a collection with a graph over ``v`` and, by name, other indexes over other fields."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("price", DataType.INT64)
    schema.add_field("animal", DataType.VARCHAR, max_length=8)
    index = client.prepare_index_params()
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    index.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 40, **params})
    for other, kind in zip(others, ("IVF_FLAT", "FLAT"), strict=False):
        schema.add_field(other, DataType.FLOAT_VECTOR, dim=DIM)
        index.add_index(other, index_type=kind, metric_type="L2", params={"nlist": 16} if kind == "IVF_FLAT" else {})
    if others:
        schema.add_field("s", DataType.SPARSE_FLOAT_VECTOR)
        index.add_index("s", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    settings = settings_for(tmp_path_factory.mktemp("profiles"), jobs=JobSettings(index_min_rows=100))
    with LocalServer(settings) as running, closing(running.connect()) as client:
        collection(client, NAME, {"column_graphs": "animal"}, "lists", "flat")
        for start in range(0, SEALED, 2_000):
            client.insert(NAME, [row(n) for n in range(start, start + 2_000)])
        client.flush(NAME)
        wait_for_indexes(client, NAME, "v", "lists")
        client.insert(NAME, [row(n) for n in range(SEALED, SEALED + GROWING)])
        client.delete(NAME, ids=[n for n in range(SEALED + GROWING) if n not in set(LIVING.tolist())])
        collection(client, SMALL, {})
        client.insert(SMALL, [{key: row(n)[key] for key in ("id", "price", "animal", "v")} for n in range(200)])
        client.flush(SMALL)
        wait_for_indexes(client, SMALL, "v")
        collection(client, GROWS, {})
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[MilvusClient]:
    with closing(server.connect()) as connected:
        yield connected


Told = list[dict[str, Any] | None]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The reports in the statuses that pymilvus was answered with, as they come; it hands on only keys it knows."""
    reports: Told = []
    built = search_result.SearchResult.__init__

    def watched(self: Any, res: Any, round_decimal: Any = None, status: Any = None, session_ts: Any = 0) -> None:
        text = status.extra_info.get("profile") if status else None
        reports.append(None if text is None else json.loads(text))
        built(self, res, round_decimal, status, session_ts)

    monkeypatch.setattr(search_result.SearchResult, "__init__", watched)
    return reports


def profile(client: MilvusClient, told: Told, field: str = "v", name: str = NAME, **options: Any) -> dict[str, Any]:
    params = {"profile": True, **options.pop("params", {})}
    data = options.pop("data", [ASKED[0].tolist()])
    client.search(name, data, anns_field=field, limit=K, search_params={"params": params}, **options)
    assert told[-1] is not None
    return told[-1]


def segment(report: dict[str, Any], state: str = "sealed") -> dict[str, Any]:
    (found,) = [one for one in report["segments"] if one["state"] == state]
    return found


# --- reports ---


def test_a_report_counts_what_was_read_and_found(client: MilvusClient, told: Told) -> None:
    report = profile(client, told, filter="price < 50", data=ASKED.tolist())
    sealed, growing = segment(report), segment(report, "growing")
    assert (sealed["rows"], growing["rows"]) == (SEALED, GROWING)
    assert report["visible"] == len(LIVING)
    assert report["kept"] == sealed["kept"] + growing["kept"] == np.count_nonzero(LIVING % 100 < 50)
    assert report["tree"]["text"] == "price < 50"
    assert (report["tree"]["rows_in"], report["tree"]["rows_out"]) == (len(LIVING), report["kept"])
    assert growing["scanned"] == len(ASKED) * growing["kept"]
    assert (report["nq"], report["limit"], report["hits"]) == (len(ASKED), K, len(ASKED) * K)
    assert (report["collection"], report["field"], report["index_type"]) == (NAME, "v", "HNSW")
    names = [phase["name"] for phase in report["phases"]]
    assert names == ["plan", "snapshot", "prune", "filter", "search", "merge", "fetch"]
    assert report["seconds"] == pytest.approx(sum(phase["seconds"] for phase in report["phases"]))
    searched = next(phase["seconds"] for phase in report["phases"] if phase["name"] == "search")
    assert searched == pytest.approx(sealed["search_seconds"] + growing["search_seconds"])


@pytest.mark.parametrize(
    ("field", "params", "text", "expected"),
    [
        ("v", {}, "", ("plain", "89 % of the rows are visible")),
        ("v", {"ef": 40}, "price == 3", ("scan", "0.88 % of the rows pass: quicker than a walk")),
        ("v", {"hints": "mix"}, "price < 50", ("mix", "hints: mix")),
        ("v", {"hints": "column"}, 'animal == "ant"', ("column", "hints: column")),
        ("v", {"hints": "iterative_filter"}, "price < 90", ("iterative_filter", "hints: iterative_filter")),
        ("v", {"target_recall": 1}, "", ("exact", "a recall of 1 is asked for")),
        ("v", {"radius": 8.0}, "", ("range", "nearest first, to the end of the range")),
        ("v", {"radius": 900.0, "hints": "scan"}, "", ("scan", "hints: scan")),
        ("lists", {"nprobe": 2}, "", ("lists", "the lists nearest to the query")),
        ("lists", {"nprobe": 16}, "price == 3", ("scan", "0.88 % of the rows pass: fewer than lists hold")),
        ("flat", {}, "", ("scan", "FLAT is an exact scan")),
    ],
)
def test_each_strategy_says_why(  # noqa: PLR0917 - a parameter a column of the table
    client: MilvusClient, told: Told, field: str, params: dict[str, Any], text: str, expected: tuple[str, str]
) -> None:
    sealed = segment(profile(client, told, field, params=params, filter=text))
    assert (sealed["strategy"], sealed["why"]) == expected
    strategy, _ = expected
    assert (sealed["ef"] >= sealed["refine"] >= K) == (strategy in {"plain", "mix", "column"})
    assert sealed["scored"] + sealed["scanned"] > 0
    assert f"by {strategy}" in told[-1]["summary"]  # type: ignore[index]


def test_sparse_fields_are_scanned(client: MilvusClient, told: Told) -> None:
    report = profile(client, told, "s", data=[{1: 1.0, 41: 2.0}])
    assert {one["why"] for one in report["segments"]} == {"sparse vectors are scanned"}


def test_few_growing_rows_are_scanned_and_more_by_codes(client: MilvusClient, told: Told) -> None:
    assert segment(profile(client, told), "growing")["why"] == "too few growing rows for codes"
    rows = DRAW.normal(size=(YOUNG, DIM)).astype(np.float32)
    for start in range(0, YOUNG, YOUNG // 2):
        part = range(start, start + YOUNG // 2)
        client.insert(GROWS, [{"id": n, "price": n, "animal": "", "v": rows[n].tolist()} for n in part])
    while (young := segment(profile(client, told, name=GROWS), "growing"))["strategy"] != "codes":
        pass
    assert young["why"] == "growing rows, by their codes"
    assert young["scanned"] == YOUNG


def test_graphs_too_small_to_be_calibrated_are_scanned(client: MilvusClient, told: Told) -> None:
    sealed = segment(profile(client, told, name=SMALL))
    assert (sealed["strategy"], sealed["why"]) == ("exact", "too few rows for the graph to be calibrated")


def test_segments_that_were_not_read_say_why(client: MilvusClient, told: Told) -> None:
    report = profile(client, told, filter="price > 1000")
    assert segment(report)["skipped"] == "statistics of price"
    assert segment(report, "growing")["why"] == "no row passes"
    assert "passed over by statistics of price" in report["summary"]


def test_stages_say_how_many_hits_they_take_and_give(client: MilvusClient, told: Told) -> None:
    report = profile(client, told, group_by_field="animal")
    grouped = report["phases"][-2]
    assert grouped["name"] == "grouped"
    assert grouped["hits_in"] > grouped["hits_out"] == report["hits"] == 3
    assert report["params"]["group_size"] == 1


def test_switches_may_stand_beside_the_parameters(client: MilvusClient, told: Told) -> None:
    client.search(NAME, [ASKED[0].tolist()], anns_field="v", limit=K, search_params={"profile": True, "ef": 30})
    assert told[-1] is not None
    assert told[-1]["params"] == {"ef": 30}
    client.search(NAME, [ASKED[0].tolist()], anns_field="v", limit=K, search_params={"ef": 30})
    assert told[-1] is None


@pytest.mark.parametrize("params", [{}, {"ef": 64}])
def test_an_explained_search_finds_what_others_find(client: MilvusClient, params: dict[str, Any]) -> None:
    asked = {"collection_name": NAME, "data": ASKED.tolist(), "anns_field": "v", "limit": K, "filter": "price < 50"}
    plain = client.search(**asked, search_params=params)
    explained = client.search(**asked, search_params={**params, "profile": True, "enable_recall_calculation": True})
    assert [list(hits) for hits in explained] == [list(hits) for hits in plain]


def test_a_search_that_is_not_explained_makes_no_trace(client: MilvusClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> Trace:
        raise AssertionError("a trace was made")

    monkeypatch.setattr(explain, "Trace", refuse)
    client.search(NAME, [ASKED[1].tolist()], anns_field="v", limit=K, filter="price < 40")
    client.search(NAME, [ASKED[1].tolist()], anns_field="v", limit=K, group_by_field="animal")
    client.hybrid_search(NAME, [AnnSearchRequest([ASKED[1].tolist()], "v", {}, K)], RRFRanker(), limit=K)
    with pytest.raises(MilvusException):
        client.search(NAME, [ASKED[1].tolist()], anns_field="v", limit=K, search_params={"profile": True})


# --- hybrid searches ---


def routes(params: dict[str, Any]) -> list[AnnSearchRequest]:
    dense = AnnSearchRequest([ASKED[0].tolist()], "v", {"params": params}, 20, expr="price < 50")
    return [dense, AnnSearchRequest([{1: 1.0}], "s", {}, 20)]


def test_hybrid_searches_report_each_route(client: MilvusClient, told: Told) -> None:
    found = client.hybrid_search(NAME, routes({"profile": True}), RRFRanker(), limit=5)
    report = told[-1]
    assert report is not None
    assert [route["field"] for route in report["routes"]] == ["v", "s"]
    assert [route["meaning"] for route in report["routes"]] == ["price < 50", ""]
    names = [phase["name"] for phase in report["phases"]]
    assert names == ["plan", "snapshot", "route 1: v", "route 2: s", "reciprocal ranks", "best page", "fetch"]
    assert report["phases"][-2]["hits_out"] == report["hits"] == len(found[0]) == 5
    assert found.recalls is None


def test_recalls_of_hybrid_searches_are_those_of_the_routes_that_ask(client: MilvusClient) -> None:
    params = {"enable_recall_calculation": True, "ef": 20, "hints": "plain"}
    found = client.hybrid_search(NAME, routes(params), RRFRanker(), limit=5)
    alone = client.search(
        NAME, [ASKED[0].tolist()], anns_field="v", limit=20, filter="price < 50", search_params=params
    )
    assert found.recalls == alone.recalls


# --- recalls ---


def share_found(hits: list[dict[str, Any]], keys: np.ndarray, distances: np.ndarray) -> float:
    true = set(keys[np.argsort(distances, kind="stable")[:K]].tolist())
    return len(true & {hit["id"] for hit in hits}) / min(K, len(keys)) if len(keys) else 1.0


FILTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda keys: keys >= 0,
    "price < 50": lambda keys: keys % 100 < 50,
    "price == 3": lambda keys: keys % 100 == 3,
    "price > 1000": lambda keys: keys < 0,
}


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("params", [{"ef": 10, "hints": "plain"}, {"radius": 30.0}, {"hints": "iterative_filter"}])
def test_recalls_are_what_brute_force_counts(client: MilvusClient, text: str, params: dict[str, Any]) -> None:
    checked = {**params, "enable_recall_calculation": True}
    found = client.search(NAME, ASKED.tolist(), anns_field="v", limit=K, filter=text, search_params={"params": checked})
    keys = LIVING[FILTERS[text](LIVING)]
    counted = []
    for query, hits in zip(ASKED, found, strict=True):
        distances = ((VECTORS[keys].astype(np.float64) - query) ** 2).sum(axis=1)
        inside = distances < params.get("radius", np.inf)
        counted.append(share_found(hits, keys[inside], distances[inside]))
    assert found.recalls == pytest.approx(counted)
    if params.get("ef") == 10 and not text:
        assert min(counted) < 1  # else the test would not tell a check from a constant


def test_recalls_of_sparse_fields_are_counted(client: MilvusClient) -> None:
    params = {"enable_recall_calculation": True}
    found = client.search(NAME, [{1: 1.0, 41: 2.0}, {2: 1.0}], anns_field="s", limit=K, search_params=params)
    assert found.recalls == [1.0, 1.0]


def test_rows_that_are_equally_near_stand_for_each_other(client: MilvusClient) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 40})
    client.create_collection("twins", schema=schema, index_params=index, consistency_level="Strong")
    client.insert("twins", [{"id": n, "v": VECTORS[n % 60].tolist()} for n in range(3_000)])
    client.flush("twins")
    wait_for_indexes(client, "twins", "v")
    params = {"enable_recall_calculation": True, "ef": 200}
    assert client.search("twins", VECTORS[:3].tolist(), limit=K, search_params=params).recalls == [1.0] * 3
    client.drop_collection("twins")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"group_by_field": "animal"}, "enable_recall_calculation is not supported with group by"),
        ({"search_params": {"profile": "maybe"}}, "profile"),
    ],
)
def test_what_cannot_be_checked_is_refused(client: MilvusClient, options: dict[str, Any], says: str) -> None:
    asked = {"search_params": {"enable_recall_calculation": True}, **options}
    with pytest.raises(MilvusException, match=says):
        client.search(NAME, [ASKED[0].tolist()], anns_field="v", limit=K, **asked)


@pytest.mark.parametrize("switch", ["profile", "enable_recall_calculation"])
def test_iterators_are_refused(client: MilvusClient, switch: str) -> None:
    with pytest.raises(MilvusException, match="not supported with search iterators"):
        client.search_iterator(NAME, [ASKED[0].tolist()], 10, anns_field="v", search_params={"params": {switch: True}})


# --- calls of our own ---


def call(server: LocalServer, name: str, request: Any) -> dict[str, Any]:
    with grpc.insecure_channel(server.target) as channel:
        body = channel.unary_unary(f"/{SERVICE}/{name}")(request.SerializeToString(), timeout=30)
    reply = pb.StringResponse.FromString(body)
    assert not reply.status.code, reply.status.reason
    report: dict[str, Any] = json.loads(reply.value)
    return report


def test_a_search_request_is_explained_as_it_is(server: LocalServer) -> None:
    params = {"params": {"enable_recall_calculation": True, "ef": 50}}
    request = Prepare.search_requests_with_expr(NAME, "v", params, K, data=ASKED.tolist(), expr="price < 50")
    report = call(server, "ExplainSearch", request)
    assert report["filter"] == "price < 50"
    assert len(report["recalls"]) == len(ASKED)


def test_a_hybrid_request_is_explained_as_it_is(server: LocalServer) -> None:
    dense = Prepare.search_requests_with_expr(NAME, "v", {}, K, data=ASKED[:1].tolist())
    flat = Prepare.search_requests_with_expr(NAME, "flat", {}, K, data=ASKED[:1].tolist())
    request = Prepare.hybrid_search_request_with_ranker(NAME, [dense, flat], RRFRanker(), 5)
    report = call(server, "ExplainHybridSearch", request)
    assert [route["index_type"] for route in report["routes"]] == ["HNSW", "FLAT"]


def test_many_queries_are_reported_as_one_search(
    client: MilvusClient, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"ef": 10, "hints": "plain", "enable_recall_calculation": True}
    whole = profile(client, told, params=params, data=ASKED.tolist())
    monkeypatch.setattr(retrieve, "MOST_HITS", retrieve.USUAL_SEGMENTS)
    parts = profile(client, told, params=params, data=ASKED.tolist())
    assert segment(parts)["searches"] > segment(whole)["searches"] == 1
    assert parts["recalls"] == whole["recalls"]
    assert [phase["name"] for phase in parts["phases"]] == [phase["name"] for phase in whole["phases"]]
    assert [phase["hits_out"] for phase in parts["phases"]] == [phase["hits_out"] for phase in whole["phases"]]
    assert segment(parts)["hops"] == segment(whole)["hops"]
