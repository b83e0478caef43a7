"""What is known of a sealed segment without reading its columns: nulls, bounds and Bloom filters of each."""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elanus._native.bloom import BLOCK_BYTES, BloomFilter, distinct_hashes
from elanus._native.keys import hash_values
from elanus.model.columns import ARROW_SCALARS, Column, ColumnBatch, arrow_type, fixed_values
from elanus.model.errors import ElanusError
from elanus.model.ids import FieldId
from elanus.model.manifest import ColumnStatistics, SegmentInfo
from elanus.model.schema import DefaultValue, Field, Schema
from elanus.model.types import DataType

log = logging.getLogger("elanus.segment")

BOUND_BYTES = 64
"""UTF-8 bytes of a text bound; the manifest holds two for each column of each segment."""
BITS_PER_VALUE = 10
"""Bits of a Bloom filter for each different value: about one look-up in a hundred is let through in vain."""
BLOOM_BYTES = 8 * 2**20
"""Bytes of one Bloom filter; a column that needs more has none."""

Bounds = tuple[DefaultValue | None, DefaultValue | None]
UNBOUNDED: Bounds = (None, None)


# --- when a segment is written ---


def describe(batch: ColumnBatch) -> tuple[ColumnStatistics, ...]:
    """Return the statistics of every column that isn't a vector; one pass over each."""
    return tuple(describe_column(column) for column in batch if not column.field.type.is_vector)


def describe_column(column: Column) -> ColumnStatistics:
    """Return nulls and bounds of one column."""
    return ColumnStatistics(column.field.id, column.data.null_count, *_bounds(_values(column)))


def build_blooms(batch: ColumnBatch) -> dict[FieldId, BloomFilter]:
    """Return a Bloom filter for each column of integers or texts, and of arrays of them, where it can tell something.

    cost  a hash and a sort of each column's values: about 20 ns a value
    """
    built = ((column.field.id, _bloom(_values(column))) for column in batch if _is_looked_up(column.field))
    return {field: one for field, one in built if one is not None}


def _is_looked_up(field: Field) -> bool:
    """Whether equality is what filters are likely to ask of a field's values."""
    kind = field.element_type if field.type is DataType.ARRAY else field.type
    return kind.is_integer or kind is DataType.VARCHAR


def _values(column: Column) -> pa.Array:
    """Return a column's values without nulls; of an ARRAY all elements."""
    data = column.data.flatten() if pa.types.is_large_list(column.data.type) else column.data
    return data.drop_null() if data.null_count else data


def _bloom(values: pa.Array) -> BloomFilter | None:
    if not len(values):
        return None
    hashes = distinct_hashes(hash_values(values))
    num_bytes = -(-len(hashes) * BITS_PER_VALUE // (8 * BLOCK_BYTES)) * BLOCK_BYTES
    if num_bytes > BLOOM_BYTES or _is_dense(values, len(hashes)):
        return None
    return BloomFilter.build(hashes, num_bytes)


def _is_dense(values: pa.Array, num_distinct: int) -> bool:
    """Whether integers fill the span between their bounds, as running numbers do: the bounds tell it all."""
    if not pa.types.is_integer(values.type):
        return False
    numbers = fixed_values(values)
    return int(numbers.max()) - int(numbers.min()) < num_distinct + num_distinct // 8


def _bounds(values: pa.Array) -> Bounds:
    kind = values.type
    if not len(values):
        return UNBOUNDED
    if pa.types.is_large_string(kind):
        return _text_bounds(values)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return number_bounds(values)
    return UNBOUNDED


def number_bounds(values: pa.Array) -> Bounds:
    """Return the least and the largest of some numbers or booleans; none among NaN and infinities."""
    numbers = fixed_values(values)
    low, high = numbers.min(), numbers.max()
    return (low.item(), high.item()) if np.isfinite(low) and np.isfinite(high) else UNBOUNDED


def _text_bounds(values: pa.Array) -> Bounds:
    found = pc.min_max(values.cast(pa.large_binary()))
    low, high = found["min"].as_py(), found["max"].as_py()
    return _prefix(low), _prefix(high) if len(high) <= BOUND_BYTES else _after(_prefix(high))


def _prefix(text: bytes) -> str:
    """Return the first whole characters of a text, which no text that begins with them is below."""
    return codecs.getincrementaldecoder("utf-8")().decode(text[:BOUND_BYTES])


def _after(prefix: str) -> str | None:
    """Return a text above all that begin with ``prefix``, None when there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # UTF-8 has no surrogates.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


# --- when a filter asks ---


class SegmentStatistics:
    """The statistics of one sealed segment, as ``expr.pruning`` asks for them. Safe from any thread.

    last_at      when the newest row was written
    open_blooms  reads the Bloom filters, called when one is first asked for; without them the bounds still count
    """

    def __init__(self, info: SegmentInfo, schema: Schema, open_blooms: Callable[[], Mapping[int, BloomFilter]]) -> None:
        self.num_rows = info.num_rows
        self.last_at = info.last
        self._columns = dict(_known(info, schema))
        self._open_blooms = open_blooms
        self._blooms: Mapping[int, BloomFilter] | None = None if info.blooms else {}
        self._segment = info.id

    def column(self, field_id: int) -> ColumnStatistics | None:
        """Return what is known of a column, None when nothing is."""
        return self._columns.get(field_id)

    def bloom(self, field_id: int) -> BloomFilter | None:
        """Return a column's Bloom filter, None without one."""
        if self._blooms is None:
            self._blooms = self._opened()
        return self._blooms.get(field_id)

    def _opened(self) -> Mapping[int, BloomFilter]:
        try:
            return self._open_blooms()
        except ElanusError as error:
            log.error("Bloom filters can't be used, segment %d is read without them: %s", self._segment, error)
            return {}


def _known(info: SegmentInfo, schema: Schema) -> Iterator[tuple[int, ColumnStatistics]]:
    """Yield the statistics by field: as they were written, or as they follow from the rest of the description."""
    written: dict[int, ColumnStatistics] = {one.field: one for one in info.statistics}
    yield from written.items()
    if not written:
        primary = schema.primary.id
        yield primary, ColumnStatistics(primary, 0, info.low, info.high)
        return
    for field in schema:
        if field.id not in written and not field.type.is_vector:
            yield field.id, _added_later(field, info.num_rows)


def _added_later(field: Field, num_rows: int) -> ColumnStatistics:
    """Return the statistics of a field that a segment's rows were written without."""
    if field.is_dynamic:
        return ColumnStatistics(field.id, 0)
    if field.default is None:
        return ColumnStatistics(field.id, num_rows)
    default: Any = pa.array([field.default], type=arrow_type(field)) if field.type in ARROW_SCALARS else None
    return ColumnStatistics(field.id, 0, *(UNBOUNDED if default is None else _bounds(default)))
