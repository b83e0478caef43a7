"""A rerank model as a function names it: checked once, called with the texts of each search."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.functions.calls import Service, check_link
from elanus.functions.credentials import api_key, missing_key
from elanus.functions.rerank.provider import PROVIDERS, Options, Provider
from elanus.functions.rerank.providers import whole_number
from elanus.model.errors import FunctionFailed, InvalidParameter, MissingParameter
from elanus.model.params import INT32_MAX
from elanus.model.settings import FunctionSettings, ProviderSettings
from elanus.model.waiting import waiting

COMMON: Final = ("provider", "model_name", "model", "endpoint", "credential", "max_client_batch_size", "timeout_ms")
"""Parameters of every provider; ``model`` is what pymilvus' chains call ``model_name``."""
MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class RerankModel:
    """A model and how it is reached.

    provider    the name of its kind
    url         what is called
    model       name of the model, empty where the service has one only
    credential  name of the key that the function gave, empty for none; keys are looked up when the model is called
    batch       texts in one call
    """

    provider: str
    url: str
    model: str
    options: Options
    credential: str
    batch: int
    timeout_s: float
    settings: FunctionSettings

    def service(self) -> Service:
        """Return the service to call; InvalidParameter when it needs a key that nobody gave."""
        kind = PROVIDERS[self.provider]
        configured = _configured(self.settings, kind).credential
        key = api_key(self.settings, named=self.credential, configured=configured, variable=kind.variable)
        if kind.keyed and not key:
            raise missing_key(kind.variable)
        return Service(self.url, key, self.timeout_s, self.settings.retry_after_s)


def open_model(params: Mapping[str, Any], settings: FunctionSettings) -> RerankModel:
    """Return the model that a function's parameters name; nothing is called.

    params  values typed or as their texts; those that the provider doesn't know are refused
    raises  InvalidParameter or MissingParameter naming provider and parameter
    """
    provider = _provider(params, settings)
    unknown = sorted(set(params).difference(COMMON, provider.options))
    if unknown:
        raise InvalidParameter(f"rerank provider {provider.name} has no parameter [{unknown[0]}]")
    model = str(params.get("model_name", params.get("model", "")))
    if provider.modelled and not model:
        raise MissingParameter(f"{provider.name} rerank model name is required")
    batch = whole_number("max_client_batch_size", params.get("max_client_batch_size", provider.batch))
    if batch <= 0:
        raise InvalidParameter(f"max_client_batch_size must be greater than 0, got {batch}")
    timeout_ms = whole_number("timeout_ms", params.get("timeout_ms", round(settings.timeout_s * MILLISECONDS)))
    if timeout_ms <= 0:
        raise InvalidParameter(f"timeout_ms must be greater than 0, got {timeout_ms}")
    if timeout_ms > INT32_MAX:
        raise InvalidParameter(f"timeout_ms must not be greater than {INT32_MAX}, got {timeout_ms}")
    options = {key: check(key, params[key]) for key, check in provider.options.items() if key in params}
    credential = str(params.get("credential", ""))
    url = _url(provider, params, settings, model)
    return RerankModel(provider.name, url, model, options, credential, batch, timeout_ms / MILLISECONDS, settings)


def check_queries(value: Any) -> tuple[str, ...]:
    """Return a function's ``queries``, a list of texts or its JSON; InvalidParameter for anything else."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InvalidParameter(f"parse rerank queries failed, err: {error}") from None
    if not isinstance(value, list | tuple) or not all(isinstance(query, str) for query in value):
        raise InvalidParameter("rerank queries should be a list of strings")
    if not value:
        raise InvalidParameter("rerank queries must not be empty")
    return tuple(value)


def model_scores(
    model: RerankModel, queries: Sequence[str], texts: pa.Array, counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return how well each text answers its query, float32 [texts]; larger is better.

    texts   large_string, those of each query together; a null is an empty text
    counts  int64 [queries], how many there are of each
    raises  InvalidParameter unless there is a query for each count, or without a key; ServiceUnavailable or
            FunctionFailed with the service's message, when one call of them failed
    """
    if len(queries) != len(counts):
        raise InvalidParameter(
            f"nq must equal to queries size, but got nq [{len(counts)}], queries size [{len(queries)}]"
        )
    service, kind = model.service(), PROVIDERS[model.provider]
    filled = pc.fill_null(texts, "")
    scores = np.zeros(len(texts), dtype=np.float32)

    def ask(query: str, start: int, stop: int) -> None:
        batch = filled.slice(start, stop - start).to_pylist()
        reply = service.post(kind.request(model.model, query, batch, model.options))
        scores[start:stop] = _in_place(kind, reply, stop - start)

    calls = [
        (query, first, last)
        for query, span in zip(queries, _spans(counts), strict=True)
        for first, last in _batches(*span, model.batch)
    ]
    if len(calls) == 1:
        ask(*calls[0])
    else:
        _at_once(ask, calls, model.settings.parallel_calls)
    return scores


def _at_once(ask: Callable[[str, int, int], None], calls: Sequence[tuple[str, int, int]], most: int) -> None:
    """Make calls, some at a time; after the first that fails no other is begun."""
    pool = ThreadPoolExecutor(max_workers=max(1, most))
    try:
        with waiting():
            # Each call takes the caller's context along: with it go deadline and cancellation.
            asked = [pool.submit(partial(contextvars.copy_context().run, ask, *call)) for call in calls]
            for each in asked:
                each.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _provider(params: Mapping[str, Any], settings: FunctionSettings) -> Provider:
    name = params.get("provider")
    if not name:
        raise MissingParameter("rerank provider not specified")
    provider = PROVIDERS.find(str(name))
    if provider is None:
        raise InvalidParameter(f"unsupported rerank service provider: [{name}]")
    if not _configured(settings, provider).enable:
        raise InvalidParameter(f"rerank provider: [{provider.name}] is disabled")
    return provider


def _configured(settings: FunctionSettings, provider: Provider) -> ProviderSettings:
    return settings.rerankers.get(provider.name, ProviderSettings())


def _url(provider: Provider, params: Mapping[str, Any], settings: FunctionSettings, model: str) -> str:
    """Return what is called; only those who run the service themselves say where."""
    configured = _configured(settings, provider).url
    if not provider.needs_endpoint:
        if "endpoint" in params:
            raise InvalidParameter(f"rerank provider {provider.name} has no parameter [endpoint]")
        address = configured or provider.address
        check_link("url", address)
        return provider.locate(address, model) if provider.locate is not None else address
    endpoint = str(params.get("endpoint", "")) or configured
    if not endpoint:
        raise MissingParameter(f"{provider.name} rerank endpoint is required")
    check_link("endpoint", endpoint, "" if endpoint == configured else settings.hosts)
    base = endpoint.rstrip("/")
    return base if base.endswith(provider.address) else base + provider.address


def _spans(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(counts)
    return zip((ends - counts).tolist(), ends.tolist(), strict=True)


def _batches(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]


def _in_place(kind: Provider, reply: Any, count: int) -> NDArray[np.float32]:
    """Return the scores of a reply in the order of the texts; FunctionFailed unless each text has one."""
    try:
        answered = kind.answer(reply)
        places = np.array([place for place, _ in answered], dtype=np.int64)
        values = np.array([score for _, score in answered], dtype=np.float32)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise FunctionFailed(f"{kind.name} rerank service answered what is not understood") from None
    if len(places) != count or len(np.unique(places)) != count or places.min() < 0 or places.max() >= count:
        raise FunctionFailed(
            "get rerank scores failed, the number of docs and scores does not match "
            f"docs:[{count}], scores:[{len(places)}]"
        )
    scores = np.empty(count, dtype=np.float32)
    scores[places] = values
    return scores
