"""Search parameters: what a user writes beside a query, made typed and checked once per request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elanus.index.base import IndexKind, SearchParams
from elanus.model.params import Params, param


@dataclass(frozen=True)
class ListSearch(Params):
    """How lists of vectors are searched by an index over the elements of lists.

    retrieval_ann_ratio  for each result so many elements are looked for with each vector; 3 in Milvus, which finds
                         half of what is nearest where no list stands out
    emb_list_rerank      measure the rows that were found exactly; otherwise an element that wasn't found counts as if
                         it were as far as the farthest one that was
    """

    retrieval_ann_ratio: float = param(10.0, low=1.0, high=1_000.0)
    emb_list_rerank: bool = param(default=True)


def parse_search(kind: IndexKind, pairs: Mapping[str, Any], k: int) -> SearchParams:
    """Return the search parameters of ``kind`` that ``pairs`` name, defaults elsewhere; unknown keys are ignored.

    pairs   values as JSON or key-value strings give them
    k       results wanted of the index, offset included
    raises  InvalidParameter for a value of the wrong type or range, SearchFailed for one too small for k
    """
    params = kind.search_params.parse(pairs)
    params.check(k)
    return params
