"""What rows are grouped by: fields, a dynamic key, or a path into a JSON field; bound to the schema once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.json import HOLLOW, Kind
from elanus.expr import JsonValues
from elanus.index.operands import json_operand
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import FieldNotFound, InvalidParameter
from elanus.model.schema import Field, Schema
from elanus.model.types import INTEGER_RANGES, DataType
from elanus.query.fetch import Spread, fetch
from elanus.query.grouping.spec import GroupBy
from elanus.segment.base import SegmentReader

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NO_GROUP: Final = -1
"""The code of a row that is in no group."""
GROUPED: Final = frozenset({DataType.BOOL, DataType.VARCHAR, DataType.TIMESTAMPTZ, *INTEGER_RANGES})
"""The types whose values make groups, as fields and as what JSON is taken for."""


class KeyPart(Protocol):
    """One of the values that make a group."""

    @property
    def field(self) -> Field:
        """What the values are, as a reply names them."""

    def values(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, Mask | None]:
        """Return the values of some rows of a segment, all for None, and which rows are in no group (None: none)."""


@dataclass(frozen=True, slots=True)
class FieldPart:
    """The values of a field."""

    field: Field

    def values(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, None]:
        """Return the field's values; every row is in a group."""
        if rows is None:
            return segment.column(self.field.id).data, None
        return fetch((segment,), np.zeros(len(rows), dtype=np.int64), rows, [self.field])[self.field.id].data, None


@dataclass(frozen=True, slots=True)
class JsonPart:
    """What a JSON field holds under a path, taken as values of one type.

    field   the values as a reply names them, with the type they are taken as
    source  the JSON field
    strict  rows whose value is of another type are in no group, rather than in that of the nulls
    """

    field: Field
    source: Field
    path: tuple[str | int, ...]
    strict: bool

    def values(self, segment: SegmentReader, rows: Ints | None) -> tuple[pa.Array, Mask | None]:
        """Return the values as the type, null where there is none."""
        found = segment.json_values(self.source.id, self.path)
        if rows is not None:
            found = found.take(rows)
        kinds = found.extracted.kinds & np.uint8(0xFF ^ HOLLOW)
        values = _CASTS.get(self.field.type, _whole)(found, kinds, self.field)
        if not self.strict:
            return values, None
        there = kinds > Kind.NULL
        return values, there & ~np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _booleans(found: JsonValues, kinds: NDArray[np.uint8], _field: Field) -> pa.Array:
    return pa.array(found.extracted.numbers == 1, mask=kinds != Kind.BOOL)


def _whole(found: JsonValues, kinds: NDArray[np.uint8], field: Field) -> pa.Array:
    """Return whole numbers that the field's type holds; doubles without a fraction are such."""
    numbers, doubles = found.extracted.numbers, kinds == Kind.DOUBLE
    low, high = INTEGER_RANGES[field.type]
    if doubles.any():
        values = numbers.view(np.float64)
        with np.errstate(invalid="ignore"):
            fits = doubles & (values == np.floor(values)) & (values >= -(2.0**63)) & (values < 2.0**63)
        numbers = np.where(fits, np.where(fits, values, 0).astype(np.int64), numbers)
        kinds = np.where(fits, np.uint8(Kind.INT), kinds)
    absent = (kinds != Kind.INT) | (numbers < low) | (numbers > high)
    width = arrow_type(field)
    return pa.array(np.where(absent, 0, numbers).astype(width.to_pandas_dtype()), type=width, mask=absent)


def _texts(found: JsonValues, kinds: NDArray[np.uint8], _field: Field) -> pa.Array:
    """Return strings, and numbers, booleans and arrays as they are written; objects have no text."""
    numbers, texts = found.extracted.numbers, found.texts().data
    written = pa.array((kinds == Kind.STRING) | (kinds == Kind.ARRAY))
    result = pc.if_else(written, texts, pa.scalar(None, type=pa.large_string()))
    for kind, values in ((Kind.INT, numbers), (Kind.DOUBLE, numbers.view(np.float64)), (Kind.BOOL, numbers == 1)):
        of_kind = kinds == kind
        if of_kind.any():
            shown = pa.array(values, mask=~of_kind).cast(pa.large_string())
            result = pc.coalesce(shown, result)
    return result


_CASTS: Mapping[DataType, Callable[[JsonValues, NDArray[np.uint8], Field], pa.Array]] = {
    DataType.BOOL: _booleans,
    DataType.VARCHAR: _texts,
}


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What rows are grouped by: rows with equal values of every part are a group. Null is a value."""

    parts: tuple[KeyPart, ...]

    def codes(self, segments: Sequence[SegmentReader], rows: Sequence[Ints | None]) -> tuple[Ints, int]:
        """Return a number for the group of each row, and how many numbers there are.

        rows     of each segment, None for all
        returns  int64, segment by segment; ``NO_GROUP`` where a row is in none
        cost     one pass over the values
        """
        codes, count = _numbered(self.parts[0], segments, rows)
        for part in self.parts[1:]:
            more, width = _numbered(part, segments, rows)
            joined = np.where((codes < 0) | (more < 0), NO_GROUP, codes * width + more)
            present, codes = np.unique(joined, return_inverse=True)
            missing = int(len(present) > 0 and present[0] == NO_GROUP)
            codes, count = codes - missing, len(present) - missing
        return codes, count

    def codes_of(self, segments: Sequence[SegmentReader], parts: Ints, rows: Ints) -> Ints:
        """Return the number of the group of rows that lie in several segments, int64 [n]; see ``codes``."""
        if not len(rows):
            return np.zeros(0, dtype=np.int64)
        spread = Spread.of(segments, parts, rows)
        holders, own = zip(*spread.pieces, strict=True)
        return self.codes(holders, own)[0][spread.back]

    def columns(self, segments: Sequence[SegmentReader], parts: Ints, rows: Ints) -> tuple[Column, ...]:
        """Return the values of rows that lie in several segments, a column a part."""
        spread = Spread.of(segments, parts, rows)
        return tuple(self._column(part, spread) for part in self.parts)

    @staticmethod
    def _column(part: KeyPart, spread: Spread) -> Column:
        pieces = [part.values(segment, own)[0] for segment, own in spread.pieces]
        none = pa.nulls(0, type=arrow_type(part.field))
        return Column(part.field, pa.concat_arrays([none, *pieces]).take(pa.array(spread.back)))


def _numbered(part: KeyPart, segments: Sequence[SegmentReader], rows: Sequence[Ints | None]) -> tuple[Ints, int]:
    every = [part.values(segment, some) for segment, some in zip(segments, rows, strict=True)]
    found = [(data, outside) for data, outside in every if len(data)]  # Arrow drops empty chunks
    values = pa.chunked_array([data for data, _ in found], type=arrow_type(part.field))
    encoded = values.dictionary_encode(null_encoding="encode")
    codes = [chunk.indices.to_numpy(zero_copy_only=False).astype(np.int64) for chunk in encoded.chunks]
    for own, (_, outside) in zip(codes, found, strict=True):
        if outside is not None:
            own[outside] = NO_GROUP
    width = max((len(chunk.dictionary) for chunk in encoded.chunks), default=0)
    return np.concatenate([np.zeros(0, dtype=np.int64), *codes]), width


# --- binding ---


def bind_key(schema: Schema, asked: GroupBy) -> GroupKey:
    """Bind what a search groups by.

    raises  FieldNotFound, or InvalidParameter for a type whose values make no groups
    """
    if len(asked.fields) == 1:
        return GroupKey((_part(schema, asked.fields[0], asked),))
    if asked.json_path:
        raise InvalidParameter("json_path is not supported with multiple group by fields")
    fields = []
    for name in asked.fields:
        field = schema.find(name)
        if field is None:
            raise FieldNotFound(name, "groupBy field not found in schema")
        fields.append(_grouped(field, name))
    return GroupKey(tuple(FieldPart(field) for field in fields))


def _part(schema: Schema, name: str, asked: GroupBy) -> KeyPart:
    field = schema.find(name)
    if field is not None and field.type is DataType.JSON and asked.json_path:
        return _json_part(schema, field, asked.json_path, asked)
    if asked.json_path:
        kind = "a field that is not there" if field is None else field.type.label
        raise InvalidParameter(f"json_path leads into a JSON field, and {name} is {kind}")
    if field is not None:
        return FieldPart(_grouped(field, name))
    source = schema.find(name.partition("[")[0]) or schema.dynamic
    if source is None or source.type is not DataType.JSON:
        raise FieldNotFound(name, "groupBy field not found in schema")
    return _json_part(schema, source, name, asked)


def _json_part(schema: Schema, source: Field, path: str, asked: GroupBy) -> JsonPart:
    operand = json_operand(schema, source, path)
    if asked.json_type not in GROUPED:
        raise InvalidParameter(f"group by field {path} has unsupported data type {asked.json_type.label}")
    shown = replace(source, name=asked.fields[0], type=asked.json_type, nullable=True, is_dynamic=False, default=None)
    return JsonPart(shown, source, tuple(operand.path), asked.strict_cast)


def _grouped(field: Field, name: str) -> Field:
    if field.type not in GROUPED:
        raise InvalidParameter(f"group by field {name} has unsupported data type {field.type.label}")
    return field
