"""SPARSE_INVERTED_INDEX and SPARSE_WAND: inner product over sparse vectors, answered by an exact scan.

The algorithm names and ratios are checked as Milvus checks them; an exact scan has no use for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elanus.index.base import INDEX_KINDS, IndexKind, SearchParams
from elanus.index.families import SPARSE_FAMILY
from elanus.model.errors import InvalidParameter
from elanus.model.params import Params, param

ALGORITHMS: Final = (
    "DAAT_MAXSCORE",
    "DAAT_WAND",
    "TAAT_NAIVE",
    "BLOCK_MAX_MAXSCORE",
    "BLOCK_MAX_WAND",
    "SINDI",
)


@dataclass(frozen=True)
class SparseBuild(Params):
    """Parameters of a sparse index, kept and echoed."""

    inverted_index_algo: str = param("DAAT_MAXSCORE")
    drop_ratio_build: float = param(0.0, low=0, high=1, high_open=True)

    def __post_init__(self) -> None:
        if self.inverted_index_algo not in ALGORITHMS:
            raise InvalidParameter(
                f"sparse inverted index algo {self.inverted_index_algo} not found or not supported, "
                f"supported: [{' '.join(ALGORITHMS)}]"
            )


@dataclass(frozen=True)
class SparseSearch(SearchParams):
    """Parameters of a sparse search; every entry is scored whatever they say."""

    drop_ratio_search: float = param(0.0, low=0, high=1, high_open=True)
    dim_max_score_ratio: float = param(1.05, low=0.5, high=1.3)


for _name in ("SPARSE_INVERTED_INDEX", "SPARSE_WAND"):
    INDEX_KINDS.register(
        IndexKind(
            name=_name,
            family="vector",
            metrics=SPARSE_FAMILY,
            build_params=SparseBuild,
            search_params=SparseSearch,
        )
    )
