"""Query aggregation, bound to a schema once: what is computed of each group of rows, and what is returned of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from elanus.expr import BoundExpr, bind
from elanus.model.errors import FieldNotFound, InvalidParameter, Wrapped
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import INTEGER_RANGES, DataType
from elanus.query.grouping.facets import measurable
from elanus.query.grouping.key import GROUPED
from elanus.query.grouping.spec import Measuring, Sort
from elanus.query.request import QueryRequest
from elanus.query.sorting import SORTABLE
from elanus.query.tables.aggregates import ROWS, Aggregate, Histogram, parse_aggregate, parse_histogram, replace_calls

COUNT: Final = "count(*)"
"""What is returned where nothing is named."""
CALLED: Final = "aggregate__{}"
"""What the columns are called in a filter of groups that have no name which could be one of a field."""
UNKNOWN_ORDER: Final = "ORDER BY can only reference GROUP BY columns and aggregates, got '{}'"
UNKNOWN_CALL: Final = "having can only reference group by fields and aggregates, got {}"


class Reading(Enum):
    """What of a field is aggregated: see the members."""

    ROWS = "a one for each row"
    PRESENT = "a one for each value, a zero for each null"
    VALUES = "the values"
    DOUBLES = "the values as doubles"


@dataclass(frozen=True, slots=True)
class Part:
    """What is computed of each group, segment by segment; ``function`` also joins the results of segments."""

    reading: Reading
    function: str
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A bound aggregate.

    field  the results, as a reply names and types them
    parts  places in ``TablePlan.parts`` of what it is made from: none for a count of distinct values, two for an
           average (the sum, the count), else one
    source the field whose distinct values are counted
    """

    field: Field
    parts: tuple[int, ...]
    counts: bool = False
    source: Field | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What rows are grouped by: a field's values, or the multiples of ``width`` below them.

    field  the values as a reply names and types them
    """

    field: Field
    source: Field
    width: int | float | None = None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A query aggregation: a table with a row a group, or one row in all without ``keys``.

    parts    what is computed of each group, at least one thing
    outputs  the columns that are returned: places among those of ``keys`` and then ``figures``
    fields   how the reply names and types them
    having   which groups are returned, over ``columns``; None for all
    order    what groups are ordered by: places as of ``outputs``; then by their keys, ascending
    """

    keys: tuple[Key, ...]
    figures: tuple[Figure, ...]
    parts: tuple[Part, ...]
    outputs: tuple[int, ...]
    fields: tuple[Field, ...]
    columns: tuple[Field, ...]
    having: BoundExpr | None
    order: tuple[tuple[int, Sort], ...]
    offset: int
    limit: int | None


def bind_table(schema: Schema, request: QueryRequest, timezone: str) -> TablePlan:
    """Bind a query that asks for figures or groups; raises FieldNotFound or InvalidParameter for what can't be."""
    return _Binder(schema).bind(request, timezone)


class _Binder:
    """Collects what a table needs, each part once. Columns are numbered: the keys, then the figures."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._keys: dict[str | Histogram, Key] = {}
        self._figures: dict[Aggregate, Figure] = {}
        self._parts: dict[Part, int] = {}

    def bind(self, request: QueryRequest, timezone: str) -> TablePlan:
        """Return the plan of a request."""
        for text in request.group_by:
            named, key = _key(self._schema, text)
            if named in self._keys:
                raise InvalidParameter(f"duplicate group by field: {text}")
            self._keys[named] = key
        names = tuple(dict.fromkeys(request.output_fields or request.group_by)) or (COUNT,)
        outputs = tuple(self._place(name, "output field '{}' is not allowed: it is no aggregate") for name in names)
        order = tuple((self._place(sort.key, UNKNOWN_ORDER), sort) for sort in request.order)
        having = replace_calls(request.having, lambda call: CALLED.format(self._place(call, UNKNOWN_CALL)))
        fields = [key.field for key in self._keys.values()] + [figure.field for figure in self._figures.values()]
        columns = tuple(_as_column(place, field) for place, field in enumerate(fields))
        return TablePlan(
            keys=tuple(self._keys.values()),
            figures=tuple(self._figures.values()),
            parts=tuple(self._parts) or (Part(Reading.ROWS, "sum"),),
            outputs=outputs,
            fields=tuple(replace(fields[at], name=name) for at, name in zip(outputs, names, strict=True)),
            columns=columns,
            having=_bind_having(having, columns, request.values, timezone) if having else None,
            order=order,
            offset=request.offset,
            limit=request.limit,
        )

    def _place(self, name: str, refusal: str) -> int:
        """Return which column a name means, and see to it that it is computed."""
        aggregate = parse_aggregate(name)
        if aggregate is not None:
            if aggregate not in self._figures:
                self._figures[aggregate] = self._figure(aggregate, name)
            return len(self._keys) + list(self._figures).index(aggregate)
        of = parse_histogram(name) or name.strip()
        if of not in self._keys:
            raise InvalidParameter(refusal.format(name))
        return list(self._keys).index(of)

    def _figure(self, aggregate: Aggregate, text: str) -> Figure:
        if aggregate == ROWS:
            return Figure(_field(text, DataType.INT64), (self._part(Reading.ROWS, "sum"),), counts=True)
        field = _measured(self._schema, aggregate, text)
        if aggregate.distinct:
            return Figure(_field(text, DataType.INT64), (), counts=True, source=field)
        measuring = aggregate.measuring
        if measuring is Measuring.COUNT:
            return Figure(_field(text, DataType.INT64), (self._part(Reading.PRESENT, "sum", field),), counts=True)
        if measuring is Measuring.AVG:
            both = self._part(Reading.DOUBLES, "sum", field), self._part(Reading.PRESENT, "sum", field)
            return Figure(_field(text, DataType.DOUBLE), both)
        part = self._part(Reading.VALUES, measuring.value, field)
        if measuring is Measuring.SUM:
            return Figure(_field(text, DataType.INT64 if field.type in INTEGER_RANGES else DataType.DOUBLE), (part,))
        return Figure(_field(text, field.type), (part,))

    def _part(self, reading: Reading, function: str, field: Field | None = None) -> int:
        return self._parts.setdefault(Part(reading, function, field), len(self._parts))


def _as_column(place: int, field: Field) -> Field:
    plain = field.name.isidentifier()
    return _field(field.name if plain else CALLED.format(place), field.type, FieldId(place + 1))


def _field(name: str, kind: DataType, number: int = 0) -> Field:
    return Field(id=FieldId(number), name=name, type=kind, nullable=True)


def _bind_having(text: str, columns: Sequence[Field], values: Mapping[str, Any], timezone: str) -> BoundExpr:
    try:
        return bind(text, Schema(tuple(columns)), values, timezone)
    except InvalidParameter as error:
        raise Wrapped("cannot parse having", error) from error


def _measured(schema: Schema, aggregate: Aggregate, text: str) -> Field:
    """Return the field that an aggregate reads."""
    name, measuring = aggregate.source, aggregate.measuring
    field = schema.find(name)
    if field is None:
        raise InvalidParameter(f"target field {name} for aggregation:{text.strip()} does not exist")
    takes = SORTABLE if aggregate.distinct else measurable(measuring)
    if (measuring is not Measuring.COUNT or aggregate.distinct) and field.type not in takes:
        raise InvalidParameter(
            f"aggregation operator {measuring.value} does not support data type {field.type.label}: {text.strip()}"
        )
    if aggregate.distinct and measuring is not Measuring.COUNT:
        raise InvalidParameter(f"distinct values can only be counted, got {text.strip()}")
    return field


def _key(schema: Schema, text: str) -> tuple[str | Histogram, Key]:
    histogram = parse_histogram(text)
    name = text.strip() if histogram is None else histogram.source
    field = schema.find(name)
    if field is None:
        raise FieldNotFound(name, "groupBy field not found in schema")
    if histogram is not None:
        return histogram, _bounds(field, text, histogram.width)
    if field.type not in GROUPED:
        raise InvalidParameter(f"group by field {name} has unsupported data type {field.type.label}")
    return name, Key(_field(name, field.type, field.id), field)


def _bounds(field: Field, text: str, written: str) -> Key:
    """Return the groups of a histogram, whole numbers where field and width are."""
    if not field.type.is_numeric:
        raise InvalidParameter(f"{text}: field {field.name} must be numeric, got {field.type.label}")
    try:
        width = float(written)
    except ValueError:
        width = math.nan
    if not (width > 0 and math.isfinite(width)):
        raise InvalidParameter(f"{text}: the width must be a number greater than 0, got {written!r}")
    if field.type in INTEGER_RANGES and written.isdigit() and width < 2**63:
        return Key(_field(text, DataType.INT64), field, int(written))
    return Key(_field(text, DataType.DOUBLE), field, width)
