"""The providers: vllm, tei, cohere, voyageai, siliconflow, ali, huggingface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from elanus.functions.rerank.provider import PROVIDERS, Options, Provider
from elanus.model.errors import InvalidParameter
from elanus.model.params import parse_bool

HOSTED_BATCH: Final = 128
OWN_BATCH: Final = 32
HF_PROVIDER: Final = "hf-inference"


def whole_number(key: str, value: Any) -> int:
    """Return a parameter that is an integer or the text of one."""
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise InvalidParameter(f"[{key} param's value: {value}] is not a valid number")


def _direction(key: str, value: Any) -> str:
    for choice in ("Left", "Right"):
        if str(value).lower() == choice.lower():
            return choice
    raise InvalidParameter(f"[{key} param's value: {value}] is invalid, only supports [Left/Right]")


def _hf_provider(key: str, value: Any) -> str:
    if value != HF_PROVIDER:
        raise InvalidParameter(f"Hugging Face {key} only supports {HF_PROVIDER}")
    return HF_PROVIDER


# --- requests ---


def _documents(model: str, query: str, texts: Sequence[str], options: Options) -> dict[str, Any]:
    named = {"model": model} if model else {}
    return named | {"query": query, "documents": texts} | dict(options)


def _texts(_model: str, query: str, texts: Sequence[str], options: Options) -> dict[str, Any]:
    return {"query": query, "texts": texts} | dict(options)


def _input(model: str, query: str, texts: Sequence[str], _options: Options) -> dict[str, Any]:
    return {"model": model, "input": {"query": query, "documents": texts}}


def _sentences(_model: str, query: str, texts: Sequence[str], _options: Options) -> dict[str, Any]:
    return {"inputs": {"source_sentence": query, "sentences": texts}}


def _pipeline(address: str, model: str) -> str:
    """Return where a model's sentence similarity is."""
    parts = model.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidParameter("Hugging Face model name contains invalid path segment")
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{address.rstrip('/')}/{HF_PROVIDER}/models/{path}/pipeline/sentence-similarity"


# --- answers ---


def _relevance(items: Any) -> list[tuple[int, float]]:
    return [(item["index"], item["relevance_score"]) for item in items]


def _results(reply: Any) -> list[tuple[int, float]]:
    return _relevance(reply["results"])


def _data(reply: Any) -> list[tuple[int, float]]:
    return _relevance(reply["data"])


def _output(reply: Any) -> list[tuple[int, float]]:
    return _relevance(reply["output"]["results"])


def _ranks(reply: Any) -> list[tuple[int, float]]:
    return [(item["index"], item["score"]) for item in reply]


def _in_order(reply: Any) -> list[tuple[int, float]]:
    return list(enumerate(reply))


# --- the providers ---

PROVIDERS.register(
    Provider(
        name="vllm",
        batch=OWN_BATCH,
        address="/v2/rerank",
        request=_documents,
        answer=_results,
        variable="MILVUS_VLLM_API_KEY",
        modelled=False,
        options={"truncate_prompt_tokens": whole_number},
    )
)
PROVIDERS.register(
    Provider(
        name="tei",
        batch=OWN_BATCH,
        address="/rerank",
        request=_texts,
        answer=_ranks,
        variable="MILVUS_TEI_API_KEY",
        modelled=False,
        options={"truncate": parse_bool, "truncation_direction": _direction},
    )
)
PROVIDERS.register(
    Provider(
        name="cohere",
        batch=HOSTED_BATCH,
        address="https://api.cohere.com/v2/rerank",
        request=_documents,
        answer=_results,
        variable="MILVUS_COHERE_API_KEY",
        keyed=True,
        options={"max_tokens_per_doc": whole_number},
    )
)
PROVIDERS.register(
    Provider(
        name="voyageai",
        batch=HOSTED_BATCH,
        address="https://api.voyageai.com/v1/rerank",
        request=_documents,
        answer=_data,
        variable="MILVUS_VOYAGEAI_API_KEY",
        keyed=True,
        options={"truncation": parse_bool},
    )
)
PROVIDERS.register(
    Provider(
        name="siliconflow",
        batch=HOSTED_BATCH,
        address="https://api.siliconflow.cn/v1/rerank",
        request=_documents,
        answer=_results,
        variable="MILVUS_SILICONFLOW_API_KEY",
        keyed=True,
        options={"max_chunks_per_doc": whole_number, "overlap_tokens": whole_number},
    )
)
PROVIDERS.register(
    Provider(
        name="ali",
        batch=HOSTED_BATCH,
        address="https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank",
        request=_input,
        answer=_output,
        variable="MILVUS_DASHSCOPE_API_KEY",
        keyed=True,
    )
)
PROVIDERS.register(
    Provider(
        name="huggingface",
        batch=OWN_BATCH,
        address="https://router.huggingface.co",
        request=_sentences,
        answer=_in_order,
        variable="MILVUS_HUGGINGFACE_API_KEY",
        keyed=True,
        options={"hf_provider": _hf_provider},
        locate=_pipeline,
    )
)
