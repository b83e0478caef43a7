"""Rerank providers against a service of our own: requests, answers, failures, keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from elanus.functions.calls import TRIES
from elanus.functions.rerank import check_queries, model_scores, open_model
from elanus.model.deadline import Expired, limited
from elanus.model.errors import ElanusError, FunctionFailed, InvalidParameter, MissingParameter, ServiceUnavailable
from elanus.model.settings import Credential, FunctionSettings, ProviderSettings
from rerank_service import Answer, Asked, RerankService, ranked, scored, tei

SETTINGS = FunctionSettings(retry_after_s=0.001, timeout_s=10)
TEXTS = ["sheep", None, "goat", "ox", "horse"]
QUERIES = ["shoe", "gate"]
COUNTS = np.array([3, 2])
EXPECTED = np.array([*scored("shoe", ["sheep", "", "goat"]), *scored("gate", ["ox", "horse"])], dtype=np.float32)


@pytest.fixture
def service() -> Iterator[RerankService]:
    with RerankService() as running:
        yield running


class Over:
    """The limit of a call whose deadline has passed."""

    remaining_s = 0.0
    cancelled = False

    def check(self) -> None:
        raise Expired


def scores(params: dict[str, Any], settings: FunctionSettings = SETTINGS) -> np.ndarray:
    return model_scores(open_model(params, settings), QUERIES, pa.array(TEXTS, type=pa.large_string()), COUNTS)


def own(service: RerankService, **params: Any) -> dict[str, Any]:
    return {"provider": "tei", "endpoint": service.uri, **params}


def one_score(service: RerankService, **params: Any) -> np.ndarray:
    model = open_model(own(service, **params), SETTINGS)
    return model_scores(model, QUERIES[:1], pa.array(["ox"], type=pa.large_string()), np.array([1]))


# --- what each provider is asked, and how it answers ---

Case = tuple[dict[str, Any], str, Callable[[Asked], Answer], dict[str, Any]]
DOCUMENTS = {"query": "gate", "documents": ["ox", "horse"]}
CASES: dict[str, Case] = {
    "vllm": (
        {"truncate_prompt_tokens": "64"},
        "/v2/rerank",
        lambda asked: Answer({"results": ranked(asked.body["query"], asked.body["documents"])}),
        DOCUMENTS | {"truncate_prompt_tokens": 64},
    ),
    "tei": (
        {"truncate": "true", "truncation_direction": "left"},
        "/rerank",
        tei,
        {"query": "gate", "texts": ["ox", "horse"], "truncate": True, "truncation_direction": "Left"},
    ),
    "cohere": (
        {"model_name": "rerank-v3.5", "max_tokens_per_doc": 100},
        "/",
        lambda asked: Answer({"id": "1", "results": ranked(asked.body["query"], asked.body["documents"])}),
        DOCUMENTS | {"model": "rerank-v3.5", "max_tokens_per_doc": 100},
    ),
    "voyageai": (
        {"model_name": "rerank-2.5", "truncation": False},
        "/",
        lambda asked: Answer({"object": "list", "data": ranked(asked.body["query"], asked.body["documents"])}),
        DOCUMENTS | {"model": "rerank-2.5", "truncation": False},
    ),
    "siliconflow": (
        {"model": "bge", "max_chunks_per_doc": 3, "overlap_tokens": 5},
        "/",
        lambda asked: Answer({"results": ranked(asked.body["query"], asked.body["documents"])}),
        DOCUMENTS | {"model": "bge", "max_chunks_per_doc": 3, "overlap_tokens": 5},
    ),
    "ali": (
        {"model_name": "gte-rerank"},
        "/",
        lambda asked: Answer(
            {"output": {"results": ranked(asked.body["input"]["query"], asked.body["input"]["documents"])}}
        ),
        {"model": "gte-rerank", "input": DOCUMENTS},
    ),
    "huggingface": (
        {"model_name": "org/mini lm", "hf_provider": "hf-inference"},
        "/hf-inference/models/org/mini%20lm/pipeline/sentence-similarity",
        lambda asked: Answer(scored(asked.body["inputs"]["source_sentence"], asked.body["inputs"]["sentences"])),
        {"inputs": {"source_sentence": "gate", "sentences": ["ox", "horse"]}},
    ),
}
VARIABLES = {"ali": "DASHSCOPE"}


@pytest.mark.parametrize("name", CASES)
def test_requests_and_answers(name: str, service: RerankService, monkeypatch: pytest.MonkeyPatch) -> None:
    params, path, service.answer, body = CASES[name]
    monkeypatch.setenv(f"MILVUS_{VARIABLES.get(name, name.upper())}_API_KEY", "k3y")
    settings = replace(SETTINGS, rerankers={name: ProviderSettings(url=service.uri)})
    np.testing.assert_allclose(scores({"provider": name.title(), **params}, settings), EXPECTED)
    (asked,) = [asked for asked in service.asked if "ox" in str(asked.body)]
    assert (asked.path, asked.body) == (path, body)
    assert asked.headers["Authorization"] == "Bearer k3y"
    assert asked.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("end", ["", "/", "/rerank", "/rerank/"])
def test_an_endpoint_is_named_with_its_path_or_without(service: RerankService, end: str) -> None:
    scores({"provider": "tei", "endpoint": service.uri + end})
    assert {asked.path for asked in service.asked} == {"/rerank"}


@pytest.mark.parametrize(("size", "calls"), [(1, 5), (2, 3), (3, 2), ("100", 2)])
def test_texts_go_in_batches_of_one_query(service: RerankService, size: Any, calls: int) -> None:
    np.testing.assert_allclose(scores(own(service, max_client_batch_size=size)), EXPECTED)
    assert len(service.asked) == calls
    assert all(len(asked.body["texts"]) <= int(size) for asked in service.asked)


def test_no_texts_are_no_calls(service: RerankService) -> None:
    model = open_model(own(service), SETTINGS)
    assert len(model_scores(model, QUERIES, pa.array([], type=pa.large_string()), np.array([0, 0]))) == 0
    assert not service.asked


# --- failures ---


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"index": 0, "score": 1.0}],
        [{"index": 0, "score": 1.0}] * 3,
        [{"index": place, "score": 1.0} for place in (-1, 0, 1)],
        [{"index": place, "score": 1.0} for place in (1, 2, 3)],
    ],
)
def test_each_text_needs_a_score(service: RerankService, body: Any) -> None:
    service.answer = lambda _: Answer(body)
    with pytest.raises(FunctionFailed, match=r"the number of docs and scores does not match docs:\[[23]\]"):
        scores(own(service))


@pytest.mark.parametrize("body", [{"results": []}, [{"index": 0}] * 3, [{"index": 0, "score": "high"}] * 3, 5, None])
def test_other_answers_are_not_understood(service: RerankService, body: Any) -> None:
    service.answer = lambda _: Answer(body)
    with pytest.raises(FunctionFailed, match="tei rerank service answered what is not understood"):
        scores(own(service))


def test_an_answer_that_is_no_json(service: RerankService) -> None:
    service.answer = lambda _: Answer(b"<html>")
    with pytest.raises(FunctionFailed, match="unmarshal response failed"):
        scores(own(service))


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_is_passed_on_at_once(service: RerankService, status: int) -> None:
    service.answer = lambda _: Answer({"message": "no"}, status)
    with pytest.raises(FunctionFailed, match=rf'errs:\[{status} .*"message": "no"'):
        one_score(service)
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(service: RerankService, status: int) -> None:
    service.answer = lambda asked: Answer("busy", status) if len(service.asked) < TRIES else tei(asked)
    np.testing.assert_allclose(one_score(service), scored("shoe", ["ox"]))
    service.answer = lambda _: Answer("busy", status)
    service.asked.clear()
    with pytest.raises(ServiceUnavailable, match=rf"errs:\[{status} .*busy"):
        one_score(service)
    assert len(service.asked) == TRIES


def test_a_service_says_when_to_try_again(service: RerankService) -> None:
    service.answer = lambda _: Answer("busy", 429, {"Retry-After": "60"})
    with pytest.raises(ServiceUnavailable):
        one_score(service, timeout_ms=5_000)
    assert len(service.asked) == 1  # a minute is longer than the call may take: no second try


def test_no_service_is_unavailable() -> None:
    with RerankService() as gone:
        uri = gone.uri
    with pytest.raises(ServiceUnavailable, match="call service failed, errs:"):
        scores({"provider": "tei", "endpoint": uri})


def test_a_silent_service_is_given_up(service: RerankService) -> None:
    silence = threading.Event()
    service.answer = lambda asked: replace(tei(asked), wait=silence)
    try:
        with pytest.raises(ServiceUnavailable, match="timed out"):
            scores(own(service, timeout_ms=50))
    finally:
        silence.set()


def test_the_callers_deadline_ends_the_call(service: RerankService) -> None:
    with limited(Over()), pytest.raises(Expired):
        scores(own(service))
    assert not service.asked


def test_a_redirection_is_not_followed(service: RerankService) -> None:
    with RerankService() as other:
        service.answer = lambda _: Answer("", 307, {"Location": other.uri})
        with pytest.raises(FunctionFailed, match=r"errs:\[307"):
            scores(own(service))
        assert not other.asked


# --- keys and settings ---


def test_keys_by_function_then_settings_then_environment(
    service: RerankService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(params: dict[str, Any], settings: FunctionSettings) -> str:
        service.asked.clear()
        scores(own(service, **params), settings)
        return service.asked[0].headers.get("Authorization", "")

    known = replace(SETTINGS, credentials={"mine": Credential("a"), "theirs": Credential("b")})
    configured = replace(known, rerankers={"tei": ProviderSettings(credential="theirs")})
    assert key({}, known) == ""
    monkeypatch.setenv("MILVUSAI_TEI_API_KEY", "old")
    assert key({}, known) == "Bearer old"
    monkeypatch.setenv("MILVUS_TEI_API_KEY", "new")
    assert key({}, known) == "Bearer new"
    assert key({}, configured) == "Bearer b"
    assert key({"credential": "mine"}, configured) == "Bearer a"


def test_no_message_shows_a_key(service: RerankService) -> None:
    settings = replace(SETTINGS, credentials={"mine": Credential("s3cret")})
    model = open_model(own(service, credential="mine"), settings)
    service.answer = lambda asked: Answer(f"bad {asked.headers['Authorization']}", 401)
    with pytest.raises(FunctionFailed, match=r"bad Bearer \*\*\*"):
        scores(own(service, credential="mine"), settings)
    assert "s3cret" not in repr(model)
    assert "s3cret" not in repr(model.service())


@pytest.mark.parametrize("name", sorted(set(CASES) - {"vllm", "tei"}))
def test_hosted_services_need_a_key_and_a_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = f"MILVUS_{VARIABLES.get(name, name.upper())}_API_KEY"
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InvalidParameter, match=f"configure the {variable} environment variable"):
        scores({"provider": name, "model_name": "m"})
    with pytest.raises(MissingParameter, match=f"{name} rerank model name is required"):
        open_model({"provider": name}, SETTINGS)


@pytest.mark.parametrize(
    ("params", "settings", "message"),
    [
        ({}, SETTINGS, "rerank provider not specified"),
        ({"provider": "oracle"}, SETTINGS, r"unsupported rerank service provider: \[oracle\]"),
        (
            {"provider": "tei", "endpoint": "http://x"},
            replace(SETTINGS, rerankers={"tei": ProviderSettings(enable=False)}),
            r"rerank provider: \[tei\] is disabled",
        ),
        ({"provider": "vllm"}, SETTINGS, "vllm rerank endpoint is required"),
        ({"provider": "tei", "endpoint": "file:///etc/passwd"}, SETTINGS, "is not a valid http/https link"),
        ({"provider": "tei", "endpoint": "http://"}, SETTINGS, "is not a valid http/https link"),
        ({"provider": "tei", "endpoint": "http://[x"}, SETTINGS, "is not a valid http/https link"),
        (
            {"provider": "tei", "endpoint": "http://10.0.0.1"},
            replace(SETTINGS, hosts="models.local, other"),
            "not among functions.hosts",
        ),
        ({"provider": "cohere", "model_name": "m", "endpoint": "http://x"}, SETTINGS, r"no parameter \[endpoint\]"),
        ({"provider": "tei", "endpoint": "http://x", "temperature": 1}, SETTINGS, r"no parameter \[temperature\]"),
        ({"provider": "tei", "endpoint": "http://x", "max_client_batch_size": 0}, SETTINGS, "must be greater than 0"),
        ({"provider": "tei", "endpoint": "http://x", "max_client_batch_size": "few"}, SETTINGS, "not a valid number"),
        ({"provider": "tei", "endpoint": "http://x", "timeout_ms": -1}, SETTINGS, "timeout_ms must be greater than 0"),
        ({"provider": "tei", "endpoint": "http://x", "truncate": "perhaps"}, SETTINGS, "truncate"),
        ({"provider": "tei", "endpoint": "http://x", "truncation_direction": "up"}, SETTINGS, r"\[Left/Right\]"),
        ({"provider": "huggingface", "model_name": "m", "hf_provider": "groq"}, SETTINGS, "only supports hf-inference"),
        ({"provider": "huggingface", "model_name": "../m"}, SETTINGS, "invalid path segment"),
    ],
)
def test_parameters_that_can_not_be(params: dict[str, Any], settings: FunctionSettings, message: str) -> None:
    with pytest.raises(ElanusError, match=message) as refusal:
        open_model(params, settings)
    assert refusal.value.is_input


def test_an_unknown_credential_is_named(service: RerankService) -> None:
    with pytest.raises(InvalidParameter, match="can not find credential: mine"):
        scores(own(service, credential="mine"))


def test_hosts_that_are_allowed(service: RerankService) -> None:
    assert len(scores(own(service), replace(SETTINGS, hosts="models.local, 127.0.0.1"))) == len(TEXTS)


def test_queries_as_a_list_or_its_json() -> None:
    assert check_queries(["a", "b"]) == check_queries('["a", "b"]') == ("a", "b")


@pytest.mark.parametrize("value", ["a", "[1]", '"a"', [1], {}, None, "[]", []])
def test_queries_that_can_not_be(value: Any) -> None:
    with pytest.raises(InvalidParameter, match="queries"):
        check_queries(value)


def test_there_is_a_query_for_each_search(service: RerankService) -> None:
    model = open_model(own(service), SETTINGS)
    with pytest.raises(InvalidParameter, match=r"nq \[2\], queries size \[1\]"):
        model_scores(model, ["one"], pa.array(TEXTS, type=pa.large_string()), COUNTS)
