"""Search aggregation: a message to the buckets that are asked for, buckets that were found to a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.types import DataType
from elanus.query.grouping.spec import (
    EVERY_HIT,
    MOST_ENTRIES,
    MOST_LEVELS,
    Aggregation,
    Measure,
    Measuring,
    Sort,
    TopHits,
)
from elanus.query.result import BucketHits, Buckets, Facets
from elanus.server.grpc.instants import TimeFormat
from elanus.server.grpc.keys import (
    GROUP_BY_FIELD,
    GROUP_BY_FIELDS,
    ITERATOR,
    ORDER_BY_FIELDS,
    SEARCH_ITERATOR_V2,
)
from elanus.server.grpc.outputs import asked_keys
from elanus.server.grpc.pairs import parse_flag

ASCENDING, DESCENDING = "asc", "desc"


def parse_aggregation(spec: Any, pairs: Mapping[str, str]) -> Aggregation:
    """Return what a ``SearchAggregationSpec`` asks for.

    pairs   the search's parameters
    raises  InvalidParameter for what is out of range, or can't be combined
    """
    for key in (GROUP_BY_FIELD, GROUP_BY_FIELDS):
        if pairs.get(key, "").strip():
            raise InvalidParameter(f"{GROUP_BY_FIELD} and search_aggregation cannot be used simultaneously")
    for key in (ITERATOR, SEARCH_ITERATOR_V2):
        if parse_flag(pairs, key):
            raise InvalidParameter("search iterator is not supported with search_aggregation")
    if pairs.get(ORDER_BY_FIELDS, "").strip():
        raise InvalidParameter(f"{ORDER_BY_FIELDS} is not supported with search_aggregation")
    if pairs.get("offset", "0") not in ("", "0"):
        raise InvalidParameter("offset is not supported with search_aggregation")
    return _level(spec, MOST_LEVELS)


def check_entries(asked: Aggregation, nq: int) -> None:
    """Raise InvalidParameter when too many hits would have to be looked at."""
    entries = nq * asked.limit * asked.group.size
    if entries > MOST_ENTRIES:
        raise InvalidParameter(
            f"number of search_aggregation result entries is too large: {entries} of nq * sizes * top_hits size, "
            f"at most {MOST_ENTRIES}"
        )


def _level(spec: Any, levels: int) -> Aggregation:
    if not levels:
        raise InvalidParameter(f"search_aggregation nesting exceeds max {MOST_LEVELS} levels")
    if not spec.fields:
        raise InvalidParameter("search_aggregation fields should not be empty")
    if spec.size <= 0 or spec.search_size < 0:
        raise InvalidParameter(f"search_aggregation size [{spec.size}] is invalid, should be greater than 0")
    return Aggregation(
        fields=tuple(spec.fields),
        size=spec.size,
        search_size=spec.search_size,
        measures=tuple(_measure(alias, each) for alias, each in sorted(spec.metrics.items())),
        order=tuple(_sort(each.key, each, "") for each in spec.order),
        top_hits=_top_hits(spec.top_hits) if spec.HasField("top_hits") else None,
        inner=_level(spec.sub_aggregation, levels - 1) if spec.HasField("sub_aggregation") else None,
    )


def _measure(alias: str, spec: Any) -> Measure:
    try:
        measuring = Measuring(spec.op.lower())
    except ValueError:
        listed = ", ".join(Measuring)
        raise InvalidParameter(f"metric {alias}: unknown operator {spec.op}, expected one of {listed}") from None
    if not spec.field_name or (spec.field_name == EVERY_HIT and measuring is not Measuring.COUNT):
        raise InvalidParameter(f"metric {alias}: operator {measuring} needs a field")
    return Measure(alias, measuring, spec.field_name)


def _sort(key: str, spec: Any, default: str) -> Sort:
    direction = spec.direction.lower() or default
    if direction not in (ASCENDING, DESCENDING):
        raise InvalidParameter(
            f"invalid order direction '{spec.direction}' for field '{key}', expected '{ASCENDING}' or '{DESCENDING}'"
        )
    return Sort(key, direction == DESCENDING, spec.null_first)


def _top_hits(spec: Any) -> TopHits:
    if spec.size <= 0:
        raise InvalidParameter(f"top_hits size [{spec.size}] is invalid, should be greater than 0")
    return TopHits(spec.size, tuple(_sort(each.field_name, each, DESCENDING) for each in spec.sort))


# --- the reply ---


def fill_buckets(data: Any, facets: Facets, nq: int, times: TimeFormat) -> None:
    """Enter buckets into a ``SearchResultData``; there are at most as many as entries are allowed.

    times  how the instants of hits are shown, no parts of them
    """
    outermost = facets.levels[0].parents
    counts = [0] * nq
    for query in outermost.tolist():
        counts[query] += 1
    data.agg_topks.extend(counts)
    outer: Sequence[Any] = ()
    for depth, level in enumerate(facets.levels):
        if depth:
            messages = [outer[parent].sub_groups.add() for parent in level.parents.tolist()]
        else:
            messages = [data.agg_buckets.add() for _ in range(len(outermost))]
        _fill(messages, level, times)
        outer = messages


def _fill(messages: Sequence[Any], level: Buckets, times: TimeFormat) -> None:
    for message, count in zip(messages, level.counts.tolist(), strict=True):
        message.count = count
    for column in level.keys:
        name = _KEY_VALUES.get(column.field.type, "int_val")
        for message, value in zip(messages, column.data.to_pylist(), strict=True):
            entry = message.key.add(field_id=column.field.id, field_name=column.field.name)
            if value is not None:
                setattr(entry, name, value)
    for alias, figures in level.measures.items():
        name = _measured_as(figures.type)
        for message, value in zip(messages, figures.to_pylist(), strict=True):
            figure = message.metrics[alias]
            if value is not None:
                setattr(figure, name, value)
    if level.hits is not None:
        _fill_hits(messages, level.hits, times)


def _measured_as(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "int_val"
    return "double_val" if pa.types.is_floating(kind) else "string_val"


def _fill_hits(messages: Sequence[Any], found: BucketHits, times: TimeFormat) -> None:
    key = "int_pk" if pa.types.is_int64(found.keys.type) else "str_pk"
    owners = [message for message, count in zip(messages, found.counts.tolist(), strict=True) for _ in range(count)]
    pairs = zip(owners, found.keys.to_pylist(), found.scores.tolist(), strict=True)
    hits = [owner.hits.add(**{key: value, "score": score}) for owner, value, score in pairs]
    for output in found.columns:
        column = asked_keys(output)
        _fill_field(hits, times.show(column) if column.field.type is DataType.TIMESTAMPTZ else column)


def _fill_field(hits: Iterable[Any], column: Column) -> None:
    name = _HIT_VALUES.get(column.field.type, "int_val")
    for hit, value in zip(hits, column.data.to_pylist(), strict=True):
        entry = hit.fields.add(field_id=column.field.id, field_name=column.field.name)
        if value is not None:
            setattr(entry, name, value)


_KEY_VALUES: Final = {DataType.BOOL: "bool_val", DataType.VARCHAR: "string_val"}
"""Where the values of a bucket go; all others are integers."""
_HIT_VALUES: Final = {
    **_KEY_VALUES,
    DataType.FLOAT: "float_val",
    DataType.DOUBLE: "double_val",
    DataType.JSON: "bytes_val",
    DataType.TIMESTAMPTZ: "string_val",
}
