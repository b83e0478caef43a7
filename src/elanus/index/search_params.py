"""Search parameters: what a user writes beside a query, made typed and checked once per request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elanus.index.base import IndexKind, SearchParams


def parse_search(kind: IndexKind, pairs: Mapping[str, Any], k: int) -> SearchParams:
    """Return the search parameters of ``kind`` that ``pairs`` name, defaults elsewhere; unknown keys are ignored.

    pairs   values as JSON or key-value strings give them
    k       results wanted of the index, offset included
    raises  InvalidParameter for a value of the wrong type or range, SearchFailed for one too small for k
    """
    params = kind.search_params.parse(pairs)
    params.check(k)
    return params
