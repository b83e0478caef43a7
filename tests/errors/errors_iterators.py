"""4.7 iterators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from errors_stage import DIM, Stage, each
from pymilvus.client.prepare import Prepare

PAGE = {"iterator": "True", "search_iter_v2": "True", "search_iter_batch_size": 5}


def _searched(*vectors: list[float], **options: Any) -> Callable[[Stage], object]:
    """Search with options, None to leave one of a page's out."""
    given = {key: value for key, value in options.items() if value is not None}
    data = list(vectors) or [[0.0] * DIM]
    return lambda stage: stage.send(
        "Search", Prepare.search_requests_with_expr(stage.plain, "v", {}, 5, data=data, **given)
    )


def _paged(*vectors: list[float], **options: Any) -> Callable[[Stage], object]:
    return _searched(*vectors, **(PAGE | options))


def _queried(**options: Any) -> Callable[[Stage], object]:
    given = {"iterator": "True", "limit": 5} | options
    return lambda stage: stage.send("Query", Prepare.query_request(stage.plain, "id >= 0", ["id"], [], **given))


each(
    175,
    1100,
    ("Setting an offset is not permitted when using a search iterator v2", _paged(offset=3)),
    ("GroupBy is not permitted when using a search iterator", _paged(group_by_field="n")),
    ("invalid token format", _paged(search_iter_id="no uuid")),
    ("failed to parse input last bound", _paged(search_iter_last_bound="far")),
    ("batch size is invalid, it should be in range [1, 16384], but got 0", _paged(search_iter_batch_size=0)),
    ("batch size is invalid, it should be in range [1, 16384], but got 16385", _paged(search_iter_batch_size=16385)),
    ("batch size is required", _paged(search_iter_batch_size=None)),
    ("both iterator and search_iter_v2 must be set in the SDK", _paged(iterator=None)),
    (
        "search iterator does not support processing multiple vectors simultaneously",
        _paged([0.0] * DIM, [1.0] * DIM),
    ),
    (
        "collection id:7 in the request is not consistent to that in the search context",
        _searched(iterator="True", collection_id=7),
    ),
    ("collection id:7 in the request is not consistent to that in the search context", _queried(collection_id=7)),
    ("ORDER BY with iterator is not supported", _queried(order_by=["n"])),
    ("go together, and only with iterator", _queried(query_iter_last_pk=3)),
)
