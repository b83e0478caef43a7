"""Query aggregation: the rows of each segment become a small table of groups, and these tables one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus.expr import BatchSource, select
from elanus.model import deadline
from elanus.model.columns import Column, ColumnBatch, arrow_type, fixed_values, take
from elanus.model.errors import InvalidParameter
from elanus.model.limits import QUERY_GROUPS
from elanus.model.schema import Field
from elanus.query.sorting import sort_columns
from elanus.query.tables.plan import Figure, Key, Part, Reading, TablePlan
from elanus.segment.base import SegmentReader
from elanus.segment.filtering import Pinned

Ints = NDArray[np.int64]


def tabulate(plan: TablePlan, pinned: Iterable[Pinned]) -> tuple[Column, ...]:
    """Return the columns of a query aggregation, a row a group.

    pinned  segments and the rows that count, None for all
    cost    one pass over the columns that are named; memory for one segment's rows and for all groups and distinct
            values
    raises  InvalidParameter for more than ``QUERY_GROUPS`` groups; Expired or Cancelled once nobody waits
    """
    tables = _Tables.empty(plan)
    for segment, rows in pinned:
        deadline.check()
        tables = tables.joined(_Rows(segment, None if rows is None else rows.rows()))
    columns = _columns(plan, tables.finished())
    page = _page(plan, columns)
    return tuple(Column(field, take(columns[at], page)) for field, at in zip(plan.fields, plan.outputs, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Some rows of a segment, None for all."""

    segment: SegmentReader
    rows: Ints | None

    def __len__(self) -> int:
        return self.segment.num_rows if self.rows is None else len(self.rows)

    def values(self, field: Field) -> pa.Array:
        """Return a field's values."""
        data = self.segment.column(field.id).data
        return data if self.rows is None else take(data, self.rows)

    def comparable(self, field: Field) -> pa.Array:
        """Return a field's values, of which equal ones have the same bits."""
        values = self.values(field)
        return pc.add(values, pa.scalar(0, type=values.type)) if pa.types.is_floating(values.type) else values

    def present(self, field: Field) -> pa.Array:
        """Return a one for each value and a zero for each null; the values themselves are not copied."""
        valid = self.segment.column(field.id).data.is_valid()
        return (valid if self.rows is None else valid.take(pa.array(self.rows))).cast(pa.int8())

    def key(self, key: Key) -> pa.Array:
        """Return what rows are grouped by."""
        values = self.values(key.source)
        return values if key.width is None else _lower_bounds(values, key)

    def part(self, part: Part) -> pa.Array:
        """Return what is aggregated."""
        if part.field is None:
            return pa.repeat(pa.scalar(1, type=pa.int8()), len(self))
        if part.reading is Reading.PRESENT:
            return self.present(part.field)
        values = self.values(part.field)
        return values.cast(pa.float64(), safe=False) if part.reading is Reading.DOUBLES else values


def _lower_bounds(values: pa.Array, key: Key) -> pa.Array:
    """Return the largest multiple of the key's width that is not above each value."""
    assert key.width is not None
    kind = arrow_type(key.field).to_pandas_dtype()
    numbers = fixed_values(values).astype(kind)
    steps = numbers // key.width if isinstance(key.width, int) else np.floor(numbers / key.width)
    # Adding zero makes one of -0 and 0.
    bounds = (steps * key.width + 0).astype(kind)
    missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    return pa.array(bounds, mask=missing)


@dataclass(frozen=True, slots=True, eq=False)
class _Distinct:
    """Different rows of a table. Most of those that come are known already, or none; they are compared in large lots.

    rows  each once
    more  further rows, some of them known
    """

    rows: pa.Table
    more: tuple[pa.Table, ...] = ()

    def joined(self, own: pa.Table) -> _Distinct:
        """Return these and other rows."""
        grown = _Distinct(self.rows, (*self.more, _distinct_rows(own)))
        waiting = sum(table.num_rows for table in grown.more)
        return grown if waiting < self.rows.num_rows else _Distinct(grown.united())

    def united(self) -> pa.Table:
        """Return each row once."""
        return _distinct_rows(pa.concat_tables([self.rows, *self.more])) if self.more else self.rows


def _distinct_rows(table: pa.Table) -> pa.Table:
    """Return each row once, in any order; null is a value."""
    codes, width = np.zeros(table.num_rows, dtype=np.int64), 1
    for column in table.columns:
        encoded = _single(column).dictionary_encode(null_encoding="encode")
        size = max(len(encoded.dictionary), 1)
        if width * size >= MOST_CODES:
            present, codes = np.unique(codes, return_inverse=True)
            width = len(present)
        codes = codes * size + encoded.indices.to_numpy(zero_copy_only=False)
        width *= size
    first = np.unique(codes, return_index=True)[1]
    return table.take(pa.array(first))


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What is known so far.

    groups    a row a group: its key, and its parts
    distinct  for each figure that counts distinct values, by its place: the groups' keys and values
    """

    plan: TablePlan
    groups: pa.Table
    distinct: Mapping[int, _Distinct]

    @classmethod
    def empty(cls, plan: TablePlan) -> _Tables:
        """Return the tables of no rows; without keys they are a group all the same."""
        keys = {name: _none(key.field) for name, key in zip(_key_names(plan), plan.keys, strict=True)}
        parts = {name: _no_part(part) for name, part in zip(_part_names(plan), plan.parts, strict=True)}
        groups = _grouped(pa.table(keys | parts), _key_names(plan), _functions(plan))
        values = {at: pa.table(keys | {VALUE: _none(of)}) for at, of in _counted(plan).items()}
        return cls(plan, groups, {at: _Distinct(table) for at, table in values.items()})

    def joined(self, rows: _Rows) -> _Tables:
        """Return the tables with the rows of one more segment."""
        plan, names, functions = self.plan, _key_names(self.plan), _functions(self.plan)
        keys = dict(zip(names, map(rows.key, plan.keys), strict=True))
        parts = dict(zip(functions, map(rows.part, plan.parts), strict=True))
        own = _grouped(pa.table(keys | parts), names, functions)
        groups = _joined(self.groups, own, names, functions)
        if groups.num_rows > QUERY_GROUPS:
            raise InvalidParameter(f"the number of groups exceeds the limit {QUERY_GROUPS}")
        distinct = {
            place: self.distinct[place].joined(_present(pa.table(keys | {VALUE: rows.comparable(source)})))
            for place, source in _counted(plan).items()
        }
        return _Tables(plan, groups, distinct)

    def finished(self) -> pa.Table:
        """Return all groups with their parts, and the counts of distinct values under the names of their figures."""
        names, functions, groups = _key_names(self.plan), _functions(self.plan), self.groups
        for place, pairs in self.distinct.items():
            counts = pairs.united().group_by(names, use_threads=False).aggregate([([], "count_all")])
            counts = counts.rename_columns([*names, _count_name(place)])
            functions[_count_name(place)] = "sum"
            # A join would lose the groups whose key is null.
            groups = _grouped(pa.concat_tables([groups, counts], promote_options="default"), names, functions)
        return groups


VALUE: Final = "value"
MOST_CODES: Final = 2**62


def _present(table: pa.Table) -> pa.Table:
    """Return the rows with a value."""
    return table.filter(table[VALUE].is_valid()) if table[VALUE].null_count else table


def _grouped(table: pa.Table, keys: Sequence[str], functions: Mapping[str, str]) -> pa.Table:
    """Return a row for each distinct key, of each other column what its function makes of it."""
    made = table.group_by(list(keys), use_threads=False).aggregate(list(functions.items()))
    return made.select([*keys, *(f"{name}_{function}" for name, function in functions.items())]).rename_columns(
        [*keys, *functions]
    )


def _joined(before: pa.Table, own: pa.Table, keys: Sequence[str], functions: Mapping[str, str]) -> pa.Table:
    """Return the groups of two tables as one."""
    return _grouped(pa.concat_tables([before, own]), keys, functions) if before.num_rows else own


def _counted(plan: TablePlan) -> dict[int, Field]:
    """Return the fields whose distinct values are counted, by the place of the figure."""
    return {place: figure.source for place, figure in enumerate(plan.figures) if figure.source is not None}


def _functions(plan: TablePlan) -> dict[str, str]:
    return dict(zip(_part_names(plan), (part.function for part in plan.parts), strict=True))


def _key_names(plan: TablePlan) -> list[str]:
    return [f"key {place}" for place in range(len(plan.keys))]


def _part_names(plan: TablePlan) -> list[str]:
    return [f"part {place}" for place in range(len(plan.parts))]


def _count_name(place: int) -> str:
    return f"count {place}"


def _none(field: Field) -> pa.Array:
    return pa.nulls(0, type=arrow_type(field))


def _no_part(part: Part) -> pa.Array:
    if part.field is None or part.reading is Reading.PRESENT:
        return pa.nulls(0, type=pa.int8())
    return pa.nulls(0, type=pa.float64()) if part.reading is Reading.DOUBLES else _none(part.field)


# --- the result ---


def _columns(plan: TablePlan, table: pa.Table) -> list[pa.Array]:
    """Return the values of keys and figures, as their fields are typed."""
    names = _part_names(plan)
    columns = [_single(table[name]) for name in _key_names(plan)]
    for place, figure in enumerate(plan.figures):
        own = [_count_name(place)] if figure.source is not None else [names[part] for part in figure.parts]
        columns.append(_result(figure, [_single(table[name]) for name in own]))
    return columns


def _result(figure: Figure, parts: Sequence[pa.Array]) -> pa.Array:
    if figure.counts:
        return parts[0].fill_null(0)
    if len(parts) == 2:
        total, count = parts
        return pc.divide(total, count.cast(pa.float64()))
    return parts[0]


def _single(values: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([pa.nulls(0, type=values.type), *values.chunks])


def _page(plan: TablePlan, columns: Sequence[pa.Array]) -> Ints:
    """Return which groups are returned, in order."""
    count = len(columns[0])
    rows = np.arange(count, dtype=np.int64)
    if plan.having is not None:
        named: dict[int, Column] = {
            field.id: Column(field, data) for field, data in zip(plan.columns, columns, strict=True)
        }
        rows = select(plan.having, BatchSource(ColumnBatch(named, count))).rows()
    ranks = [
        rank
        for place, sort in plan.order
        for rank in sort_columns(take(columns[place], rows), descending=sort.descending, nulls_first=sort.nulls_first)
    ]
    for column in columns[: len(plan.keys)]:
        ranks += sort_columns(take(column, rows), descending=False, nulls_first=False)
    order = np.lexsort(tuple(reversed(ranks))) if ranks else np.arange(len(rows))
    chosen: Ints = rows[order][plan.offset : None if plan.limit is None else plan.offset + plan.limit]
    return chosen
