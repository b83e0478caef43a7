"""Column graphs: beside a segment's graph, graphs of the rows that share a value of a scalar field.

A filter such as ``category == "noun"`` is then no filter: the rows of that value have a graph of their own. It is built
over the codes that the segment's graph has already, so that it costs links alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from elanus._native.graph import COLUMN_SECTIONS, NO_VALUE, Among, ColumnGraph, ColumnSettings, Graph
from elanus._native.kernels import Vectors
from elanus._native.memory import resident
from elanus.expr import BoundExpr, possible_values
from elanus.expr.bound import Value
from elanus.index.base import BuildStopped, Stop, Term
from elanus.index.sections import Section, Sections
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

COLUMN_GRAPHS: Final = "column_graphs"
"""The build parameter that names the fields."""

INTEGERS: Final = frozenset({DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64})
TYPES: Final = INTEGERS | {DataType.VARCHAR}
MOST_VALUES: Final = 8
"""A filter that names more values of a field is not answered by their graphs: each costs a walk."""

MOST_LINKS: Final = 32
"""Links of a row: with as many a walk over a value's rows misses no more than one of equal width over all rows."""

MOST_LISTED: Final = 4_096
WIDTH: Final = "column_width"
TEXTS: Final = "texts"
NUMBERS: Final = "numbers"
_FACT: Final = re.compile(r"column_([0-9]{1,18})")

Facts: TypeAlias = Mapping[str, int | float | str]


# --- which fields ---


def spelled(pairs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return parameters with the list of fields as one text of names between commas.

    It may come as such a text, as a list, or as the text of one, in JSON or as clients print it.
    """
    if COLUMN_GRAPHS not in pairs:
        return pairs
    return {**pairs, COLUMN_GRAPHS: ",".join(_names(pairs[COLUMN_GRAPHS]))}


def _names(given: object) -> list[str]:
    text = ",".join(map(str, given)) if isinstance(given, list) else str(given)
    names = (name.strip(" '\"") for name in text.strip().removeprefix("[").removesuffix("]").split(","))
    return [name for name in names if name]


def check_fields(schema: Schema, given: Mapping[str, Any]) -> None:
    """Raise InvalidParameter when a parameter names a field that can't have column graphs."""
    for name in _names(given.get(COLUMN_GRAPHS, "")):
        field = schema.find(name)
        if field is None:
            raise InvalidParameter(f"{COLUMN_GRAPHS}: field {name} not found in the collection's schema")
        if field.type not in TYPES:
            allowed = ", ".join(sorted(each.label for each in TYPES))
            raise InvalidParameter(
                f"{COLUMN_GRAPHS}: field {name} of type {field.type.label} is not supported, supported: [{allowed}]"
            )


def graph_fields(schema: Schema, names: str, *, partition_key: bool) -> list[Field]:
    """Return the fields whose values have graphs.

    names          as a build parameter gives them
    partition_key  whether the field of the partition key is one of them anyway
    """
    declared = (schema.find(name) for name in names.split(",") if name)
    fields = [field for field in declared if field is not None and field.type in TYPES]
    if partition_key and schema.partition_key is not None and schema.partition_key not in fields:
        fields.append(schema.partition_key)
    return fields


def terms_of(expression: BoundExpr, fields: Iterable[Field]) -> tuple[Term, ...]:
    """Return the fields of which a filter names the only values, few enough ones, that rows can pass with."""
    listed = ((field.id, possible_values(expression, field)) for field in fields)
    return tuple(Term(field_id, tuple(values)) for field_id, values in listed if values and len(values) <= MOST_VALUES)


# --- the graphs of one segment ---


@dataclass(frozen=True)
class ColumnValues:
    """The graphs of one field's values.

    keys  the values that rows have, ascending, int64 or ``large_string``: their places are their numbers
    """

    graph: ColumnGraph
    keys: NDArray[np.int64] | pa.Array

    def numbers(self, values: Iterable[Value]) -> list[int]:
        """Return the numbers of those values that the segment has."""
        return [number for value in values if (number := self._number(value)) is not None]

    def _number(self, value: Value) -> int | None:
        keys = self._ordered
        place = bisect_left(keys, value, key=_plain)
        return place if place < len(keys) and _plain(keys[place]) == value else None

    @cached_property
    def _ordered(self) -> list[int] | list[str] | NDArray[np.int64] | pa.Array:
        """The keys as Python reads them quickest; many stay where they are."""
        return self.keys.tolist() if len(self.keys) <= MOST_LISTED else self.keys

    @cached_property
    def _counts(self) -> dict[int, int]:
        return dict(zip(self.graph.values.tolist(), self.graph.counts.tolist(), strict=True))

    def rows(self, numbers: Iterable[int]) -> int:
        """Return how many rows have one of the values."""
        return sum(self._counts.get(number, 0) for number in numbers)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, mapped ones too."""
        return self.graph.nbytes + int(self.keys.nbytes)


def _plain(key: Any) -> Any:
    return key.as_py() if isinstance(key, pa.Scalar) else key


class ColumnGraphs:
    """The column graphs of one segment, by field."""

    def __init__(self, columns: Mapping[FieldId, ColumnValues]) -> None:
        self._columns = columns

    @classmethod
    def build(
        cls,
        graph: Graph,
        base: Vectors,
        columns: Mapping[FieldId, pa.Array],
        *,
        keep: Bitset | None = None,
        threads: int = 1,
        stop: Stop | None = None,
    ) -> ColumnGraphs:
        """Return the graphs of the values of some columns, leaving out columns of which no value gets one.

        graph    of the same rows
        columns  the values of each field, a row each
        raises   BuildStopped when ``stop`` says so
        """
        settings = ColumnSettings(width=min(int(graph.facts["width"]), MOST_LINKS))
        built = {}
        for field_id, values in columns.items():
            keys, numbers = numbered(values)
            column = ColumnGraph.build(graph, base, numbers, settings=settings, keep=keep, threads=threads, stop=stop)
            if column is None:
                raise BuildStopped(f"the build of column graphs over {base.rows} rows was stopped")
            if column.graphs:
                built[field_id] = ColumnValues(column, keys)
        return cls(built)

    @classmethod
    def read(cls, sections: Sections, facts: Facts, num_rows: int, *, mapped: bool) -> ColumnGraphs:
        """Return the graphs that ``facts`` speak of.

        mapped  leave the arrays in the file
        raises  DataCorrupted, naming the section, when they are damaged
        """
        forms = {FieldId(int(found[1])): form for name, form in facts.items() if (found := _FACT.fullmatch(name))}
        width = facts.get(WIDTH)
        if forms and not (isinstance(width, int) and 0 < width <= num_rows):
            raise DataCorrupted(f"{sections.path}: the header says that column graphs have a width of {width!r}")
        file = _File(sections, num_rows, int(width or 0), mapped)
        return cls({field_id: file.column(field_id, form) for field_id, form in forms.items()})

    def sections(self) -> dict[str, Section]:
        """Return the arrays, by the names of their sections."""
        named: dict[str, Section] = {}
        for field_id, column in self._columns.items():
            named |= {_section(field_id, name): array for name, array in column.graph.sections().items()}
            named[_keys_section(field_id)] = column.keys
        return named

    def facts(self) -> dict[str, int | str]:
        """Return what the header says of them."""
        facts: dict[str, int | str] = {}
        for field_id, column in self._columns.items():
            facts[WIDTH] = column.graph.width
            facts[f"column_{field_id}"] = TEXTS if isinstance(column.keys, pa.Array) else NUMBERS
        return facts

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, mapped ones too."""
        return sum(column.nbytes for column in self._columns.values())

    def among(self, terms: Sequence[Term]) -> Among | None:
        """Return where to look for rows that pass a filter of these terms: in the column that has fewest of them."""
        best: Among | None = None
        fewest = 0
        for term in terms:
            column = self._columns.get(term.field)
            if column is None:
                continue
            numbers = column.numbers(term.values)
            rows = column.rows(numbers)
            if rows and (best is None or rows < fewest):
                best, fewest = (column.graph, numbers), rows
        return best


NO_COLUMNS: Final = ColumnGraphs({})


def numbered(values: pa.Array) -> tuple[NDArray[np.int64] | pa.Array, NDArray[np.uint32]]:
    """Return the distinct values of a column, ascending, and the number of each row's; ``NO_VALUE`` for a null."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    values = values.cast(pa.large_string() if is_text else pa.int64())
    keys = pc.unique(values.drop_null())
    keys = keys.take(pc.array_sort_indices(keys))
    places = pc.index_in(values, value_set=keys).cast(pa.int64()).fill_null(NO_VALUE)
    numbers = places.to_numpy(zero_copy_only=False).astype(np.uint32)
    return (keys if is_text else keys.to_numpy(zero_copy_only=False)), numbers


def _section(field_id: FieldId, name: str) -> str:
    """Return the section of a native array: ``column_links`` is ``column_101_links``."""
    return name.replace("column_", f"column_{field_id}_", 1)


def _keys_section(field_id: FieldId) -> str:
    return f"column_{field_id}_keys"


@dataclass(frozen=True)
class _File:
    """Where saved column graphs lie."""

    sections: Sections
    num_rows: int
    width: int
    mapped: bool

    def column(self, field_id: FieldId, form: object) -> ColumnValues:
        """Return the graphs of one field, whose values are texts or numbers."""
        sections, name = self.sections, _keys_section(field_id)
        if form not in (TEXTS, NUMBERS):
            raise sections.damaged(name, f"the header says that it has {form!r}")
        keys = sections.texts(name) if form == TEXTS else sections.numbers(name, np.int64)
        if not _ascends(keys):
            raise sections.damaged(name, "the values do not ascend")
        arrays = {each: self._array(field_id, each) for each in COLUMN_SECTIONS}
        try:
            graph = ColumnGraph(self.num_rows, self.width, arrays)
        except ValueError as error:
            raise DataCorrupted(f"{sections.path}, {_section(field_id, str(error))}") from error
        if len(graph.values) and graph.values[-1] >= len(keys):
            raise sections.damaged(name, f"it has {len(keys)} values, rows have number {graph.values[-1]}")
        return ColumnValues(graph, keys)

    def _array(self, field_id: FieldId, name: str) -> NDArray[np.uint32]:
        array = self.sections.numbers(_section(field_id, name), np.uint32)
        return array if self.mapped else resident(array)


def _ascends(keys: NDArray[np.int64] | pa.Array) -> bool:
    if isinstance(keys, pa.Array):
        return len(keys) < 2 or bool(pc.all(pc.less(keys[:-1], keys[1:])).as_py())
    return bool((keys[:-1] < keys[1:]).all())
