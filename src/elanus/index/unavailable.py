"""Index types that Milvus knows and Elanus doesn't yet: refused by name, with what there is."""

from __future__ import annotations

from typing import Final

from elanus.index.base import INDEX_KINDS
from elanus.model.errors import InvalidParameter

VECTOR_TYPES: Final = frozenset(
    {
        "IVF_SQ8",
        "IVF_PQ",
        "IVF_FLAT_CC",
        "IVF_SQ_CC",
        "IVF_RABITQ",
        "IVF_RABITQ_FASTSCAN",
        "SCANN",
        "HNSW_PQ",
        "HNSW_PRQ",
        "DISKANN",
        "AISAQ",
        "BIN_IVF_FLAT",
        "MINHASH_LSH",
        "GPU_BRUTE_FORCE",
        "GPU_IVF_FLAT",
        "GPU_IVF_PQ",
        "GPU_CAGRA",
        "FAISS",
    }
)


def invalid_type(name: str) -> InvalidParameter:
    """Return the error for an index type that can't be built here: unknown, or known to Milvus alone."""
    why = f"index type {name} is not available yet" if name in VECTOR_TYPES else f"there is no index type {name}"
    message = f"invalid index type: {name}, {why}; available: {', '.join(INDEX_KINDS.names())}"
    return InvalidParameter.expected(message, expected="valid index", actual=f"invalid index type: {name}")
