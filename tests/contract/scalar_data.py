"""Columns, filters over them, and the operands that each kind of scalar index declares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from elanus.expr import BatchSource, BoundExpr, Operand, bind
from elanus.expr.bound import OperandLeaf
from elanus.index import INDEX_KINDS, IndexKind
from elanus.index.operands import indexed_operand
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.geometry import wkb_of_text
from elanus.model.ids import FieldId
from elanus.model.params import Params
from elanus.model.schema import Field, Schema
from elanus.model.types import INTEGER_RANGES, DataType

KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
WORDS = ["", "a", "ab", "abc", "b", "ba", "Zebra", "zebra", "100%", "中文", "é", "a\nb", "\U0010ffff", "x" * 300]
SHAPES = [
    "POINT (1 1)", "POINT (0 0)", "POINT (1 1)", "POINT (-2.5 7)", "POINT EMPTY", "POINT (179.9999 10)",
    "LINESTRING (0 0, 2 2)", "LINESTRING (0 2, 2 0)",
    "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))", "POLYGON EMPTY",
    "MULTIPOINT (1 1, 9 9)", "MULTIPOINT (1 1, 1 1)", "GEOMETRYCOLLECTION (POINT (3 3), LINESTRING (5 5, 6 5))",
    "GEOMETRYCOLLECTION EMPTY", "POLYGON ((3 3, 6 3, 6 6, 3 6, 3 3))",
]  # fmt: skip
PARAMS: dict[str, dict[str, Any]] = {"NGRAM": {"min_gram": 2, "max_gram": 3}}
"""What a kind can't be built without."""


def field_of(kind: DataType, element: DataType = DataType.NONE) -> Field:
    return Field(id=FieldId(101), name="x", type=kind, element_type=element, nullable=True)


def texts(rng: np.random.Generator, count: int) -> list[Any]:
    return [WORDS[number] for number in rng.integers(len(WORDS), size=count)]


def integers(kind: DataType, rng: np.random.Generator, count: int) -> list[Any]:
    low, high = INTEGER_RANGES[kind]
    edges = [low, high, -1, 0, 1, 2, 7]
    return [edges[number] for number in rng.integers(len(edges), size=count)]


def floats(rng: np.random.Generator, count: int) -> list[Any]:
    pool = [0.0, -0.0, 0.1, 0.5, -2.5, 7.0, 1e-30, 3e38, -3e38, 1e300, float("inf"), -float("inf")]
    return [pool[number] for number in rng.integers(len(pool), size=count)]


def scalars(kind: DataType, rng: np.random.Generator, count: int) -> list[Any]:
    if kind is DataType.BOOL:
        return rng.integers(2, size=count).astype(bool).tolist()
    if kind in INTEGER_RANGES:
        return integers(kind, rng, count)
    if kind is DataType.TIMESTAMPTZ:
        return integers(DataType.INT64, rng, count)
    if kind is DataType.FLOAT:
        return [float(np.float32(value)) if abs(value) < 1e38 else value for value in floats(rng, count)]
    if kind is DataType.GEOMETRY:
        return [wkb_of_text(SHAPES[number]) for number in rng.integers(len(SHAPES), size=count)]
    return floats(rng, count) if kind is DataType.DOUBLE else texts(rng, count)


def lists(kind: DataType, rng: np.random.Generator, count: int) -> list[Any]:
    return [scalars(kind, rng, int(length)) for length in rng.integers(5, size=count)]


JSON_SCALARS: list[Any] = [
    None, True, False, 0, 1, 7, -3, 7.0, 0.5, -0.0, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 1e19, "", "a", "ab",
    "7", "true", "中",
]  # fmt: skip
JSON_VALUES: list[Any] = [
    *JSON_SCALARS, [], [1], [1, 7.0], ["a", 7, True], [2**53 + 1], [[1]], {}, {"k": 7}, [None], ["a", "a"], [True],
]  # fmt: skip


def documents(rng: np.random.Generator, count: int) -> list[Any]:
    chosen = rng.integers(-1, len(JSON_VALUES), size=count)
    return [{"k": JSON_VALUES[number]} if number >= 0 else {} for number in chosen]


def column_of(field: Field, values: Sequence[Any]) -> Column:
    if field.type is DataType.JSON:
        values = [None if value is None else json.dumps(value).encode() for value in values]
    return Column(field, pa.array(values, type=arrow_type(field)))


def with_nulls(values: list[Any], rng: np.random.Generator, share: float = 0.2) -> list[Any]:
    return [None if rng.random() < share else value for value in values]


# --- filters ---

INTS = [-(2**63), -(2**31), -129, -128, -1, 0, 1, 2, 3, 7, 127, 128, 2**31 - 1, 2**63 - 1]
FLOATS = ["0.0", "-0.0", "0.1", "0.5", "-2.5", "7", "1e-30", "3e38", "1e300", "1e308", "-1e308", "0.25"]


def _compared(constants: Sequence[Any]) -> Iterator[str]:
    for op in ("==", "!=", "<", "<=", ">", ">="):
        yield from (f"PATH {op} {constant}" for constant in constants)
    yield from (f"PATH in [{', '.join(map(str, constants[at : at + 3]))}]" for at in range(0, len(constants), 2))
    yield f"PATH not in [{', '.join(map(str, constants))}]"


def _ranges(pairs: Sequence[tuple[Any, Any]]) -> Iterator[str]:
    for low, high in pairs:
        yield f"{low} < PATH < {high}"
        yield f"{low} <= PATH <= {high}"
        yield f"not ({low} <= PATH < {high})"


def _quoted(values: Sequence[str]) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) for value in values]


def _text_filters() -> Iterator[str]:
    quoted = _quoted([*WORDS, "nowhere", "aa", "\x7f"])
    yield from _compared(quoted)
    yield from _ranges([(quoted[1], quoted[4]), ('""', '"z"'), ('"é"', '"中文"')])
    for pattern in ("%", "a%", "%b", "%b%", "a_", "a%c", "100\\\\%", "中%", "_", "", "\U0010ffff%", "é%", "nowhere%"):
        yield f'PATH like "{pattern}"'
        yield f'not (PATH like "{pattern}")'
    for pattern in ("^a", "b$", "[aé]", "(?i)ZEBRA", "^$"):
        yield f'PATH =~ "{pattern}"'
        yield f'PATH !~ "{pattern}"'


def _geometry_filters() -> Iterator[str]:
    for relation in ("equals", "touches", "overlaps", "crosses", "contains", "intersects", "within"):
        for shape in (*SHAPES, "POLYGON ((-9 -9, 9 -9, 9 9, -9 9, -9 -9))", "LINESTRING (1 1, 1 -5)"):
            yield f'st_{relation}(PATH, "{shape}")'
        yield f'not st_{relation}(PATH, "{SHAPES[0]}")'
    for center in (
        "POINT (0 0)",
        "POINT (1 1)",
        "POINT (179.9999 10)",
        "POINT (-179.9 10)",
        "POINT (3 89)",
        "POINT (500 0)",
    ):
        for metres in (0, 10, 160000, 20000000, 30000000):
            yield f'st_dwithin(PATH, "{center}", {metres})'
    yield "st_isvalid(PATH)"


def _instant_filters() -> Iterator[str]:
    instants = ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000007Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    for instant in instants:
        yield from (f'PATH {op} ISO "{instant}"' for op in ("==", "!=", "<", "<=", ">", ">="))
        yield f'PATH + INTERVAL "P1D" > ISO "{instant}"'


SCALAR_FILTERS: dict[DataType, list[str]] = {
    DataType.BOOL: list(_compared(["true", "false"])),
    **{
        kind: [*_compared(INTS), *_ranges([(-1, 7), (-129, 128), (-(2**63), 0), (3, 2**63 - 1)])]
        for kind in INTEGER_RANGES
    },
    **{
        kind: [*_compared(FLOATS), *_ranges([("-0.5", "0.1"), ("0", "7"), ("-1e308", "1e308")])]
        for kind in (DataType.FLOAT, DataType.DOUBLE)
    },
    DataType.GEOMETRY: list(_geometry_filters()),
    DataType.TIMESTAMPTZ: list(_instant_filters()),
    DataType.VARCHAR: [*_text_filters(), "empty(PATH)", "not empty(PATH)", 'starts_with(PATH, "a")'],
}


def array_filters(kind: DataType) -> list[str]:
    constants = {DataType.BOOL: ["true", "false"], DataType.VARCHAR: _quoted([*WORDS, "nowhere"])}.get(kind, [])
    if not constants:
        constants = [str(value) for value in (FLOATS if kind in (DataType.FLOAT, DataType.DOUBLE) else INTS)]
    return [*_contained(constants), *(f"PATH == [{constant}]" for constant in constants[:3]), "PATH == []"]


def _contained(constants: Sequence[str]) -> Iterator[str]:
    for constant in constants:
        yield f"array_contains(PATH, {constant})"
        yield f"not array_contains(PATH, {constant})"
    for at in range(len(constants)):
        pair = ", ".join([constants[at], constants[at - 1], constants[at]])
        yield f"array_contains_any(PATH, [{pair}])"
        yield f"array_contains_all(PATH, [{pair}])"
        yield f"not array_contains_all(PATH, [{pair}])"


_JSON_NUMBERS = ["0", "7", "7.0", "-3", "0.5", "-0.0", "9007199254740991", "9007199254740992", "9007199254740993",
                 "9007199254740992.0", "-9007199254740993", "9223372036854775807", "1e19"]  # fmt: skip
_JSON_TEXTS = _quoted(["", "a", "ab", "7", "true", "中", "nowhere"])
JSON_FILTERS = [
    *_compared(_JSON_NUMBERS),
    *_compared(_JSON_TEXTS),
    *_compared(["true", "false"]),
    *_ranges([("-3", "7"), ("0.5", "7"), ("0", "9007199254740993"), ('"a"', '"b"')]),
    *_contained([*_JSON_NUMBERS, *_JSON_TEXTS, "true", "[1]"]),
    *(f"PATH == {value}" for value in ("[]", "[1]", "[1, 7]", '["a", 7, true]', '["a", "a"]', "[true]", "[[1]]")),
    'PATH in [7, "a"]',
    'PATH in ["a", "b"]',
    "PATH in []",
    "PATH not in []",
    'PATH like "a%"',
    'PATH like "%b"',
    'PATH =~ "^a"',
    "exists PATH",
    "PATH is null",
    "PATH + 1 == 8",
]


# --- cases ---


@dataclass(frozen=True, eq=False)
class Case:
    """One kind over one operand."""

    kind: IndexKind
    field: Field
    cast: str = ""

    def __str__(self) -> str:
        element = self.field.element_type.label if self.field.type is DataType.ARRAY else ""
        return "-".join(filter(None, (self.kind.name, self.field.type.label, element, self.cast)))

    @cached_property
    def schema(self) -> Schema:
        return Schema((KEY, self.field))

    @cached_property
    def operand(self) -> Operand:
        return indexed_operand(self.schema, self.field.id, self.path)

    @property
    def path(self) -> str:
        return 'x["k"]' if self.field.type is DataType.JSON else "x"

    @property
    def params(self) -> Params:
        cast = {"json_cast_type": self.cast.lower()} if self.cast else {}
        return self.kind.build_params.parse(PARAMS.get(self.kind.name, {}) | cast)

    def values(self, rng: np.random.Generator, rows: int) -> list[Any]:
        if self.field.type is DataType.JSON:
            return documents(rng, rows)
        if self.field.type is DataType.ARRAY:
            return lists(self.field.element_type, rng, rows)
        return scalars(self.field.type, rng, rows)

    def source(self, values: Sequence[Any]) -> BatchSource:
        columns = {KEY.id: column_of(KEY, range(len(values))), self.field.id: column_of(self.field, values)}
        return BatchSource(ColumnBatch(columns, len(values)))

    @cached_property
    def filters(self) -> list[tuple[str, BoundExpr]]:
        """Every filter that suits the operand, as text and bound."""
        if self.field.type is DataType.JSON:
            texts = JSON_FILTERS
        elif self.field.type is DataType.ARRAY:
            texts = array_filters(self.field.element_type)
        else:
            texts = SCALAR_FILTERS[self.field.type]
        return [(text, bind(text.replace("PATH", self.path), self.schema)) for text in texts]

    @cached_property
    def leaves(self) -> list[tuple[str, OperandLeaf]]:
        """The filters that are one leaf over the operand."""
        return [
            (text, bound)
            for text, bound in self.filters
            if isinstance(bound, OperandLeaf) and bound.operand == self.operand
        ]


def all_cases() -> Iterator[Case]:
    """Every kind over every type, element type and cast that it declares and that columns are made of here."""
    for kind in INDEX_KINDS:
        if kind.family != "scalar":
            continue
        for data_type in sorted(kind.built & SCALAR_FILTERS.keys()):
            yield Case(kind, field_of(data_type))
        for element in sorted((kind.elements | kind.struct_elements) & SCALAR_FILTERS.keys()):
            yield Case(kind, field_of(DataType.ARRAY, element))
        for cast in kind.casts:
            if cast != "JSON":
                yield Case(kind, field_of(DataType.JSON), str(cast))
