"""Every limit of the data model and of requests, with Milvus' default as its value."""

from __future__ import annotations

from typing import Final

NAME_BYTES: Final = 255
DESCRIPTION_BYTES: Final = 1024

DATABASES: Final = 64
COLLECTIONS: Final = 65_536
MAX_COLLECTIONS_KEY: Final = "database.max.collections"
"""Property of a database that lowers how many collections it may have."""
PARTITIONS: Final = 1_024
PARTITION_KEY_PARTITIONS: Final = 16
GENERAL_CAPACITY: Final = 65_536
SHARDS: Final = 16

FIELDS: Final = 64
VECTOR_FIELDS: Final = 10
DIM_MIN: Final = 2
DIM_MAX: Final = 32_768
BINARY_DIM_MAX: Final = 262_144
SPARSE_INDEX_MAX: Final = 2**32 - 2
VARCHAR_BYTES: Final = 65_535
ARRAY_CAPACITY: Final = 4_096
JSON_BYTES: Final = 65_536
TTL_SECONDS_MAX: Final = 3_155_760_000

MESSAGE_BYTES: Final = 64 * 2**20
REPLY_BYTES: Final = 256 * 2**20
RESULT_BYTES: Final = 104_857_600
TOP_K: Final = 16_384
NQ: Final = 16_384
GROUP_SIZE: Final = 10
QUERY_GROUPS: Final = 100_000
SUB_SEARCHES: Final = 1_024
ROUND_DECIMAL_MAX: Final = 6
INDEX_PARAM_BYTES: Final = 102_400
FILTER_DEPTH: Final = 256
FILTER_NODES: Final = 1_000_000
QUEUE: Final = 1_024

INDEX_MIN_ROWS: Final = 1_024
