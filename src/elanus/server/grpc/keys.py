"""The names of parameters that searches and queries know; every other parameter of a search is one of its index."""

from __future__ import annotations

from typing import Final

GROUP_BY_FIELD: Final = "group_by_field"
GROUP_BY_FIELDS: Final = "group_by_fields"
ORDER_BY_FIELDS: Final = "order_by_fields"
ITERATOR: Final = "iterator"
SEARCH_ITERATOR_V2: Final = "search_iter_v2"
BATCH_SIZE: Final = "search_iter_batch_size"
TOKEN: Final = "search_iter_id"
LAST_BOUND: Final = "search_iter_last_bound"
LAST_KEY: Final = "query_iter_last_pk"
LAST_ELEMENT: Final = "query_iter_last_element_offset"
COLLECTION_ID: Final = "collection_id"
PROFILE: Final = "profile"
RECALL: Final = "enable_recall_calculation"

SEARCH_UNAVAILABLE: Final = ("analyzer_name",)
"""What a search may be asked for in Milvus and is refused here."""

SEARCH_KEYS: Final = frozenset(
    {
        "anns_field",
        "topk",
        "limit",
        "offset",
        "metric_type",
        "params",
        "round_decimal",
        "ignore_growing",
        "timezone",
        "time_fields",
        "page_retain_order",
        GROUP_BY_FIELD,
        GROUP_BY_FIELDS,
        "group_size",
        "strict_group_size",
        "json_path",
        "json_type",
        "strict_cast",
        ORDER_BY_FIELDS,
        ITERATOR,
        SEARCH_ITERATOR_V2,
        BATCH_SIZE,
        TOKEN,
        LAST_BOUND,
        COLLECTION_ID,
        PROFILE,
        RECALL,
        *SEARCH_UNAVAILABLE,
    }
)
"""Parameters of a search that are none of its index."""
