"""Groups, buckets and orders as clients ask for them: names and values, not yet bound to a collection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from elanus.model.types import DataType

SCORE: Final = "_score"
"""What measures and sorts name in place of a field: the hit's score."""
COUNT_KEY: Final = "_count"
VALUE_KEY: Final = "_key"
"""What buckets are ordered by beside measures: how many hits they hold, and their own values."""
EVERY_HIT: Final = "*"
MOST_LEVELS: Final = 4
MOST_ENTRIES: Final = 10_000
"""Hits that may be looked at for one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBy:
    """How a search's hits are put in groups.

    fields       names of fields, or one key of the dynamic field, or one path into a JSON field such as ``doc["a"]``
    size         most hits of a group
    strict       look on until every group has ``size`` hits or all that there are
    json_path    the path, where ``fields`` names a JSON field alone
    json_type    what JSON values are taken as; VARCHAR for their texts
    strict_cast  leave out rows whose JSON value is of another type, rather than take it as null
    listed       whether the fields were named as a list, so that their values are returned as one
    """

    fields: tuple[str, ...]
    size: int = 1
    strict: bool = False
    json_path: str = ""
    json_type: DataType = DataType.VARCHAR
    strict_cast: bool = False
    listed: bool = False


class Measuring(StrEnum):
    """What is measured of the hits of a bucket."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of each bucket. ``source`` is a field, ``_score``, or for a count ``*``."""

    alias: str
    measuring: Measuring
    source: str


@dataclass(frozen=True, slots=True)
class Sort:
    """One thing that buckets or hits are ordered by."""

    key: str
    descending: bool
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class TopHits:
    """The hits that are returned of each bucket: the first ``size``, best first when ``sorts`` is empty."""

    size: int
    sorts: tuple[Sort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """One level of buckets.

    fields       whose values make a bucket
    size         most buckets of each outer bucket
    search_size  most buckets that hits are looked for, when that is more
    order        of buckets; as they are met, nearest first, when empty
    inner        the level within each bucket
    """

    fields: tuple[str, ...]
    size: int
    search_size: int = 0
    measures: tuple[Measure, ...] = ()
    order: tuple[Sort, ...] = ()
    top_hits: TopHits | None = None
    inner: Aggregation | None = None

    @property
    def levels(self) -> Iterator[Aggregation]:
        """All levels, this one first."""
        level: Aggregation | None = self
        while level is not None:
            yield level
            level = level.inner

    @property
    def limit(self) -> int:
        """How many groups the search looks for: as many as there may be innermost buckets."""
        return math.prod(max(level.size, level.search_size) for level in self.levels)

    @property
    def group(self) -> GroupBy:
        """What the search groups by: the fields of all levels together."""
        names = tuple(name for level in self.levels for name in level.fields)
        size = max((level.top_hits.size for level in self.levels if level.top_hits is not None), default=1)
        return GroupBy(fields=names, size=size, strict=True, listed=True)
