"""Search aggregation: nested buckets over the hits of a grouping search, level by level on columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import FieldNotFound, InvalidParameter
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType
from elanus.query.candidates import Candidates
from elanus.query.fetch import fetch
from elanus.query.grouping.groups import Groups
from elanus.query.grouping.key import GROUPED
from elanus.query.grouping.spec import (
    COUNT_KEY,
    EVERY_HIT,
    MOST_LEVELS,
    SCORE,
    VALUE_KEY,
    Aggregation,
    Measure,
    Measuring,
    Sort,
    TopHits,
)
from elanus.query.order import order_hits
from elanus.query.output import OutputPlan
from elanus.query.places import places_among
from elanus.query.result import BucketHits, Buckets, Facets, OutputColumn
from elanus.query.sorting import SORTABLE, sort_columns

Ints = NDArray[np.int64]

SHOWN: Final = SORTABLE | {DataType.JSON}
"""The types of output fields that a bucket's hits can carry."""
_FUNCTIONS: Final = {Measuring.COUNT: "count", Measuring.AVG: "mean"}


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """A search aggregation, bound to a schema.

    sources  the fields that levels read, by name
    output   what the hits of buckets carry
    """

    levels: tuple[Aggregation, ...]
    sources: Mapping[str, Field]
    output: OutputPlan

    def apply(self, candidates: Candidates) -> Facets:
        """Return the buckets that hits fall into."""
        fields = list(self.sources.values())
        batch = fetch(candidates.segments, candidates.parts, candidates.rows, fields)
        sorter = _Hits(candidates, batch, self.sources)
        hits, parents, levels = np.arange(len(candidates)), candidates.query, []
        for level in self.levels:
            buckets, hits, parents = self._level(level, sorter, hits, parents)
            levels.append(buckets)
        return Facets(tuple(levels))

    def _level(self, level: Aggregation, found: _Hits, hits: Ints, parents: Ints) -> tuple[Buckets, Ints, Ints]:
        """Return a level's buckets, the hits that are in one, and in which.

        hits     int64 [n], positions of the hits in outer buckets, nearest first in each
        parents  int64 [n], which of those each hit is in, ascending
        """
        keys = [found.values(name, hits) for name in level.fields]
        groups = Groups.of_hits(parents, _joint_codes(keys))
        own = [key.take(pa.array(groups.first)) for key in keys]
        measures = {each.alias: found.measured(each, hits, groups) for each in level.measures}
        columns = [column for sort in level.order for column in _sort_columns(sort, groups.counts, own, measures)]
        order = np.lexsort((groups.number, *reversed(columns), groups.query))
        kept = order[places_among(groups.query) < level.size]
        number = np.full(len(groups.first), -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))
        inside = np.flatnonzero(number[groups.of] >= 0)
        by_bucket = inside[np.argsort(number[groups.of[inside]], kind="stable")]
        hits, parents = hits[by_bucket], number[groups.of[by_bucket]]
        taken = pa.array(kept)
        buckets = Buckets(
            parents=groups.query[kept],
            keys=tuple(
                Column(self.sources[name], values.take(taken)) for name, values in zip(level.fields, own, strict=True)
            ),
            counts=groups.counts[kept],
            measures={alias: figures.take(taken) for alias, figures in measures.items()},
            hits=None if level.top_hits is None else self._top(level.top_hits, found, hits, parents, len(kept)),
        )
        return buckets, hits, parents

    def _top(self, asked: TopHits, found: _Hits, hits: Ints, buckets: Ints, count: int) -> BucketHits:
        """Return the first hits of each of ``count`` buckets."""
        order = found.sorted(asked.sorts, hits, buckets)
        first = order[places_among(buckets) < asked.size]
        candidates = found.candidates
        chosen = hits[first]
        batch = fetch(candidates.segments, candidates.parts[chosen], candidates.rows[chosen], self.output.fields)
        columns = [column for column in self.output.columns(batch) if isinstance(column, OutputColumn)]
        return BucketHits(
            counts=np.bincount(buckets[first], minlength=count).astype(np.int64, copy=False),
            keys=candidates.keys.take(pa.array(chosen)),
            scores=candidates.scores[chosen],
            columns=tuple(columns),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """The hits of a search and the fields that buckets are made and measured by."""

    candidates: Candidates
    batch: ColumnBatch
    fields: Mapping[str, Field]

    def values(self, name: str, hits: Ints) -> pa.Array:
        """Return a field's value of each hit, or its score as a double."""
        if name == SCORE:
            return pa.array(self.candidates.scores[hits].astype(np.float64))
        return self.batch[self.fields[name].id].data.take(pa.array(hits))

    def measured(self, measure: Measure, hits: Ints, groups: Groups) -> pa.Array:
        """Return a figure of each group of hits."""
        if measure.source == EVERY_HIT:
            return pa.array(groups.counts)
        function = _FUNCTIONS.get(measure.measuring, measure.measuring.value)
        table = pa.table({"group": groups.of, "value": self.values(measure.source, hits)})
        # Groups are numbered as they are met, and come back so.
        figures = table.group_by("group", use_threads=False).aggregate([("value", function)])
        return figures[f"value_{function}"].combine_chunks()

    def sorted(self, sorts: Sequence[Sort], hits: Ints, buckets: Ints) -> Ints:
        """Return positions of hits by bucket, then as asked, then as hits are ordered."""
        distances = self.candidates.distances[hits]
        nearest = order_hits(buckets, distances, self.candidates.keys.take(pa.array(hits)))
        if not sorts:
            return nearest
        columns = [column for sort in sorts for column in self._sort_columns(sort, hits[nearest])]
        order: Ints = nearest[np.lexsort((*reversed(columns), buckets[nearest]))]
        return order

    def _sort_columns(self, sort: Sort, hits: Ints) -> tuple[Ints, ...]:
        if sort.key == SCORE:  # descending is best first, whatever the metric
            distances = pa.array(self.candidates.distances[hits])
            return sort_columns(distances, descending=not sort.descending, nulls_first=False)
        values = self.values(sort.key, hits)
        return sort_columns(values, descending=sort.descending, nulls_first=sort.nulls_first)


def _joint_codes(keys: Sequence[pa.Array]) -> Ints:
    """Return a number for each distinct combination of values, int64 [n]; null is a value."""
    codes = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        encoded = key.dictionary_encode(null_encoding="encode")
        own = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        codes = np.unique(codes * max(len(encoded.dictionary), 1) + own, return_inverse=True)[1]
    return codes


def _sort_columns(sort: Sort, counts: Ints, keys: Sequence[pa.Array], measures: Mapping[str, pa.Array]) -> list[Ints]:
    """Return int64 columns [buckets] that sort as asked, the most significant first."""
    by_name: dict[str, Sequence[pa.Array]] = {COUNT_KEY: (pa.array(counts),), VALUE_KEY: keys}
    values = (measures[sort.key],) if sort.key in measures else by_name[sort.key]
    return [
        column
        for own in values
        for column in sort_columns(own, descending=sort.descending, nulls_first=sort.nulls_first)
    ]


# --- binding ---


def bind_facets(schema: Schema, asked: Aggregation, output: OutputPlan) -> FacetPlan:
    """Bind a search aggregation.

    raises  InvalidParameter for a field whose values make no buckets, can't be measured so, or can't be returned
    """
    levels = tuple(asked.levels)
    if len(levels) > MOST_LEVELS:
        raise InvalidParameter(f"search_aggregation nesting exceeds max {MOST_LEVELS} levels")
    sources: dict[str, Field] = {}
    for level in levels:
        for name in level.fields:
            if name in sources:
                raise InvalidParameter(f"field {name} is used more than once in search_aggregation")
            sources[name] = _bucket_field(schema, name)
    for level in levels:
        sources |= _measured_fields(schema, level) | _sort_fields(schema, level)
    if any(level.top_hits is not None for level in levels):
        _check_shown(output)
    else:
        output = replace(output, fields=(), structs=())
    return FacetPlan(levels, sources, output)


def _bucket_field(schema: Schema, name: str) -> Field:
    field = schema.find(name)
    if field is None and schema.find(name.partition("[")[0]) is None and schema.dynamic is None:
        raise FieldNotFound(name, "groupBy field not found in schema")
    if field is None or field.type is DataType.JSON:
        raise InvalidParameter(f"JSON / dynamic fields are not yet supported with search_aggregation: {name}")
    if field.type.is_floating:
        raise InvalidParameter(f"FLOAT / DOUBLE fields are not supported with search_aggregation: {name}")
    if field.type not in GROUPED:
        raise InvalidParameter(f"group by field {name} has unsupported data type {field.type.label}")
    return field


def _measured_fields(schema: Schema, level: Aggregation) -> dict[str, Field]:
    fields = {}
    for measure in level.measures:
        counts = measure.measuring is Measuring.COUNT
        if measure.source == SCORE and counts:
            raise InvalidParameter(f"metric {measure.alias}: {SCORE} can't be counted, count {EVERY_HIT}")
        if measure.source == SCORE or (measure.source == EVERY_HIT and counts):
            continue
        field = schema.find(measure.source)
        if field is None:
            raise InvalidParameter(f"metric {measure.alias}: field {measure.source} not exist")
        if not counts and field.type not in measurable(measure.measuring):
            raise InvalidParameter(
                f"metric {measure.alias}: aggregation operator {measure.measuring} does not support data type "
                f"{field.type.label}"
            )
        fields[field.name] = field
    _check_order(level)
    return fields


def measurable(measuring: Measuring) -> frozenset[DataType]:
    """Return the types of fields of which a figure can be made."""
    numeric = frozenset(kind for kind in DataType if kind.is_numeric)
    ranked = measuring in (Measuring.MIN, Measuring.MAX)
    return numeric | {DataType.VARCHAR, DataType.TIMESTAMPTZ} if ranked else numeric


def _check_order(level: Aggregation) -> None:
    known = {COUNT_KEY, VALUE_KEY, *(measure.alias for measure in level.measures)}
    for sort in level.order:
        if sort.key not in known:
            raise InvalidParameter(f"order key {sort.key} is neither a metric nor one of {COUNT_KEY}, {VALUE_KEY}")


def _sort_fields(schema: Schema, level: Aggregation) -> dict[str, Field]:
    fields = {}
    for sort in () if level.top_hits is None else level.top_hits.sorts:
        if sort.key == SCORE:
            continue
        field = schema.find(sort.key)
        if field is None:
            raise InvalidParameter(f"top_hits sort field {sort.key} not exist")
        if field.type not in SORTABLE:
            raise InvalidParameter(f"top_hits sort field {sort.key} has unsortable type {field.type.label}")
        fields[field.name] = field
    return fields


def _check_shown(output: OutputPlan) -> None:
    for field in output.fields:
        if field.struct or field.type not in SHOWN:
            raise InvalidParameter(
                f"output field {field.name} of type {field.type.label} can't be returned by top_hits"
            )
